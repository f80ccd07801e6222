"""The environment's thread: every call on the environment runs here, one after another."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar, Union

from rlmesh._env_host.interrupts import is_server_interrupt
from rlmesh._logs import logger
from rlmesh._session.server_session import Stream
from rlmesh.errors import ClosedError

__all__ = ["EnvThread", "Stream"]

R = TypeVar("R")

_log = logger("rlmesh.server")


_Answer = tuple[bool, Any]
_Job = tuple[Callable[..., Any], tuple[Any, ...], "queue.SimpleQueue[_Answer]"]


class EnvThread:
    """Runs streams, and calls of other threads, on the one that is in `run`.

    OpenGL, MuJoCo and SAPIEN bind what they draw with to a thread, so it never changes.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Union[_Job, Stream, None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopping = False
        self._stopped = False
        self._owner = 0
        self._has_begun = threading.Event()
        self._stream: Stream | None = None
        self._callers = threading.local()

    @property
    def is_current(self) -> bool:
        """Whether the caller is on the environment's thread."""
        return threading.get_ident() == self._owner

    @property
    def is_free(self) -> bool:
        """Whether no stream sits on the thread, or only one that waits for nothing more."""
        stream = self._stream
        return stream is None or stream.ending

    def call(self, function: Callable[..., R], *arguments: Any) -> R:
        """Return the result of `function(*arguments)` on the environment's thread.

        Raises:
            ClosedError: If the thread has stopped.
            BaseException: What `function` raises.
        """
        if threading.get_ident() == self._owner:
            if self._stopping:
                raise _closed()
            return function(*arguments)
        answer = self._answer_queue()
        with self._lock:
            if self._stopped:
                raise _closed()
            self._jobs.put((function, arguments, answer))
        worked, result = answer.get()
        if not worked:
            raise result
        value: R = result
        return value

    def wait_begun(self) -> None:
        """Wait until `run` has begun, for calls that come just after its thread was started."""
        self._has_begun.wait()

    def offer(self, stream: Stream) -> bool:
        """Take a stream, if the thread is free for it; it runs after what was asked before."""
        with self._lock:
            taken = self._stream is not None and not self._stream.ending
            if taken or self._stopping or not self._owner:
                return False
            self._stream = stream
            self._jobs.put(stream)
        return True

    def succeed(self, stream: Stream, *, takes_over: Callable[[], bool]) -> bool:
        """Take a stream of the session that holds the environment; or refuse.

        Args:
            stream: The stream.
            takes_over: Returns whether the stream that is here is the session's former one, which
                is ended. If not, it is that of a session that is over, and ends by itself.
        """
        with self._lock:
            if self._stopping or not self._owner:
                return False
            # The thread may leave the former stream and begin with this one as soon as it is there.
            # If a newer connection has the session by now, the stream that is here may be its own.
            former = self._stream if takes_over() else None
            self._jobs.put(stream)
        if former is not None:
            former.cancel()
        return True

    def run(self) -> None:
        """Run streams and calls until `stop`; calls that wait by then are refused."""
        self._owner = threading.get_ident()
        self._has_begun.set()
        try:
            while (job := self._jobs.get()) is not None:
                if isinstance(job, tuple):
                    _work(*job)
                else:
                    self._host(job)
        finally:
            self._refuse_rest()

    def stop(self) -> None:
        """Make `run` return after the call that is running, and refuse those of its stream.

        A stream that waits for a frame has to be ended by its transport.
        """
        self._stopping = True
        self._jobs.put(None)

    def evict(self) -> None:
        """End the stream that sits on the thread, if there is one."""
        stream = self._stream
        if stream is not None:
            stream.cancel()

    def _host(self, stream: Stream) -> None:
        with self._lock:
            self._stream = stream
        try:
            stream.run()
        except BaseException as error:
            if is_server_interrupt(error):
                raise
            _log.exception("a stream failed")  # Others need the thread.
        finally:
            with self._lock:
                if self._stream is stream:
                    self._stream = None

    def _answer_queue(self) -> queue.SimpleQueue[_Answer]:
        """Return the caller's own queue: it waits for each answer, so there is one at most."""
        answer: queue.SimpleQueue[_Answer] | None = getattr(self._callers, "queue", None)
        if answer is None:
            answer = self._callers.queue = queue.SimpleQueue()
        return answer

    def _refuse_rest(self) -> None:
        with self._lock:
            self._stopping = self._stopped = True
        while not self._jobs.empty():
            job = self._jobs.get()
            if isinstance(job, tuple):
                job[2].put((False, _closed()))
            elif job is not None:
                # On a thread of its own it is refused like any stream that comes too late.
                threading.Thread(target=job.run, name="rlmesh-late", daemon=True).start()


def _closed() -> ClosedError:
    return ClosedError("the server is shutting down")


def _work(
    function: Callable[..., Any], arguments: tuple[Any, ...], answer: queue.SimpleQueue[_Answer]
) -> None:
    try:
        result = function(*arguments)
    except BaseException as error:
        if is_server_interrupt(error):
            answer.put((False, ClosedError(f"the server was stopped: {error!r}")))
            raise
        answer.put((False, error))
    else:
        answer.put((True, result))
