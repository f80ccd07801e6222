"""Target: frames that a client sends, over one connection after another."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from rlmesh._env_host.describe_env import describe_env
from rlmesh._env_host.env_servicer import EnvServicer
from rlmesh._messages import env as m
from rlmesh._session.session_manager import SessionManager
from rlmesh._wire.dynamic import InexactValueWarning
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE
from rlmesh.specs import EnvContract, SessionTerms
from tests.fuzz.environments import (
    PEER,
    SPACE,
    LaneEnv,
    NotingEnv,
    ScriptedPlayer,
    one_version,
)
from tests.fuzz.model import CLIENT, THIS, Endpoint, Stream
from tests.fuzz.parts import split

__all__ = ["LOSE", "RESUMABLE", "SWAP", "run"]

RESUMABLE = 8
"""Bit of the first byte: sessions outlive their connection."""

LOSE, SWAP = b"", b"\0"
"""Instead of a frame: the connection breaks; another one is made, or the older one used again."""

GRACE_SECONDS = 1000.0


def run(data: bytes) -> None:
    """Choose an endpoint by one byte, and send it the frames; reopen a stream that ends."""
    head = data[0] if data else 0
    endpoint = _ENDPOINTS[head % RESUMABLE % len(_ENDPOINTS)](bool(head & RESUMABLE))
    with warnings.catch_warnings(), one_version():
        warnings.simplefilter("ignore", InexactValueWarning)  # the scripted player's replies
        _play(endpoint, split(data[1:]))
        _end(endpoint)


def _play(endpoint: Endpoint, frames: list[bytes]) -> None:
    current, other = Stream(endpoint), Stream(endpoint)
    for frame in frames:
        if frame == SWAP:
            current, other = other, current
        elif frame == LOSE or current.play(frame):
            current.lose()  # The transport reports every end of a stream this way.
            current = Stream(endpoint)
    current.lose()
    other.lose()


def _end(endpoint: Endpoint) -> None:
    """End the session that may still be waiting, and see that the environment is free."""
    if endpoint.held is not None:
        again = Stream(endpoint)
        number = endpoint.held.last + 1
        again.play(_open(m.Resume(THIS, THIS.encode(), number)))
        assert again.play(CLIENT.write_request(m.Request(number, m.Close())))
        again.lose()
    last = Stream(endpoint)
    assert not last.play(_open()), "the environment is still held"
    last.lose()


def _open(resume: m.Resume | None = None) -> bytes:
    return CLIENT.write_request(m.Request(0, m.Open(PEER, resume)))


def _manager(contract: EnvContract, stub: Any, resumable: bool) -> SessionManager:
    return SessionManager(
        served=contract,
        server=PEER,
        terms=SessionTerms(GRACE_SECONDS if resumable else 0.0),
        servicers=_One(stub),
        frames=EnvWireCodec(NATIVE),
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

    def host(self, stream: object) -> bool:
        return False

    def end(self) -> m.Reply:
        return m.Closed()

    def release(self) -> None:
        pass


def _scripted(resumable: bool) -> Endpoint:
    stub = ScriptedPlayer()
    manager = _manager(EnvContract("scripted", SPACE, SPACE), stub, resumable)
    return Endpoint(manager, lambda: stub.calls, list, vector=None)


def _hosted(env: NotingEnv, resumable: bool) -> Endpoint:
    adopted = describe_env(env)
    stub = EnvServicer(adopted, "strict", expose_tracebacks=False)
    manager = _manager(adopted.contract, stub, resumable)
    return Endpoint(manager, lambda: env.calls, lambda: env.faults, adopted.contract.vector)


_ENDPOINTS: tuple[Callable[[bool], Endpoint], ...] = (
    _scripted,
    lambda resumable: _hosted(NotingEnv(), resumable),
    lambda resumable: _hosted(LaneEnv(), resumable),
)
