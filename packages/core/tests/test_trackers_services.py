"""Weights & Biases and MLflow: what the real libraries have of a run, without a network."""

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

QUIET = {
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
"""Variables with which neither library sends reports about itself."""

LOCK = ROOT / "requirements" / "trackers.txt"


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of an environment with both libraries, kept in build/ from one run on."""
    folder = ROOT / "build" / "trackers" / "{}.{}".format(*sys.version_info[:2])
    with made_once(folder, hashlib.sha256(LOCK.read_bytes()).hexdigest()) as needed:
        if needed:
            pip_install(fresh_venv(sys.executable, folder), ["--require-hashes", "-r", LOCK])
    return folder / "bin" / "python"


def tracked(python: Path, library: str, folder: Path) -> Any:
    paths = [ROOT / "packages" / "core" / "src", ROOT / "gen" / "python" / "src"]
    words = [str(Path(__file__).with_name("trackers_services.py")), library, str(folder)]
    done = finished(
        words,
        program=str(python),
        timeout=300,
        PYTHONPATH=os.pathsep.join(map(str, paths)),
        **QUIET,
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


SUMMARY = {
    "summary/episodes": 6,
    "summary/errors": 1,
    "summary/mean_reward": 0.5,
    "summary/success_rate": 0.5,
    "summary/success_low": pytest.approx(0.1876, abs=1e-4),
    "summary/success_high": pytest.approx(0.8124, abs=1e-4),
}


def test_weights_and_biases(python: Path, tmp_path: Path) -> None:
    found = tracked(python, "wandb", tmp_path)
    whole = found["whole"]
    assert whole["config"]["run_id"] == "checkpoint-7" and whole["config"]["episodes"] == 6
    assert {**whole["summary"], **SUMMARY} == whole["summary"]
    files = {"result.html", "result.json", "episodes.csv", "videos/episode_0_seed_0.mp4"}
    charts = ("rewards", "reward-by-seed", "steps-by-seed", "time", "success")
    files |= {f"figures/{name}.svg" for name in charts}
    assert set(whole["files"]) == files and whole["exit"] == 0
    for run in (whole, found["resumed"]):
        rows = [row for row in run["history"] if "episode/index" in row]
        assert [row["episode/index"] for row in rows] == list(range(6))
        assert [row["episode/reward"] for row in rows] == [0, 1, 0, 1, 0, 1]
        assert [row["episode/seed"] for row in rows] == [str(seed) for seed in range(6)]
        assert rows[-1]["running/success_rate"] == 0.5


def test_mlflow(python: Path, tmp_path: Path) -> None:
    found = tracked(python, "mlflow", tmp_path)
    whole, cut, resumed = found["whole"], found["cut"], found["resumed"]
    assert whole["parameters"]["run id"] == "checkpoint-7"
    assert whole["files"] == ["episodes.csv", "figures", "result.html", "result.json", "videos"]
    assert whole["videos"] == ["videos/episode_0_seed_0.mp4"]
    assert cut["status"] == "FAILED" and cut["indexes"] == [[i + 1, i] for i in range(3)]
    for run in (whole, resumed):
        assert run["status"] == "FINISHED"
        assert run["indexes"] == [[i + 1, i] for i in range(6)]
        assert {**run["metrics"], **SUMMARY} == run["metrics"]
