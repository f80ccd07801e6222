"""`wait`: one thread that waits for the calls of many clients."""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import select
import time
from collections.abc import Iterable
from typing import Any, TypeVar

from rlmesh._client.async_call import AsyncCall
from rlmesh._client.base import EnvClientBase
from rlmesh._client.waker import Waker
from rlmesh._session.begun_request import LATE_SECONDS

__all__ = ["wait"]

Client = TypeVar("Client", bound=EnvClientBase)


def wait(clients: Iterable[Client], timeout: float | None = None) -> list[Client]:
    """Wait until a call that `step_async` or `reset_async` began has ended, on any of the clients.

    One thread can play many environments so: it begins a step on each, and goes on with those that
    have answered. Over frames, no other thread takes part in a step.

    Args:
        clients: Clients of environments, of any backend, each with a call under way.
        timeout: Seconds to wait; 0: only look; None: until a call has ended.

    Returns:
        The clients with a `step_wait` or `reset_wait` that returns, or raises, at once; in the
        order of the argument. Empty if the time is over, or if there are no clients.

    Raises:
        TypeError: If one is no client.
        ValueError: If a client has no call under way, which would be waited for without end.
    """
    calls = [(client, _running(client)) for client in clients]
    deadline = None if timeout is None else time.monotonic() + timeout
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        waker: Waker | None = None
        watched: set[concurrent.futures.Future[Any]] = set()
        while calls:
            ended = [client for client, call in calls if call.is_known_done]
            now = time.monotonic()
            if ended:
                return ended
            if now - begun >= LATE_SECONDS:
                for _, call in calls:
                    call.take_long()
            futures = [call.future for _, call in calls if call.future is not None]
            if futures and waker is None:
                waker = stack.enter_context(contextlib.closing(Waker()))
            if waker is not None:
                _wake_at_end(set(futures) - watched, waker)
                watched.update(futures)
            left = LATE_SECONDS
            if deadline is not None:
                left = min(max(deadline - now, 0.0), LATE_SECONDS)
            _look([call for _, call in calls], futures, waker, left)
            if deadline is not None and now >= deadline:
                return [client for client, call in calls if call.is_known_done]
    return []


def _running(client: EnvClientBase) -> AsyncCall:
    if not isinstance(client, EnvClientBase):
        raise TypeError(f"expected clients of environments, got {type(client).__name__}")
    call = client._stub.running
    if call.pending is None:
        raise ValueError(
            f"{client.address}: expected a call under way; begin one with step_async() or "
            f"reset_async()"
        )
    return call


def _wake_at_end(futures: Iterable[concurrent.futures.Future[Any]], waker: Waker) -> None:
    for future in futures:
        future.add_done_callback(lambda _: waker.wake())


def _look(
    calls: list[AsyncCall],
    futures: list[concurrent.futures.Future[Any]],
    waker: Waker | None,
    seconds: float,
) -> None:
    """Wait until something has arrived or a future has ended, for some seconds, and look at it."""
    by_descriptor = {call.descriptor: call for call in calls if call.descriptor >= 0}
    if not by_descriptor:
        concurrent.futures.wait(futures, seconds, return_when=concurrent.futures.FIRST_COMPLETED)
        return
    poll = select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    if waker is not None:
        poll.register(waker, select.POLLIN)
    for descriptor, _ in poll.poll(math.ceil(seconds * 1000.0)):
        if descriptor in by_descriptor:
            by_descriptor[descriptor].is_done()
