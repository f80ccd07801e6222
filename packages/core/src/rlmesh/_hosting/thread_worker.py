"""`ThreadWorker`: an environment that lives in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rlmesh._hosting.base import House
from rlmesh._hosting.player import HostedEnv
from rlmesh._hosting.thread import EnvThread, Stream
from rlmesh._logs import logger
from rlmesh._wire import messages as m
from rlmesh.backends import NATIVE, ArrayBackend, Buffer
from rlmesh.errors import ClosedError
from rlmesh.specs import EnvContract

__all__ = ["ThreadWorker"]

_log = logger("rlmesh.server")


class ThreadWorker:
    """Makes an environment in a thread of its own, and calls it only there; see `Worker`.

    Args:
        factory: Makes the environment.
        house: How it is treated.
        close_timeout: Seconds that its `close` is waited for.
    """

    def __init__(self, factory: Callable[[], Any], house: House, close_timeout: float) -> None:
        self.contract: EnvContract | None = None
        self.backend: ArrayBackend = NATIVE
        self.ended = False
        self._factory = factory
        self._house = house
        self._close_timeout = close_timeout
        self._hosted: HostedEnv | None = None
        self._thread = EnvThread()
        # A daemon: an environment that hangs must not keep the process from ending.
        self._runner = threading.Thread(target=self._live, name="rlmesh-worker", daemon=True)
        self._runner.start()

    @property
    def is_current(self) -> bool:
        """See `Worker`."""
        return self._thread.is_current

    @property
    def is_free(self) -> bool:
        """See `Worker`."""
        return self._thread.is_free

    def make(self, alive: Callable[[], bool] = lambda: True) -> EnvContract:
        """See `Worker`: nobody can end a call in a thread."""
        return self.contract or self._thread.call(self._make)

    def offer(self, stream: Stream) -> bool:
        """See `Worker`."""
        self._thread.call(int)  # It has begun to run.
        return self._thread.offer(stream)

    def answer(self, request: m.Request, frame: Buffer) -> m.Reply:
        """See `Instance`."""
        hosted = self._hosted
        if hosted is None:
            raise ClosedError("the environment is closed")
        return self._thread.call(hosted.play, request.body)

    def host(self, stream: Stream) -> bool:
        """See `Instance`."""
        return self._thread.succeed(stream)

    def end(self) -> m.Reply:
        """See `Instance`."""
        return self._thread.call(self._end)

    def release(self) -> None:
        """See `Instance`: waits for the environment's `close`, but not for ever."""
        self.stop()
        if self._thread.is_current:
            self._close()
        else:
            self._thread.evict()
            self._runner.join(self._close_timeout)
            if self._runner.is_alive():
                _log.error(
                    "an environment has not closed within %g s; its thread is left behind",
                    self._close_timeout,
                )
        self.ended = True

    def stop(self) -> None:
        """See `Worker`."""
        self._thread.stop()

    def _live(self) -> None:
        try:
            self._thread.run()
        finally:
            self._close()

    def _make(self) -> EnvContract:
        if self.contract is None:
            adopted = self._house.adopt(self._factory())
            self._hosted = self._house.host(adopted)
            self.contract, self.backend = adopted.contract, adopted.observation_backend
        return self.contract

    def _end(self) -> m.Reply:
        hosted, self._hosted = self._hosted, None
        return m.Closed() if hosted is None else hosted.end()

    def _close(self) -> None:
        hosted, self._hosted = self._hosted, None
        if hosted is not None:
            hosted.close()
