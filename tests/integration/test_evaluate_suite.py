"""Suites as processes: killed at any moment, and from a file of the command line."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rlmesh
from rlmesh import Episode, RunResult, Task, record, trackers
from rlmesh.errors import JournalError
from rlmesh.spaces import Discrete
from tests.integration.cli_processes import COMMAND, LOUD, serving
from tests.processes import finished, running
from tests.size import LONG

KILLS = 50 if LONG else 5
TASKS = 5


@pytest.fixture(autouse=True)
def transport() -> str:
    """No test of this file chooses a transport; once is enough."""
    return "auto"


class Slow:
    """An environment whose steps and rewards follow from seed and options."""

    observation_space = Discrete(50)
    action_space = Discrete(2)

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.random = random.Random(seed)
        self.count = options["start"] if options else 0
        return self.count, {}

    def step(self, action: Any) -> Any:
        time.sleep(0.001)
        self.count += 1
        reward = self.random.random() * action
        return self.count, reward, self.count == 8, False, {"success": reward > 0.5}

    def render(self) -> Any:
        return np.full((16, 16, 3), 4 * self.count, np.uint8)

    def close(self) -> None: ...


def suite(endpoints: int) -> dict[str, Task]:
    """A suite of tasks with options; the more kills, the more episodes."""
    episodes = [Episode(seed, {"start": seed % 3}) for seed in range(2 * KILLS)]
    return {f"task {i}": Task([Slow() for _ in range(endpoints)], episodes) for i in range(TASKS)}


def act(observation: Any) -> Any:
    """Return an action that depends on the observation."""
    return observation % 2


def play(folder: Path, endpoints: int, *more: Any) -> RunResult:
    """Return the result of the suite; its journal, films and logs are in a folder."""
    films = folder / "films"
    hooks = [
        record.VideoRecorder(films, resume=True),
        trackers.JsonLines(folder / "run.jsonl", resume=True),
        trackers.TensorBoard(folder / "board", resume=True, videos=films),
        *more,
    ]
    return rlmesh.evaluate(
        act,
        suite(endpoints),
        journal=folder / "run.journal",
        resume=True,
        success="any",
        hooks=hooks,
    )


def told(run: RunResult) -> list[Any]:
    """The part of a result that must not depend on kills or endpoints."""
    return [
        (e.index, e.task, e.seed, e.options, e.reward, e.steps, e.end, e.success)
        for e in run.episodes
    ]


class Print:
    """Prints a line when an episode has ended."""

    def on_episode_end(self, event: Any) -> None:
        """Print."""
        print("episode", flush=True)


def frames_of(film: Path) -> int:
    """The number of images of a film, each of which can be decoded."""
    with pytest.importorskip("av").open(str(film)) as container:
        return sum(1 for _ in container.decode(video=0))


def logged(folder: Path) -> list[int]:
    """The episodes of the JSON lines, in order, and those of TensorBoard, which are the same."""
    objects = [json.loads(line) for line in (folder / "run.jsonl").read_text("utf-8").splitlines()]
    assert [o["kind"] for o in (objects[0], objects[-1])] == ["run_start", "run_end"]
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = accumulator.EventAccumulator(str(folder / "board"), size_guidance={"scalars": 0})
    board.Reload()
    found = [one["index"] for one in objects[1:-1]]
    assert [scalar.value for scalar in board.Scalars("episode/index")] == found
    return found


@pytest.mark.timeout(900)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL there")
def test_a_suite_that_is_killed_again_and_again_is_one_that_is_not(tmp_path: Path) -> None:
    """Its result, its journal, its films and the logs of its trackers."""
    pytest.importorskip("av")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    draw = random.Random(KILLS)
    code = "import sys; from tests.integration import test_evaluate_suite as t; "
    code += "t.play(t.Path(sys.argv[1]), int(sys.argv[2]), t.Print())"
    for _ in range(KILLS):
        with running(["-c", code, str(killed), str(draw.randint(1, 2))]) as evaluator:
            evaluator.wait_for("episode\n" * draw.randint(1, 4), 60)
            time.sleep(draw.random() * 0.03)
            evaluator.process.send_signal(signal.SIGKILL)
            evaluator.process.wait()
        kept = RunResult.from_journal(killed / "run.journal")
        names = {e.index: f"episode_{e.index}_seed_{e.seed}.mp4" for e in kept.episodes}
        missing = [i for i, name in names.items() if not (killed / "films" / name).exists()]
        assert missing == [], "an episode of the journal is not played again, and has its film"
    assert KILLS <= len(kept.episodes) < 2 * KILLS * TASKS
    run, expected = play(killed, 3), play(whole, 1)
    assert told(run) == told(expected)
    assert run.episodes == RunResult.from_journal(killed / "run.journal").episodes
    assert list(run.by_task()) == list(suite(1))
    assert sorted(logged(killed)) == sorted(logged(whole)) == list(range(2 * KILLS * TASKS))
    films = [sorted(os.listdir(folder / "films")) for folder in (killed, whole)]
    assert films[0] == films[1] and len(films[0]) == 2 * KILLS * TASKS
    for name in films[0]:
        assert frames_of(killed / "films" / name) == frames_of(whole / "films" / name)


def test_a_second_run_that_writes_the_journal_is_refused_and_changes_nothing(
    tmp_path: Path,
) -> None:
    pytest.importorskip("av")
    code = "import sys; from tests.integration import test_evaluate_suite as t; "
    code += "t.play(t.Path(sys.argv[1]), 1, t.Print())"
    with running(["-c", code, str(tmp_path)]) as first:
        first.wait_for("episode\n", 60)
        with pytest.raises(JournalError, match="open already, here or in another process"):
            play(tmp_path, 1)
        assert first.process.wait(60) == 0
    run = RunResult.from_journal(tmp_path / "run.journal")
    assert sorted(logged(tmp_path)) == [e.index for e in run.episodes]
    assert len(run.episodes) == 2 * KILLS * TASKS
    assert len(os.listdir(tmp_path / "films")) == len(run.episodes)


SUITE = """
[tasks.lift]
envs = ["{address}"]
seeds = "0:2"

