"""Which rules of CONTRACT.md are judged, and why the others are not."""

from __future__ import annotations

from typing import Any

from rlmesh._conformance.checks import ALL_CHECKS

__all__ = ["NOT_JUDGED", "rule_table"]

NOT_JUDGED: dict[str, str] = {}
"""The reason why no check judges a rule, by the number of the rule."""


def rule_table() -> dict[str, dict[str, Any]]:
    """Return for each rule its checks, as `peer/name`, or why it has none."""
    table: dict[str, dict[str, Any]] = {
        rule: {"checks": [], "why": why} for rule, why in NOT_JUDGED.items()
    }
    for check in ALL_CHECKS:
        named = [f"{peer}/{check.name}" for peer in sorted(check.peers)]
        table.setdefault(check.rule, {"checks": [], "why": ""})["checks"] += named
    return dict(sorted(table.items(), key=_place))


def _place(item: tuple[str, Any]) -> tuple[int, int]:
    letter, number = item[0].split("-")
    return "GEBHQRKNLXSVFDMPTYUA".index(letter), int(number)
