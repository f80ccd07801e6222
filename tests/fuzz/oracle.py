"""An oracle of a server's sessions (CONTRACT.md, sections 4 to 7), beside the real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from google.protobuf.message import DecodeError
from rlmesh_proto.env.v1 import env_pb2

from rlmesh._compatibility import compatible
from rlmesh._messages import env as m
from rlmesh._session.server_connection import Answer, ServerConnection
from rlmesh._session.session_manager import SessionManager
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.fast_path_reader import read_step
from rlmesh.backends import NATIVE
from tests.fuzz.environments import PEER
from tests.fuzz.rules import ATTRIBUTES, is_malformed

__all__ = ["CLIENT", "THIS", "Endpoint", "EnvStream", "Stream", "code_of"]

CLIENT = EnvWireCodec(NATIVE)

THIS = "this"
"""Id and key in a resume that stand for those of the session that there is, which are random."""

Code = m.ErrorCode


@dataclass
class Held:
    """The session that has the environment or model.

    Attributes:
        id: Its id.
        key: Its key; empty: it cannot be resumed.
        owner: Its connection; None: it has lost it.
        last: Highest number that was received.
        kept: The answer to it.
        lanes: Lanes in which an episode runs, of a model's session.
    """

    id: str
    key: bytes
    owner: Stream | None
    last: int = 0
    kept: bytes | None = b""
    lanes: set[int] = field(default_factory=set)


@dataclass
class Endpoint:
    """The endpoint under test.

    Attributes:
        manager: The endpoint.
        calls: How often its environment or model was called.
        faults: What reached the environment or model although it must not.
        stream: Makes a connection to it.
        held: The session that has the environment; None: it is free.
    """

    manager: SessionManager
    calls: Callable[[], int]
    faults: Callable[[], list[str]]
    stream: Callable[[Endpoint], Stream]
    held: Held | None = field(default=None)


class Stream:
    """A connection, with the contract's expectations for its answers.

    Attributes:
        client: Codec of its frames.
        message: Type of its requests.
    """

    client: Any
    message: type[Any]

    def __init__(self, endpoint: Endpoint) -> None:
        self._connection = ServerConnection(endpoint.manager, "fuzz", lambda: None, lambda: False)
        self._endpoint = endpoint
        self._session: Held | None = None

    def lose(self) -> None:
        """End the connection; its session goes on if it can be resumed (R-3, R-13)."""
        self._connection.lost()
        held = self._endpoint.held
        if held is not None and held.owner is self:
            held.owner = None
            if not held.key:
                self._endpoint.held = None

    def play(self, frame: bytes) -> bool:
        """Send a frame and check its answer; whether the stream has ended."""
        frame = self._with_secrets(frame)
        self._check_reading(frame)
        before = self._endpoint.calls()
        answer = self._connection.exchange(frame)
        called = self._endpoint.calls() - before
        assert not self._endpoint.faults(), self._endpoint.faults()
        request = self._parsed(frame)
        if request is not None and self._is_replaced():
            assert answer == Answer(None, last=True) and not called
            return True
        assert answer.frame is not None
        sequence, reply = self.client.read_reply(answer.frame)
        if request is None:
            assert code_of(reply) == Code.MALFORMED and reply.session_closed  # type: ignore[union-attr]
            assert answer.last and sequence == 0 and not called
            return True
        assert sequence == request.sequence
        if self._session is None:
            assert not called
            self._check_open(request, answer, reply)
        else:
            self._check_request(self._session, request, answer, reply, called)
        return answer.last

    def _is_replaced(self) -> bool:
        """Whether another connection has taken the session, or ended it (R-8)."""
        held = self._endpoint.held
        return self._session is not None and (held is not self._session or held.owner is not self)

    def _with_secrets(self, frame: bytes) -> bytes:
        """The frame with the id and key of the session in place of `THIS`."""
        request, held = self._parsed(frame), self._endpoint.held
        if request is None or held is None or not self._handshake(request).HasField("resume"):
            return frame
        resume = self._handshake(request).resume
        if resume.session_id == THIS:
            resume.session_id = held.id
        if resume.resume_key == THIS.encode():
            resume.resume_key = held.key
        data: bytes = request.SerializeToString()
        return data

    def _check_open(self, request: Any, answer: Answer, reply: m.Reply) -> None:
        expected, code = self._refusals(request), code_of(reply)
        assert code in expected, f"{reply} instead of one of {expected}"
        assert answer.last == (code is not None)
        if code is not None:
            assert isinstance(reply, m.Failure) and reply.session_closed
            return
        assert isinstance(reply, m.Opened)
        if self._handshake(request).HasField("resume"):
            held = self._endpoint.held
            assert held is not None and held.id == reply.session_id
            assert reply.served is None and reply.received == held.last
            held.key, held.owner = reply.resume_key, self
        else:
            assert reply.served is not None and not reply.received
            held = self._endpoint.held = Held(reply.session_id, reply.resume_key, self)
            assert bool(held.key) == (reply.terms.grace_period > 0)
        self._session = held

    def _refusals(self, request: Any) -> set[int | None]:
        """The codes that a first request may get (H-2, H-3, R-5, R-6, K-4); None: it opens."""
        held, opens = self._endpoint.held, self._handshake(request)
        if request.WhichOneof("request") != "open":
            return {Code.WRONG_STATE}
        if request.sequence or not opens.HasField("client"):
            return {Code.MALFORMED}
        if not compatible(PEER.spec_version, opens.client.spec_version):
            return {Code.UNSUPPORTED_VERSION}
        if not opens.HasField("resume"):
            return self._refusals_of_new(request) or {None if held is None else Code.BUSY}
        resume = opens.resume
        if held is None or not held.key:
            return {Code.UNKNOWN_SESSION}
        if (resume.session_id, resume.resume_key) != (held.id, held.key):
            return {Code.UNKNOWN_SESSION}
        awaited = resume.awaited_sequence
        awaits = awaited >= 1 and awaited in (held.last, held.last + 1)
        return {None if awaits else Code.OUT_OF_SEQUENCE}

    def _handshake(self, request: Any) -> Any:
        """Return the part of a first request that every service has."""
        raise NotImplementedError

    def _refusals_of_new(self, request: Any) -> set[int | None]:
        """Return the codes that a new session gets for what it asks, before a slot is looked for.

        Empty: nothing is wrong with it.
        """
        return set()

    def _check_kind(self, kind: str, request: Any, reply: m.Reply, called: int) -> None:
        """Check the reply to a request of the service's own kinds."""
        raise NotImplementedError

    def _check_reading(self, frame: bytes) -> None:
        """Check that a frame is read alike in every way that there is."""

    def _parsed(self, frame: bytes) -> Any:
        try:
            return self.message.FromString(frame)
        except DecodeError:
            return None

    def _check_request(
        self, held: Held, request: Any, answer: Answer, reply: m.Reply, called: int
    ) -> None:
        """Compare with section 5."""
        if request.sequence == held.last >= 1:
            assert answer == Answer(held.kept) and not called
        elif request.sequence != held.last + 1:
            assert code_of(reply) == Code.OUT_OF_SEQUENCE and not called and not answer.last
        else:
            held.last, held.kept = request.sequence, answer.frame
            self._check_next(request, answer, reply, called)

    def _check_next(self, request: Any, answer: Answer, reply: m.Reply, called: int) -> None:
        kind = request.WhichOneof("request")
        closes = kind == "close"
        assert answer.last == closes and isinstance(reply, m.Closed) == closes
        if closes:
            self._endpoint.held = None
        if isinstance(reply, m.Failure):
            assert not reply.session_closed
        if kind in (None, "open", "describe", "close"):
            late = {"open": Code.WRONG_STATE, "describe": Code.WRONG_STATE, "close": None}
            expected = late.get(kind, Code.UNSUPPORTED)
            assert code_of(reply) == expected and not called
        else:
            self._check_kind(kind, request, reply, called)


