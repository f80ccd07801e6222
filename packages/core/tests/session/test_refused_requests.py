"""Requests that a server refuses, and the code of each (CONTRACT.md, 8 to 10), without sockets."""

from __future__ import annotations

from typing import Any

import pytest
from rlmesh_proto.env.v1 import env_pb2

from rlmesh._messages import env as m
from rlmesh._session.versions import this_peer
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE

from .memory import MemoryServer
from .test_server_connection import RESET, STEP, Raw, code, opened

CODEC = EnvWireCodec(NATIVE)
ACTIONS = m.Encoded([bytes(16)], 2)


@pytest.mark.parametrize(
    ("body", "expected", "rule"),
    [
        (m.Reset(lane_mask=b"\1"), m.ErrorCode.UNSUPPORTED, "lane_mask: L-8: "),
        (m.Reset(lane_seeds=(1,)), m.ErrorCode.MALFORMED, "lane_seeds: N-4: "),
        (m.StepMany(ACTIONS, 3), m.ErrorCode.MALFORMED, "actions: N-8: "),
        (m.StepMany(m.Encoded([bytes(8)], None), 1), m.ErrorCode.MALFORMED, "actions: N-8: "),
        (m.StepMany(m.Encoded([b""], 0), 0), m.ErrorCode.MALFORMED, "count: N-8: "),
        (m.Step(ACTIONS), m.ErrorCode.INVALID_VALUE, "action: N-6: "),
        (m.Step(m.Encoded([bytes(7)])), m.ErrorCode.INVALID_VALUE, "action: V-4: "),
        (m.Step(m.Encoded([b"\3" + bytes(7)])), m.ErrorCode.INVALID_VALUE, "action: V-8: "),
        (m.Render((0,)), m.ErrorCode.MALFORMED, "lanes: L-11: "),
        (m.Call("steps", (), {}), m.ErrorCode.NOT_EXPOSED, "N-11: "),
        (m.Describe(), m.ErrorCode.WRONG_STATE, "B-15: "),
        (m.Open(this_peer("raw", frozenset())), m.ErrorCode.WRONG_STATE, "N-3: "),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_by_its_name(
    body: Any, expected: int, rule: str
) -> None:
    server = MemoryServer()
    raw, _ = opened(server)
    raw.ask(1, RESET)
    reply, last = raw.ask(2, body)
    assert code(reply) == expected and not last
    assert isinstance(reply, m.Failure) and reply.message.startswith(rule)
    assert server.env.steps == 0 and server.env.resets == 1
    assert isinstance(raw.ask(3, STEP)[0], m.StepDone)


def test_an_open_without_a_client_is_malformed() -> None:
    request = env_pb2.SessionRequest()
    request.open.wait_ms = 5
    raw = Raw(MemoryServer())
    answer = raw.connection.exchange(request.SerializeToString())
    assert answer.last and answer.frame is not None
    reply = CODEC.read_reply(bytes(answer.frame))[1]
    assert isinstance(reply, m.Failure)
    assert (reply.code, reply.path) == (m.ErrorCode.MALFORMED, "client")


def test_an_answer_is_sent_once_if_the_session_is_taken_over_during_its_call() -> None:
    server = MemoryServer()
    older, opening = opened(server)
    older.ask(1, RESET)
    newer = Raw(server)

    def take_over() -> None:
        resume = m.Resume(opening.session_id, opening.resume_key, 2)
        reply, _ = newer.ask(0, m.Open(opening.server, resume))
        assert isinstance(reply, m.Opened) and reply.received == 2

    server.env.before_step = take_over
    assert older.ask(2, STEP) == (None, True)
    assert isinstance(newer.ask(2, STEP)[0], m.StepDone)
    assert server.env.steps == 1
