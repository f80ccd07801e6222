"""Target: frames that a client sends, against a small model of CONTRACT.md's sections 4 to 9."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

from google.protobuf.message import DecodeError
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._hosting.adopt import adopt
from rlmesh._hosting.player import HostedEnv
from rlmesh._session.connection import Answer
from rlmesh._session.hub import SessionHub
from rlmesh._session.versions import compatible
from rlmesh._wire import messages as m
from rlmesh._wire.dynamic import InexactValueWarning
from rlmesh._wire.frames import EnvFrames
from rlmesh._wire.steps import read_step
from rlmesh.backends import NATIVE
from rlmesh.specs import EnvContract, SessionTerms
from tests.fuzz.dynamic import has_equal_keys
from tests.fuzz.environments import (
    LANES,
    PEER,
    SPACE,
    LaneEnv,
    NotingEnv,
    ScriptedPlayer,
    one_version,
)
from tests.fuzz.parts import split
from tools.vectors.dynamic import examine
from tools.vectors.rejected import Rejected

__all__ = ["run"]

Code = m.ErrorCode


@dataclass
class _Endpoint:
    """What is under test.

    Attributes:
        hub: The endpoint.
        calls: How often its environment was called.
        faults: What reached the environment although it must not.
        vector: Whether it is a vector; None: nobody there looks at lanes.
    """

    hub: SessionHub
    calls: Callable[[], int]
    faults: Callable[[], list[str]]
    vector: bool | None


def run(data: bytes) -> None:
    """One byte says which endpoint; then come the frames. A stream that ends is opened again."""
    with one_version():
        _run(data)


def _run(data: bytes) -> None:
    endpoint = _ENDPOINTS[data[0] % len(_ENDPOINTS)]() if data else _scripted()
    frames = split(data[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InexactValueWarning)  # the scripted player's replies
        while frames:
            frames = _stream(endpoint, frames)
    last = _Stream(endpoint)
    opened = last.exchange(_OPEN)
    assert isinstance(opened[1], m.Opened), f"the environment is still held: {opened[1]}"
    last.connection.lost()


def _stream(endpoint: _Endpoint, frames: list[bytes]) -> list[bytes]:
    """Play frames on one connection until it ends; returns those that are left."""
    stream = _Stream(endpoint)
    for at, frame in enumerate(frames):
        answer, reply = stream.exchange(frame)
        stream.check(frame, answer, reply)
        assert not endpoint.faults(), endpoint.faults()
        if answer.last:
            stream.connection.lost()  # As the transport says of every stream.
            return frames[at + 1 :]
    stream.connection.lost()
    return []


class _Stream:
    """A connection, and what the contract says of its answers."""

    def __init__(self, endpoint: _Endpoint) -> None:
        self.connection = endpoint.hub.connect("fuzz", lambda: None, lambda: True)
        self._endpoint = endpoint
        self._opened = False
        self._last = 0
        self._kept = b""

    def exchange(self, frame: bytes) -> tuple[Answer, m.Reply]:
        """One answer, which a client can read."""
        self._calls = self._endpoint.calls()
        _check_reading(frame)
        answer = self.connection.exchange(frame)
        assert answer.frame is not None, "nobody else has taken the session"
        self._sequence, reply = _CLIENT.read_reply(answer.frame)
        return answer, reply

    def check(self, frame: bytes, answer: Answer, reply: m.Reply) -> None:
        """Compare with sections 4 and 5."""
        request = _parsed(frame)
        called = self._endpoint.calls() - self._calls
        if request is None:
            assert _code(reply) == Code.MALFORMED and reply.session_closed  # type: ignore[union-attr]
            assert answer.last and self._sequence == 0 and not called
        elif not self._opened:
            assert self._sequence == request.sequence and not called
            self._check_open(request, answer, reply)
        elif request.sequence == self._last >= 1:
            assert answer.frame == self._kept and not called and not answer.last
        elif request.sequence != self._last + 1:
            assert self._sequence == request.sequence and not called and not answer.last
            assert _code(reply) == Code.OUT_OF_SEQUENCE
        else:
            assert self._sequence == request.sequence
            self._last, self._kept = request.sequence, answer.frame
            self._check_next(request, answer, reply, called)

    def _check_open(self, request: Any, answer: Answer, reply: m.Reply) -> None:
        if request.WhichOneof("request") != "open":
            expected: int | None = Code.WRONG_STATE
        elif request.sequence or not request.open.HasField("client"):
            expected = Code.MALFORMED
        elif not compatible(PEER.spec_version, request.open.client.spec_version):
            expected = Code.UNSUPPORTED_VERSION
        else:
            expected = Code.UNKNOWN_SESSION if request.open.HasField("resume") else None
        assert _code(reply) == expected, f"{reply} instead of {expected}"
        assert answer.last == (expected is not None)
        if isinstance(reply, m.Failure):
            assert reply.session_closed
        self._opened = expected is None

    def _check_next(self, request: Any, answer: Answer, reply: m.Reply, called: int) -> None:
        kind = request.WhichOneof("request")
        closes = kind == "close"
        assert answer.last == closes and isinstance(reply, m.Closed) == closes
        if isinstance(reply, m.Failure):
            assert not reply.session_closed
        if kind not in ("reset", "step", "render"):
            expected = {"open": Code.WRONG_STATE, "close": None}.get(kind, Code.UNSUPPORTED)
            assert _code(reply) == expected and not called
        elif _is_malformed(getattr(request, kind), kind, self._endpoint.vector):
            assert _code(reply) == Code.MALFORMED and not called, f"{reply} to {request}"
        elif called:
            assert called == 1
        else:
            assert _code(reply) in (Code.INVALID_VALUE, Code.UNSUPPORTED), f"{reply} to {request}"


def _check_reading(frame: bytes) -> None:
    """A frame of a step is the same, whether it is read byte by byte or as a message."""
    step = read_step(frame)
    if step is None:
        return
    with mock.patch("rlmesh._wire.frames.read_step", return_value=None):
        message = _CLIENT.read_request(frame)
    assert _CLIENT.write_request(message) == _CLIENT.write_request(step)


def _is_malformed(body: Any, kind: str, vector: bool | None) -> bool:
    """The rules of messages in sections 8 and 9, and G-5, G-8."""
    if kind == "step":
        return not body.HasField("action")
    if kind == "render":
        lanes = list(body.lanes)
        distinct = len(set(lanes)) == len(lanes) and all(lane < LANES for lane in lanes)
        return vector is not None and bool(lanes) and not (vector and distinct)
    if body.HasField("lane_seeds"):
        seeds = body.lane_seeds
        if body.HasField("seed") or (
            seeds.present and not _is_mask(seeds.present, len(seeds.seeds))
        ):
            return True
        if vector is not None and not (vector and len(seeds.seeds) == LANES):
            return True
    if not _is_mask(body.lane_mask, len(body.lane_mask)):
        return True
    if body.lane_mask and vector is not None and not (vector and len(body.lane_mask) == LANES):
        return True
    return not _takes_options(body)


def _is_mask(mask: bytes, size: int) -> bool:
    return len(mask) == size and set(mask) <= {0, 1}


def _takes_options(body: Any) -> bool:
    try:
        tagged = examine(value_pb2.DynamicValue(map_value=body.options), level=0)
    except Rejected:
        return False
    return not has_equal_keys(tagged)


def _code(reply: m.Reply) -> int | None:
    return reply.code if isinstance(reply, m.Failure) else None


def _parsed(frame: bytes) -> Any:
    try:
        return env_pb2.SessionRequest.FromString(frame)
    except DecodeError:
        return None


def _hub(contract: EnvContract, player: Any) -> SessionHub:
    return SessionHub(
        contract=contract,
        server=PEER,
        terms=SessionTerms(),
        instances=_One(player),
        frames=EnvFrames(NATIVE),
        expose_tracebacks=False,
    )


class _One:
    """One environment, which plays where it is called."""

    capacity = 1

    def __init__(self, player: Any) -> None:
        self.play = player.play

    def take(self) -> _One:
        return self

    def release(self) -> None:
        pass


def _scripted() -> _Endpoint:
    player = ScriptedPlayer()
    hub = _hub(EnvContract("scripted", SPACE, SPACE), player)
    return _Endpoint(hub, lambda: player.calls, list, vector=None)


def _hosted(env: NotingEnv) -> _Endpoint:
    adopted = adopt(env)
    hub = _hub(adopted.contract, HostedEnv(adopted, "strict", expose_tracebacks=False))
    return _Endpoint(hub, lambda: env.calls, lambda: env.faults, adopted.contract.vector)


_ENDPOINTS: tuple[Callable[[], _Endpoint], ...] = (
    _scripted,
    lambda: _hosted(NotingEnv()),
    lambda: _hosted(LaneEnv()),
)
_CLIENT = EnvFrames(NATIVE)
_OPEN = _CLIENT.write_request(m.Request(0, m.Open(PEER)))
