"""`Recorder`: hooks that write one file for each episode, and never end the recorded run."""

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
    """A recording, or a part of it, could not be made; the message has the file and the reason."""


class Recorder(ABC):
    """Hooks that write one file for each episode, and warn about what they cannot write.

    They may be called from several threads, for episodes that overlap. An episode that begins again
    under its number, because its endpoint died, is recorded again.

    Attributes:
        path: Path that the recorder writes to.

    Args:
        path: Path that the recorder writes to.
        episodes: Returns whether an episode is recorded, by its number in the run; None: all are.
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
        """Descriptions of what could not be recorded, with the text of the warnings."""
        with self._lock:
            return tuple(self._failures)

    def on_run_start(self, event: Any) -> None:
        """Warn about earlier failures; a run begins."""
        self._send()

    def on_episode_start(self, event: Any) -> None:
        """Begin the file of an episode."""
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
        """Add a step to its episode's file."""
        file = self._open.get(event.episode)
        if file is not None and not file.broken:
            file.steps += 1
            self._attempt(file, lambda: self._step(file, event))

    def before_journal(self, event: Any) -> None:
        """Complete the file of an episode, and wait for it; see `Audience`.

        If the process is killed before, the journal lacks the episode, which is played again.
        """
        file = self._end_episode(event)
        if file is not None:
            self._writer.wait_for(file)
        self._send()

    def on_episode_end(self, event: Any) -> None:
        """Complete the file of an episode, unless `before_journal` has done so."""
        self._end_episode(event)
        self._send()

    def _end_episode(self, event: Any) -> EpisodeFile | None:
        """Queue the completion of an episode's file, and return the file; None: there is none."""
        with self._lock:
            file = self._open.pop(event.episode, None)
        if file is not None and file.steps and not event.result.steps:
            self._writer.abandon(file)  # From an earlier attempt; the last one never began.
        elif file is not None and not file.broken:
            self._attempt(file, lambda: self._end(file, event))
            self._writer.finish(file)
        return file

    def on_run_end(self, event: Any) -> None:
        """Write everything, except episodes that have not ended."""
        self.close()

    def close(self) -> None:
        """Write what is queued, and discard the episodes that have not ended; idempotent."""
        for episode in list(self._open):
            self._forget(episode)
        self._writer.close()
        self._complete()
        self._send()

    def _leave(self) -> None:
        """Write what is queued, at the end of a process that has not closed the recorder."""
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
        """Return the file of an episode that has begun; it does not exist yet."""

    @abstractmethod
    def _start(self, file: Any, event: Any) -> None:
        """Add the result of the reset."""

    @abstractmethod
    def _step(self, file: Any, event: Any) -> None:
        """Add the result of a step."""

    def _end(self, file: Any, event: Any) -> None:
        """Add what is known only at the end of the episode."""
        return

    def _complete(self) -> None:
        """Write what combines all episodes."""
        return

    def _vacant(self, path: str) -> str:
        """Return the path of a file that is about to be written.

        Raises:
            FileExistsError: If a file of an earlier run is there, and must be kept.
        """
        if os.path.isfile(path) and not self._resume:
            raise FileExistsError(
                f"{path} already exists, from an earlier run; use another path for each run, or "
                f"resume=True to replace it"
            )
        return path

    def _forget(self, episode: int) -> None:
        with self._lock:
            file = self._open.pop(episode, None)
        if file is not None:
            self._writer.abandon(file)

    def _attempt(self, file: EpisodeFile, job: Callable[[], None]) -> None:
        """Do a job that an environment's fault may break, without ending the run."""
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
        """Warn in the run's thread, because a warning in the writer's thread cannot be caught."""
        with self._lock:
            untold, self._untold = self._untold, []
        for message in untold:
            warn(message, RecordingWarning, stacklevel=3)


def file_stem(episode: int, seed: int | None) -> str:
    """Return the name of an episode's file: "episode_3_seed_17", or "episode_3" without a seed."""
    return f"episode_{episode}" if seed is None else f"episode_{episode}_seed_{seed}"


def recorded(folder: str | os.PathLike[str], suffix: str) -> list[str]:
    """Return the names of the episodes' files in a folder, by episode; none without the folder."""
    pattern = re.compile(rf"episode_(\d+)(?:_seed_(\d+))?{re.escape(suffix)}")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [match for match in map(pattern.fullmatch, names) if match is not None]
    return [m[0] for m in sorted(found, key=lambda m: (int(m[1]), int(m[2] or 0)))]
