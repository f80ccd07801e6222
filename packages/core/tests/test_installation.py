"""The distribution `rlmesh`, another project's, in this one's folder: `import rlmesh` warns."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rlmesh
from rlmesh import _installation

SOURCES = Path(rlmesh.__file__).parent
THEIRS = "from ._server import EnvServer\n"
"""The line of the other project's `__init__.py` that meets a file of this one."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with this package, as pip installs it."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCES, tmp_path / "rlmesh", ignore=ignore)
    (tmp_path / "rlmesh_core-1.0.0.dist-info").mkdir()
    return tmp_path


def imported(folder: Path, code: str = "import rlmesh") -> tuple[int, str]:
    """Return exit status and messages of a Python that imports the package of a folder."""
    paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


def test_alone_it_is_silent(folder: Path) -> None:
    assert imported(folder) == (0, "")


@pytest.mark.parametrize("suffix", ["dist-info", "egg-info"])
def test_another_project_is_named(folder: Path, suffix: str) -> None:
    (folder / f"rlmesh-0.1.0.{suffix}").mkdir()
    status, said = imported(folder, "import rlmesh; rlmesh.EnvServer")
    assert status == 0
    assert said.count("two projects are installed in one folder") == 1
    assert "rlmesh 0.1.0, which is another project" in said
    assert "pip uninstall rlmesh; then: pip install --force-reinstall --no-deps rlmesh-core" in said


def test_it_is_named_if_its_files_have_replaced_ours(folder: Path) -> None:
    (folder / "rlmesh-0.1.0.dist-info").mkdir()
    (folder / "rlmesh" / "__init__.py").write_text(THEIRS)
    (folder / "rlmesh" / "_server.py").write_text("EnvServer = 1\n")
    status, said = imported(folder)
    assert status == 1
    assert "RuntimeWarning: two projects are installed in one folder" in said


def test_the_check_is_cheap() -> None:
    code = (
        "import sys, rlmesh\n"
        "print([name for name in ('importlib.metadata', 'logging') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_a_folder_that_cannot_be_listed_is_no_mixture(tmp_path: Path) -> None:
    assert _installation._find_other(str(tmp_path / "archive.zip")) == ""
