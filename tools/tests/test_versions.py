"""The version check finds every place that lags, and a bump leaves none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.versions.__main__ import main
from tools.versions.lockstep import bump, check
from tools.versions.version import Version

CORE = """\
[project]
name = "rlmesh-core"
dynamic = ["version"]
dependencies = [
    "rlmesh-proto==1.0.0rc1",
    "grpcio>=1.62.3,<2",
]
[project.optional-dependencies]
numpy = ["rlmesh-numpy==1.0.0rc1", "rlmesh-jax == 1.0.0rc1; python_version < '3.13'"]
all = ["rlmesh-core[numpy]"]
"""
NUMPY = """\
[project]
name = "rlmesh-numpy"
version = "1.0.0rc1"
dependencies = ["rlmesh-proto==1.0.0rc1", "rlmesh-core[gymnasium]==1.0.0rc1", "numpy>=1.26"]
"""
FILES = {
    "spec/VERSION": "1.0.0rc1\n",
    "spec/CHANGELOG.md": "# Changes\n\n## 1.0.0rc1\n\nThe first.\n",
    "CHANGELOG.md": "# Changes\n\n## 1.0.0rc1 (soon)\n\n### Added\n\n- All.\n",
    "gen/python/pyproject.toml": '[project]\nname = "rlmesh-proto"\nversion = "1.0.0rc1"\n',
    "gen/python/src/rlmesh_proto/__init__.py": (
        '__version__ = "1.0.0rc1"\n\nSPEC_VERSION = "1.0.0rc1"\n'
    ),
    "gen/typescript/package.json": '{\n  "name": "@rlmesh/proto",\n  "version": "1.0.0-rc.1"\n}\n',
    "packages/core/pyproject.toml": CORE,
    "packages/core/src/rlmesh/_version.py": '"""V."""\n\n__version__ = "1.0.0rc1"\n',
    "packages/numpy/pyproject.toml": NUMPY,
    "packages/numpy/src/rlmesh_numpy/_version.py": '__version__ = "1.0.0rc1"\n',
    "packages/typescript/package.json": (
        '{\n  "name": "@rlmesh/client",\n  "version": "1.0.0-rc.1",\n'
        '  "dependencies": {\n    "@rlmesh/proto": "1.0.0-rc.1"\n  }\n}\n'
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository with equal versions everywhere."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_versions_that_agree(root: Path) -> None:
    assert check(root) == []
    assert main(["--root", str(root), "check"]) == 0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("spec/VERSION", "rc1", "rc2"),
        ("spec/CHANGELOG.md", "## 1.0.0rc1", "## 1.0.0rc10"),
        ("CHANGELOG.md", "## 1.0.0rc1", "## Unreleased"),
        ("CHANGELOG.md", "### Added\n\n- All.\n", ""),
        ("gen/python/pyproject.toml", "rc1", "rc2"),
        ("gen/python/src/rlmesh_proto/__init__.py", '__version__ = "1.0.0rc1"', ""),
        ("gen/python/src/rlmesh_proto/__init__.py", 'SPEC_VERSION = "1.0.0rc1"', ""),
        ("gen/typescript/package.json", "1.0.0-rc.1", "1.0.0rc1"),
        ("packages/core/pyproject.toml", "rlmesh-proto==1.0.0rc1", "rlmesh-proto>=1.0.0rc1"),
        ("packages/core/pyproject.toml", "rlmesh-proto==1.0.0rc1", "rlmesh-proto"),
        ("packages/core/pyproject.toml", '"rlmesh-proto==1.0.0rc1",', ""),
        ("packages/core/pyproject.toml", "rlmesh-numpy==1.0.0rc1", "rlmesh-numpy==1.0.0"),
        ("packages/core/pyproject.toml", "rlmesh-jax == 1.0.0rc1;", "rlmesh-jax == 1.0.0rc2;"),
        ("packages/core/src/rlmesh/_version.py", "__version__", "version"),
        ("packages/numpy/pyproject.toml", 'version = "1.0.0rc1"', 'version = "1.0.0"'),
        ("packages/numpy/pyproject.toml", "[gymnasium]==1.0.0rc1", "[gymnasium]"),
        ("packages/numpy/src/rlmesh_numpy/_version.py", "rc1", ""),
        ("packages/typescript/package.json", '"@rlmesh/proto": "', '"@rlmesh/proto": "^'),
        ("packages/typescript/package.json", '"version": "1.0.0-rc.1"', '"version": "1.0.0"'),
    ],
)
def test_a_place_that_disagrees(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str
) -> None:
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))
    assert main(["--root", str(root), "check"]) == 1
    if name != "spec/VERSION":
        (fault,) = check(root)
        assert name in fault
        assert name in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(set(FILES) - {"spec/VERSION"}))
def test_a_file_that_is_missing(root: Path, name: str) -> None:
    (root / name).unlink()
    # A folder without its manifest is not a package, so that only its build would find the fault.
    assert bool(check(root)) != (name.startswith("packages/") and not name.endswith("_version.py"))


@pytest.mark.parametrize("version", ["1.0.0rc2", "1.0.0", "1.2.0", "2.0.0rc11"])
def test_a_bump_leaves_generation_and_entries_to_do(root: Path, version: str) -> None:
    written = {path.relative_to(root).as_posix() for path in bump(root, Version.parse(version))}
    assert written == {name for name in FILES if not name.startswith("gen/")}
    faults = check(root)
    assert all(fault.startswith("gen/") or "no entry" in fault for fault in faults)
    for name in ("CHANGELOG.md", "spec/CHANGELOG.md"):
        text = (root / name).read_text()
        heading = f"## {version} - unreleased\n"
        assert text.index(heading) < text.index("## 1.0.0rc1")
        (root / name).write_text(text.replace(heading, f"{heading}\n- New.\n"))
    for name in [name for name in FILES if name.startswith("gen/")]:
        new = Version.parse(version).npm if name.endswith(".json") else version
        text = FILES[name].replace("1.0.0-rc.1", new).replace("1.0.0rc1", new)
        (root / name).write_text(text)
    assert check(root) == []


def test_a_bump_changes_nothing_but_versions(root: Path) -> None:
    bump(root, Version.parse("1.0.0rc2"))
    core = (root / "packages" / "core" / "pyproject.toml").read_text()
    expected = CORE.replace("rlmesh-jax == 1.0.0rc1", "rlmesh-jax ==1.0.0rc2")
    assert core == expected.replace("1.0.0rc1", "1.0.0rc2")
    manifest = json.loads((root / "packages" / "typescript" / "package.json").read_text())
    assert manifest["dependencies"] == {"@rlmesh/proto": "1.0.0-rc.2"}


@pytest.mark.parametrize(
    "version", ["1.0.0rc1", "0.9.0", "1.0", "v1.0.1", "1.0.0-rc.2", "1.0.0rc0"]
)
def test_a_bump_goes_up_and_has_the_normal_form(root: Path, version: str) -> None:
    before = {name: (root / name).read_text() for name in FILES}
    assert main(["--root", str(root), "bump", version]) == 1
    assert {name: (root / name).read_text() for name in FILES} == before


@pytest.mark.parametrize(
    ("python", "npm"),
    [("1.0.0rc1", "1.0.0-rc.1"), ("1.0.0", "1.0.0"), ("0.2.10rc12", "0.2.10-rc.12")],
)
def test_npm_writes_a_candidate_with_a_dash(python: str, npm: str) -> None:
    version = Version.parse(python)
    assert version.npm == npm
    assert str(version) == python


def test_the_order_of_versions() -> None:
    ordered = ["0.9.9", "1.0.0rc1", "1.0.0rc2", "1.0.0rc10", "1.0.0", "1.0.1", "1.10.0rc1", "2.0.0"]
    assert [str(each) for each in sorted(map(Version.parse, reversed(ordered)))] == ordered
