"""The texts of errors on their way to a client: what UTF-8 cannot carry, and what is too long."""

from __future__ import annotations

import pytest
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2

from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.failures import failure_of_exception
from rlmesh.backends import NATIVE
from rlmesh.errors import ClosedError, ConnectionLostError

from .session.memory import MemoryServer

FRAMES = EnvWireCodec(NATIVE)


def sent(failure: m.Failure) -> m.Failure:
    _, reply = FRAMES.read_reply(FRAMES.write_reply(1, failure))
    assert isinstance(reply, m.Failure)
    return reply


def test_an_exception_whose_text_has_a_lone_surrogate_is_told_all_the_same() -> None:
    reply = sent(m.Failure(m.ErrorCode.USER_EXCEPTION, "no file caf\udce9", traceback="\udce9"))
    assert reply.code == m.ErrorCode.USER_EXCEPTION
    assert (reply.message, reply.traceback) == ("no file caf\\udce9", "\\udce9")


def test_texts_are_cut_where_the_contract_ends_them() -> None:
    long = "é" * 200_000
    reply = sent(m.Failure(1, long, traceback=long, path=long, expected=long, actual="a" + long))
    for text, most in (
        (reply.message, 16_384),
        (reply.traceback, 262_144),
        (reply.expected, 16_384),
        (reply.actual, 16_383),  # A character is not cut in two.
    ):
        assert len(text.encode()) == most and set(text) <= {"a", "é"}


def test_a_peer_that_cuts_nothing_has_its_texts_cut_all_the_same() -> None:
    wire = env_pb2.SessionResponse(sequence=1)
    long = "\u00e9" * 200_000
    for name in ("message", "exception_type", "traceback", "path", "expected", "actual"):
        setattr(wire.error, name, long)
    wire.error.code, wire.error.holder.client_name = error_pb2.ERROR_CODE_BUSY, long
    _, reply = FRAMES.read_reply(wire.SerializeToString())
    assert isinstance(reply, m.Failure)
    texts = vars(reply) | {"traceback": ""}
    assert {len(text) for text in texts.values() if isinstance(text, str)} == {0, 8_192}
    assert len(reply.traceback) == 131_072


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_has_no_text_is_told_by_its_class() -> None:
    try:
        raise Speechless
    except Speechless as error:
        failure = failure_of_exception(error, "step", expose_traceback=True)
    assert failure.message == "step() raised Speechless: (its text cannot be told)"
    assert failure.exception_type == f"{__name__}.Speechless"
    assert "in test_an_exception_that_has_no_text" in failure.traceback


def test_an_exception_without_a_text_leaves_no_blank() -> None:
    failure = failure_of_exception(StopIteration(), "factory", expose_traceback=False)
    assert failure.message == "factory() raised StopIteration"


def test_the_address_of_a_session_that_has_ended_comes_once() -> None:
    server = MemoryServer(grace_period=0.0)
    session = server.connect()
    cut = ConnectionLostError("memory://: the connection is cut", address="memory://")
    connection = server.connection
    connection.exchange = lambda frame, timeout: (_ for _ in ()).throw(cut)
    with pytest.raises(ConnectionLostError):
        session.request(m.Reset(), m.ResetDone)
    with pytest.raises(ClosedError) as caught:
        session.request(m.Reset(), m.ResetDone)
    assert str(caught.value) == "memory://: the session ended: the connection is cut"
