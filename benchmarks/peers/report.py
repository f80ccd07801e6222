"""Writes benchmarks/RESULTS.md from build/peers/results.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers.cases import CASES, Case
from benchmarks.peers.catalogue import REFERENCE, SIDES, Side
from benchmarks.peers.summary import Summary, ratio, summary

__all__ = ["BEGIN", "END", "Footnotes", "number", "replaced", "tables"]

BEGIN = (
    "<!-- begin: written by `make bench-peers`, which replaces everything up to the end mark -->"
)
END = "<!-- end: what follows is written by hand, and kept -->"

Cells = Mapping[str, Mapping[str, Any]]
"""The type of a case's cells by side: {"rounds": [...], "reason": of missing rounds}."""


class Footnotes:
    """The notes under a table, numbered in order; equal notes share a number."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def mark(self, note: str) -> str:
        """Return the mark of a note."""
        if note not in self._notes:
            self._notes.append(note)
        return f" <sup>{self._notes.index(note) + 1}</sup>"

    def lines(self) -> list[str]:
        """Return a numbered list, after an empty line; no line without notes."""
        notes = [f"{number}. {note}" for number, note in enumerate(self._notes, 1)]
        return ["", *notes] if notes else []


def number(value: float | None) -> str:
    """Return a number with three significant digits and thousands separators; empty for None."""
    if value is None:
        return ""
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:,.{digits}f}"


def tables(results: Mapping[str, Any], plot: str | None = None) -> str:
    """Return the generated part: the machine and versions, and a table for each case.

    Args:
        results: "machine", "date", "commit", "rounds", "seconds", "versions", "cells" by case and
            side, as `__main__` writes them to results.json.
        plot: File of the plot, beside the page.
    """
    cells, planned = results["cells"], results["rounds"]
    endpoints = [CASES[name] for name in cells if CASES[name].kind == "endpoints"]
    parts = [_preamble(results)]
    if plot is not None:
        parts.append(f"![A step of every case and side]({plot})")
    for name in cells:
        if CASES[name].kind != "endpoints":
            parts.append(_case_table(CASES[name], cells[name], planned))
    if endpoints:
        parts.append(_endpoints_table(endpoints, cells, planned))
    measured = {name for of_case in cells.values() for name in of_case}
    sides = [side for name, side in SIDES.items() if name in measured]
    return "\n\n".join([*parts, _sides(sides), _versions(results["versions"])])


def _preamble(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    return (
        f"{results['date']}, commit {results['commit']}; {machine['cores']} cores, "
        f"{machine['cpu']}, {machine['memory_gib']} GiB, {machine['kernel']}, "
        f"Python {machine['python']}; load of the machine before the run {machine['load']:.2f}.\n\n"
        f"Rounds of fresh processes: {results['rounds']}, the sides interleaved, "
        f"{results['seconds']:g} s of steps a side and round. Server and client are in processes "
        "of their own. A step is timed from the client's call until it has the observation; the "
        "first observations are compared with the environment's. Given are medians of the rounds, "
        "in microseconds: of the step, of its quartiles, and of the CPU time that a step takes at "
        "either end, resets included; and the lowest and the highest of the rounds' medians. The "
        f"ratio is to {SIDES[REFERENCE].title}, the median of those within a round: above 1 is "
        "slower. The sides are described below the tables."
    )


def _case_table(case: Case, cells: Cells, planned: int) -> str:
    """Return one row for each side, in the order of the catalogue."""
    notes = Footnotes()
    reference = cells.get(REFERENCE, {}).get("rounds", [])
    rows = [
        "| | step, µs | quartiles | rounds, from - to | CPU, client | CPU, server | ratio |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for side in _in_order(cells):
        rounds = cells[side.name]["rounds"]
        title = _titled(side, cells[side.name], planned, notes)
        if not rounds:
            rows.append(f"| {title} | - | | | | | |")
            continue
        found = summary(rounds)
        compared = ratio(rounds, reference)
        rows.append(
            f"| {title} | **{number(found.median)}** | {number(found.q1)} - {number(found.q3)} "
            f"| {number(found.low)} - {number(found.high)} | {number(found.client_cpu)} "
            f"| {number(found.server_cpu)} | {number(compared)} |"
        )
    return "\n".join([f"### {case.title[0].upper()}{case.title[1:]}", "", *rows, *notes.lines()])


def _endpoints_table(cases: Sequence[Case], cells: Mapping[str, Cells], planned: int) -> str:
    """Return one column for each number of endpoints, and the CPU time at the largest."""
    notes = Footnotes()
    counts = [str(case.count) for case in cases]
    most = counts[-1]
    rows = [
        f"| | {' | '.join(counts)} | CPU at {most}, client | CPU at {most}, servers |",
        f"|---|{'--:|' * (len(counts) + 2)}",
    ]
    for side in _in_order(cells[cases[0].name]):
        of_side = [cells[case.name].get(side.name, {"rounds": []}) for case in cases]
        found = [summary(cell["rounds"]) if cell["rounds"] else None for cell in of_side]
        worst = min(of_side, key=lambda cell: len(cell["rounds"]))
        last = found[-1]
        columns = [
            *(_rate(each) for each in found),
            number(last.client_cpu) if last else "",
            number(last.server_cpu) if last else "",
        ]
        rows.append(f"| {_titled(side, worst, planned, notes)} | {' | '.join(columns)} |")
    title = "### CartPole-v1 at several endpoints at once"
    says = (
        "Steps a second of all endpoints together, resets included: a server process each, and a "
        "thread each of one client process. CPU time is in microseconds a step."
    )
    return "\n".join([title, "", says, "", *rows, *notes.lines()])


def _rate(found: Summary | None) -> str:
    return "-" if found is None else f"**{number(found.per_second)}**"


def _in_order(cells: Cells) -> list[Side]:
    return [side for name, side in SIDES.items() if name in cells]


def _titled(side: Side, cell: Mapping[str, Any], planned: int, notes: Footnotes) -> str:
    """Return the name of a row, with the reason for missing rounds."""
    rounds, reason = len(cell["rounds"]), cell.get("reason")
    if not rounds:
        return f"{side.title}{notes.mark(reason or 'It was not measured.')}"
    if rounds < planned:
        return f"{side.title}{notes.mark(f'{rounds} of {planned} rounds. {reason or str()}')}"
    return side.title


def _sides(sides: Sequence[Side]) -> str:
    lines = [f"- {side.title}: {side.note}" for side in sides]
    return "\n".join(["### The sides", "", *lines])


def _versions(versions: Mapping[str, Mapping[str, str]]) -> str:
    """Return the versions in each virtual environment, one line each."""
    lines = [
        f"- {venv}: " + ", ".join(f"{name} {version}" for name, version in found.items())
        for venv, found in versions.items()
    ]
    return "\n".join(["### Versions", "", *lines])


def replaced(document: str, generated: str) -> str:
    """Return the document with the part between the marks replaced; append it without marks.

    Raises:
        ValueError: If the document has only one of the marks, or both in the wrong order.
    """
    marked = f"{BEGIN}\n\n{generated}\n\n{END}"
    if BEGIN not in document and END not in document:
        return f"{document.rstrip()}\n\n{marked}\n" if document.strip() else f"{marked}\n"
    before, begun, rest = document.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"expected both marks, in this order: {BEGIN!r}, {END!r}")
    return before + marked + after
