"""What the contract requires of a peer's messages is checked, and kept by our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from rlmesh_proto.env.v1 import contract_pb2, env_pb2

from rlmesh._messages import env as m
from rlmesh._messages.kinds import kind_of
from rlmesh._session.client_session import ClientSession
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.versions import check_version, this_peer
from rlmesh._transport.grpc.status import exception_of_status
from rlmesh._wire.contract import contract_from_wire, contract_to_wire
from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.failures import raise_failure
from rlmesh.backends import NATIVE
from rlmesh.errors import (
    CodecError,
    ConnectError,
    NewerSpecError,
    RLMeshError,
    UnsupportedVersionError,
)
from rlmesh.spaces import Discrete
from rlmesh.specs import AutoresetMode, Capability, EnvContract, TransportKind, TransportOffer

from .memory import MemoryServer
from .test_server_connection import RESET, Raw, opened

CODEC = EnvWireCodec(NATIVE)
TWO = Discrete(2)


def contract(change: Callable[[Any], object], *, vector: bool = False) -> contract_pb2.EnvContract:
    """The message of a contract with a change."""
    mode = AutoresetMode.SAME_STEP if vector else None
    made = EnvContract("env", TWO, TWO, vector=vector, autoreset_mode=mode, exposed=("a", "b"))
    message = contract_pb2.EnvContract()
    contract_to_wire(made, message, DynamicEncoder(NATIVE))
    change(message)
    return message


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda c: c.ClearField("id"), "id"),
        (lambda c: c.exposed.append("a"), "exposed"),
        (lambda c: c.ClearField("action_space"), "action_space"),
    ],
)
def test_a_contract_without_what_t3_requires_is_refused(change: Any, path: str) -> None:
    with pytest.raises(CodecError, match="T-3: ") as caught:
        contract_from_wire(contract(change), NATIVE)
    assert caught.value.path == path


def test_an_autoreset_mode_of_a_newer_spec_is_not_guessed() -> None:
    unspecified = contract(lambda c: c.ClearField("autoreset_mode"), vector=True)
    assert contract_from_wire(unspecified, NATIVE).autoreset_mode is AutoresetMode.NEXT_STEP
    newer = contract(lambda c: setattr(c, "autoreset_mode", 9), vector=True)
    with pytest.raises(NewerSpecError, match="AutoresetMode 9 is one of a newer spec") as caught:
        contract_from_wire(newer, NATIVE)
    assert caught.value.path == "autoreset_mode"


class Changed:
    """A connection to a server, with every answer changed on the way."""

    def __init__(self, inner: Any, change: Callable[[Any], object]) -> None:
        self._inner = inner
        self._change = change

    def exchange(self, frame: Any, timeout: float | None) -> bytes:
        message = env_pb2.SessionResponse.FromString(bytes(self._inner.exchange(frame, timeout)))
        if message.HasField("open"):
            self._change(message.open)
        return message.SerializeToString()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda o: o.ClearField("header"), "header"),
        (lambda o: o.header.ClearField("terms"), "terms"),
        (lambda o: o.header.ClearField("server"), "server"),
        (lambda o: o.header.ClearField("session_id"), "session_id"),
        (lambda o: o.ClearField("contract"), ""),
        (lambda o: setattr(o.header, "received_sequence", 3), "received_sequence"),
    ],
)
def test_an_answer_to_a_handshake_without_what_h6_requires_is_refused(
    change: Any, path: str
) -> None:
    server = MemoryServer()
    with pytest.raises(CodecError, match=r"H-[67]: ") as caught:
        ClientSession(
            lambda: Changed(server.transport.connect(), change),
            CODEC,
            this_peer("client", frozenset({Capability.RESUME})),
            ConnectOptions(10.0, 0.0, None),
            clock=server.clock,
        )
    assert caught.value.path == path


def moving(server: MemoryServer, made: type[Changed]) -> ClientSession:
    """Return a session that tries to move to another connection, of a class."""
    kind = TransportKind.FRAMES_UNIX
    server.manager.offers = ((Capability.RESUME, TransportOffer(kind, "here")),)
    return ClientSession(
        server.transport.connect,
        CODEC,
        this_peer("client", frozenset({Capability.RESUME})),
        ConnectOptions(10.0, 0.0, None),
        {kind: lambda address: made(server.transport.connect(), lambda _: None)},
        clock=server.clock,
    )


def test_a_move_awaits_the_answer_to_the_next_request() -> None:
    server = MemoryServer()
    asked: list[int] = []

    class Noted(Changed):
        def exchange(self, frame: Any, timeout: float | None) -> bytes:
            request = env_pb2.SessionRequest.FromString(bytes(frame))
            if request.open.HasField("resume"):
                asked.append(request.open.resume.awaited_sequence)
            return super().exchange(frame, timeout)

    session = moving(server, Noted)
    assert asked == [1]  # at least 1.
    session.request(m.Reset(None, None), m.ResetDone)
    session.close()


@pytest.mark.parametrize(
    ("answer", "is_reported"),
    [(m.Failure(m.ErrorCode.OUT_OF_SEQUENCE, "R-6: no", session_closed=True), True), (None, False)],
)
def test_a_move_that_the_server_refuses_is_reported(
    answer: m.Failure | None, is_reported: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server = MemoryServer()

    class Refusing(Changed):
        def exchange(self, frame: Any, timeout: float | None) -> bytes:
            if answer is None:
                raise ConnectError("nobody listens", address="there")
            return bytes(CODEC.write_reply(0, answer))

    session = moving(server, Refusing)
    warned = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warned) == is_reported
    assert all("steps go on over" in words and words.endswith("R-6: no") for words in warned)
    session.request(m.Reset(None, None), m.ResetDone)
    session.close()


def test_a_resume_that_awaits_request_0_is_refused() -> None:
    server = MemoryServer()
    raw, opening = opened(server)
    resume = m.Resume(opening.session_id, opening.resume_key, 0)
    reply, last = Raw(server).ask(
        0, m.Open(this_peer("raw", frozenset({Capability.RESUME})), resume)
    )
    assert isinstance(reply, m.Failure) and last
    assert reply.code == m.ErrorCode.OUT_OF_SEQUENCE and "R-6" in reply.message
    assert isinstance(raw.ask(1, RESET)[0], m.ResetDone)  # The session stays as it was.


def test_a_refused_request_reports_no_time_of_the_environment() -> None:
    server = MemoryServer()
    raw, _ = opened(server)
    raw.ask(1, RESET)
    ticks = iter(range(0, 10**9, 10**6))
    times = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.perf_counter_ns", lambda: next(ticks))
        for sequence, action in ((2, 9), (3, 2), (4, 1)):
            body = m.Step(m.Encoded([action.to_bytes(8, "little")], None))
            frame = bytes(CODEC.write_request(m.Request(sequence, body)))
            answer = raw.connection.exchange(frame).frame
            message = env_pb2.SessionResponse.FromString(bytes(answer))
            times.append((message.error.code, message.call_us))
    assert [code for code, _ in times] == [
        m.ErrorCode.INVALID_VALUE,
        m.ErrorCode.USER_EXCEPTION,
        0,
    ]
    assert times[0][1] == 0 and times[1][1] > 0 and times[2][1] > 0


@pytest.mark.parametrize(("theirs", "words"), [("9.1.0", "spec 9.1.0"), ("", "no version")])
def test_a_version_error_has_both_versions_and_what_to_do(theirs: str, words: str) -> None:
    with pytest.raises(UnsupportedVersionError, match=rf"H-4: .*{words}.* install the same major"):
        check_version("1.0.0", theirs, "tcp://127.0.0.1:1")


def test_messages_have_the_schemas_names_and_numbers() -> None:
    assert {kind_of(body) for body in (RESET, m.ResetDone(m.ABSENT), m.Closed())} == {
        "reset",
        "close",
    }
    server = MemoryServer()

    class Other(Changed):
        def exchange(self, frame: Any, timeout: float | None) -> bytes:
            request = env_pb2.SessionRequest.FromString(bytes(frame))
            if request.WhichOneof("request") == "reset":
                answer = env_pb2.SessionResponse(sequence=request.sequence)
                answer.close.SetInParent()
                return answer.SerializeToString()
            return super().exchange(frame, timeout)

    session = ClientSession(
        lambda: Other(server.transport.connect(), lambda _: None),
        CODEC,
        this_peer("client", frozenset({Capability.RESUME})),
        ConnectOptions(10.0, 0.0, None),
        clock=server.clock,
    )
    with pytest.raises(CodecError, match="request 1 was answered with close to request 1"):
        session.request(RESET, m.ResetDone)
    raw = Raw(MemoryServer())
    reply, _ = raw.ask(3, RESET)
    assert isinstance(reply, m.Failure)
    assert "the first request is open with sequence 0, got reset" in reply.message


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (77, "out of coffee", "error code 77, which is none of this spec: out of coffee"),
        (1, "", "the peer sent ERROR_CODE_USER_EXCEPTION without a message"),
        (0, "", "error code 0, which is none of this spec: the peer sent error code 0 without a"),
    ],
)
def test_an_error_has_its_number_and_is_never_blank(code: int, message: str, words: str) -> None:
    with pytest.raises(RLMeshError) as caught:
        raise_failure(m.Failure(code, message), "tcp://127.0.0.1:1")  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_the_method_that_is_not_implemented_is_named() -> None:
    code = grpc.StatusCode.UNIMPLEMENTED
    error = exception_of_status(
        code, "", "tcp://here:1", "/rlmesh.proto.env.v1.EnvService/Describe"
    )
    assert str(error) == (
        "tcp://here:1 answers, but serves no RLMesh service of this kind: it does not implement "
        "/rlmesh.proto.env.v1.EnvService/Describe (UNIMPLEMENTED)"
    )
