"""spec/PORTING.md has the checks of the kit, and every rule has checks or a reason."""

from __future__ import annotations

from rlmesh._conformance.rules import NOT_JUDGED, rule_table
from tools.judged.__main__ import main
from tools.pythons import REPOSITORY
from tools.roles.__main__ import rules_of


def test_the_table_is_current() -> None:
    assert main(["--check"]) == 0


def test_every_rule_of_the_contract_is_in_it() -> None:
    text = (REPOSITORY / "spec/CONTRACT.md").read_text("utf-8")
    assert set(rule_table()) == {f"{rule.letter}-{rule.number}" for rule in rules_of(text)}


def test_a_rule_has_checks_or_a_reason() -> None:
    for rule, facts in rule_table().items():
        assert bool(facts["checks"]) != (rule in NOT_JUDGED), rule
