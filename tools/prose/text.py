"""Extracts prose with line numbers: docstrings and comments of Python, paragraphs of Markdown."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Passage", "passages"]

_CODE_SPAN = re.compile(r"``[^`]*``|`[^`\n]*`")
_FENCE = re.compile(r"\s*(```|~~~)")
# Comments that are instructions to a tool, not prose.
_DIRECTIVE = re.compile(r"#\s*(noqa|type:|pyright:|mypy:|ruff:|pragma|fmt:|!)")


@dataclass(frozen=True)
class Passage:
    """One docstring, block of comments or paragraph.

    Attributes:
        line: Line number of its first line, from 1.
        text: Text with line breaks; code spans are blank.
    """

    line: int
    text: str


def passages(path: Path) -> list[Passage]:
    """Return the prose of a Python or Markdown file, in the order of its lines."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        found = [*_paragraphs(source)]
    else:
        found = [*_docstrings(ast.parse(source)), *_comments(source)]
    return [
        Passage(passage.line, _CODE_SPAN.sub(_blank, passage.text))
        for passage in sorted(found, key=lambda passage: passage.line)
    ]


def _blank(span: re.Match[str]) -> str:
    """Return only the line breaks of a code span, so that line numbers stay right."""
    return "`" + "\n" * span[0].count("\n") + "`"


def _docstrings(tree: ast.Module) -> Iterator[Passage]:
    """Yield every string that is a statement: docstrings, and strings that document a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                yield Passage(node.lineno, text)


def _comments(source: str) -> Iterator[Passage]:
    """Yield the comments; those on consecutive lines are one passage."""
    lines: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or _DIRECTIVE.match(token.string):
            continue
        line = token.start[0]
        if lines and line != last + 1:
            yield Passage(first, "\n".join(lines))
            lines = []
        if not lines:
            first = line
        lines.append(token.string.lstrip("#").strip())
        last = line
    if lines:
        yield Passage(first, "\n".join(lines))


def _paragraphs(source: str) -> Iterator[Passage]:
    """Yield the paragraphs and tables of a Markdown document, without its code blocks."""
    lines: list[str] = []
    first = 1
    in_fence = False
    for number, line in enumerate([*source.splitlines(), ""], start=1):
        is_fence = _FENCE.match(line) is not None
        in_fence ^= is_fence
        # Indented code follows a blank line; an indented line of a paragraph is its continuation.
        is_code = is_fence or in_fence or (line.startswith("    ") and not lines)
        if line.strip() and not is_code:
            if not lines:
                first = number
            lines.append(line)
        elif lines:
            yield Passage(first, "\n".join(lines))
            lines = []
