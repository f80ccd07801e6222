"""The bundle: one file, short, for old Pythons, and what `rlmesh thin` prints."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

from tests.processes import finished
from tools.thin.__main__ import main
from tools.thin.bundle import MAX_BYTES, PACKED, SOURCES, TARGET, bundle, unpacked


@pytest.fixture(scope="module")
def made() -> str:
    """The bundle of the modules."""
    return bundle()


def test_the_bundle_is_what_the_modules_make(made: str) -> None:
    assert unpacked(TARGET.read_text(encoding="utf-8")) == unpacked(made)


def test_the_bundle_is_short_and_the_same_every_time(made: str) -> None:
    assert len(made.encode()) <= MAX_BYTES == 64 * 1024
    assert made == bundle()


@pytest.mark.parametrize("version", [(3, 6), (3, 7), (3, 8)])
def test_the_bundle_has_the_syntax_of_old_pythons(version: tuple[int, int], made: str) -> None:
    for text in (made, unpacked(made)):
        ast.parse(text.replace("#!", "# "), feature_version=version)
    for path in SOURCES.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=version)
        # What the parser accepts in spite of `feature_version`, and a `__future__` of 3.7.
        for node in ast.walk(tree):
            assert not isinstance(node, (ast.NamedExpr, ast.JoinedStr))
            assert not (isinstance(node, ast.ImportFrom) and node.module == "__future__")


def test_the_bundle_imports_the_standard_library_of_python_3_6_and_numpy(made: str) -> None:
    tree = ast.parse(made)
    names = {
        a.name.partition(".")[0] for n in tree.body if isinstance(n, ast.Import) for a in n.names
    }
    newer = {"dataclasses", "contextvars", "graphlib", "tomllib", "zoneinfo", "importlib.resources"}
    assert names <= set(sys.stdlib_module_names) - newer | {"numpy"}


def test_comments_have_the_indentation_of_their_block(made: str) -> None:
    lines = made.splitlines()
    comments = [i for i, line in enumerate(lines) if line.lstrip().startswith("# ")]
    assert len(comments) > 10
    for i in comments:
        following = next(x for x in lines[i + 1 :] if x and not x.lstrip().startswith("#"))
        assert len(lines[i]) - len(lines[i].lstrip()) == len(following) - len(following.lstrip())


def test_a_stale_bundle_is_reported(
    made: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stale = tmp_path / "thin_host.txt"
    stale.write_text(made.replace("def main(", "def main_of("))
    monkeypatch.setattr("tools.thin.__main__.TARGET", stale)
    assert main(["--check"]) == 1
    assert "make thin" in capsys.readouterr().out
    assert main([]) == 0 and main(["--check"]) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"""A."""\nimport gym\n', "imports gym"),
        ('"""A."""\nfrom socket import socket\n', "expected `import socket`"),
        ('"""A."""\ndef varint(): pass\n', "varint is a name of both"),
        ('"""A."""\nfrom rlmesh_thin.wire import varint as v\n', "without other names"),
    ],
)
def test_a_module_that_cannot_be_joined_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    for path in SOURCES.glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "zz.py").write_text(text)
    with pytest.raises(ValueError, match=reason):
        bundle(tmp_path)


def test_a_bundle_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.thin.bundle.MAX_BYTES", 10_000)
    with pytest.raises(ValueError, match="the limit is 10000"):
        bundle()


def test_the_command_prints_the_bundle_and_the_bundle_its_protocol(tmp_path: Path) -> None:
    pytest.importorskip("typer")
    pytest.importorskip("rich")
    printed = finished(["-m", "rlmesh", "thin"]).stdout
    assert printed == TARGET.read_text(encoding="utf-8")
    (tmp_path / "host.py").write_text(printed, encoding="utf-8")
    protocol = finished([str(tmp_path / "host.py"), "--print-protocol"]).stdout
    assert all(f"# --- {name}: " in protocol for name in PACKED)
    assert protocol in unpacked(printed)


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9"])
def test_an_old_python_compiles_the_bundle(version: str, made: str, tmp_path: Path) -> None:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    pythons = sorted(root.glob(f"{version}.*/bin/python"))
    if not pythons:
        pytest.skip(f"pyenv has no Python {version}")
    (tmp_path / "host.py").write_text(unpacked(made), encoding="utf-8")
    program = (
        f"compile(open({str(tmp_path / 'host.py')!r}, encoding='utf-8').read(), 'host', 'exec')"
    )
    assert finished(["-c", program], program=str(pythons[-1])).returncode == 0
