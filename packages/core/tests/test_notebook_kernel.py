"""A notebook's kernel, the real one: results and progress as its cells show them, and asyncio."""

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
from tools.pythons import fresh_venv, made_once, pip_install

pytestmark = [pytest.mark.slow, only_long, pytest.mark.timeout(900)]

LOCK = ROOT / "requirements" / "notebook.txt"
SOURCES = ("packages/core/src", "packages/numpy/src", "gen/python/src")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The messages of each cell of `notebook_cells.py`, in an environment kept in build/."""
    folder = ROOT / "build" / "notebook" / "{}.{}".format(*sys.version_info[:2])
    with made_once(folder, hashlib.sha256(LOCK.read_bytes()).hexdigest()) as needed:
        if needed:
            pip_install(fresh_venv(sys.executable, folder), ["--require-hashes", "-r", LOCK])
    done = finished(
        [str(Path(__file__).with_name("notebook_cells.py"))],
        program=str(folder / "bin" / "python"),
        timeout=300,
        PYTHONPATH=os.pathsep.join(str(ROOT / source) for source in SOURCES),
        IPYTHONDIR=str(tmp_path_factory.mktemp("ipython")),
        JUPYTER_RUNTIME_DIR=str(tmp_path_factory.mktemp("runtime")),
        JUPYTER_PATH=str(folder / "share" / "jupyter"),
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT"))
    errors = [one for messages in found.values() for one in messages if one["kind"] == "error"]
    assert errors == []
    return found


def test_progress_is_one_output_that_is_updated(shown: dict[str, Any]) -> None:
    first, *later = shown["progress"]
    assert first["kind"] == "display_data" and later
    assert {one["kind"] for one in later} == {"update_display_data"}
    names = {one["transient"]["display_id"] for one in shown["progress"]}
    assert len(names) == 1
    assert '<progress value="1.0000">' in later[-1]["data"]["text/html"]
    assert "3/3 episodes" in later[-1]["data"]["text/plain"]


def test_a_result_shows_its_summary(shown: dict[str, Any]) -> None:
    (one,) = shown["result"]
    assert one["kind"] == "execute_result"
    assert "<table>" in one["data"]["text/html"] and "3 of 3" in one["data"]["text/html"]
    assert one["data"]["text/plain"].startswith("<RunResult of ")
    (one,) = shown["comparison"]
    assert "3 pairs" in one["data"]["text/html"]


def test_a_run_in_the_event_loop_of_a_cell_is_one_elsewhere(shown: dict[str, Any]) -> None:
    printed = {
        name: "".join(one["text"] for one in shown[name] if one.get("name") == "stdout")
        for name in ("remote", "await")
    }
    assert printed == {"remote": "3.0 True\n", "await": "2 4\n"}
