"""`SingleHosting`: the one environment that a server was given, for one session after another."""

from __future__ import annotations

from collections.abc import Callable

from rlmesh._env_host.base import House
from rlmesh._env_host.describe_env import Adopted
from rlmesh._env_host.env_thread import EnvThread, Stream
from rlmesh._messages import env as m
from rlmesh.backends import Buffer

__all__ = ["SingleHosting"]


class SingleHosting:
    """Plays requests on an environment that belongs to the thread of `run`; see `Hosting`.

    It is its own `Instance`: it is given to one session at a time.

    Args:
        house: How it is treated.
        adopted: The environment.

    Attributes:
        contract: What it is.
        backend: Who makes the arrays of its infos.
    """

    capacity = 1

    def __init__(self, house: House, adopted: Adopted) -> None:
        self.contract = adopted.contract
        self.backend = adopted.observation_backend
        self._hosted = house.host(adopted)
        self._thread = EnvThread()
        self._held = False

    @property
    def is_current(self) -> bool:
        """See `Hosting`."""
        return self._thread.is_current

    def take(self, alive: Callable[[], bool]) -> SingleHosting:
        """See `Hosting`."""
        self._held = True
        return self

    def answer(self, request: m.Request, frame: Buffer) -> m.Reply:
        """See `Instance`."""
        return self._thread.call(self._hosted.play, request.body)

    def host(self, stream: Stream) -> bool:
        """See `Instance`."""
        return self._thread.succeed(stream)

    def release(self) -> None:
        """See `Instance`."""
        self._held = False

    def offer(self, stream: Stream) -> bool:
        """See `Hosting`: unless another stream's session needs the thread."""
        return not self._held and self._thread.offer(stream)

    def run(self) -> None:
        """See `Hosting`."""
        self._thread.run()

    def stop(self) -> None:
        """See `Hosting`."""
        self._thread.stop()

    def end(self) -> m.Reply:
        """See `Instance`: the next session gets the environment as it is."""
        return m.Closed()

    def close(self) -> None:
        """See `Hosting`."""
        self._hosted.close()