[tasks.push]
envs = "{address}"
instruction = "push it"
[[tasks.push.episodes]]
seed = 7
instruction = "push it slowly"
[[tasks.push.episodes]]
options = {{ state = 3 }}
"""


def test_a_suite_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "suite.toml"
    with serving(LOUD, "--max-sessions", "8") as (address, _):
        file.write_text(SUITE.format(address=address))
        arguments = ["eval", "tests.integration.cli_subjects:obeys", "--suite", str(file)]
        done = finished([*COMMAND, *arguments, "--instruction", "go", "--json"])
    assert done.returncode == 0, done.stderr
    run = RunResult.from_json(done.stdout)
    assert [(e.task, e.seed, e.instruction, e.options) for e in run.episodes] == [
        ("lift", 0, "go", None),
        ("lift", 1, "go", None),
        ("push", 7, "push it slowly", None),
        ("push", None, "push it", {"state": 3}),
    ]
    tasks = json.loads(done.stdout)["summary"]["tasks"]
    assert [(one["task"], one["episodes"]) for one in tasks] == [("lift", 2), ("push", 2)]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "tasks = 3", "expected a table 'tasks' with a task or more, got 3"),
        ("a.toml", "[task.x]", "expected the keys tasks, got 'task'"),
        ("a.toml", "[tasks.x]\nenv = '1'", "tasks.x: expected the keys envs, .*, got 'env'"),
        ("a.toml", "[tasks.x]\n[tasks.x]", "Cannot declare"),
        ("a.toml", "[tasks.x]", "tasks.x: expected an environment or more"),
        ("a.toml", "[tasks.x]\nenvs = 'a b'", "tasks.x: .*a b"),
        ("a.toml", "[tasks.x]\nenvs = {}", r"tasks.x.envs: expected a list, got {}"),
        ("a.toml", "[tasks.x]\nenvs = '1'\nseeds = 'x'", "tasks.x: --seeds: expected"),
        ("a.toml", "[tasks.x]\nenvs = '1'\nseeds = []", "tasks.x: expected an episode or more"),
        ("a.toml", "[tasks.x]\nenvs = '1'\nepisodes = 3", "tasks.x.episodes: expected a list"),
        (
            "a.toml",
            "[tasks.x]\nenvs = '1'\nepisodes = [{seeds = 3}]",
            r"tasks.x.episodes\[0\]: expected the keys seed, options, instruction, got 'seeds'",
        ),
        ("a.json", '{"tasks": {"x": {}, "x": {}}}', "expected each key once, got 'x' twice"),
        ("a.json", "{", "Expecting"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    pytest.importorskip("typer")
    from rlmesh._cli.sources import UsageProblem
    from rlmesh._cli.suite_file import read_suite

    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageProblem, match=words):
        read_suite(path)


def test_a_suite_in_json_is_that_in_toml(tmp_path: Path) -> None:
    pytest.importorskip("typer")
    from rlmesh._cli.suite_file import read_suite

    path = tmp_path / "suite.json"
    task = {"envs": ["unix:///a", "2"], "episodes": [{"seed": 1, "options": {"a": [1, 2]}}]}
    path.write_text(json.dumps({"tasks": {"x": task, "y": {"envs": "3", "seeds": [4]}}}))
    assert read_suite(path) == {
        "x": Task(("unix:///a", "2"), [Episode(1, {"a": [1, 2]})]),
        "y": Task("3", seeds=[4]),
    }
