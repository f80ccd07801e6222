"""Workers that make the calls of an endpoint, in the calling thread or in one of their own."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

from rlmesh._session.begun_request import BegunRequest

__all__ = ["Begin", "Done", "InlineWorker", "Results", "ThreadWorker", "Worker", "made"]

Begin = Callable[[], BegunRequest[Any] | None]
"""The type of a function that begins a call; it returns None if the call has to be waited for."""


class Done(NamedTuple):
    """A call that has ended.

    Attributes:
        endpoint: Number of the endpoint.
        kind: Kind of the call: "open", "reset", "step", "close".
        result: Value that the call returned.
        error: Exception that the call raised instead.
        begun: Time of its start, by `time.perf_counter`.
        ended: Time of its end, by `time.perf_counter`.
    """

    endpoint: int
    kind: str
    result: Any
    error: BaseException | None
    begun: float
    ended: float


class Results(Protocol):
    """A receiver of calls that have ended, from any thread."""

    def put(self, done: Done) -> None:
        """Receive a call."""
        ...


class Worker(Protocol):
    """A maker of one endpoint's calls, one at a time; each puts a `Done` into the results."""

    is_inline: bool
    """Whether `submit` returns only after the call has ended."""

    def submit(self, kind: str, call: Callable[[], Any], begin: Begin | None = None) -> None:
        """Make a call.

        Args:
            kind: Kind of the call.
            call: Makes the call, and returns its result.
            begin: Begins the same call, for a worker that looks for its result; None: it cannot.
        """
        ...

    def finish(self, last: Callable[[], Any] | None) -> None:
        """Make a last call, if any, and end."""
        ...

    def join(self, patience: float) -> None:
        """Wait until the worker has ended, for at most `patience` seconds."""
        ...


def made(
    endpoint: int,
    kind: str,
    call: Callable[[], Any],
    caught: type[BaseException],
    begun: float = 0.0,
) -> Done:
    """Return the outcome of a call; exceptions of a type other than `caught` are not caught.

    Args:
        endpoint: Number of the endpoint.
        kind: Kind of the call.
        call: Makes the call, or the rest of it.
        caught: Type of the exceptions that are an outcome.
        begun: Time of the call's start, by `time.perf_counter`; 0: now.
    """
    result, error = None, None
    begun = begun or time.perf_counter()
    try:
        result = call()
    except caught as raised:
        error = raised
    return Done(endpoint, kind, result, error, begun, time.perf_counter())


class InlineWorker:
    """A worker that makes calls in the submitting thread, which is that of the run.

    Args:
        endpoint: Number of the endpoint.
        results: Queue for the calls that have ended.
    """

    is_inline = True

    def __init__(self, endpoint: int, results: Results) -> None:
        self._endpoint = endpoint
        self._results = results

    def submit(self, kind: str, call: Callable[[], Any], begin: Begin | None = None) -> None:
        """Make a call, and let an interrupt pass; see `Worker.submit`."""
        self._results.put(made(self._endpoint, kind, call, Exception))

    def finish(self, last: Callable[[], Any] | None) -> None:
        """Make the last call; see `Worker.finish`."""
        if last is not None:
            self._results.put(made(self._endpoint, "close", last, Exception))

    def join(self, patience: float) -> None:
        """Do nothing, because every call has ended; see `Worker.join`."""


class ThreadWorker:
    """A worker that makes calls in a thread of its own.

    Even with a single endpoint, the thread does not make steps slower (they were faster on a busy
    machine), and an interrupt does not break into a call.

    Args:
        endpoint: Number of the endpoint.
        results: Queue for the calls that have ended.
    """

    is_inline = False

    def __init__(self, endpoint: int, results: Results) -> None:
        self._endpoint = endpoint
        self._results = results
        self._calls: SimpleQueue[tuple[str, Callable[[], Any], float] | None] = SimpleQueue()
        # A daemon thread, because a call that hangs must not keep the process from ending.
        # It has the caller's context, such as the current span of OpenTelemetry.
        name, run = f"rlmesh-endpoint-{endpoint}", contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._work,), name=name, daemon=True)
        self._thread.start()

    def submit(self, kind: str, call: Callable[[], Any], begin: Begin | None = None) -> None:
        """Queue a call; see `Worker.submit`."""
        self._calls.put((kind, call, 0.0))

    def complete(self, kind: str, finish: Callable[[], Any], begun: float) -> None:
        """Queue the rest of a call that was begun at a time."""
        self._calls.put((kind, finish, begun))

    def _work(self) -> None:
        get, put = self._calls.get, self._results.put
        while (task := get()) is not None:
            kind, call, begun = task
            put(made(self._endpoint, kind, call, BaseException, begun))
            del task, call

    def finish(self, last: Callable[[], Any] | None) -> None:
        """Queue the last call and the end; see `Worker.finish`."""
        if last is not None:
            self._calls.put(("close", last, 0.0))
        self._calls.put(None)

    def join(self, patience: float) -> None:
        """Wait for the thread; see `Worker.join`."""
        self._thread.join(patience)
