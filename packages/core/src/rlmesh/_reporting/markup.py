"""Elements of HTML and SVG; texts and attributes are escaped when elements are written."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Union
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from rlmesh._reporting.words import escape_control_chars

__all__ = ["Content", "Element", "download", "element", "saved_files", "table", "written"]

Element = ElementTree.Element

Content = Union[Element, str, None]


def element(tag: str, *content: Content, **attributes: object) -> Element:
    """Return an element.

    Args:
        tag: Name of the element.
        content: Elements and texts inside the element, in order; None is skipped.
        attributes: Attributes of the element. `_` in a name becomes `-`, and is dropped at the end.
            Floats get as many digits as a drawing needs; an attribute of None is left out.
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


def table(
    columns: Sequence[str], rows: Sequence[Sequence[Content]], numbers: Collection[str]
) -> Element:
    """Return a table with a head; the cells of the columns `numbers` are aligned to the right."""
    kinds = ["number" if column in numbers else None for column in columns]

    def row(cells: Sequence[Content], tag: str) -> Element:
        return element("tr", *(element(tag, cell, class_=kind) for cell, kind in zip(cells, kinds)))

    body = element("tbody", *(row(cells, "td") for cells in rows))
    return element("table", element("thead", row(columns, "th")), body)


def download(words: str, name: str, kind: str, content: str) -> Element:
    """Return a link by which a file is saved that the page itself has.

    Args:
        words: Text of the link.
        name: Name of the file.
        kind: Media type of the file.
        content: Content of the file.
    """
    data = f"data:{kind};charset=utf-8,{quote(content)}"
    return element("a", words, href=data, download=name, class_="save")


def saved_files(elements: Iterable[Element]) -> dict[str, str]:
    """Return the content of the files that the links of elements save, by the file's name."""
    links = (link for one in elements for link in one.iter("a") if link.get("download"))
    found: dict[str, str] = {}
    for link in links:
        content = (link.get("href") or "").partition(",")[2]
        found[link.get("download") or ""] = unquote(content)
    return found


def written(root: Element) -> str:
    """Return an element as HTML."""
    # The text of a style element is not escaped, so that it must not need escaping.
    assert all(re.search(r"</|<!", e.text or "") is None for e in root.iter("style"))
    return ElementTree.tostring(root, encoding="unicode", method="html")
