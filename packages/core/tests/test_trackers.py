"""Trackers: what JSON lines and TensorBoard have of a run, of a resumed and of a failing one."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from rlmesh import RunStartEvent, evaluate, trackers
from rlmesh.errors import RunError
from rlmesh.results import EpisodeResult, RunResult
from rlmesh.stopping import IntervalWidth
from rlmesh.trackers import JsonLines, TensorBoard, Tracker, TrackerWarning

from .tracked_env import Odd


def play(hooks: Any, fatal: int | None = None, **given: Any) -> RunResult:
    given = {"seeds": range(8), "retries": 0, "run_id": "checkpoint-7", **given}
    return evaluate(lambda observation: 0, [Odd(fatal)], hooks=hooks, **given)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def figures_of(document: dict[str, Any]) -> dict[str, Any]:
    """The summary without the figure that has the wall time, which goes on after the event."""
    return {k: v for k, v in document["summary"].items() if k != "steps_per_second"}


def killed_and_resumed(hook: Callable[[bool], Tracker], tmp_path: Path) -> RunResult:
    journal = tmp_path / "run.journal"
    with pytest.raises(KeyboardInterrupt):
        play([hook(False)], fatal=5, journal=journal)
    return play([hook(True)], journal=journal, resume=True)


def test_json_lines_have_start_episodes_and_end(tmp_path: Path) -> None:
    result = play([JsonLines(tmp_path / "run.jsonl")])
    start, *episodes, end = lines(tmp_path / "run.jsonl")
    document = json.loads(result.to_json())
    assert [one.pop("kind") for one in episodes] == ["episode"] * 8
    assert episodes == document["episodes"]
    assert (start["kind"], start["episodes"], start["finished"]) == ("run_start", 8, 0)
    assert start["settings"] == document["settings"]
    assert start["settings"]["run_id"] == "checkpoint-7"
    assert end["kind"] == "run_end" and figures_of(end) == figures_of(document)
    assert end["stopping"] is None and "episodes" not in end


def test_json_lines_are_written_when_an_episode_ends(tmp_path: Path) -> None:
    path, seen = tmp_path / "run.jsonl", []

    class Reader:
        def on_episode_end(self, event: Any) -> None:
            seen.append(lines(path)[-1]["index"])

    play([JsonLines(path), Reader()])
    assert seen == list(range(8))


def test_json_lines_tell_of_a_stopping_rule(tmp_path: Path) -> None:
    play([JsonLines(tmp_path / "run.jsonl")], seeds=range(7, 400), until=IntervalWidth(0.5))
    end = lines(tmp_path / "run.jsonl")[-1]
    assert end["stopping"]["decision"] == "precise"


def test_json_lines_of_a_resumed_run_have_each_episode_once(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    result = killed_and_resumed(lambda resume: JsonLines(path, resume=resume), tmp_path)
    start, *episodes, end = lines(path)
    assert [one["index"] for one in episodes] == list(range(8)) and start["finished"] == 5
    assert figures_of(end) == figures_of(json.loads(result.to_json()))


def test_a_torn_line_of_a_killed_run_does_not_stay(tmp_path: Path) -> None:
    path, journal = tmp_path / "run.jsonl", tmp_path / "run.journal"
    with pytest.raises(KeyboardInterrupt):
        play([JsonLines(path)], fatal=5, journal=journal)
    torn = path.read_bytes()
    path.write_bytes(torn[: torn.rstrip(b"\n").rindex(b"\n") + 40])
    play([JsonLines(path, resume=True)], journal=journal, resume=True)
    assert [one["kind"] for one in lines(path)] == ["run_start", *["episode"] * 8, "run_end"]


def test_the_file_of_an_earlier_run_is_not_replaced(tmp_path: Path) -> None:
    play([JsonLines(tmp_path / "run.jsonl")])
    with pytest.raises(FileExistsError, match=r"run\.jsonl already exists.*resume=True"):
        JsonLines(tmp_path / "run.jsonl")


def test_lines_that_could_not_be_written_are_there_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    tracker = JsonLines(path)
    write = JsonLines._episode

    def failing(self: JsonLines, episode: EpisodeResult, figures: Any) -> None:
        if episode.index in (2, 3):
            raise OSError(28, "No space left on device")
        write(self, episode, figures)

    monkeypatch.setattr(JsonLines, "_episode", failing)
    with pytest.warns(TrackerWarning, match="episode 2 is not logged: OSError") as told:
        result = play([tracker])
    assert len(told) == 1 and len(tracker.failures) == 2 and len(result.episodes) == 8
    assert [one.get("index") for one in lines(path)] == [None, *range(8), None]


class Failing(Tracker):
    """A tracker that fails at one of its three calls."""

    def __init__(self, at: str, on_error: Any = "warn") -> None:
        super().__init__(on_error=on_error)
        self.at = at
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.at:
            raise ConnectionError("no route to host")

    def _start(self, event: RunStartEvent) -> Collection[int]:
        self._call("start")
        return ()

    def _episode(self, episode: EpisodeResult, figures: Any) -> None:
        self._call("episode")

    def _finish(self, run: RunResult) -> None:
        self._call("finish")


@pytest.mark.parametrize(
    ("at", "calls", "failures"),
    [
        ("start", ["start"], 1),
        ("episode", ["start", *["episode"] * 8, "finish"], 8),
        ("finish", ["start", *["episode"] * 8, "finish"], 1),
    ],
)
def test_a_failure_is_told_once_and_the_run_goes_on(
    at: str, calls: list[str], failures: int
) -> None:
    tracker = Failing(at)
    with pytest.warns(TrackerWarning, match=r"ConnectionError: no route to host") as told:
        result = play([tracker])
    assert len(told) == 1 and len(result.episodes) == 8
    assert tracker.calls == calls and len(tracker.failures) == failures


@pytest.mark.parametrize(("at", "finished"), [("start", 0), ("episode", 1), ("finish", 8)])
def test_a_failure_ends_the_run_on_request_and_loses_no_episode(
    tmp_path: Path, at: str, finished: int
) -> None:
    journal = tmp_path / "run.journal"
    with pytest.raises(RunError, match="no route to host") as caught:
        play([Failing(at, "raise")], journal=journal)
    assert caught.value.result is not None and len(caught.value.result.episodes) == finished
    assert len(RunResult.from_journal(journal).episodes) == finished
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(play([], journal=journal, resume=True).episodes) == 8


def test_an_unknown_way_to_fail_is_refused() -> None:
    with pytest.raises(ValueError, match='expected on_error="warn" or "raise"'):
        Failing("start", "ignore")


def test_the_module_imports_no_tracker() -> None:
    code = (
        "import sys, rlmesh.trackers; "
        "print([m for m in ('tensorboard', 'wandb', 'mlflow', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["TensorBoard", "WandB", "MLflow"])
def test_a_missing_library_is_told_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    library = name.lower()
    for module in [m for m in sys.modules if m.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    wanted = rf'{name} needs {library}: pip install "rlmesh-core\[{library}\]"'
    with pytest.raises(ImportError, match=wanted):
        getattr(trackers, name)(tmp_path / "new")


def read(folder: Path) -> Any:
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = module.EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def scalars(found: Any, tag: str) -> dict[int, float]:
    points = [(point.step, point.value) for point in found.Scalars(tag)]
    assert len({step for step, _ in points}) == len(points), "a point is there twice"
    return dict(points)


def words(found: Any, tag: str) -> list[str]:
    return [point.tensor_proto.string_val[0].decode() for point in found.Tensors(tag)]


def test_tensorboard_has_each_episode_and_the_summary(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    result = play([TensorBoard(tmp_path / "tb")])
    found = read(tmp_path / "tb")
    rewards = [episode.reward for episode in result.episodes]
    assert scalars(found, "episode/reward") == dict(enumerate(rewards, 1))
    assert scalars(found, "episode/error")[5] == 1
    assert scalars(found, "running/success_rate")[8] == pytest.approx(result.success_rate)
    assert scalars(found, "running/mean_reward")[8] == pytest.approx(result.mean_reward)
    low, high = result.reward_interval()
    assert scalars(found, "summary/reward_low") == {8: pytest.approx(low)}
    assert scalars(found, "summary/reward_high") == {8: pytest.approx(high)}
    assert "checkpoint-7" in words(found, "settings")[0]
    assert "episode/seed  3" in words(found, "episode")[3]
    for name in ("result.html", "episodes.csv", "result.json", "figures/rewards.svg"):
        assert (tmp_path / "tb" / name).stat().st_size
    stored = RunResult.from_json((tmp_path / "tb" / "result.json").read_text())
    assert stored.episodes == result.episodes


def test_tensorboard_of_a_resumed_run_has_each_episode_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = tmp_path / "tb"
    killed_and_resumed(lambda resume: TensorBoard(folder, resume=resume), tmp_path)
    found = read(folder)
    assert scalars(found, "episode/index") == {i + 1: i for i in range(8)}
    assert len(words(found, "episode")) == 8
    with pytest.raises(FileExistsError, match="event files of an earlier run"):
        TensorBoard(folder)


def test_tensorboard_has_only_the_interval_that_holds(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    until = IntervalWidth(0.5)
    result = play([TensorBoard(tmp_path / "tb")], seeds=range(7, 400), until=until)
    found = read(tmp_path / "tb")
    tags = found.Tags()["scalars"]
    assert not [tag for tag in tags if tag.startswith("summary/") and "_low" in tag]
    assert result.stopping is not None and not math.isnan(result.stopping.interval.low)
    (low,) = scalars(found, "stopping/interval_low").values()
    assert low == pytest.approx(result.stopping.interval.low)
