"""`python3 -m tools.roles`: write or check the index of rules by role in spec/CONTRACT.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..pythons import REPOSITORY
from ..written_part import WrittenPart

__all__ = ["Rule", "index_table", "main", "rules_of"]

PART = WrittenPart("roles", "the index of roles", Path("spec/CONTRACT.md"))
ROLES = {"E": "environment's server", "M": "model's server", "C": "client"}

_RULE = re.compile(r"^- \*\*([A-Z])-(\d+)\*\* (?:\[(-|[EeMmCc]+)\] )?", re.MULTILINE)


class Rule(NamedTuple):
    """A rule of the contract.

    Attributes:
        letter: Letter of its section ("H").
        number: Number in the section.
        roles: Letters of the roles that it binds, in lower case if only together with a feature.
    """

    letter: str
    number: int
    roles: str


def main(arguments: list[str] | None = None, root: Path = REPOSITORY) -> int:
    """Write or check the index; the exit status is 1 if it is not current or cannot be made."""
    return PART.run(arguments, root, lambda text: index_table(rules_of(text)))


def rules_of(text: str) -> list[Rule]:
    """Return the rules of a contract in order.

    Raises:
        ValueError: If a rule names no roles, or names one twice.
    """
    rules: list[Rule] = []
    for letter, number, roles in _RULE.findall(text):
        if not roles:
            raise ValueError(
                f"rule {letter}-{number} names no roles; write them after its identifier, "
                f"as [EMC], [em] or [-]"
            )
        if len(set(roles.upper())) != len(roles):
            raise ValueError(f"rule {letter}-{number} names a role twice: [{roles}]")
        rules.append(Rule(letter, int(number), roles))
    return rules


def index_table(rules: Iterable[Rule]) -> str:
    """Return the index as a Markdown table: a row for each section, a column for each role."""
    sections: dict[str, list[Rule]] = {}
    for rule in rules:
        sections.setdefault(rule.letter, []).append(rule)
    rows = [f"| | {' | '.join(ROLES.values())} |", "|---|" + "---|" * len(ROLES)]
    for letter, found in sections.items():
        cells = [_cell(found, role) for role in ROLES]
        rows.append(f"| {letter} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _cell(rules: list[Rule], role: str) -> str:
    always = _ranges(rule.number for rule in rules if role in rule.roles)
    with_feature = _ranges(rule.number for rule in rules if role.lower() in rule.roles)
    parts = [always, f"[{with_feature}]" if with_feature else ""]
    return " ".join(filter(None, parts)) or "-"


def _ranges(numbers: Iterable[int]) -> str:
    """Return numbers as text, those in sequence as "2 to 5"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = {0: "{0}", 1: "{0}, {1}"}
    return ", ".join(
        words.get(last - first, "{0} to {1}").format(first, last) for first, last in runs
    )


if __name__ == "__main__":
    sys.exit(main())
