"""One thread that looks for the answers of many endpoints, instead of a thread waiting for each.

With fast environments, most of a step would be two changes of threads, which wait for the
interpreter's lock. A call with a large, late or lost answer goes on in a thread of its endpoint.
"""

from __future__ import annotations

import queue
import select
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from rlmesh._arrival import Arrival
from rlmesh._client.waker import Waker
from rlmesh._evaluation.workers import Begin, Done, ThreadWorker, made
from rlmesh._session.begun_request import LATE_SECONDS, BegunRequest

__all__ = ["DoneQueue", "PollingWorker"]

_SWEEP_SECONDS = 0.5
"""Seconds between two looks for late answers."""


class _Call:
    """A call that was begun.

    Attributes:
        worker: Worker of its endpoint.
        kind: Kind of the call.
        request: The request.
        begun: Time of its start, by `time.perf_counter`.
        descriptor: File descriptor of the request.
    """

    __slots__ = ("begun", "descriptor", "kind", "request", "worker")

    def __init__(
        self, worker: PollingWorker, kind: str, request: BegunRequest[Any], begun: float
    ) -> None:
        self.worker = worker
        self.kind = kind
        self.request = request
        self.begun = begun
        self.descriptor = request.descriptor


class DoneQueue:
    """The calls of all endpoints that have ended: put by threads, or found by looking.

    `put` may be called by any thread, all else by the thread of the run alone.
    """

    def __init__(self) -> None:
        self._ended: SimpleQueue[Done] = SimpleQueue()
        self._found: deque[Done] = deque()
        self._begun: dict[int, _Call] = {}
        self._sleeps = False
        self._swept = 0.0
        self._registered: set[int] = set()
        self._waker: Waker | None = None
        self._poll: Any = None

    def put(self, done: Done) -> None:
        """Receive a call that has ended in a thread."""
        self._ended.put(done)
        waker = self._waker
        if self._sleeps and waker is not None:
            waker.wake()

    def watch(self, call: _Call) -> None:
        """Look for the answer to a call from now on."""
        descriptor = call.descriptor
        poll = self._poll or self._open()
        if descriptor not in self._registered:
            poll.register(descriptor, select.POLLIN)
            self._registered.add(descriptor)
        self._begun[descriptor] = call

    def _open(self) -> Any:
        """Make and return what waits for descriptors, with what wakes it."""
        self._waker = Waker()
        self._poll = select.poll()
        self._poll.register(self._waker, select.POLLIN)
        return self._poll

    def take_call(self, worker: PollingWorker) -> _Call | None:
        """Stop looking for the answer of a worker's call, and return the call."""
        for descriptor, call in self._begun.items():
            if call.worker is worker:
                return self._begun.pop(descriptor)
        return None

    def get(self, timeout: float | None) -> Done | None:
        """Return the next call that has ended.

        Args:
            timeout: Seconds to wait; 0: only what is here; None: for ever.

        Returns:
            The call; None if there is none in time.
        """
        if self._found:
            return self._found.popleft()
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._begun:
            left = _SWEEP_SECONDS
            if deadline is not None:
                left = min(left, max(deadline - time.monotonic(), 0.0))
            done = self._look(left)
            if done is not None:
                return done
            if deadline is not None and time.monotonic() >= deadline:
                return None
        return self._of_threads(None if deadline is None else deadline - time.monotonic())

    def _of_threads(self, timeout: float | None) -> Done | None:
        try:
            if timeout is None:
                return self._ended.get()
            return self._ended.get(timeout=timeout) if timeout > 0 else self._ended.get_nowait()
        except queue.Empty:
            return None

    def _look(self, timeout: float) -> Done | None:
        """Wait until a call has ended, for some seconds at most, and return one."""
        # Set before the queue is looked at, so that what is put after that wakes this thread.
        self._sleeps = True
        try:
            done = self._of_threads(0.0)
            if done is not None:
                return done
            ready = self._poll.poll(timeout * 1000.0)
        finally:
            self._sleeps = False
        for descriptor, _ in ready:
            self._read(descriptor)
        now = time.perf_counter()
        if now - self._swept > _SWEEP_SECONDS:
            self._swept = now
            for call in [c for c in self._begun.values() if now - c.begun > LATE_SECONDS]:
                del self._begun[call.descriptor]
                call.worker.hand_over(call)
        return self._found.popleft() if self._found else None

    def _read(self, descriptor: int) -> None:
        """Read what has come from an endpoint."""
        call = self._begun.get(descriptor)
        if call is None:
            # What wakes this thread, or a connection that has ended between two calls.
            if self._waker is not None and descriptor == self._waker.fileno():
                self._waker.drain()
            else:
                self._poll.unregister(descriptor)
                self._registered.discard(descriptor)
            return
        arrival = call.request.look()
        if arrival is Arrival.WHOLE:
            self._found.append(call.worker.finished(call))
        if arrival is not Arrival.PART:
            del self._begun[descriptor]
        if arrival is Arrival.LARGE:
            call.worker.hand_over(call)

    def close(self) -> None:
        """Free the descriptors; threads may still put calls."""
        if self._waker is not None:
            self._waker.close()


class PollingWorker(ThreadWorker):
    """A worker that leaves short calls to the thread of the run, and makes the others in its own.

    Args:
        endpoint: Number of the endpoint.
        results: Queue for the calls that have ended.
    """

    def __init__(self, endpoint: int, results: DoneQueue) -> None:
        super().__init__(endpoint, results)
        self._queue = results

    def submit(self, kind: str, call: Callable[[], Any], begin: Begin | None = None) -> None:
        """Begin a call, or queue it for the thread; see `Worker.submit`."""
        if begin is None:
            super().submit(kind, call)
            return
        beginning = made(self._endpoint, kind, begin, Exception)
        request: BegunRequest[Any] | None = beginning.result
        if beginning.error is not None:
            self._queue.put(beginning)
        elif request is None:
            super().submit(kind, call)
        elif request.descriptor < 0:
            self.complete(kind, request.finish, beginning.begun)
        else:
            self._queue.watch(_Call(self, kind, request, beginning.begun))

    def finished(self, call: _Call) -> Done:
        """Return the outcome of a call that was answered."""
        return made(self._endpoint, call.kind, call.request.finish, Exception, call.begun)

    def hand_over(self, call: _Call) -> None:
        """Let the thread wait for the rest of a call."""
        self.complete(call.kind, call.request.finish, call.begun)

    def finish(self, last: Callable[[], Any] | None) -> None:
        """Queue the last call after the one that runs, and the end; see `Worker.finish`."""
        call = self._queue.take_call(self)
        if call is not None:
            self.hand_over(call)
        super().finish(last)
