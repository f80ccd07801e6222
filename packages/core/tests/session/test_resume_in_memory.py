"""Resuming, by the rules of CONTRACT.md, 5 and 6: a step is applied exactly once."""

from __future__ import annotations

import concurrent.futures
import logging
import random
import threading

import pytest

from rlmesh import errors
from rlmesh._messages import env as m
from rlmesh._session.client_session import ClientSession
from rlmesh.dtypes import DTYPES
from tests.inside import link_of

from .memory import MemoryServer


def step(session: ClientSession, action: int = 1) -> int:
    """Apply an action and return the observation."""
    encoded = m.Encoded([DTYPES["int64"].pack([action])], None)
    done = session.request(m.Step(encoded), m.StepDone)
    (slab,) = done.observation.slabs
    return int(DTYPES["int64"].unpack(bytes(slab))[0])


def started(server: MemoryServer) -> ClientSession:
    session = server.connect()
    session.request(m.Reset(None, None), m.ResetDone)
    return session


@pytest.mark.parametrize("cut", ["cut", "cut_before_next", "cut_after_next"])
def test_a_step_is_applied_once_wherever_the_connection_is_cut(cut: str) -> None:
    server = MemoryServer()
    session = started(server)
    assert step(session) == 1
    getattr(server.connection, cut)()
    assert step(session) == 2
    assert server.env.steps == 2
    assert len(server.transport.connections) == 2
    assert [event.attempts for event in server.reconnects] == [1]


def test_many_cuts_lose_and_repeat_nothing() -> None:
    chance = random.Random(0)
    server = MemoryServer()
    session = started(server)
    for count in range(1, 2001):
        if chance.random() < 0.3:
            getattr(server.connection, chance.choice(["cut_before_next", "cut_after_next"]))()
        assert step(session) == count
    assert server.env.steps == 2000 and len(server.reconnects) > 400


def test_pauses_double_up_to_two_seconds_and_end_with_the_grace_period() -> None:
    server = MemoryServer(grace_period=12.0)
    session = started(server)
    server.connection.cut()
    server.transport.listening = False
    server.transport.connections[-1].server_has_ended = lambda: False  # As behind a proxy.
    with pytest.raises(errors.ConnectionLostError, match=r"tried 11 times in 11\.2 s"):
        step(session)
    assert server.clock.slept == [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0]
    assert session.closed
    with pytest.raises(errors.ClosedError):
        step(session)


def test_a_server_that_is_known_to_have_ended_is_given_up_after_two_seconds() -> None:
    server = MemoryServer()
    session = started(server)
    server.connection.cut()
    server.transport.listening = False
    with pytest.raises(errors.ConnectionLostError):
        step(session)
    assert 2.0 < server.clock.now < 5.0


def test_a_server_that_listens_again_within_the_grace_period_goes_on() -> None:
    server = MemoryServer()
    session = started(server)
    server.connection.cut()
    server.transport.listening = False
    server.clock.call_later(1.0, lambda: setattr(server.transport, "listening", True), "")
    assert step(session) == 1
    assert [round(event.seconds, 2) for event in server.reconnects] == [1.55]


def test_a_session_that_does_not_come_back_frees_its_environment_after_the_grace_period() -> None:
    server = MemoryServer(grace_period=30.0)
    session = started(server)
    server.connection.cut()
    server.clock.advance(29.9)
    with pytest.raises(errors.BusyError, match=r"has lost its connection and has 0\.1 s to"):
        server.connect()
    assert server.host.released == 0
    server.clock.advance(0.2)
    assert server.host.released == 1
    server.connect().close()
    session.close()


def test_a_session_that_comes_back_late_is_unknown() -> None:
    server = MemoryServer(grace_period=30.0)
    session = started(server)
    server.connection.cut()
    server.clock.advance(31.0)
    why = r"no such session to resume; its client did not come back within 30 s \(grace_period\)"
    with pytest.raises(errors.SessionLostError, match=why):
        step(session)


def test_a_reason_for_the_end_is_given_to_its_own_client_alone() -> None:
    server = MemoryServer()
    session = started(server)
    server.connection.cut()
    server.clock.advance(31.0)
    session._link.key = bytes(16)
    with pytest.raises(errors.SessionLostError, match="its grace period may be over"):
        step(session)


