"""`python -m benchmarks.peers.plot RESULTS.json RESULTS.svg`: a plot of all tables.

It runs in a virtual environment of its own, the only one with matplotlib.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.peers.cases import CASES
from benchmarks.peers.catalogue import SIDES
from benchmarks.peers.summary import summary

matplotlib.use("svg")
from matplotlib import pyplot

LEFT_OUT = {"frames-view", "grpc-view", "memcpy"}
"""Sides that are not drawn, because their points would cover those of their variants."""

MARKERS = "osD^vPX*<>ph"


def main(source: str, target: str) -> None:
    """Draw the step of every case and side."""
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "rlmesh", "font.size": 9})
    cells = json.loads(Path(source).read_text())["cells"]
    names = [name for name in cells if CASES[name].kind != "endpoints"]
    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(names) + 1.6), layout="constrained")
    shown = [side for name, side in SIDES.items() if name not in LEFT_OUT]
    for index, side in enumerate(shown):
        points = _points(cells, names, side.name)
        if points:
            floor = side.title.startswith("floor")
            style: dict[str, Any] = {"color": "0.6"} if floor else {"color": f"C{index % 10}"}
            steps, rows = zip(*points)
            marker = MARKERS[index % len(MARKERS)]
            axes.scatter(steps, rows, label=side.title, marker=marker, s=28, **style)
    axes.set_xscale("log")
    axes.set_xlabel("median microseconds of a step (logarithmic)")
    axes.set_yticks(range(len(names)), [CASES[name].title for name in names])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(target, metadata={"Date": None})


def _points(
    cells: dict[str, dict[str, Any]], names: list[str], side: str
) -> list[tuple[float, int]]:
    """Return the points of a side, by the rows of the cases."""
    found = [
        (row, cells[name][side]["rounds"]) for row, name in enumerate(names) if side in cells[name]
    ]
    return [(summary(rounds).median, row) for row, rounds in found if rounds]


if __name__ == "__main__":
    main(*sys.argv[1:])
