"""The pages of docs/ and README.md: each block of code runs, and what they list exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rlmesh import adapters
from rlmesh.adapters import roles
from tests.documents.blocks import PAGES, blocks_of
from tests.documents.page_run import PageRun, check_packages
from tests.processes import ROOT

pytest.importorskip("gymnasium")
pytest.importorskip("rlmesh_numpy")

DOCS = ROOT / "docs"
NAMES = {**vars(roles), **{name: getattr(adapters, name) for name in adapters.__all__}}
RUN = [page for page in PAGES if any(not x.label and x.language != "text" for x in blocks_of(page))]
NEEDED = {
    "adapters.md": ("PIL",),
    "contracts.md": ("pygame",),
    "observing.md": ("opentelemetry.exporter.prometheus",),
    "recording.md": ("pyarrow", "av", "pandas", "pygame"),
}
"""Libraries that the blocks of a page need, beside those of the commands."""

LABELS = [block.label for page in PAGES for block in blocks_of(page) if block.label]


@pytest.mark.parametrize("page", RUN, ids=[page.name for page in RUN])
def test_the_code_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = blocks_of(page)
    commands = ("rich", "typer") if any(block.language == "bash" for block in blocks) else ()
    for needed in (*NEEDED.get(page.name, ()), *commands):
        pytest.importorskip(needed)
    with PageRun(tmp_path, monkeypatch) as reading:
        for block in blocks:
            if not block.label and block.language != "text":
                reading.run(block)


def test_a_block_with_a_label_is_run_by_a_test_of_its_own() -> None:
    assert len(set(LABELS)) == len(LABELS)
    tests = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("packages/*/tests/test_*.py")]
    source = "".join(path.read_text() for path in tests)
    assert {x for x in LABELS if f'labelled("{x}")' not in source} == set()


def test_a_package_that_does_not_exist_fails() -> None:
    check_packages(["rlmesh-core[cli,report]", "numpy"])
    for wrong in ("rlmesh", "rlmesh-core[nothing]"):
        with pytest.raises((AssertionError, KeyError)):
            check_packages([wrong])


@pytest.mark.parametrize("page", PAGES[1:], ids=[page.name for page in PAGES[1:]])
def test_a_page_opens_with_what_its_reader_gets(page: Path) -> None:
    title, empty, opening = page.read_text().split("\n", 3)[:3]
    assert title.startswith("# ") and empty == ""
    assert opening.startswith(("After this page you ", "After this page, you "))


def test_every_page_is_in_the_navigation_once() -> None:
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert len(set(listed)) == len(listed)
    assert {page.name for page in PAGES[1:]} <= set(listed)


def test_every_public_module_has_a_page_of_the_reference() -> None:
    source = ROOT / "packages/core/src/rlmesh"
    names = {path.stem for path in source.glob("*.py")} | {
        path.parent.name for path in source.glob("*/__init__.py")
    }
    public = {name for name in names if not name.startswith("_")} | {"rlmesh"}
    listed = re.findall(r": api/(\w+)\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(public)


def test_every_extra_is_in_the_table() -> None:
    project = (ROOT / "packages/core/pyproject.toml").read_text()
    table = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    text = (DOCS / "installation.md").read_text()
    listed = text[text.index("| extra of") : text.index("## The other project")]
    rows = "".join(line.split("|")[1] for line in listed.splitlines()[2:] if line)
    assert set(re.findall(r"`(\w+)`", rows)) == set(re.findall(r"^(\w+) = ", table, re.MULTILINE))


def test_the_packages_are_those_of_the_table() -> None:
    text = (DOCS / "installation.md").read_text()
    rows = re.findall(r"^\| `([\w@/-]+)`[^|]*\| ", text, re.MULTILINE)
    projects = [*(ROOT / "packages").glob("*/pyproject.toml"), ROOT / "gen/python/pyproject.toml"]
    names = {re.findall(r'^name = "(.*)"', x.read_text(), re.MULTILINE)[0] for x in projects}
    assert names | {"@rlmesh/proto"} <= set(rows)


def test_the_conventions_are_declarations() -> None:
    text = (DOCS / "adapters.md").read_text()
    table = text[text.index("| convention |") : text.index("## Images")]
    lines = re.findall(r"\| `(feature\(.*?\))`", table)
    assert len(lines) == 13
    for line in lines:
        eval(line, dict(NAMES))  # noqa: S307
