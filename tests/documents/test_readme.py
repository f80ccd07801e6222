"""README.md and its neighbours: README is one screen, and what they name exists."""

from __future__ import annotations

import re

import pytest

from tests.documents.blocks import PAGES
from tests.processes import ROOT

DOCUMENTS = [
    *(str(page.relative_to(ROOT)) for page in PAGES),
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "spec/README.md",
    "spec/FIRST_SERVER.md",
    "spec/PORTING.md",
]


def test_the_readme_is_one_screen_with_links_that_are_right() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 80
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).is_file()] == []
    pages = {page.name for page in PAGES} - {"README.md", "index.md", "contracts.md", "types.md"}
    assert {name for name in pages if f"docs/{name}" not in links} <= {"recording.md"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_named_is_there(document: str) -> None:
    text, makefile = (ROOT / document).read_text(), (ROOT / "Makefile").read_text()
    rules = re.findall(r"^([a-z-]+(?: [a-z-]+)*):", makefile, re.MULTILINE)
    known = {name for rule in rules for name in rule.split()}
    asked = re.findall(r"(?:`|^ +)make ([a-z-]+)", text, re.MULTILINE)
    assert [x for x in asked if x not in known] == []
    paths = re.findall(r"`((?:spec|gen|packages|tests|tools|examples)/[\w./-]*)`", text)
    assert [x for x in paths if not (ROOT / x).exists()] == []
    modules = re.findall(r"-m (tools\.\w+)", text)
    assert [x for x in modules if not (ROOT / x.replace(".", "/")).is_dir()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_host_and_no_machine_is_named(document: str) -> None:
    text = (ROOT / document).read_text()
    elsewhere = r"https?://(?!127\.0\.0\.1)\S+|/(?:home|work|root|opt|Users)/\S*|\bpypi\.org\b"
    assert re.findall(elsewhere, text) == []


def test_the_tests_that_security_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    assert named
    files = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("packages/*/tests/**/test_*.py")]
    source = "".join(path.read_text() for path in files)
    assert [name for name in named if f"def {name}(" not in source] == []


def test_the_areas_are_those_of_the_spec_and_their_tests_use_them() -> None:
    text = (ROOT / "spec/README.md").read_text()
    rows = re.findall(
        r"^\| [^|]+ \| `rlmesh\.proto\.(\w+)\.v1` \|.*\|([^|]*)\|$", text, re.MULTILINE
    )
    assert {area for area, _ in rows} == {
        x.name for x in (ROOT / "spec/proto/rlmesh/proto").iterdir()
    }
    assert all(re.search(r"`[\w/]*tests/[\w/.]+`", shown) for _, shown in rows)
    assert "not yet" not in "".join(shown for _, shown in rows)
