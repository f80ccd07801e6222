"""The pages of docs/: each page's code runs, in order, and its tables name what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rlmesh import adapters
from rlmesh.adapters import roles
from tests.documents.pages import execute
from tests.processes import ROOT

pytest.importorskip("rlmesh_numpy")
pytest.importorskip("PIL")

PAGES = sorted((ROOT / "docs").glob("*.md"))
NAMES = {**vars(roles), **{name: getattr(adapters, name) for name in adapters.__all__}}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_code_of_a_page_runs(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    execute("\n".join(blocks))


def test_the_conventions_are_declarations() -> None:
    text = (ROOT / "docs/adapters.md").read_text()
    table = text[text.index("| convention |") : text.index("## Images")]
    lines = re.findall(r"\| `(feature\(.*?\))`", table)
    assert len(lines) == 13
    for line in lines:
        eval(line, dict(NAMES))  # noqa: S307
