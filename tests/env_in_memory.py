"""One environment that sessions play without a thread or a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rlmesh._env_host.describe_env import describe_env
from rlmesh._env_host.env_servicer import EnvServicer
from rlmesh._messages import env as m
from rlmesh.backends import Buffer

__all__ = ["EnvInMemory"]


class EnvInMemory:
    """The host of one environment, which sessions call in their callers' threads.

    Attributes:
        described: The environment and its contract.
        capacity: Number of sessions that it admits.
        released: Number of sessions that have given it back.
    """

    def __init__(self, env: Any, capacity: int = 1, exposed: Sequence[str] = ()) -> None:
        self.described = describe_env(env, exposed=exposed)
        self.capacity = capacity
        self.released = 0
        self._servicer = EnvServicer(self.described, "warn", False)

    def take(self, alive: Callable[[], bool]) -> Any:
        return self

    def offer(self, stream: Any) -> bool:
        return False

    def answer(self, request: m.Request, frame: Buffer) -> m.Reply:
        return self._servicer.play(request.body, request.report)

    def run_stream(self, stream: Any, *, takes_over: Callable[[], bool]) -> bool:
        return False

    def end(self) -> m.Reply:
        return m.Closed()

    def release(self) -> None:
        self.released += 1
