"""Checks that what a docstring refers to by "see" is defined in the packages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["definitions", "stale_references"]

# A dotted name of another library ("gymnasium.Env.reset") begins in lower case and not by "rlmesh".
_SEE = re.compile(r"\b[Ss]ee\s+`(rlmesh[\w.]*|[A-Z][\w.]*|[a-z_]\w*)(?:\(\))?`")


def definitions(paths: Sequence[Path]) -> frozenset[str]:
    """Return the names that Python files define, their own names and those of their folders."""
    names: set[str] = set()
    for path in paths:
        names.update((path.stem, path.parent.name))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.add(node.name)
            elif isinstance(node, ast.Assign):
                names.update(name.id for name in node.targets if isinstance(name, ast.Name))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
    return frozenset(names)


def stale_references(path: Path, defined: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield line number and fault of each "see `name`" of which a part is defined nowhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            continue
        text = node.value.value
        if not isinstance(text, str):
            continue
        for match in _SEE.finditer(text):
            if not defined.issuperset(match[1].split(".")):
                line = node.lineno + text.count("\n", 0, match.start())
                yield line, f"there is no such name to see: {match[1]}"
