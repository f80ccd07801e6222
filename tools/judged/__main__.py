"""`python3 -m tools.judged`: write or check the table of checks in spec/PORTING.md."""

from __future__ import annotations

import sys
from pathlib import Path

from rlmesh._conformance.rules import rule_table

from ..pythons import REPOSITORY
from ..written_part import WrittenPart

__all__ = ["PART", "judged_table", "main"]

PART = WrittenPart("judged", "the table of checks", Path("spec/PORTING.md"))


def main(arguments: list[str] | None = None, root: Path = REPOSITORY) -> int:
    """Write or check the table; the exit status is 1 if it is not current."""
    return PART.run(arguments, root, lambda text: judged_table())


def judged_table() -> str:
    """Return the rules with their checks, and those without one by the reason."""
    rows = ["| rule | checks | of |", "|---|---|---|"]
    reasons: dict[str, list[str]] = {}
    for rule, facts in rule_table().items():
        if not facts["checks"]:
            reasons.setdefault(facts["why"], []).append(rule)
            continue
        peers: dict[str, set[str]] = {}
        for named in facts["checks"]:
            peer, _, name = named.partition("/")
            peers.setdefault(name, set()).add(peer)
        of = " and ".join(sorted(set.union(*peers.values())))
        rows.append(f"| {rule} | {', '.join(f'`{name}`' for name in peers)} | {of} |")
    rows += ["", "Rules without a check:", "", "| why | rules |", "|---|---|"]
    rows += [f"| {why} | {', '.join(rules)} |" for why, rules in reasons.items()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
