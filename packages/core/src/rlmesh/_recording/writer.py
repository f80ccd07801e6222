"""A thread that writes files: what it is given waits in a queue that is bounded."""

from __future__ import annotations

import atexit
import importlib
import os
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["EpisodeFile", "Writer"]

MOST_WAITING = 16
"""Items, such as frames; who gives another one waits."""


class EpisodeFile(ABC):
    """A file that an episode is written to, under another name until it is whole.

    Attributes:
        path: The name it gets when it is whole.
        broken: Whether it is given up.
        steps: How many steps it was told.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.broken = False
        self.steps = 0

    @property
    def unfinished(self) -> str:
        """The name until then; hidden, so that no reader of the folder takes it."""
        folder, name = os.path.split(self.path)
        return os.path.join(folder, f".{name}.part")

    @abstractmethod
    def add(self, item: Any) -> None:
        """Write an item."""

    @abstractmethod
    def finish(self) -> None:
        """Write what is left, and give the file its name."""

    @abstractmethod
    def abandon(self) -> None:
        """Close and remove what was written."""


class SingleFile(EpisodeFile):
    """An episode whose file one writer has open, from the first thing that is written on."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._writer: Any = None

    def abandon(self) -> None:
        """See `EpisodeFile`."""
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            # It is there, too, where its writer could not be made: on a full disk.
            with suppress(FileNotFoundError):
                os.remove(self.unfinished)


class Writer:
    """Writes files in a thread of its own, which begins with the first of them.

    Args:
        failed: Told, in that thread, of a file that cannot be written, and why.
        leave: Called at the end of a process that has not closed it; closes it.
    """

    def __init__(
        self, failed: Callable[[EpisodeFile, Exception], None], leave: Callable[[], None]
    ) -> None:
        self._failed = failed
        self._leave = leave
        self._jobs: queue.Queue[tuple[EpisodeFile, Callable[[], None]] | None]
        self._jobs = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._beginning = threading.Lock()

    def add(self, file: EpisodeFile, item: Any) -> None:
        """Write an item; waits while too many do."""
        self._put(file, lambda: file.add(item))

    def finish(self, file: EpisodeFile) -> None:
        """Make the file whole."""
        self._put(file, file.finish)

    def abandon(self, file: EpisodeFile) -> None:
        """Give the file up."""
        self._put(file, lambda: self._give_up(file))

    def close(self) -> None:
        """Wait until everything is written. Again: nothing."""
        with self._beginning:
            thread, self._thread = self._thread, None
            if thread is not None:
                atexit.unregister(self._leave)
                self._jobs.put(None)
                thread.join()

    def _put(self, file: EpisodeFile, job: Callable[[], None]) -> None:
        with self._beginning:
            if self._thread is None:
                # PyArrow imports Pandas with its first list; where that is at the end of the
                # process, Pandas cannot begin this any more.
                importlib.import_module("concurrent.futures.thread")
                # A daemon, so that who forgets to close does not hang at the end; what has ended
                # is whole even then.
                atexit.register(self._leave)
                self._thread = threading.Thread(
                    target=self._work, name="rlmesh-record", daemon=True
                )
                self._thread.start()
        self._jobs.put((file, job))

    def _work(self) -> None:
        while (waiting := self._jobs.get()) is not None:
            file, job = waiting
            if file.broken:
                continue
            try:
                job()
            except Exception as error:
                self._give_up(file)
                self._failed(file, error)

    def _give_up(self, file: EpisodeFile) -> None:
        file.broken = True
        with suppress(Exception):  # It is broken as it is.
            file.abandon()
