"""`Recorder`: hooks that write a file an episode, and never end the run that they watch."""

from __future__ import annotations

import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from rlmesh._logs import warn
from rlmesh._recording.writer import EpisodeFile, Writer

__all__ = ["Recorder", "RecordingWarning", "file_stem", "recorded"]

Self = TypeVar("Self", bound="Recorder")


class RecordingWarning(UserWarning):
    """A recording, or a part of it, could not be made; says which file, and why."""


class Recorder(ABC):
    """Hooks that write a file an episode; what cannot be written is a warning.

    They may be called from several threads, for episodes that overlap. An episode that begins again
    under its number, because its endpoint died, is recorded anew.

    Attributes:
        path: Where it writes.

    Args:
        path: Where it writes.
        episodes: Whether an episode is recorded, by its number in the run; None: each is.
        resume: Whether files of an earlier run may be replaced.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        episodes: Callable[[int], bool] | None,
        resume: bool = False,
    ) -> None:
        self.path = os.fspath(path)
        self._episodes = episodes
        self._resume = resume
        self._open: dict[int, EpisodeFile] = {}
        self._writer = Writer(self._note, self._leave)
        self._lock = threading.Lock()
        self._untold: list[str] = []
        self._failures: list[str] = []

    @property
    def failures(self) -> tuple[str, ...]:
        """What could not be recorded, in words, as the warnings say it."""
        with self._lock:
            return tuple(self._failures)

    def on_run_start(self, event: Any) -> None:
        """A run begins."""
        self._send()

    def on_episode_start(self, event: Any) -> None:
        """An episode has begun."""
        self._forget(event.episode)
        if self._episodes is None or self._episodes(event.episode):
            try:
                file = self._begin(event)
            except OSError as error:
                self._say(f"{self.path}: episode {event.episode} is not recorded: {error}")
            else:
                with self._lock:
                    self._open[event.episode] = file
                self._attempt(file, lambda: self._start(file, event))
        self._send()

    def on_step(self, event: Any) -> None:
        """A step was made."""
        file = self._open.get(event.episode)
        if file is not None and not file.broken:
            file.steps += 1
            self._attempt(file, lambda: self._step(file, event))

    def on_episode_end(self, event: Any) -> None:
        """An episode has ended: its file is finished."""
        with self._lock:
            file = self._open.pop(event.episode, None)
        if file is not None and file.steps and not event.result.steps:
            self._writer.abandon(file)  # Of an attempt before: in the last one no episode began.
        elif file is not None and not file.broken:
            self._attempt(file, lambda: self._end(file, event))
            self._writer.finish(file)
        self._send()

    def on_run_end(self, event: Any) -> None:
        """A run has ended: everything is written, but for episodes that have not ended."""
        self.close()

    def close(self) -> None:
        """Write what waits, and give up the episodes that have not ended. Again: nothing."""
        for episode in list(self._open):
            self._forget(episode)
        self._writer.close()
        self._complete()
        self._send()

    def _leave(self) -> None:
        """Write what waits, at the end of a process that has not closed this."""
        self._writer.close()
        self._send()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _begin(self, event: Any) -> Any:
        """The file of an episode that has begun; it is not yet there."""

    @abstractmethod
    def _start(self, file: Any, event: Any) -> None:
        """Add what the reset gave."""

    @abstractmethod
    def _step(self, file: Any, event: Any) -> None:
        """Add what a step gave."""

    def _end(self, file: Any, event: Any) -> None:
        """Add what is known only at the end."""
        return

    def _complete(self) -> None:
        """Write what is made of all episodes."""
        return

    def _vacant(self, path: str) -> str:
        """The name of a file that is to be written.

        Raises:
            FileExistsError: If it is that of a file of an earlier run, which is to be kept.
        """
        if os.path.isfile(path) and not self._resume:
            raise FileExistsError(
                f"{path} is there already, of an earlier run; name another place for each run, or "
                f"resume=True replaces it"
            )
        return path

    def _forget(self, episode: int) -> None:
        with self._lock:
            file = self._open.pop(episode, None)
        if file is not None:
            self._writer.abandon(file)

    def _attempt(self, file: EpisodeFile, job: Callable[[], None]) -> None:
        """Do what may fail by a fault of the environment's, which is not the run's."""
        try:
            job()
        except Exception as error:
            self._note(file, error)
            self._writer.abandon(file)

    def _note(self, file: EpisodeFile, error: Exception) -> None:
        self._say(f"{file.path}: not recorded: {type(error).__name__}: {error}")

    def _say(self, message: str) -> None:
        with self._lock:
            self._untold.append(message)
            self._failures.append(message)

    def _send(self) -> None:
        """Warn in the thread of the run: in the writer's own, nobody could catch it."""
        with self._lock:
            untold, self._untold = self._untold, []
        for message in untold:
            warn(message, RecordingWarning, stacklevel=3)


def file_stem(episode: int, seed: int | None) -> str:
    """How the file of an episode is called: "episode_3_seed_17", "episode_3" where unseeded."""
    return f"episode_{episode}" if seed is None else f"episode_{episode}_seed_{seed}"


def recorded(folder: str | os.PathLike[str], suffix: str) -> list[str]:
    """The names of the files of episodes that are in a folder, if there is one, by episode."""
    pattern = re.compile(rf"episode_(\d+)(?:_seed_(\d+))?{re.escape(suffix)}")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [match for match in map(pattern.fullmatch, names) if match is not None]
    return [m[0] for m in sorted(found, key=lambda m: (int(m[1]), int(m[2] or 0)))]
