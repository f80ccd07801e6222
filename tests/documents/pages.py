"""The user's pages, and what tests quote of them.

A test module holds the snippets of its page as strings; the docstring of a test is the statement of
the page that it shows. If the pages lie beside the checkout, each quotation is looked up there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import pytest

from tests.processes import ROOT

__all__ = ["assert_code_is_quoted", "assert_on_page", "execute", "named", "quotations", "replaced"]

PAGES = ROOT.parent / "shared" / "documents"

_CODE = re.compile(
    r"(import \w|from [\w.]+ import|class \w+:|def |server\b.*[=(]|env = |env\.close|contract = |"
    r"print\(|action = |obs, |(for|if|with) .*:$|model[ .].*\(|rlmesh\.\w+\(|"
    r"uv run|python -m|exec |addr=|echo |>>>)"
)
"""How a line of code begins on the pages, which mark none."""


def assert_on_page(page: str, quotation: str) -> None:
    """Fail unless the page has the quotation, whatever the spaces; skip if it is not available."""
    assert _packed(quotation) in _packed(_text(page)), f"{page} does not say {quotation!r}"


def assert_code_is_quoted(page: str, quoted: list[str]) -> None:
    """Fail if a line of code of the page is not quoted; skip if the page is not available."""
    known = _packed("\n".join(quoted))
    lines = [line.strip() for line in _text(page).splitlines()]
    assert [x for x in lines if _CODE.match(x) and _packed(x) not in known] == []


def quotations(module: Mapping[str, Any]) -> list[str]:
    """The snippets and statements that a test module quotes: its `SNIPPETS`, and its docstrings."""
    tests = [x for name, x in module.items() if name.startswith("test_")]
    statements = [x.__doc__ for x in tests if isinstance(x, FunctionType) and x.__doc__]
    return [*module["SNIPPETS"], *statements]


def named(quotation: str) -> str:
    """A quotation as the name of a test."""
    return re.sub(r"\W+", "-", quotation)[:40].strip("-")


def replaced(snippet: str, **changes: object) -> str:
    """A snippet with other values: `port` for 5555, `socket` and `ready` for the paths."""
    places = {"port": "5555", "socket": "/tmp/rlmesh-env.sock", "ready": "/tmp/rlmesh-ready"}
    for name, value in changes.items():
        assert places[name] in snippet
        snippet = snippet.replace(places[name], str(value))
    return snippet


def execute(snippet: str, **names: Any) -> dict[str, Any]:
    """The names that a snippet leaves, run with `names`."""
    space = {"__name__": "snippet", **names}
    exec(compile(snippet, "<snippet>", "exec"), space)  # noqa: S102
    return space


def _text(page: str) -> str:
    path = PAGES / page
    if not path.is_file():
        pytest.skip(f"{page} is not beside this checkout")
    return path.read_text()


def _packed(text: str) -> str:
    """Without spaces, which some pages have lost, and with plain quotation marks."""
    return re.sub(r"\s+", "", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
