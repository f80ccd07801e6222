"""The bar of `rlmesh eval` and the lines of `evaluate`, on the same run."""

from __future__ import annotations

import io
import re

import pytest

from rlmesh._evaluation.progress_report import ProgressReport
from rlmesh._policy.events import EpisodeEndEvent, RunStartEvent
from rlmesh.results import EpisodeEnd, EpisodeResult

console = pytest.importorskip("rich.console")
pytest.importorskip("typer")

from rlmesh._cli.progress import EvaluationProgress  # noqa: E402


class Lines:
    """A display that keeps its lines."""

    seconds = 60.0

    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, line: str, share: float | None, is_last: bool) -> None:
        self.lines.append(line)


def episode(index: int, success: bool | None) -> EpisodeResult:
    end = EpisodeEnd.TERMINATED if success is not None else EpisodeEnd.ERROR
    return EpisodeResult(index, index, 1.0, 5, end, success)


def test_the_bar_counts_the_successes_of_a_journal_as_the_lines_do() -> None:
    finished = (episode(0, True), episode(1, False), episode(2, None))
    later = episode(3, True)
    display = Lines()
    report = ProgressReport(display)
    bar = EvaluationProgress(console.Console(file=io.StringIO()), 4)
    bar.on_run_start(RunStartEvent(4, finished))
    report.begin(4, finished)
    (first,) = re.findall(r"success \d+%", display.lines[0])
    assert first == "success 33%" and first in bar.words
    bar.on_episode_end(EpisodeEndEvent(later))
    report.ended(later)
    report.stop()
    (last,) = re.findall(r"success \d+%", display.lines[-1])
    assert last == "success 50%" and last in bar.words and bar.ended == 4


def test_the_bar_of_a_run_that_is_over_has_no_time_left() -> None:
    terminal = console.Console(file=io.StringIO(), force_terminal=True, width=120)
    with EvaluationProgress(terminal, 4) as bar:
        bar.on_run_start(RunStartEvent(4, ()))
        bar.on_episode_end(EpisodeEndEvent(episode(0, True)))
    last = terminal.file.getvalue().rpartition("evaluating")[2]
    assert "ETA" in terminal.file.getvalue() and "1/4" in last and "ETA" not in last
