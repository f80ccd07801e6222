"""`SingleEnvHost`: the one environment that a server was given, for one session after another."""

from __future__ import annotations

from collections.abc import Callable

from rlmesh._env_host.base import EnvHostConfig
from rlmesh._env_host.describe_env import DescribedEnv
from rlmesh._env_host.env_thread import EnvThread, Stream
from rlmesh._messages import env as m
from rlmesh.backends import Buffer

__all__ = ["SingleEnvHost"]


class SingleEnvHost:
    """Applies requests to an environment that belongs to the thread of `run`; see `EnvHost`.

    It is its own `Servicer`: it is given to one session at a time.

    Args:
        config: Settings of the environment's host.
        described: The environment.

    Attributes:
        contract: Contract of the environment.
        backend: Backend of the arrays in its infos.
    """

    capacity = 1
    waits_for_calls = True

    def __init__(self, config: EnvHostConfig, described: DescribedEnv) -> None:
        self.contract = described.contract
        self.backend = described.observation_backend
        self._servicer = config.make_servicer(described)
        self._thread = EnvThread()
        self._held = False

    @property
    def is_current(self) -> bool:
        """See `EnvHost`."""
        return self._thread.is_current

    def take(self, alive: Callable[[], bool]) -> SingleEnvHost:
        """See `EnvHost`."""
        self._held = True
        self._servicer.begin_session()
        return self

    def answer(self, request: m.Request, frame: Buffer) -> m.Reply:
        """See `Servicer`."""
        return self._thread.call(self._servicer.play, request.body, request.report)

    def run_stream(self, stream: Stream, *, takes_over: Callable[[], bool]) -> bool:
        """See `Servicer`."""
        return self._thread.succeed(stream, takes_over=takes_over)

    def release(self) -> None:
        """See `Servicer`."""
        self._held = False

    def offer(self, stream: Stream) -> bool:
        """See `EnvHost`: unless another stream's session needs the thread."""
        return not self._held and self._thread.offer(stream)

    def run(self) -> None:
        """See `EnvHost`."""
        self._thread.run()

    def stop(self) -> None:
        """See `EnvHost`."""
        self._thread.stop()

    def end(self) -> m.Reply:
        """See `Servicer`: the next session gets the environment as it is."""
        return m.Closed()

    def close(self) -> None:
        """See `EnvHost`."""
        self._servicer.close()
