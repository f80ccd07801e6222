"""`Tracker`: what all trackers share, and `TrackerWarning`."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Literal

from rlmesh._logs import warn
from rlmesh._policy.events import CloseEvent, EpisodeEndEvent, RunStartEvent
from rlmesh._trackers.figures import EpisodeFigures, RunningFigures
from rlmesh.results import EpisodeResult, RunResult, StopDecision

__all__ = ["OnError", "Tracker", "TrackerWarning"]

OnError = Literal["warn", "raise"]


class TrackerWarning(UserWarning):
    """A tracker could not log something; the message has what, and the reason."""


class Tracker(ABC):
    """Hooks that log a run: its settings, each episode and, at the end, the summary and the report.

    A resumed run logs each episode once: a tracker gets those of the journal when the run starts,
    and logs the ones that it has not logged before. The figures of an episode are logged at the
    number of episodes that have ended, from 1; its position in the run is `episode/index`.
    Episodes that a stopping rule discards are logged when they end, and are in no summary.

    A failure, such as a full disk or a lost network, does not end the run by default: the first one
    is a `TrackerWarning`, and all of them are in `failures`. With `on_error="raise"` it ends
    the run like the exception of any hook: the finished episodes are in the `RunError` and in
    the journal. Wrong arguments and missing libraries are errors of the constructor.

    Args:
        videos: Folder or file of a `VideoRecorder`; its videos are attached at the end; None: no
            videos. The recorder must be before the tracker in `hooks`.
        on_error: "warn": a failure does not end the run. "raise": it does.

    Raises:
        ValueError: If `on_error` is neither.
    """

    def __init__(
        self,
        *,
        videos: str | os.PathLike[str] | None = None,
        on_error: OnError = "warn",
    ) -> None:
        if on_error not in ("warn", "raise"):
            raise ValueError(f'expected on_error="warn" or "raise", got {on_error!r}')
        self._videos = None if videos is None else os.fspath(videos)
        self._on_error = on_error
        self._failures: list[str] = []
        self._has_started = False
        self._logged: set[int] = set()
        self._figures = RunningFigures()
        self._planned: int | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """Descriptions of what could not be logged in this run."""
        return tuple(self._failures)

    def on_run_start(self, event: RunStartEvent) -> None:
        """Log the settings, and the episodes of the journal that have not been logged."""
        self._failures, self._has_started = [], False
        self._figures, self._planned = RunningFigures(), event.episodes

        def start() -> None:
            self._logged = set(self._start(event))
            self._has_started = True

        self._attempt("the start of the run", start)
        for episode in event.finished:
            self._log(episode)

    def on_episode_end(self, event: EpisodeEndEvent) -> None:
        """Log an episode."""
        self._log(event.result)

    def on_run_end(self, event: CloseEvent) -> None:
        """Log the summary and attach the report; the run has ended, completely or early."""
        if self._has_started:
            self._attempt("the end of the run", lambda: self._finish(event.result))
            self._has_started = False

    def _log(self, episode: EpisodeResult) -> None:
        figures = self._figures.add(episode)
        if self._has_started and episode.index not in self._logged:
            self._logged.add(episode.index)
            self._attempt(f"episode {episode.index}", lambda: self._episode(episode, figures))

    def _attempt(self, what: str, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:
            if self._on_error == "raise":
                raise
            message = (
                f"{type(self).__name__}: {what} is not logged: {type(error).__name__}: {error}"
            )
            self._failures.append(message)
            if len(self._failures) == 1:
                warn(f"{message}; the run goes on", TrackerWarning, stacklevel=4)

    def _is_whole(self, run: RunResult) -> bool:
        """Return whether a run has all the episodes that it was to have."""
        decided = run.stopping is not None and run.stopping.decision is not StopDecision.UNDECIDED
        return decided or self._planned is None or len(run.episodes) >= self._planned

    @abstractmethod
    def _start(self, event: RunStartEvent) -> Collection[int]:
        """Begin to log a run; return the positions of the episodes that are logged already."""

    @abstractmethod
    def _episode(self, episode: EpisodeResult, figures: EpisodeFigures) -> None:
        """Log an episode."""

    @abstractmethod
    def _finish(self, run: RunResult) -> None:
        """Log the end of the run."""
