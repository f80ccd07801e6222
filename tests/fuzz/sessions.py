"""Target: frames that a client sends, over one connection after another."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from rlmesh._env_host.describe_env import describe_env
from rlmesh._env_host.env_servicer import EnvServicer
from rlmesh._env_host.servicer_provider import EnvServicerProvider
from rlmesh._messages import env as m
from rlmesh._session.session_manager import SessionManager
from rlmesh._wire.dynamic import InexactValueWarning
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE
from rlmesh.specs import EnvContract, SessionTerms
from tests.fuzz.connections import GRACE_SECONDS, play
from tests.fuzz.environments import (
    PEER,
    SPACE,
    LaneEnv,
    NotingEnv,
    ScriptedPlayer,
    one_version,
)
from tests.fuzz.oracle import Endpoint, EnvStream, Stream
from tests.fuzz.parts import split

__all__ = ["RESUMABLE", "run"]

RESUMABLE = 8
"""Bit of the first byte: sessions outlive their connection."""


def run(data: bytes) -> None:
    """Choose an endpoint by one byte, and send it the frames; reopen a stream that ends."""
    head = data[0] if data else 0
    endpoint = _ENDPOINTS[head % RESUMABLE % len(_ENDPOINTS)](bool(head & RESUMABLE))
    with warnings.catch_warnings(), one_version():
        warnings.simplefilter("ignore", InexactValueWarning)  # the scripted player's replies
        play(endpoint, split(data[1:]), m.Open(PEER))


def _manager(contract: EnvContract, stub: Any, resumable: bool) -> SessionManager:
    return SessionManager(
        served=contract,
        server=PEER,
        terms=SessionTerms(GRACE_SECONDS if resumable else 0.0),
        servicers=EnvServicerProvider(_One(stub)),
        codec=EnvWireCodec(NATIVE),
        expose_tracebacks=False,
    )


class _One:
    """One environment, called in the calling thread."""

    capacity = 1

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def take(self, alive: object) -> _One:
        return self

    def answer(self, request: m.Request, frame: bytes) -> m.Reply:
        assert frame
        reply: m.Reply = self._stub.play(request.body)
        return reply

    def offer(self, stream: object) -> bool:
        return False

    def run_stream(self, stream: object, *, takes_over: Callable[[], bool]) -> bool:
        return False

    def end(self) -> m.Reply:
        return m.Closed()

    def release(self) -> None:
        pass


def _scripted(resumable: bool) -> Endpoint:
    stub = ScriptedPlayer()
    manager = _manager(EnvContract("scripted", SPACE, SPACE), stub, resumable)
    return Endpoint(manager, lambda: stub.calls, list, _stream(None))


def _hosted(env: NotingEnv, resumable: bool) -> Endpoint:
    adopted = describe_env(env)
    stub = EnvServicer(adopted, "strict", expose_tracebacks=False)
    manager = _manager(adopted.contract, stub, resumable)
    vector = adopted.contract.vector
    return Endpoint(manager, lambda: env.calls, lambda: env.faults, _stream(vector))


def _stream(vector: bool | None) -> Callable[[Endpoint], Stream]:
    return lambda endpoint: EnvStream(endpoint, vector)


_ENDPOINTS: tuple[Callable[[bool], Endpoint], ...] = (
    _scripted,
    lambda resumable: _hosted(NotingEnv(), resumable),
    lambda resumable: _hosted(LaneEnv(), resumable),
)
