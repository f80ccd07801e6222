"""Pants as `make fence`, `packages` and `changed` run it; each goal takes it ten seconds."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.pants import __main__ as command
from tools.pants import environment
from tools.pythons import REPOSITORY, find_python
from tools.smoke.build import build_all

runs = pytest.mark.skipif(find_python("3.9") is None, reason="Pants needs Python 3.9")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy what git tracks or would add of this checkout, and the PEX that Pants calls."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    names = [name for name in done.stdout.split("\0") if (REPOSITORY / name).is_file()]
    for name in [*names, str(environment.pex_tool().relative_to(REPOSITORY))]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def pants(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Pants on a copy."""
    program = environment.pants_program()
    env = environment.environment(program.with_name("python"))
    return subprocess.run(
        [program, *words], cwd=root, env=env, capture_output=True, text=True, check=False
    )


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


@pytest.mark.slow
@pytest.mark.timeout(600)
@runs
def test_the_fence_lets_this_tree_pass(capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["fence"]) == 0
    assert capfd.readouterr().out == "fence: no import is forbidden\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
@runs
def test_the_fence_refuses(copy: Path) -> None:
    codec = "packages/core/src/rlmesh/_codec/plan.py"
    jax = "packages/jax/src/rlmesh_jax/_env.py"
    append(copy / codec, "\n\ndef late():\n    import numpy\n    import rlmesh_proto\n")
    append(copy / jax, "\nimport torch\n")
    refused = {
        codec: ["requirements:dev#numpy", "gen/python/src/rlmesh_proto/__init__.py:../src"],
        jax: ["requirements:torch#torch"],
    }
    for module, dependencies in refused.items():
        done = pants(copy, "dependencies", module)
        assert done.returncode == 1, done.stdout
        denied = re.findall(r"python_sources (\S+?):\S+ -> \w+ (\S+)", done.stderr)
        assert sorted(denied) == [(module, dependency) for dependency in sorted(dependencies)]


@pytest.mark.slow
@pytest.mark.timeout(600)
@runs
def test_packages_hold_what_build_puts_there(copy: Path) -> None:
    done = pants(copy, "package", "::")
    assert done.returncode == 0, done.stderr
    built = [
        path for each in build_all(copy / "build").values() for path in (each.wheel, each.sdist)
    ]
    assert {path.name for path in (copy / "dist").iterdir()} == {path.name for path in built}
    for path in built:
        # Hatchling adds the .gitignore of a checkout, which Pants hides from it.
        wanted = {name for name in members(path) if not name.endswith("/.gitignore")}
        assert members(copy / "dist" / path.name) == wanted


def members(path: Path) -> set[str]:
    """Return the files in a wheel or sdist."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return set(wheel.namelist())
    with tarfile.open(path) as sdist:
        return set(sdist.getnames())


@pytest.mark.slow
@pytest.mark.timeout(600)
@runs
def test_what_a_change_touches(copy: Path) -> None:
    author = ("-c", "user.name=n", "-c", "user.email=e@example.invalid")
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "All"]):
        subprocess.run(["git", *words], cwd=copy, check=True)
    append(copy / "packages/torch/src/rlmesh_torch/_backend.py", "\n# changed\n")
    done = pants(copy, "--changed-since=HEAD", "--changed-dependents=transitive", "list")
    assert done.returncode == 0, done.stderr
    touched = {line.partition(":")[0] for line in done.stdout.splitlines()}
    assert {
        "packages/torch",
        "packages/torch/src/rlmesh_torch/_env.py",
        "packages/torch/tests/test_torch_backend.py",
    } <= touched
    assert touched.isdisjoint(
        {"packages/jax", "gen/python", "packages/numpy/src/rlmesh_numpy/gym.py"}
    )


def test_without_its_python(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "find_python", lambda version: None)
    assert command.main(["fence"]) == 0
    assert "SKIPPED: Pants runs on Python 3.9" in capsys.readouterr().out
    assert command.main(["list", "::"]) == 1
    assert "Pants runs on Python 3.9" in capsys.readouterr().err


def test_the_pex_is_the_one_pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "PEX", tmp_path / "pants" / "pex")

    def build(folder: Path) -> None:
        folder.mkdir()
        (folder / "pex").write_text("another")

    monkeypatch.setattr(environment, "_build_pex", build)
    for _ in range(2):  # A refused file must not be used the next time.
        with pytest.raises(environment.PantsError, match=r"pants\.toml expects [0-9a-f]{64}"):
            environment.pex_tool()
