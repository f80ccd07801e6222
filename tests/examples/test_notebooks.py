"""The notebooks: each cell prints what the file has, in this process and in a real kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks import kernel_messages
from tests.size import only_long
from tools.notebooks.__main__ import FOLDER, main, run

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


def printed(messages: list[dict[str, Any]]) -> str:
    """Return what a cell prints, and the exception that it raises."""
    text = ""
    for one in messages:
        if one["kind"] == "stream" and one["name"] == "stdout":
            text += one["text"]
        elif one["kind"] == "error":
            text += f"{one['ename']}: {one['evalue']}"
    return text


@pytest.mark.slow
@only_long
@pytest.mark.timeout(900)
def test_a_real_kernel_prints_the_same(tmp_path: Path) -> None:
    cells = {path.name: ["".join(x["source"]) for x in code_cells(path)] for path in PATHS}
    found = {
        name: [printed(messages) for messages in notebook]
        for name, notebook in kernel_messages(cells, tmp_path).items()
    }
    for path in PATHS:
        outputs = [
            [line for x in cell["outputs"] for line in x["text"]] for cell in code_cells(path)
        ]
        assert found[path.name] == ["".join(lines) for lines in outputs]
