"""The order of requests on the server's side (CONTRACT.md, 5), without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh._messages import env as m
from rlmesh._session.server_connection import ServerConnection
from rlmesh._session.versions import this_peer
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE
from rlmesh.specs import Capability

from .memory import MemoryServer

CODEC = EnvWireCodec(NATIVE)
PEER = this_peer("raw", frozenset({Capability.RESUME}))
RESET = m.Reset(None, None)
STEP = m.Step(m.Encoded([(1).to_bytes(8, "little")], None))


class Raw:
    """A connection whose requests a test numbers itself."""

    def __init__(self, server: MemoryServer) -> None:
        self.cut = False
        self.connection = ServerConnection(
            server.manager, "raw", lambda: setattr(self, "cut", True), lambda: not self.cut
        )

    def ask(self, sequence: int, body: Any) -> tuple[m.Reply | None, bool]:
        """Return the reply, and whether the stream ends."""
        answer = self.connection.exchange(bytes(CODEC.write_request(m.Request(sequence, body))))
        reply = None if answer.frame is None else CODEC.read_reply(bytes(answer.frame))[1]
        return reply, answer.last


def opened(server: MemoryServer) -> tuple[Raw, m.Opened]:
    raw = Raw(server)
    reply, last = raw.ask(0, m.Open(PEER))
    assert isinstance(reply, m.Opened) and not last
    return raw, reply


def code(reply: m.Reply | None) -> int:
    assert isinstance(reply, m.Failure), reply
    return reply.code


def test_a_repeated_request_gets_its_answer_again_and_is_not_applied_again() -> None:
    server = MemoryServer()
    raw, _ = opened(server)
    raw.ask(1, RESET)
    first, _ = raw.ask(2, STEP)
    again, _ = raw.ask(2, STEP)
    assert first == again and server.env.steps == 1


@pytest.mark.parametrize("sequence", [1, 4, 2**63])
def test_a_request_out_of_order_is_refused_and_the_session_goes_on(sequence: int) -> None:
    server = MemoryServer()
    raw, _ = opened(server)
    raw.ask(1, RESET)
    raw.ask(2, STEP)
    reply, last = raw.ask(sequence, STEP)
    assert code(reply) == m.ErrorCode.OUT_OF_SEQUENCE and not last
    assert isinstance(raw.ask(3, STEP)[0], m.StepDone)
    assert server.env.steps == 2


@pytest.mark.parametrize(
    ("sequence", "body", "expected"),
    [(0, RESET, m.ErrorCode.WRONG_STATE), (1, m.Open(PEER), m.ErrorCode.MALFORMED)],
)
def test_a_stream_begins_with_open_and_sequence_0(sequence: int, body: Any, expected: int) -> None:
    reply, last = Raw(MemoryServer()).ask(sequence, body)
    assert code(reply) == expected and last


def test_noise_ends_the_stream_and_the_session_is_resumed() -> None:
    server = MemoryServer()
    raw, opening = opened(server)
    raw.ask(1, RESET)
    answer = raw.connection.exchange(b"\xff noise")
    assert answer.last and answer.frame is not None
    assert code(CODEC.read_reply(bytes(answer.frame))[1]) == m.ErrorCode.MALFORMED
    raw.connection.lost()
    resumed, last = Raw(server).ask(
        0, m.Open(PEER, m.Resume(opening.session_id, opening.resume_key, 1))
    )
    assert isinstance(resumed, m.Opened) and resumed.received == 1 and not last


def test_a_connection_that_resumes_replaces_the_older_one() -> None:
    server = MemoryServer()
    older, opening = opened(server)
    older.ask(1, RESET)
    newer = Raw(server)
    newer.ask(0, m.Open(PEER, m.Resume(opening.session_id, opening.resume_key, 1)))
    assert older.cut
    assert older.ask(2, STEP) == (None, True)
    older.connection.lost()
    assert isinstance(newer.ask(2, STEP)[0], m.StepDone)
    assert server.env.steps == 1 and server.host.released == 0


@pytest.mark.parametrize("wrong", ["id", "key"])
def test_who_does_not_prove_the_session_learns_nothing_of_it(wrong: str) -> None:
    server = MemoryServer()
    _, opening = opened(server)
    session_id = "0" * 16 if wrong == "id" else opening.session_id
    key = b"0" * 16 if wrong == "key" else opening.resume_key
    reply, last = Raw(server).ask(0, m.Open(PEER, m.Resume(session_id, key, 1)))
    assert code(reply) == m.ErrorCode.UNKNOWN_SESSION and last


@pytest.mark.parametrize("awaited", [0, 4])
def test_a_client_that_awaits_what_was_not_received_is_refused(awaited: int) -> None:
    server = MemoryServer()
    raw, opening = opened(server)
    raw.ask(1, RESET)
    raw.ask(2, STEP)
    resume = m.Resume(opening.session_id, opening.resume_key, awaited)
    reply, last = Raw(server).ask(0, m.Open(PEER, resume))
    assert code(reply) == m.ErrorCode.OUT_OF_SEQUENCE and last


def test_a_second_client_learns_who_holds_the_environment() -> None:
    server = MemoryServer()
    opened(server)
    server.clock.advance(7)
    reply, last = Raw(server).ask(0, m.Open(PEER))
    assert isinstance(reply, m.Failure) and last
    assert reply.code == m.ErrorCode.BUSY
    assert (reply.holder, reply.held_seconds) == ("raw", 7.0)


def test_a_server_that_stops_answers_and_sends_a_farewell() -> None:
    server = MemoryServer()
    raw, _ = opened(server)
    raw.ask(1, RESET)
    server.env.before_step = server.manager.stop
    answer = raw.connection.exchange(bytes(CODEC.write_request(m.Request(2, STEP))))
    assert answer.frame is not None and answer.last
    assert isinstance(CODEC.read_reply(bytes(answer.frame))[1], m.StepDone)
    assert code(CODEC.read_reply(bytes(answer.farewell))[1]) == m.ErrorCode.SHUTTING_DOWN
