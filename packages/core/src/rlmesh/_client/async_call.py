"""`AsyncCall`: a call that runs while its caller does something else."""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import queue
import select
import threading
import time
from collections.abc import Callable
from typing import Any

from rlmesh._arrival import Arrival
from rlmesh._session.begun_request import LATE_SECONDS, BegunRequest
from rlmesh.errors import ClosedError, ConcurrentCallError, RequestTimeoutError

__all__ = ["AsyncCall"]

_Task = tuple["concurrent.futures.Future[Any]", Callable[[], Any]]


class AsyncCall:
    """Begins a call, one at a time, and returns its result later.

    A thread makes the call, unless its request can be sent without waiting for the answer. A
    timeout or an interrupt ends the waiting and not the call: the request is applied once, and its
    result is kept for the next `wait`.

    Args:
        address: The peer's address, for messages.

    Attributes:
        pending: Kind of the call that has not been waited for, and its future or its request; None
            if there is none.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._tasks: queue.SimpleQueue[_Task | None] | None = None
        self._over = False
        self.pending: tuple[str, concurrent.futures.Future[Any] | BegunRequest[Any]] | None = None

    def begin(
        self,
        kind: str,
        call: Callable[[], Any],
        begin: Callable[[], BegunRequest[Any] | None] = lambda: None,
    ) -> None:
        """Begin a call.

        Args:
            kind: Kind of the call ("step").
            call: Makes the call, and returns its result.
            begin: Sends the call's request; returns None if only `call` can.

        Raises:
            ConcurrentCallError: If an earlier call has not been waited for.
            ClosedError: If the client is closed.
        """
        self.check_idle()
        if self._over:
            raise ClosedError(f"{self._address}: the client was closed")
        try:
            request = begin()
        except ConcurrentCallError:
            raise
        except Exception as error:
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            future.set_exception(error)
            self.pending = kind, future
            return
        if request is not None and request.descriptor >= 0:
            self.pending = kind, request
        else:
            self._start(kind, call if request is None else request.finish)

    def _start(self, kind: str, call: Callable[[], Any]) -> None:
        """Let the thread make a call."""
        if self._tasks is None:
            self._tasks = queue.SimpleQueue()
            # A daemon; the interpreter waits for the threads of a ThreadPoolExecutor
            # when it ends: a call that hangs would keep the process for ever.
            threading.Thread(
                target=_run, args=(self._tasks,), name="rlmesh-call", daemon=True
            ).start()
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.pending = kind, future
        self._tasks.put((future, call))
        if self._over:  # By another thread or a signal handler, just now.
            _refuse(self._tasks)

    def check_idle(self) -> None:
        """Raise ConcurrentCallError if a call has not been waited for."""
        if self.pending is not None:
            raise ConcurrentCallError(
                f"a {self.pending[0]} on {self._address} is under way; wait for it with "
                f"{self.pending[0]}_wait()"
            )

    @property
    def future(self) -> concurrent.futures.Future[Any] | None:
        """The future of the call; None if it is not in a thread, or there is none."""
        pending = self.pending
        return pending[1] if pending and isinstance(pending[1], concurrent.futures.Future) else None

    @property
    def descriptor(self) -> int:
        """File descriptor that can be read from when more of the answer arrives; -1: none is."""
        pending = self.pending
        return pending[1].descriptor if pending and isinstance(pending[1], BegunRequest) else -1

    @property
    def is_known_done(self) -> bool:
        """Whether `wait` would return at once, as far as is known without a look."""
        if self.pending is None:
            return False
        call = self.pending[1]
        return call.done() if isinstance(call, concurrent.futures.Future) else call.is_here

    def is_done(self) -> bool:
        """Look, and return whether `wait` would return at once."""
        if self.pending is None:
            return False
        kind, call = self.pending
        if isinstance(call, concurrent.futures.Future):
            return call.done()
        arrival = call.look()
        if arrival is Arrival.LARGE:
            self._start(kind, call.finish)
        return arrival is Arrival.WHOLE

    def take_long(self) -> None:
        """Let a thread wait for an answer that is late."""
        if self.pending is not None and isinstance(self.pending[1], BegunRequest):
            self._start(self.pending[0], self.pending[1].finish)

    def wait(self, kind: str, timeout: float | None) -> Any:
        """Return the result of the running call of a kind.

        Raises:
            RuntimeError: If no call of that kind is running.
            RequestTimeoutError: If the call takes longer than `timeout` seconds; it continues.
            Exception: If the call raises it.
        """
        if self.pending is None or self.pending[0] != kind:
            raise RuntimeError(f"no {kind} is under way; begin one with {kind}_async()")
        begun = time.monotonic()
        call = self.pending[1]
        if isinstance(call, BegunRequest):
            if self._arrives(call, timeout):
                try:
                    result = call.finish()
                except Exception:
                    self.pending = None
                    raise
                self.pending = None
                return result
            call = self.pending[1]
            if isinstance(call, BegunRequest):
                raise self._late(kind, timeout)
            if timeout is not None:
                timeout = max(timeout - (time.monotonic() - begun), 0.0)
        return self._result_of(kind, call, timeout)

    def _arrives(self, request: BegunRequest[Any], timeout: float | None) -> bool:
        """Wait until the answer is here; False if it is late, or in the hands of the thread."""
        poll: select.poll | None = None
        begun = time.monotonic()
        while not self.is_done():
            waited = time.monotonic() - begun
            if self.future is not None or (timeout is not None and waited >= timeout):
                return False
            if waited >= LATE_SECONDS:
                self.take_long()
                return False
            if poll is None:  # Most answers are here by the first look.
                poll = select.poll()
                poll.register(request.descriptor, select.POLLIN)
            left = LATE_SECONDS if timeout is None else min(timeout, LATE_SECONDS)
            # Rounded up, so that the last turn is not one without a wait.
            poll.poll(math.ceil((left - waited) * 1000.0))
        return True

    def _late(self, kind: str, timeout: float | None) -> RequestTimeoutError:
        return RequestTimeoutError(
            f"{self._address} has not answered within {timeout:g} s; the {kind} goes on, "
            f"and {kind}_wait() may be called again",
            address=self._address,
        )

    def _result_of(
        self, kind: str, future: concurrent.futures.Future[Any], timeout: float | None
    ) -> Any:
        """Return the result of a call that the thread makes; see `wait`."""
        try:
            result = future.result(timeout)
        except BaseException as error:
            ended = future.done()  # Perhaps since the error was raised; the result stays then.
            if ended and future.exception() is error:
                self.pending = None
                raise
            if not isinstance(error, concurrent.futures.TimeoutError):
                raise
            if not ended:
                raise self._late(kind, timeout) from error
        else:
            self.pending = None
            return result
        return self._result_of(kind, future, None)

    def close(self) -> None:
        """Let the thread end once its call has ended; no other call begins."""
        self._over = True
        if self._tasks is not None:
            self._tasks.put(None)

    def __del__(self) -> None:
        self.close()


def _run(tasks: queue.SimpleQueue[_Task | None]) -> None:
    """Make calls until None comes."""
    while (task := tasks.get()) is not None:
        future, call = task
        try:
            result = call()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        del task, future, call  # Lest they keep the client until the next call.
    _refuse(tasks)


def _refuse(tasks: queue.SimpleQueue[_Task | None]) -> None:
    """Let the calls fail that the thread would not make any more."""
    with contextlib.suppress(queue.Empty):
        while True:
            task = tasks.get_nowait()
            if task is not None:
                task[0].set_exception(ClosedError("the client was closed before the call began"))
    tasks.put(None)  # For the thread, if that one was read here.
