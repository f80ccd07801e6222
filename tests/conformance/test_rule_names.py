"""Refusals name the broken rule, and each rule that the code names is in the contract."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.processes import ROOT

CORE = ROOT / "packages" / "core" / "src" / "rlmesh"
THIN = ROOT / "packages" / "thin" / "src" / "rlmesh_thin"

PREFIX = re.compile(r"(?:^|: )([A-Z]-\d+): ")
"""Rule in a message."""

READERS = ("_client", "_codec", "_session", "_transport", "_wire")
"""Rooms of `rlmesh` that read what a peer has sent."""

OF_DOCUMENTS = {"_wire/info_json.py", "_wire/json_check.py", "_wire/results.py"}
"""Modules with errors about files of the user."""

ELSEWHERE = {"_of_all", "pack_lengths"}
"""Functions that give an error the rule of another one, or that check the user's own value."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def named_rules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "rule":
            value = node.value
            if isinstance(value, ast.Constant) and value.value:
                yield str(value.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from PREFIX.findall(node.value)


@pytest.mark.parametrize("package", [CORE, THIN], ids=["core", "thin"])
def test_each_rule_that_is_named_is_in_the_contract(package: Path) -> None:
    text = (ROOT / "spec" / "CONTRACT.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^- \*\*([A-Z]-\d+)\*\*", text, re.MULTILINE))
    named = {rule for path in package.rglob("*.py") for rule in named_rules(parsed(path))}
    assert len(named) > 20
    assert named <= known


@pytest.mark.parametrize("room", READERS)
def test_an_error_about_what_a_peer_has_sent_has_its_rule(room: str) -> None:
    without = []
    for path in (CORE / room).rglob("*.py"):
        module = path.relative_to(CORE).as_posix()
        for function in ast.walk(parsed(path)):
            if not isinstance(function, ast.FunctionDef) or function.name in ELSEWHERE:
                continue
            for node in ast.walk(function):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                    continue
                named = any(keyword.arg == "rule" for keyword in node.keywords)
                if node.func.id in ("CodecError", "NewerSpecError") and not named:
                    without.append(f"{module}:{node.lineno}")
    assert [place for place in without if place.split(":")[0] not in OF_DOCUMENTS] == []
