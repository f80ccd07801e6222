"""Notebooks in a real kernel, in an environment of its own that is kept in build/."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.processes import ROOT, finished
from tools.pythons import fresh_venv, made_once, pip_install

__all__ = ["kernel_messages"]

LOCK = ROOT / "requirements" / "notebook.txt"
SOURCES = ("packages/core/src", "packages/numpy/src", "gen/python/src")


def kernel_messages(
    notebooks: Mapping[str, Sequence[str]], folder: Path
) -> dict[str, list[list[dict[str, Any]]]]:
    """Run notebooks in a kernel each, and return the messages of each cell.

    Args:
        notebooks: The code of the cells of each notebook, by its name.
        folder: An empty folder for files of the run.
    """
    venv = ROOT / "build" / "notebook" / "{}.{}".format(*sys.version_info[:2])
    with made_once(venv, hashlib.sha256(LOCK.read_bytes()).hexdigest()) as needed:
        if needed:
            pip_install(fresh_venv(sys.executable, venv), ["--require-hashes", "-r", LOCK])
    cells = folder / "cells.json"
    cells.write_text(json.dumps(notebooks), encoding="utf-8")
    done = finished(
        [str(Path(__file__).with_name("notebook_kernel.py")), str(cells)],
        program=str(venv / "bin" / "python"),
        timeout=300,
        PYTHONPATH=os.pathsep.join(str(ROOT / source) for source in SOURCES),
        IPYTHONDIR=str(folder / "ipython"),
        JUPYTER_RUNTIME_DIR=str(folder / "runtime"),
        JUPYTER_PATH=str(venv / "share" / "jupyter"),
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: dict[str, list[list[dict[str, Any]]]] = json.loads(line.removeprefix("RESULT"))
    return found
