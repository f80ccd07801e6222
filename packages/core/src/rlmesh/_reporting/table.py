"""A run as text, and as rich tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._reporting.optional import needed
from rlmesh._reporting.words import (
    endpoint_table,
    episode_rows,
    facts,
    heading,
    is_number,
    task_table,
)
from rlmesh.results import RunResult

__all__ = ["rich_table", "show", "text"]

MAX_ROWS = 20
"""Largest number of episodes in a table; of more, the first and the last ones are shown."""

MAX_CHARACTERS = 60
"""Largest number of characters of a text cell, such as an error's message."""

_GIVING_WAY = ("task", "endpoint", "warnings", "error")
"""Columns that are shortened to fit a narrow terminal."""


def show(run: RunResult) -> None:
    """Print a run, with rich if it is installed."""
    try:
        rich = needed("rich", "print()")
    except ImportError:
        print(text(run))
    else:
        rich.print(rich_table(run))


def text(run: RunResult) -> str:
    """Return the run as lines of text."""
    lines = [heading(run)]
    width = max(len(name) for name, _ in facts(run))
    lines += [f"  {name:<{width}}  {words}" for name, words in facts(run)]
    for columns, rows, left_out in _tables(run):
        lines += ["", *_lines(columns, rows, left_out)]
    return "\n".join(lines)


def _tables(
    run: RunResult,
) -> list[tuple[tuple[str, ...], Sequence[tuple[str, ...]], int]]:
    """Return columns, rows and number of omitted rows of each table that is not empty."""
    tables = [
        (*task_table(run), 0),
        (*endpoint_table(run), 0),
        episode_rows(run, MAX_ROWS),
    ]
    return [
        (columns, [tuple(map(_short, row)) for row in rows], left_out)
        for columns, rows, left_out in tables
        if rows
    ]


def _short(cell: str) -> str:
    return cell if len(cell) <= MAX_CHARACTERS else cell[: MAX_CHARACTERS - 1] + "…"


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]], left_out: int) -> list[str]:
    widths = [max(map(len, column)) for column in zip(columns, *rows)]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if is_number(column) else cell.ljust(width)
            for column, cell, width in zip(columns, cells, widths)
        ]
        return ("  " + "  ".join(parts)).rstrip()

    lines = [line(row) for row in rows]
    if left_out:
        lines.insert((len(rows) + 1) // 2, f"  … {left_out} more …")
    return [line(columns), *lines]


def rich_table(run: RunResult) -> Any:
    """Return the run as a rich renderable.

    Raises:
        ImportError: If rich is not installed.
    """
    tables, words, consoles, boxes = (
        needed(f"rich.{name}", "a table of rich") for name in ("table", "text", "console", "box")
    )
    figures = tables.Table.grid(padding=(0, 2))
    for name, value in facts(run):
        style = "yellow" if name == "caution" else "dim"
        figures.add_row(words.Text(name, style), words.Text(value))
    parts: list[Any] = [words.Text(heading(run), "bold"), figures]
    for columns, rows, left_out in _tables(run):
        table = tables.Table(box=boxes.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for column in columns:
            table.add_column(
                column,
                justify="right" if is_number(column) else "left",
                no_wrap=column not in _GIVING_WAY,
                min_width=8 if column == "endpoint" else None,
                overflow="ellipsis",
            )
        for i, row in enumerate(rows):
            if left_out and i == (len(rows) + 1) // 2:
                table.add_row("…", words.Text(f"{left_out} more"))
            # Text instead of str, because text from a peer must not be read as markup.
            table.add_row(*map(words.Text, row))
        parts.append(table)
    return consoles.Group(*parts)
