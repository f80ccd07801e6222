"""A server and its clients in one process, without sockets, with a clock that tests set."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from rlmesh._env_host.servicer_provider import EnvServicerProvider
from rlmesh._session.client_session import ClientSession
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.server_connection import ServerConnection
from rlmesh._session.session_manager import SessionManager
from rlmesh._session.versions import this_peer
from rlmesh._transport.memory import MemoryTransport
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE
from rlmesh.spaces import Discrete
from rlmesh.specs import Capability, Reconnect, SessionTerms
from tests.env_in_memory import EnvInMemory

__all__ = ["CountingEnv", "ManualClock", "MemoryServer"]


class ManualClock:
    """A clock that moves when a test says so, or when somebody sleeps; see `Clock`.

    Attributes:
        now: The time, in seconds.
        slept: Every pause that was slept.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._calls: list[tuple[float, int, ManualCall]] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def call_later(self, seconds: float, function: Callable[[], object], name: str) -> ManualCall:
        call = ManualCall(function)
        heapq.heappush(self._calls, (self.now + seconds, next(self._numbers), call))
        return call

    def advance(self, seconds: float) -> None:
        """Let time pass, and make the calls that are due, in order."""
        end = self.now + seconds
        while self._calls and self._calls[0][0] <= end:
            self.now, _, call = heapq.heappop(self._calls)
            if not call.cancelled:
                call.function()
        self.now = end


class ManualCall:
    """A call of a `ManualClock`."""

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class CountingEnv:
    """Counts its steps; an action of 2 fails."""

    observation_space = Discrete(100_000)
    action_space = Discrete(3)

    def __init__(self) -> None:
        self.steps = 0
        self.resets = 0
        self.closed = False
        self.before_step: Callable[[], object] = int

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.resets += 1
        return self.steps, {"seed": seed}

    def step(self, action: int) -> Any:
        self.before_step()
        if action == 2:
            raise RuntimeError("it broke")
        self.steps += 1
        return self.steps, float(action), False, False, {}

    def close(self) -> None:
        self.closed = True


class MemoryServer:
    """An environment that is served in memory.

    Attributes:
        env: The environment.
        clock: Its clock, which its clients read too.
        manager: Its sessions.
        transport: How clients reach it.
        reconnects: Every session that a client of `connect` has resumed.
    """

    def __init__(self, *, grace_period: float = 30.0, capacity: int = 1) -> None:
        self.env = CountingEnv()
        self.clock = ManualClock()
        self.host = EnvInMemory(self.env, capacity)
        self.manager = SessionManager(
            self.host.described.contract,
            this_peer("server", frozenset({Capability.RESUME})),
            SessionTerms(grace_period),
            EnvServicerProvider(self.host),
            EnvWireCodec(NATIVE),
            expose_tracebacks=False,
            clock=self.clock,
        )
        self.transport = MemoryTransport(partial(ServerConnection, self.manager))
        self.reconnects: list[Reconnect] = []

    def connect(self, *, wait: float = 0.0, name: str = "client") -> ClientSession:
        """Return a new session."""
        return ClientSession(
            self.transport.connect,
            EnvWireCodec(NATIVE),
            this_peer(name, frozenset({Capability.RESUME})),
            ConnectOptions(10.0, wait, self.reconnects.append),
            clock=self.clock,
        )

    @property
    def connection(self) -> Any:
        """The newest connection."""
        return self.transport.connections[-1]