def test_a_first_request_that_comes_too_late_names_the_time_that_it_had() -> None:
    server = MemoryServer()
    session = server.connect()
    server.connection.cut()
    server.clock.advance(2.1)
    why = r"did not come back within 2 s \(it has sent no request\)"
    with pytest.raises(errors.SessionLostError, match=why):
        session.request(m.Reset(None, None), m.ResetDone)


def test_the_log_names_the_time_that_a_session_without_a_request_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = MemoryServer()
    session = server.connect()
    with caplog.at_level(logging.INFO, logger="rlmesh.server"):
        # The loss of the connection before is noticed only when the next one is there.
        link_of(session)._go_to(server.transport.connect(), 1)
    assert "it waits 2 s for its client" in caplog.text


def test_a_session_that_came_back_has_a_whole_grace_period_again() -> None:
    server = MemoryServer(grace_period=30.0)
    session = started(server)
    for count in range(1, 4):
        server.connection.cut()
        server.clock.advance(29.0)
        assert step(session) == count
    server.clock.advance(100.0)
    assert server.host.released == 0


def test_a_session_without_a_request_waits_two_seconds() -> None:
    server = MemoryServer()
    session = server.connect()
    server.connection.cut()
    server.clock.advance(1.9)
    assert server.host.released == 0 and not session.closed
    server.clock.advance(0.2)  # its client may never have learnt of it.
    assert server.host.released == 1


def test_the_first_request_of_a_session_may_be_lost() -> None:
    server = MemoryServer()
    session = server.connect()
    server.connection.cut_before_next()
    session.request(m.Reset(None, None), m.ResetDone)
    assert step(session) == 1
    assert len(server.reconnects) == 1


def test_without_a_grace_period_a_cut_ends_the_session() -> None:
    server = MemoryServer(grace_period=0.0)
    session = started(server)
    server.connection.cut()
    assert server.host.released == 1
    with pytest.raises(errors.ConnectionLostError):
        step(session)
    assert not server.clock.slept


def test_an_error_of_the_environment_is_answered_and_the_session_goes_on() -> None:
    server = MemoryServer()
    session = started(server)
    with pytest.raises(errors.EnvError, match="it broke"):
        step(session, 2)
    server.connection.cut()
    assert step(session) == 1


def test_close_ends_the_session_at_once() -> None:
    server = MemoryServer()
    session = started(server)
    session.close()
    session.close()
    assert server.host.released == 1 and session.closed


def test_two_threads_may_close_at_once() -> None:
    server = MemoryServer()
    session = started(server)
    server.connection.cut()
    sleep = server.clock.sleep

    def closed_meanwhile(seconds: float) -> None:
        session._end("the client was closed")  # As the other thread would.
        sleep(seconds)

    server.clock.sleep = closed_meanwhile  # type: ignore[method-assign]
    server.transport.listening = False
    session.close()
    assert session.closed


def test_a_close_that_waits_for_another_one_does_nothing_more() -> None:
    server = MemoryServer()
    session = started(server)
    session._busy.acquire()
    closing = threading.Thread(target=session.close)
    closing.start()
    sent = server.connection.requests
    session._end("the client was closed")
    session._busy.release()
    closing.join(20)
    assert not closing.is_alive() and server.connection.requests == sent


def test_close_tries_an_unreachable_server_for_two_seconds() -> None:
    server = MemoryServer()
    session = started(server)
    server.connection.cut()
    server.transport.listening = False
    session.close()
    assert session.closed and server.clock.now <= 2.0


def test_a_call_that_notices_late_that_its_client_is_closed_closes_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rlmesh._session.client_session.CLOSE_TIMEOUT", 0.01)
    monkeypatch.setattr("rlmesh._session.client_session._CUT_TIMEOUT", 0.01)
    server = MemoryServer()
    session = started(server)
    entered, go, closed = threading.Event(), threading.Event(), threading.Event()
    server.env.before_step = lambda: (entered.set(), go.wait(20))
    monkeypatch.setattr(server.connection, "close", closed.set)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(step, session)
        assert entered.wait(20)
        session.close()
        assert not closed.is_set(), "the call still uses the connection"
        go.set()
        with pytest.raises(errors.ClosedError):
            call.result(20)
    assert closed.is_set()
