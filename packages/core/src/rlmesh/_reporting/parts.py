"""Parts that every section of a page is made of."""

from __future__ import annotations

from collections.abc import Sequence

from rlmesh._reporting import words
from rlmesh._reporting.markup import Content, Element, element, table

__all__ = ["folded", "listed", "scrolled"]


def listed(pairs: Sequence[tuple[str, str]]) -> Element:
    """Return pairs of name and text as a list."""
    parts = [(element("dt", name), element("dd", value)) for name, value in pairs]
    return element("dl", *(part for pair in parts for part in pair))


def scrolled(columns: Sequence[str], rows: Sequence[Sequence[Content]]) -> Element:
    """Return a table that is scrolled if it is too wide for the page."""
    numbers = {column for column in columns if words.is_number(column)}
    return element("div", table(columns, rows, numbers), class_="scroll")


def folded(title: str, *content: Element | None, is_open: bool = False) -> Element:
    """Return a section that is closed until its reader opens it."""
    summary = element("summary", element("h2", title))
    return element("details", summary, *content, open="" if is_open else None)
