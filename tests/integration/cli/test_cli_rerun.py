"""`rlmesh rerun` as a process: equal, not equal, and what cannot be repeated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rlmesh import RunResult
from tests.integration.cli_processes import COMMAND
from tests.processes import finished

pytest.importorskip("rich")
pytest.importorskip("typer")

SUBJECTS = "tests.integration.cli_subjects"


def played(path: Path, *arguments: str) -> Path:
    """A file with the result of a run."""
    done = finished([*COMMAND, "eval", *arguments, "--json"])
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    return path


def test_a_run_is_repeated_from_its_result_alone(address: str, tmp_path: Path) -> None:
    limits = ("--max-episode-steps", "2", "--success", "any", "--latency-steps", "1")
    limits += ("--latency-filler", "1")
    file = played(tmp_path / "run.json", "random", address, "--seeds", "3:9", *limits)
    done = finished([*COMMAND, "rerun", str(file)])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "6 episodes repeated: equal\n"
    run = RunResult.from_json(file.read_text())
    assert run.settings.acting == "Latency(steps=1, filler=1)"
    strange = tmp_path / "strange.json"
    strange.write_text(replace(run, settings=replace(run.settings, acting="Slow()")).to_json())
    refused = finished([*COMMAND, "rerun", str(strange)])
    assert refused.returncode == 2 and "'Slow()' is no way of acting" in refused.stderr
    other = finished([*COMMAND, "rerun", str(file), f"{SUBJECTS}:one", address, "--json"])
    document = json.loads(other.stdout)
    assert (other.returncode, document["equal"], document["episodes"]) == (1, False, 6)
    assert document["differences"][0].startswith("episode ")
    assert any(text.startswith("model_id: ") for text in document["settings_differences"])


def test_a_suite_is_repeated_with_its_options(address: str, tmp_path: Path) -> None:
    suite = tmp_path / "suite.json"
    episodes = [{"seed": 1, "options": {"state": 2}}, {"seed": 5}]
    tasks = {"a": {"envs": address, "episodes": episodes}, "b": {"envs": address, "seeds": [1]}}
    suite.write_text(json.dumps({"tasks": tasks}))
    file = played(tmp_path / "run.json", "random", "--suite", str(suite))
    again = finished([*COMMAND, "rerun", str(file)])
    assert (again.returncode, again.stdout) == (0, "3 episodes repeated: equal\n"), again.stderr
    named = finished([*COMMAND, "rerun", str(file), "random", address])
    assert (named.returncode, named.stdout) == (0, "3 episodes repeated: equal\n"), named.stderr


def test_what_cannot_be_repeated_is_said_first(address: str, tmp_path: Path) -> None:
    file = played(tmp_path / "run.json", "random", address, "--seeds", "3:5")
    run = RunResult.from_json(file.read_text())
    first, second = run.episodes
    half = replace(run, episodes=(first, replace(second, seed=None)))
    file.write_text(half.to_json())
    done = finished([*COMMAND, "rerun", str(file)])
    assert done.returncode == 0 and "1 of 2 episodes have no seed" in done.stderr
    assert done.stdout == "1 episodes repeated: equal\n"
    file.write_text(replace(half, episodes=half.episodes[1:]).to_json())
    done = finished([*COMMAND, "rerun", str(file)])
    assert done.returncode == 2 and "it has no episode with a seed" in done.stderr
    file.write_text(replace(run, settings=replace(run.settings, command=())).to_json())
    done = finished([*COMMAND, "rerun", str(file)])
    assert done.returncode == 2 and "expected MODEL, because the result does not" in done.stderr
    rule = replace(run.settings, success=f"{SUBJECTS}:<lambda>")
    file.write_text(replace(run, settings=rule).to_json())
    done = finished([*COMMAND, "rerun", str(file)])
    assert done.returncode == 2 and "the rule of success is code" in done.stderr