class EnvStream(Stream):
    """A connection to an environment.

    Args:
        endpoint: The endpoint.
        vector: Whether the environment is a vector; None: lanes are not checked.
    """

    client = CLIENT
    message = env_pb2.SessionRequest

    def __init__(self, endpoint: Endpoint, vector: bool | None) -> None:
        super().__init__(endpoint)
        self._vector = vector

    def _handshake(self, request: Any) -> Any:
        return request.open

    def _check_kind(self, kind: str, request: Any, reply: m.Reply, called: int) -> None:
        if kind not in ("reset", "step", "step_many", "render", *ATTRIBUTES):
            assert code_of(reply) == Code.UNSUPPORTED and not called
        elif is_malformed(getattr(request, kind), kind, self._vector):
            assert code_of(reply) == Code.MALFORMED and not called, f"{reply} to {request}"
        elif called:
            assert called <= (request.step_many.count if kind == "step_many" else 1)
        elif kind in ATTRIBUTES:
            assert code_of(reply) == Code.NOT_EXPOSED, f"{reply} to {request}"
        else:
            allowed = (Code.INVALID_VALUE, Code.UNSUPPORTED, Code.LIMIT_EXCEEDED)
            assert code_of(reply) in allowed, f"{reply} to {request}"

    def _check_reading(self, frame: bytes) -> None:
        """Check that a frame of a step is the same, read byte by byte or as a message."""
        step = read_step(frame)
        if step is None:
            return
        with mock.patch("rlmesh._wire.env_codec.read_step", return_value=None):
            message = CLIENT.read_request(frame)
        assert CLIENT.write_request(message) == CLIENT.write_request(step)


def code_of(reply: m.Reply) -> int | None:
    """The code of a failure; None for any other reply."""
    return reply.code if isinstance(reply, m.Failure) else None
