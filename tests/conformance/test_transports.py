"""Every kind of transport has a row of `TRANSPORTS`, a capability and its place in the contract."""

from __future__ import annotations

import re

import pytest

from rlmesh._transport.socket.transports import TRANSPORTS
from rlmesh.specs import Capability, TransportKind
from tests.conformance.contract import CONTRACT, rule_table

LISTED_BY = {row[0]: row[1] for row in rule_table("H-9")}
"""The peers that list each capability."""


def test_every_kind_has_one_row() -> None:
    assert sorted(row.kind.name for row in TRANSPORTS) == sorted(TransportKind.__members__)


@pytest.mark.parametrize("row", TRANSPORTS, ids=lambda row: row.kind.value)
def test_both_peers_list_the_capability_of_a_transport(row: object) -> None:
    kind, capability = row.kind, row.capability  # type: ignore[attr-defined]
    assert capability.name == kind.name and capability.value == kind.value
    assert LISTED_BY[capability.name] == "both"


def test_every_capability_is_in_the_contract() -> None:
    assert set(LISTED_BY) == set(Capability.__members__)


@pytest.mark.parametrize("kind", TransportKind, ids=lambda kind: kind.value)
def test_a_rule_describes_every_transport(kind: TransportKind) -> None:
    rules = re.split(r"^- (?=\*\*)", CONTRACT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = [rule for rule in rules if f"CAPABILITY_{kind.name}" in rule]
    assert any(rule.startswith("**B-") and f"TRANSPORT_KIND_{kind.name}" in rule for rule in named)
