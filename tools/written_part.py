"""The command of a tool that writes one part of a document, between two lines of comments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["WrittenPart"]


@dataclass(frozen=True)
class WrittenPart:
    """A part of a document that a tool writes.

    Attributes:
        tool: Name of the tool ("rooms").
        content: What the part has, for messages ("the map of rooms").
        document: Path of the document, relative to the root of the repository.
    """

    tool: str
    content: str
    document: Path

    @property
    def begin(self) -> str:
        """Line before the part."""
        return f"<!-- {self.tool}: written by tools/{self.tool} -->\n"

    @property
    def end(self) -> str:
        """Line after the part."""
        return f"<!-- end of {self.tool} -->\n"

    def run(self, arguments: Sequence[str] | None, root: Path, make: Callable[[str], str]) -> int:
        """Write or check the part; return 1 if it is not current or cannot be made.

        Args:
            arguments: Arguments of the command line; None: those of the process.
            root: Root of the repository.
            make: Returns the part for the document's text; raises ValueError if it cannot.
        """
        parser = argparse.ArgumentParser(prog=f"tools.{self.tool}")
        parser.add_argument("--check", action="store_true", help="fail if it is not current")
        given = parser.parse_args(arguments)
        path = root / self.document
        text = path.read_text("utf-8")
        head, _, rest = text.partition(self.begin)
        _, found, tail = rest.partition(self.end)
        if not found:
            lines = f"{self.begin.strip()!r} and {self.end.strip()!r}"
            print(f"{self.document} has no lines {lines}", file=sys.stderr)
            return 1
        try:
            current = f"{head}{self.begin}\n{make(text)}\n{self.end}{tail}"
        except ValueError as error:
            print(f"{self.document}: {error}", file=sys.stderr)
            return 1
        if current == text:
            return 0
        if given.check:
            fix = f"run: python3 -m tools.{self.tool}"
            print(f"{self.content} in {self.document} is not current; {fix}")
            return 1
        path.write_text(current, "utf-8")
        return 0
