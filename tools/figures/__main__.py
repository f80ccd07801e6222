"""`python3 -m tools.figures`: write or check the figures of docs/ that are from RESULTS.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ..pythons import REPOSITORY
from ..written_part import WrittenPart

__all__ = ["main", "stages_table", "steps_table", "throughput_table"]

RESULTS = Path("benchmarks/RESULTS.md")
STEPS = WrittenPart("figures", "the table of steps", Path("docs/comparison.md"))
STAGES = WrittenPart("figures", "the table of stages", Path("docs/how-it-works.md"))

# Headings of the cases, as the table has them.
CASES = {
    "CartPole-v1": "CartPole-v1",
    "84x84x3 uint8 (21 KB)": "84x84x3",
    "480x640x3 uint8 (0.9 MB)": "480x640x3",
    "8 MiB uint8": "8 MiB",
    "A vector of 16 CartPole-v1": "16 lanes of CartPole",
}
SIDES = (
    "floor: Unix-socket echo",
    "rlmesh, frames",
    "rlmesh, gRPC",
    "Gymnasium AsyncVectorEnv(1)",
    "websockets + msgpack",
    "OpenEnv",
    "dm_env_rpc",
    "Ray actor",
    "rlmesh 0.1.0 (Rust), TCP",
)
ENDPOINTS = "CartPole-v1 at several endpoints at once"


def main(arguments: list[str] | None = None, root: Path = REPOSITORY) -> int:
    """Write or check the figures; the exit status is 1 if they are not current."""
    results = (root / RESULTS).read_text("utf-8")
    steps = STEPS.run(
        arguments, root, lambda _: steps_table(results) + "\n" + throughput_table(results)
    )
    stages = STAGES.run(arguments, root, lambda _: stages_table(results))
    return steps or stages


def steps_table(results: str) -> str:
    """Return the medians of a step in microseconds, a row a side and a column a case.

    Args:
        results: Content of RESULTS.md.

    Raises:
        ValueError: If it has no such case, or a case no such side.
    """
    columns = {name: _rows(results, heading) for heading, name in CASES.items()}
    rows = [f"| step, µs | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    for side in SIDES:
        rows.append(
            f"| {side} | {' | '.join(_cells(rows, side)[0] for rows in columns.values())} |"
        )
    return "\n".join(rows) + "\n"


def throughput_table(results: str) -> str:
    """Return the steps a second of several endpoints together, a row a side.

    Args:
        results: Content of RESULTS.md.

    Raises:
        ValueError: If it has no such table, or the table no such side.
    """
    found = _rows(results, ENDPOINTS)
    rows = ["| steps a second, endpoints: | 1 | 2 | 4 | 8 |", "|---|--:|--:|--:|--:|"]
    for side in SIDES:
        rows.append(f"| {side} | {' | '.join(_cells(found, side)[:4])} |")
    return "\n".join(rows) + "\n"


def stages_table(results: str) -> str:
    """Return the table of the stages of a step.

    Args:
        results: Content of RESULTS.md.

    Raises:
        ValueError: If it has no such table.
    """
    section = _section(results, "## Stages of a step")
    lines = [line for line in section.splitlines() if line.startswith("|")]
    if not lines:
        raise ValueError("RESULTS.md: expected a table of the stages of a step")
    return "\n".join(lines) + "\n"


def _section(results: str, heading: str) -> str:
    _, found, rest = results.partition(f"\n{heading}\n")
    if not found:
        raise ValueError(f"RESULTS.md: expected the heading {heading!r}")
    level = heading.partition(" ")[0]
    return re.split(rf"\n#{{1,{len(level)}}} ", rest)[0]


def _rows(results: str, heading: str) -> dict[str, list[str]]:
    """Return the cells of the table under a heading, by the side, without notes and bold type."""
    rows: dict[str, list[str]] = {}
    for line in _section(results, f"### {heading}").splitlines():
        cells = [re.sub(r"<sup>.*?</sup>|\*\*", "", cell).strip() for cell in line.split("|")[1:-1]]
        if len(cells) > 1 and cells[0]:
            rows[cells[0]] = cells[1:]
    return rows


def _cells(rows: dict[str, list[str]], side: str) -> list[str]:
    if side not in rows:
        raise ValueError(f"RESULTS.md: expected a row of {side!r}")
    return rows[side]


if __name__ == "__main__":
    sys.exit(main())
