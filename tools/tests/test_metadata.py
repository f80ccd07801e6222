"""What the packages state of themselves: classifiers, types, and the address of the project."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.pythons import REPOSITORY, SUPPORTED
from tools.versions.__main__ import main
from tools.versions.addresses import disagreements, stated

PROJECTS = [
    *sorted((REPOSITORY / "packages").glob("*/pyproject.toml")),
    REPOSITORY / "gen/python/pyproject.toml",
]
ADDRESS = "https://code.example/rlmesh"


def project_of(path: Path) -> dict[str, Any]:
    """The table `project` of a package."""
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    table: dict[str, Any] = toml.loads(path.read_text("utf-8"))["project"]
    return table


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the files that state the address."""
    for path in stated(REPOSITORY):
        target = tmp_path / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True)
        shutil.copy(path, target)
    return tmp_path


@pytest.mark.parametrize("path", PROJECTS, ids=[path.parent.name for path in PROJECTS])
def test_a_package_has_types_and_classifiers(path: Path) -> None:
    project = project_of(path)
    (module,) = (path.parent / "src").glob("rlmesh*/__init__.py")
    assert module.with_name("py.typed").is_file()
    assert {f"Programming Language :: Python :: {version}" for version in SUPPORTED} | {
        "Typing :: Typed",
        "Development Status :: 4 - Beta",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    } <= set(project["classifiers"])
    assert project["classifiers"] == sorted(project["classifiers"])
    assert project["license"] == "Apache-2.0" and project["requires-python"] == ">=3.10"
    assert len(project["description"]) >= 20 and (path.parent / project["readme"]).is_file()


def test_all_packages_state_the_same_address() -> None:
    assert len(stated(REPOSITORY)) == 9
    assert disagreements(REPOSITORY) == []


def test_the_address_is_written_into_every_package_once(copied: Path) -> None:
    for address in (f"{ADDRESS}/old", ADDRESS):
        assert main(["--root", str(copied), "urls", address]) == 0
    assert set(stated(copied).values()) == {ADDRESS}
    for path in stated(copied):
        if path.suffix == ".json":
            assert json.loads(path.read_text())["homepage"] == ADDRESS
        elif "templates" not in path.parts:
            before = project_of(REPOSITORY / path.relative_to(copied))
            urls = {"Homepage": ADDRESS, "Source": ADDRESS}
            assert project_of(path) == {**before, "urls": urls}
    core = copied / "packages/core/pyproject.toml"
    core.write_text(core.read_text().replace(ADDRESS, f"{ADDRESS}/other"))
    assert len(disagreements(copied)) == len(stated(copied)) - 1


@pytest.mark.parametrize(
    "address", ["", "rlmesh", "http://code.example", 'https://a"b', "https://"]
)
def test_what_is_no_address_is_refused(
    address: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(copied), "urls", address]) == 1
    assert re.search("expected an address https://host/path", capsys.readouterr().err)
    assert set(stated(copied).values()) == {""}
