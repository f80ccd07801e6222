"""The blocks of code of the pages of docs/ and of README.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.processes import ROOT

__all__ = ["PAGES", "Block", "blocks_of", "labelled"]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(
    r"^(?:<!-- run: ([\w-]+) -->\n)?```(\w*)(?: title=\"([\w./-]+)\")?\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        page: Name of its page.
        line: Number of its first line.
        language: Its language; "text" is no code.
        text: Its content.
        label: Name by which a test of its own runs it; empty: it runs with its page, in order.
        title: Name of the file that it is; empty: it is none.
    """

    page: str
    line: int
    language: str
    text: str
    label: str
    title: str


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    fences = len(re.findall(r"^ *```", text, re.MULTILINE))
    found = [
        Block(
            page.name,
            text.count("\n", 0, match.start(4)) + 1,
            match[2],
            match[4],
            match[1] or "",
            match[3] or "",
        )
        for match in _BLOCK.finditer(text)
    ]
    assert 2 * len(found) == fences, f"{page.name}: a block is not read: is its language known?"
    return found


def labelled(label: str) -> str:
    """Return the text of the block with a label."""
    (found,) = [block for page in PAGES for block in blocks_of(page) if block.label == label]
    return found.text
