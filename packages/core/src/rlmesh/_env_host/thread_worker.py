"""`ThreadWorker`: an environment in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rlmesh._env_host.base import EnvHostConfig
from rlmesh._env_host.env_servicer import EnvServicer
from rlmesh._env_host.env_thread import EnvThread, Stream
from rlmesh._logs import logger
from rlmesh._messages import env as m
from rlmesh.backends import NATIVE, ArrayBackend, Buffer
from rlmesh.errors import ClosedError
from rlmesh.specs import EnvContract

__all__ = ["ThreadWorker"]

_log = logger("rlmesh.server")


class ThreadWorker:
    """Makes an environment in a thread of its own, and calls it only there; see `Worker`.

    Args:
        factory: Makes the environment.
        config: Settings of the environment's host.
        close_timeout: Seconds that its `close` is waited for.
    """

    def __init__(
        self, factory: Callable[[], Any], config: EnvHostConfig, close_timeout: float
    ) -> None:
        self.contract: EnvContract | None = None
        self.backend: ArrayBackend = NATIVE
        self.ended = False
        self._factory = factory
        self._config = config
        self._close_timeout = close_timeout
        self._servicer: EnvServicer | None = None
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
        """See `Worker`: a call in a thread cannot be ended."""
        return self.contract or self._thread.call(self._make)

    def offer(self, stream: Stream) -> bool:
        """See `Worker`."""
        # Not for a call: the thread may be about to end a stream, which needs a lock of gRPC's that
        # is held while gRPC asks for this place.
        self._thread.wait_begun()
        return self._thread.offer(stream)

    def answer(self, request: m.Request, frame: Buffer) -> m.Reply:
        """See `Servicer`."""
        servicer = self._servicer
        if servicer is None:
            raise ClosedError("the environment is closed")
        return self._thread.call(servicer.play, request.body, request.report)

    def run_stream(self, stream: Stream, *, takes_over: Callable[[], bool]) -> bool:
        """See `Servicer`."""
        return self._thread.succeed(stream, takes_over=takes_over)

    def end(self) -> m.Reply:
        """See `Servicer`."""
        return self._thread.call(self._end)

    def release(self) -> None:
        """See `Servicer`: waits for the environment's `close`, but not for ever."""
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
            described = self._config.describe_env(self._factory())
            self._servicer = self._config.make_servicer(described)
            self.contract, self.backend = described.contract, described.observation_backend
        return self.contract

    def _end(self) -> m.Reply:
        servicer, self._servicer = self._servicer, None
        return m.Closed() if servicer is None else servicer.end()

    def _close(self) -> None:
        servicer, self._servicer = self._servicer, None
        if servicer is not None:
            servicer.close()
