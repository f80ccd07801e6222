"""The threads that gRPC's handlers run on: one of the pool's each, or a thread that a host lends.

grpcio asks a handler for each new call and submits its work to the executor, one right after the
other on one thread. So a handler can declare, just before, what its work is. If that order should
ever differ, work runs on the pool: slower, but as correct.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Protocol

import grpc

from rlmesh._logs import logger

__all__ = ["HostedStream", "StreamHost", "StreamThreads"]

_log = logger("rlmesh.server")

_MAX_STREAMS = 2048
"""Max number of threads for streams of sessions: more than there are streams that have sent nothing
(256), clients in line (512) and sessions together, so that a session that exists gets one."""

_MAX_OPEN = 96
"""Max number of threads for calls that need no token, or have not the right one."""

_OPEN: Any = object()
"""Stands for the work of such a call."""


class HostedStream:
    """The work of one stream, to be run by a host.

    Attributes:
        ending: Whether its last answer is made; set by the handler.
    """

    def __init__(self) -> None:
        self.ending = False
        self._context: grpc.ServicerContext | None = None
        self._cancelled = False
        self._work: Callable[[], Any] | None = None
        self.done: Future[Any] = Future()

    def entered(self, context: grpc.ServicerContext) -> None:
        """Record that the handler has begun."""
        self._context = context
        if self._cancelled:
            context.cancel()

    def left(self) -> None:
        """Record that the handler has ended."""
        self.ending = True
        self._context = None

    def prepare(self, work: Callable[[], Any]) -> None:
        """Take the work that gRPC submits."""
        self._work = work

    def run(self) -> None:
        """See `rlmesh._env_host.env_thread.Stream`."""
        # What it holds leads back here: without this, connections were freed as late as garbage is.
        work, self._work = self._work, None
        assert work is not None
        try:
            self.done.set_result(work())
        except BaseException as error:
            # gRPC reports an Exception to the client, but would not report this one.
            self.cancel()
            self.done.set_exception(error)
            raise

    def cancel(self) -> None:
        """See `rlmesh._env_host.env_thread.Stream`."""
        self._cancelled = True
        context = self._context
        if context is not None:
            context.cancel()


class StreamHost(Protocol):
    """A lender of threads for streams."""

    def offer(self, stream: HostedStream) -> bool:
        """Take the stream and run it later, or refuse."""
        ...


_Job = tuple["Future[Any]", Callable[[], Any]]


class StreamThreads(Executor):
    """A pool of threads; its streams run on a host's thread if the host takes them.

    Its threads are daemons: a process that ends while clients are connected, or while a call hangs,
    would wait for them for ever as it does for those of a `ThreadPoolExecutor`.

    Args:
        host: Lender that each stream is offered to; None: the pool runs all streams.
        max_threads: Max number of threads.
    """

    def __init__(self, host: StreamHost | None, max_threads: int = _MAX_STREAMS) -> None:
        self._host = host
        self._max_threads = max_threads
        # Their own threads, so that they never take those of sessions.
        self._open = StreamThreads(None, _MAX_OPEN) if max_threads != _MAX_OPEN else None
        self._next = threading.local()
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = 0
        # Threads that wait for work or are about to, and work that none of them has taken yet.
        self._free = 0
        self._waiting = 0
        self._over = False

    def announce(self, stream: HostedStream | None) -> None:
        """Declare that the next work that this thread submits is that of `stream`, or of none."""
        self._next.stream = stream

    def announce_open(self) -> None:
        """Declare that the next work that this thread submits needs no token, or is refused."""
        self._next.stream = _OPEN

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `concurrent.futures.Executor`."""
        stream: HostedStream | None = getattr(self._next, "stream", None)
        self._next.stream = None
        work = partial(fn, *args, **kwargs)
        if stream is _OPEN and self._open is not None:
            return self._open.submit(work)
        if stream is not None and self._host is not None:
            stream.prepare(work)
            if self._host.offer(stream):
                return stream.done
        return self._queue(work)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `concurrent.futures.Executor`; what was submitted is done, and not waited for."""
        with self._lock:
            if not self._over:
                self._over = True
                for _ in range(self._threads):
                    self._jobs.put(None)
        if self._open is not None:
            self._open.shutdown()

    def _queue(self, work: Callable[[], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        with self._lock:
            if self._over:
                raise RuntimeError("the server has stopped")
            self._jobs.put((done, work))
            self._waiting += 1
            # One thread a stream: they start on demand, so the bound costs nothing.
            if self._waiting > self._free and self._threads < self._max_threads:
                self._start()
        return done

    def _start(self) -> None:
        """Start a thread; if the system has none, the work waits for another one.

        An exception would end the thread of gRPC that takes calls, and with it the server.
        """
        name = f"rlmesh-grpc-{self._threads + 1}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError as error:
            _log.warning("a call waits for a thread: %s", error)
        else:
            self._threads += 1
            self._free += 1

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                self._waiting -= 1
                self._free -= 1
            done, work = job
            try:
                result = work()
            except BaseException as error:
                done.set_exception(error)
                del error
            else:
                done.set_result(result)
            del job, done, work
            with self._lock:
                self._free += 1
