"""The environment's thread: every call on the environment runs here, one after another."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from rlmesh.errors import ClosedError

__all__ = ["EnvThread"]

R = TypeVar("R")

_SIGNAL_CHECK_SECONDS = 0.2

_Job = tuple[Callable[[], Any], "queue.SimpleQueue[tuple[bool, Any]]"]


class EnvThread:
    """Runs calls of other threads on the one that is in `run`.

    OpenGL, MuJoCo and SAPIEN bind what they draw with to a thread, so it never changes.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopped = False
        self._owner = 0
        self._callers = threading.local()

    @property
    def is_current(self) -> bool:
        """Whether the caller is on the environment's thread."""
        return threading.get_ident() == self._owner

    def call(self, function: Callable[[], R]) -> R:
        """The result of `function` on the environment's thread.

        Raises:
            ClosedError: If the thread has stopped.
            BaseException: What `function` raises.
        """
        answer = self._answer_queue()
        with self._lock:
            if self._stopped:
                raise ClosedError("the server is shutting down")
            self._jobs.put((function, answer))
        worked, result = answer.get()
        if not worked:
            raise result
        value: R = result
        return value

    def _answer_queue(self) -> queue.SimpleQueue[tuple[bool, Any]]:
        """The caller's own queue: it waits for each answer, so there is one at most."""
        answer: queue.SimpleQueue[tuple[bool, Any]] | None = getattr(self._callers, "queue", None)
        if answer is None:
            answer = self._callers.queue = queue.SimpleQueue()
        return answer

    def run(self) -> None:
        """Run calls until `stop`; those that wait by then are refused."""
        self._owner = threading.get_ident()
        try:
            while (job := self._next()) is not None:
                _work(*job)
        finally:
            self._refuse_rest()

    def _next(self) -> _Job | None:
        # The kernel may deliver a signal to one of gRPC's threads. Python runs its handler in the
        # main thread, but nothing wakes that one from a wait without a timeout.
        while True:
            try:
                return self._jobs.get(timeout=_SIGNAL_CHECK_SECONDS)
            except queue.Empty:
                continue

    def stop(self) -> None:
        """Make `run` return after the call that is running; safe in a signal handler."""
        self._jobs.put(None)

    def _refuse_rest(self) -> None:
        with self._lock:
            self._stopped = True
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is not None:
                job[1].put((False, ClosedError("the server is shutting down")))


def _work(function: Callable[[], Any], answer: queue.SimpleQueue[tuple[bool, Any]]) -> None:
    try:
        result = function()
    except Exception as error:
        answer.put((False, error))
    except BaseException as error:
        answer.put((False, ClosedError(f"the server was stopped: {error!r}")))
        raise
    else:
        answer.put((True, result))
