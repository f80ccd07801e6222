"""`AsyncCall`: a call that runs while its caller does something else."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

from rlmesh.errors import ConcurrentCallError, RequestTimeoutError

__all__ = ["AsyncCall"]


class AsyncCall:
    """Begins a call, one at a time, and returns its result later.

    A timeout ends the waiting and not the call: the request is applied once, and its result is kept
    for the next `wait`.

    Args:
        address: The peer's address, for messages.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None
        self._pending: tuple[str, concurrent.futures.Future[Any]] | None = None

    def begin(self, kind: str, call: Callable[[], Any]) -> None:
        """Begin a call of a kind ("step").

        Raises:
            ConcurrentCallError: If an earlier call has not been waited for.
        """
        if self._pending is not None:
            raise ConcurrentCallError(
                f"a {self._pending[0]} on {self._address} is under way; wait for it with "
                f"{self._pending[0]}_wait()"
            )
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(1, "rlmesh-call")
        self._pending = kind, self._threads.submit(call)

    def wait(self, kind: str, timeout: float | None) -> Any:
        """Return the result of the running call of a kind.

        Raises:
            RuntimeError: If no call of that kind is running.
            RequestTimeoutError: If the call takes longer than `timeout` seconds; it continues.
            Exception: If the call raises it.
        """
        if self._pending is None or self._pending[0] != kind:
            raise RuntimeError(f"no {kind} is under way; begin one with {kind}_async()")
        future = self._pending[1]
        try:
            result = future.result(timeout)
        except concurrent.futures.TimeoutError as error:
            if future.done():
                self._pending = None
                raise
            raise RequestTimeoutError(
                f"{self._address} has not answered within {timeout:g} s; the {kind} goes on, and "
                f"{kind}_wait() may be called again",
                address=self._address,
            ) from error
        except BaseException:
            if future.done():
                self._pending = None
            raise
        self._pending = None
        return result

    def close(self) -> None:
        """Let the thread end once its call has ended."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
