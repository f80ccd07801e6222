"""Elements of HTML and SVG, whose texts and attributes are escaped when they are written."""

from __future__ import annotations

import re
from typing import Union
from xml.etree import ElementTree

from rlmesh._reporting.words import escape_control_chars

__all__ = ["Element", "element", "table", "written"]

Element = ElementTree.Element

Content = Union[Element, str, None]


def element(tag: str, *content: Content, **attributes: object) -> Element:
    """An element.

    Args:
        tag: Its name.
        content: What stands in it, in order: elements and texts; None is nothing.
        attributes: Its attributes. `_` in a name stands for `-`, and one at its end for nothing.
            Floats are written in as many digits as a drawing needs; None leaves the attribute out.
    """
    made = ElementTree.Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), _attribute(value))
    last: Element | None = None
    for part in content:
        if isinstance(part, str):
            words = escape_control_chars(part, keep="\n")
            if last is None:
                made.text = (made.text or "") + words
            else:
                last.tail = (last.tail or "") + words
        elif part is not None:
            made.append(part)
            last = part
    return made


def _attribute(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else escape_control_chars(str(value))


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]], numbers: set[str]) -> Element:
    """A table with a head; the cells of the columns `numbers` are aligned to the right."""
    kinds = ["number" if column in numbers else None for column in columns]

    def row(cells: tuple[str, ...], tag: str) -> Element:
        return element("tr", *(element(tag, cell, class_=kind) for cell, kind in zip(cells, kinds)))

    body = element("tbody", *(row(cells, "td") for cells in rows))
    return element("table", element("thead", row(columns, "th")), body)


def written(root: Element) -> str:
    """The element as HTML."""
    # Its text would not be escaped; ours has no need to be.
    assert all(re.search(r"</|<!", e.text or "") is None for e in root.iter("style"))
    return ElementTree.tostring(root, encoding="unicode", method="html")
