"""A thread that writes files, with a bounded queue."""

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

MAX_WAITING = 16
"""Largest number of queued items, such as images; adding more blocks."""


class EpisodeFile(ABC):
    """A file of an episode, which has another name until it is complete.

    Attributes:
        path: Path of the complete file.
        broken: Whether the file was abandoned.
        steps: Number of steps that were reported.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.broken = False
        self.steps = 0

    @property
    def unfinished(self) -> str:
        """Path of the incomplete file; hidden, so that readers of the folder ignore it."""
        folder, name = os.path.split(self.path)
        return os.path.join(folder, f".{name}.part")

    @abstractmethod
    def add(self, item: Any) -> None:
        """Write an item."""

    @abstractmethod
    def finish(self) -> None:
        """Write the rest, and give the file its final name."""

    @abstractmethod
    def abandon(self) -> None:
        """Close and remove the incomplete file."""


class SingleFile(EpisodeFile):
    """An episode's file with a single writer, which is opened with the first item."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._writer: Any = None

    def abandon(self) -> None:
        """Close and remove the incomplete file, if it was opened."""
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            # It is there, too, where its writer could not be made: on a full disk.
            with suppress(FileNotFoundError):
                os.remove(self.unfinished)


class _Mark(EpisodeFile):
    """A place in the queue instead of a file."""

    def add(self, item: Any) -> None: ...

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


class Writer:
    """A writer of files in a thread of its own, which starts with the first file.

    Args:
        failed: Called in that thread with a file that cannot be written, and the error.
        leave: Called at the end of a process that has not closed the writer; closes it.
    """

    def __init__(
        self, failed: Callable[[EpisodeFile, Exception], None], leave: Callable[[], None]
    ) -> None:
        self._failed = failed
        self._leave = leave
        self._jobs: queue.Queue[tuple[EpisodeFile, Callable[[], None]] | None]
        self._jobs = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None
        self._beginning = threading.Lock()

    def add(self, file: EpisodeFile, item: Any) -> None:
        """Queue an item; block while the queue is full."""
        self._put(file, lambda: file.add(item))

    def finish(self, file: EpisodeFile) -> None:
        """Queue the completion of a file."""
        self._put(file, file.finish)

    def abandon(self, file: EpisodeFile) -> None:
        """Queue the removal of an incomplete file."""
        self._put(file, lambda: self._give_up(file))

    def wait_for(self, file: EpisodeFile) -> None:
        """Wait until what is queued for a file is done."""
        done = threading.Event()
        self._put(_Mark(file.path), done.set)
        done.wait()

    def close(self) -> None:
        """Wait until everything is written; idempotent."""
        with self._beginning:
            thread, self._thread = self._thread, None
            if thread is not None:
                atexit.unregister(self._leave)
                self._jobs.put(None)
                thread.join()

    def _put(self, file: EpisodeFile, job: Callable[[], None]) -> None:
        with self._beginning:
            if self._thread is None:
                # PyArrow imports Pandas with its first list. If that happens at the end of the
                # process, Pandas can no longer start this module's threads.
                importlib.import_module("concurrent.futures.thread")
                # A daemon thread, so that a recorder that is never closed does not block the end of
                # the process. Files of ended episodes are complete even then.
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
        with suppress(Exception):  # The file is broken already.
            file.abandon()
