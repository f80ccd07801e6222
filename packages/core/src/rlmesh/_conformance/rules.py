"""Which rules of CONTRACT.md are judged, and why the others are not."""

from __future__ import annotations

from typing import Any

from rlmesh._conformance.checks import ALL_CHECKS

__all__ = ["NOT_JUDGED", "rule_table"]

CLIENT = "binds clients alone, and no check of them judges it"
SPEC = "binds the text of the spec, and no peer"
INSIDE = "what it demands does not show on the wire"
MAY = "leaves the peer a choice that no answer can break"
OPERATOR = "needs a server that its operator has started in another way"
ADAPTER = "needs tags and a model that adapts itself to them"
FILE = "is about files, and the vectors have them"
VECTORS = "is about equality or bytes that the golden vectors have"
MEMORY = "needs shared memory, and the vectors of `memory/` have its bytes"
WEB = "is about WebSockets, which the kit does not speak"
MISSING = "no check yet"

_WHY: dict[str, str] = {
    SPEC: "E-3 E-5 E-6",
    CLIENT: "B-5 B-9 R-10 X-2 X-5 X-7",
    FILE: "T-6 T-7 T-8 T-9 T-10 T-11 T-12 T-13",
    ADAPTER: "T-2 T-5 A-1 A-2 A-3 A-4 A-5 A-6 A-7 A-8 A-9 A-10 A-11 A-12 A-13",
    MEMORY: "B-14",
    WEB: "B-18",
    MAY: "G-2 Q-7 R-13 K-2 M-9 D-9 L-2 U-1 U-3",
    VECTORS: "G-4 S-4 S-15 V-1 V-5 V-13 F-6 F-7 D-3",
    INSIDE: "G-6 K-11 N-12 N-2 L-9 F-2 F-3 M-5 M-7 Y-2 Y-4 Y-5 Y-6 Y-10 H-12 E-4 X-8 B-2",
    OPERATOR: "K-9 K-10 K-12 N-13 N-14 F-1 F-4 F-5 Y-3 Y-7 Y-9 B-3 B-8 L-10 L-12 P-13",
    MISSING: "N-18 D-8 M-8",
}

NOT_JUDGED: dict[str, str] = {rule: why for why, rules in _WHY.items() for rule in rules.split()}
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


_SECTIONS = "GEBHQRKNLXSVFDMPTYUA"
"""Letters of the rules in the order of their sections."""


def _place(item: tuple[str, Any]) -> tuple[int, int]:
    letter, number = item[0].split("-")
    return _SECTIONS.index(letter), int(number)
