"""Who makes the calls of an endpoint: the caller's own thread, or a thread that waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

__all__ = ["Done", "InlineWorker", "ThreadWorker", "Worker"]


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

    def finish(self, last: Callable[[], Any] | None) -> None:
        """Make a last call, if any, of which nobody is told, and end."""
        ...

    def join(self, patience: float) -> None:
        """Wait until it has ended, or that many seconds."""
        ...


def _made(endpoint: int, kind: str, call: Callable[[], Any], caught: type[BaseException]) -> Done:
    """What became of a call; an exception of another kind than `caught` goes through."""
    result, error = None, None
    begun = time.perf_counter()
    try:
        result = call()
    except caught as raised:
        error = raised
    return Done(endpoint, kind, result, error, begun, time.perf_counter())


class InlineWorker:
    """Calls from the thread that submits, which is that of the run.

    Args:
        endpoint: Number of the endpoint.
        results: Where what has ended is put.
    """

    is_inline = True

    def __init__(self, endpoint: int, results: Results) -> None:
        self._endpoint = endpoint
        self._results = results

    def submit(self, kind: str, call: Callable[[], Any]) -> None:
        """See `Worker.submit`. An interrupt goes through."""
        self._results.put(_made(self._endpoint, kind, call, Exception))

    def finish(self, last: Callable[[], Any] | None) -> None:
        """See `Worker.finish`."""
        if last is not None:
            self._results.put(_made(self._endpoint, "close", last, Exception))

    def join(self, patience: float) -> None:
        """See `Worker.join`."""


class ThreadWorker:
    """Calls from a thread of its own.

    Even where there is no other endpoint that makes a step no slower (measured, and faster on a
    busy machine), and an interrupt breaks into no call.

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
        get, put = self._calls.get, self._results.put
        while (task := get()) is not None:
            put(_made(self._endpoint, *task, BaseException))
            del task

    def finish(self, last: Callable[[], Any] | None) -> None:
        """See `Worker.finish`."""
        if last is not None:
            self._calls.put(("close", last))
        self._calls.put(None)

    def join(self, patience: float) -> None:
        """See `Worker.join`."""
        self._thread.join(patience)
