"""`AsyncCall`: a call that runs while its caller does something else."""

from __future__ import annotations

import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

from rlmesh.errors import ClosedError, ConcurrentCallError, RequestTimeoutError

__all__ = ["AsyncCall"]

_Task = tuple["concurrent.futures.Future[Any]", Callable[[], Any]]


class AsyncCall:
    """Begins a call, one at a time, and returns its result later.

    A timeout ends the waiting and not the call: the request is applied once, and its result is kept
    for the next `wait`.

    Args:
        address: The peer's address, for messages.

    Attributes:
        pending: Kind and future of the call that has not been waited for; None if there is none.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._tasks: queue.SimpleQueue[_Task | None] | None = None
        self._over = False
        self.pending: tuple[str, concurrent.futures.Future[Any]] | None = None

    def begin(self, kind: str, call: Callable[[], Any]) -> None:
        """Begin a call of a kind ("step").

        Raises:
            ConcurrentCallError: If an earlier call has not been waited for.
            ClosedError: If the client is closed.
        """
        self.check_idle()
        if self._over:
            raise ClosedError(f"{self._address}: the client was closed")
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

    def wait(self, kind: str, timeout: float | None) -> Any:
        """Return the result of the running call of a kind.

        Raises:
            RuntimeError: If no call of that kind is running.
            RequestTimeoutError: If the call takes longer than `timeout` seconds; it continues.
            Exception: If the call raises it.
        """
        if self.pending is None or self.pending[0] != kind:
            raise RuntimeError(f"no {kind} is under way; begin one with {kind}_async()")
        future = self.pending[1]
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
                raise RequestTimeoutError(
                    f"{self._address} has not answered within {timeout:g} s; the {kind} goes on, "
                    f"and {kind}_wait() may be called again",
                    address=self._address,
                ) from error
        else:
            self.pending = None
            return result
        return self.wait(kind, None)

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
