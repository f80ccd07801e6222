"""The notebooks: each cell prints what the file has, in this process and in a real kernel."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, finished
from tests.size import only_long
from tools.notebooks.__main__ import FOLDER, main, run
from tools.pythons import fresh_venv, made_once, pip_install

pytest.importorskip("gymnasium")
pytest.importorskip("rlmesh_numpy")

PATHS = sorted(FOLDER.glob("*.ipynb"))


def code_cells(path: Path) -> list[dict[str, Any]]:
    """The code cells of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", PATHS, ids=[path.name for path in PATHS])
def test_each_cell_prints_what_the_file_has(path: Path) -> None:
    assert run(path, write=False) == 0


def test_there_are_two_in_the_form_of_notebooks() -> None:
    assert [path.name for path in PATHS] == ["adapters.ipynb", "evaluating.ipynb"]
    for path in PATHS:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        names = [cell["id"] for cell in notebook["cells"]]
        assert len(set(names)) == len(names)
        assert sum(bool(cell["outputs"]) for cell in code_cells(path)) >= 4


def test_another_output_is_found_and_written(tmp_path: Path) -> None:
    path = tmp_path / "own.ipynb"
    stored = [{"name": "stdout", "output_type": "stream", "text": ["2\n"]}]
    cell = {"cell_type": "code", "source": ["print(1 + 2)"], "outputs": stored}
    path.write_text(json.dumps({"cells": [cell]}))
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    assert code_cells(path)[0]["outputs"][0]["text"] == ["3\n"]


@pytest.mark.slow
@only_long
@pytest.mark.timeout(900)
def test_a_real_kernel_prints_the_same(tmp_path: Path) -> None:
    # The environment of packages/core/tests/test_notebook_kernel.py.
    lock = ROOT / "requirements" / "notebook.txt"
    folder = ROOT / "build" / "notebook" / "{}.{}".format(*sys.version_info[:2])
    with made_once(folder, hashlib.sha256(lock.read_bytes()).hexdigest()) as needed:
        if needed:
            pip_install(fresh_venv(sys.executable, folder), ["--require-hashes", "-r", lock])
    sources = ("packages/core/src", "packages/numpy/src", "gen/python/src")
    done = finished(
        [str(Path(__file__).with_name("notebook_kernel.py")), *map(str, PATHS)],
        program=str(folder / "bin" / "python"),
        timeout=300,
        PYTHONPATH=os.pathsep.join(str(ROOT / source) for source in sources),
        IPYTHONDIR=str(tmp_path / "ipython"),
        JUPYTER_RUNTIME_DIR=str(tmp_path / "runtime"),
        JUPYTER_PATH=str(folder / "share" / "jupyter"),
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found = json.loads(line.removeprefix("RESULT"))
    for path in PATHS:
        outputs = [
            [line for x in cell["outputs"] for line in x["text"]] for cell in code_cells(path)
        ]
        assert found[path.name] == ["".join(lines) for lines in outputs]
