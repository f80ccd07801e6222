"""The import rules refuse what they should, and CONTRIBUTING.md has the map of rooms."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.pythons import REPOSITORY
from tools.rooms.__main__ import PART, SOURCE, layers_of, main, rooms_table

PACKAGES = ("core", "numpy", "torch", "jax")

TYPES_ALONE = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"

VIOLATIONS = [
    # An import at the top, inside a function, and for types alone.
    ("core/src/rlmesh/_codec/plan.py", "import rlmesh._session.admission", "rooms of rlmesh"),
    ("core/src/rlmesh/specs.py", "def late():\n    import rlmesh._wire.spec", "rooms of rlmesh"),
    ("core/src/rlmesh/_session/versions.py", "import rlmesh_proto", "generated messages"),
    ("core/src/rlmesh/_session/versions.py", "import grpc", "gRPC"),
    ("core/src/rlmesh/tensor.py", "def late():\n    import numpy", "core imports no array library"),
    ("numpy/src/rlmesh_numpy/_dtypes.py", "import rlmesh._wire.spec", "a backend builds on"),
    ("numpy/src/rlmesh_numpy/_dtypes.py", "import torch", "its own framework"),
    ("torch/src/rlmesh_torch/_model.py", "import jax", "imports no JAX"),
    ("jax/src/rlmesh_jax/_model.py", "import rlmesh_torch", "imports no PyTorch"),
    (
        "core/src/rlmesh/_session/admission.py",
        TYPES_ALONE + "    import rlmesh._session.session_manager",
        "no cycle",
    ),
]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the report of import-linter on a copy in which every rule is broken once."""
    root = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / "packages" / package / "src", root / package / "src")
    for name, statement, _ in VIOLATIONS:
        path = root / name
        path.write_text(f"{path.read_text('utf-8')}\n\n{statement}\n", "utf-8")
    sources = [str(root / package / "src") for package in PACKAGES]
    paths = [*sources, str(REPOSITORY / "gen/python/src")]
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("lint-imports")),
            *("--no-cache", "--no-logo", "--config", str(REPOSITORY / "pyproject.toml")),
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "statement", "contract"), VIOLATIONS, ids=[f"{v[0]}-{v[2]}" for v in VIOLATIONS]
)
def test_an_import_that_breaks_a_rule_is_refused(
    broken: str, name: str, statement: str, contract: str
) -> None:
    lines = broken.splitlines()
    assert any(contract in line and line.endswith("BROKEN") for line in lines), broken
    module = name.partition("/src/")[2].removesuffix(".py").replace("/", ".")
    cycle = "No cycles are allowed in rlmesh._session."
    assert any(f"{module} -> " in line or line == cycle for line in lines), broken


def test_every_module_of_core_is_in_a_layer() -> None:
    folder = REPOSITORY / SOURCE
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py"}
    modules |= {path.parent.name for path in folder.glob("*/__init__.py")}
    listed = [module for layer in layers_of(REPOSITORY) for module in layer]
    assert sorted(listed) == sorted(modules - {"__init__"})


def test_the_map_is_current() -> None:
    assert main(["--check"]) == 0


def test_a_map_that_is_not_current_is_refused_and_written(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path / "pyproject.toml")
    shutil.copytree(REPOSITORY / SOURCE, tmp_path / SOURCE)
    text = (REPOSITORY / PART.document).read_text("utf-8")
    (tmp_path / PART.document).write_text(text.replace("| `_codec` |", "| `_coder` |"), "utf-8")
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert (tmp_path / PART.document).read_text("utf-8") == text
    assert rooms_table(tmp_path) in text
