"""Who makes the calls of an endpoint: the caller's own thread, or a thread that waits for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

__all__ = ["Done", "InlineWorker", "ThreadWorker", "Worker", "worker_of"]


class Done(NamedTuple):
    """A call has ended.

    Attributes:
        endpoint: Number of the endpoint.
        kind: What was called: "open", "reset", "step".
        result: What it returned.
        error: What it raised instead.
        begun: When it began, by `time.perf_counter`.
        ended: When it ended.
    """

    endpoint: int
    kind: str
    result: Any
    error: BaseException | None
    begun: float
    ended: float


Results = SimpleQueue[Done]


class Worker(Protocol):
    """Makes the calls of one endpoint, one at a time; each puts a `Done` into the results."""

    is_inline: bool
    """Whether `submit` returns only after the call has ended."""

    def submit(self, kind: str, call: Callable[[], Any]) -> None:
        """Make a call."""
        ...

    def finish(self, last: Callable[[], Any] | None, *, waits: bool) -> None:
        """Make a last call, of which nobody is told, and end.

        Args:
            last: The call; None: none.
            waits: Whether it may take its time. Else the environment may hang, and is left alone.
        """
        ...

    def join(self, patience: float) -> None:
        """Wait until it has ended, or that many seconds."""
        ...


class InlineWorker:
    """Calls from the thread that submits.

    Args:
        endpoint: Number of the endpoint.
        results: Where what has ended is put.
        is_remote: Whether its environment is elsewhere, and may be closed from any thread.
    """

    is_inline = True

    def __init__(self, endpoint: int, results: Results, *, is_remote: bool) -> None:
        self._endpoint = endpoint
        self._results = results
        self._is_remote = is_remote
        self._closing: threading.Thread | None = None

    def submit(self, kind: str, call: Callable[[], Any]) -> None:
        """See `Worker.submit`. An interrupt goes through."""
        result, error = None, None
        begun = time.perf_counter()
        try:
            result = call()
        except Exception as caught:
            error = caught
        self._results.put(Done(self._endpoint, kind, result, error, begun, time.perf_counter()))

    def finish(self, last: Callable[[], Any] | None, *, waits: bool) -> None:
        """See `Worker.finish`."""
        if last is None:
            return
        if waits or not self._is_remote:
            last()
        else:
            self._closing = threading.Thread(target=_quietly, args=(last,), daemon=True)
            self._closing.start()

    def join(self, patience: float) -> None:
        """See `Worker.join`."""
        if self._closing is not None:
            self._closing.join(patience)


def _quietly(call: Callable[[], Any]) -> None:
    with contextlib.suppress(Exception):
        call()


class ThreadWorker:
    """Calls from a thread of its own.

    Args:
        endpoint: Number of the endpoint.
        results: Where what has ended is put.
    """

    is_inline = False

    def __init__(self, endpoint: int, results: Results) -> None:
        self._endpoint = endpoint
        self._results = results
        self._calls: SimpleQueue[tuple[str, Callable[[], Any]] | None] = SimpleQueue()
        # A call that hangs must not keep the process from ending.
        name = f"rlmesh-endpoint-{endpoint}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, kind: str, call: Callable[[], Any]) -> None:
        """See `Worker.submit`."""
        self._calls.put((kind, call))

    def _work(self) -> None:
        get, put, clock = self._calls.get, self._results.put, time.perf_counter
        while (task := get()) is not None:
            kind, call = task
            result, error = None, None
            begun = clock()
            try:
                result = call()
            except BaseException as caught:
                error = caught
            put(Done(self._endpoint, kind, result, error, begun, clock()))
            del task, call, result, error

    def finish(self, last: Callable[[], Any] | None, *, waits: bool) -> None:
        """See `Worker.finish`."""
        if last is not None:
            self._calls.put(("close", last))
        self._calls.put(None)

    def join(self, patience: float) -> None:
        """See `Worker.join`."""
        self._thread.join(patience)


def worker_of(endpoint: int, results: Results, *, is_remote: bool, is_alone: bool) -> Worker:
    """Who makes the calls of an endpoint.

    Args:
        endpoint: Number of the endpoint.
        results: Where what has ended is put.
        is_remote: Whether its environment is elsewhere.
        is_alone: Whether there is no other endpoint: then nothing is gained by a thread.
    """
    if is_remote and not is_alone:
        return ThreadWorker(endpoint, results)
    return InlineWorker(endpoint, results, is_remote=is_remote)
