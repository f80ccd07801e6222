"""Progress of an evaluation: a bar on a terminal; `rlmesh.evaluate` shows lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rlmesh.results._success_tally import SuccessTally

__all__ = ["EvaluationProgress"]


class EvaluationProgress:
    """Hooks of `rlmesh.evaluate` that draw a bar: episodes, steps a second, success so far, ETA.

    It has no `on_step`, because that would slow down each step and prevent chunks from being played
    in one round trip. Therefore steps are counted when their episode has ended.

    Attributes:
        ended: Number of episodes that have ended.
        begun: Whether the run has begun: its environments and its journal have been accepted.

    Args:
        console: Console of the bar.
        total: Number of episodes.
        is_shown: Whether the bar is drawn, if the console is a terminal.
    """

    def __init__(self, console: Console, total: int, is_shown: bool = True) -> None:
        self._progress = Progress(
            TextColumn("evaluating"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("episodes  {task.fields[words]}"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=console,
            disable=not (is_shown and console.is_terminal),
        )
        self._task = self._progress.add_task("", total=total, words="")
        self._begun = time.monotonic()
        self.begun = False
        self.ended = 0
        self._steps = 0
        self._successes = SuccessTally()

    @property
    def words(self) -> str:
        """Steps a second, and the success so far if episodes report it."""
        seconds = max(1e-9, time.monotonic() - self._begun)
        text = f"{self._steps / seconds:.0f} steps/s"
        if (rate := self._successes.rate) is not None:
            text += f"  success {rate:.0%}"
        return text

    def on_run_start(self, event: Any) -> None:
        """Start the bar at the episodes that are in the journal."""
        self.begun = True
        self.ended = len(event.finished)
        for episode in event.finished:
            self._successes.add(episode)
        words = self.words if event.finished else ""
        self._progress.update(self._task, completed=self.ended, words=words)
        self._begun = time.monotonic()

    def on_episode_end(self, event: Any) -> None:
        """Count an episode."""
        episode = event.result
        self.ended += 1
        self._steps += episode.steps
        self._successes.add(episode)
        self._progress.update(self._task, advance=1, words=self.words)

    def __enter__(self) -> EvaluationProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        # The run is over, also if it was stopped before its last episode.
        self._progress.columns = self._progress.columns[:-2]
        self._progress.stop()
