"""Requests with a reply to come: applied once, whatever comes between sending and reading."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import errors
from rlmesh._arrival import Arrival
from rlmesh._messages import env as m
from rlmesh._session.begun_request import BegunRequest
from rlmesh._session.client_session import ClientSession
from rlmesh.dtypes import DTYPES

from .memory import MemoryServer
from .test_resume_in_memory import started, step


def begin_step(session: ClientSession, action: int = 1) -> BegunRequest[int]:
    """Begin a step that finishes with its observation."""
    encoded = m.Encoded([DTYPES["int64"].pack([action])], None)
    begun = session.begin(m.Step(encoded), m.StepDone)
    assert begun is not None
    return begun.then(observation)


def observation(done: m.StepDone) -> int:
    (slab,) = done.observation.slabs
    return int(DTYPES["int64"].unpack(bytes(slab))[0])


def test_a_begun_step_finishes_with_its_result() -> None:
    server = MemoryServer()
    session = started(server)
    for count in range(1, 4):
        begun = begin_step(session)
        assert begun.look() is Arrival.WHOLE
        assert begun.finish() == count
        assert begun.finish() == count, "the result is kept"
    assert step(session) == 4


def test_another_call_discards_the_reply() -> None:
    session = started(MemoryServer())
    begun = begin_step(session)
    assert session.begin(m.Close(), m.Closed) is None, "the answer has to be waited for first"
    assert step(session) == 2
    with pytest.raises(errors.ConcurrentCallError, match="another call was made meanwhile"):
        begun.finish()
    assert step(session) == 3


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("cut", ["cut", "cut_before_next", "cut_after_next"])
def test_a_begun_step_is_applied_once_wherever_the_connection_is_cut(cut: str, looks: bool) -> None:
    server = MemoryServer()
    session = started(server)
    begun = begin_step(session)
    getattr(server.connection, cut)()
    if looks:
        assert begun.look() is Arrival.LARGE, "resuming is for a thread that may wait"
    assert begun.finish() == 1
    assert step(session) == 2
    assert server.env.steps == 2 and len(server.reconnects) == 1


class Interrupted:
    """Interrupts the first call of a method, after it has done its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        method = getattr(owner, name)
        calls = iter([True])

        def once(*args: Any) -> Any:
            result = method(*args)
            if next(calls, False):
                raise KeyboardInterrupt
            return result

        monkeypatch.setattr(owner, name, once)


@pytest.mark.parametrize("method", ["look", "receive"])
def test_an_interrupt_while_the_answer_is_read_loses_nothing(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = MemoryServer()
    session = started(server)
    begun = begin_step(session)
    Interrupted(monkeypatch, server.connection, method)
    with pytest.raises(KeyboardInterrupt):
        begun.finish() if method == "receive" else begun.look()
    assert begun.look() is Arrival.LARGE
    assert begun.finish() == 1, "the server has kept the answer"
    assert step(session) == 2 and server.env.steps == 2


def test_closing_drops_the_answer_of_a_begun_step() -> None:
    server = MemoryServer()
    session = started(server)
    begun = begin_step(session)
    session.close()
    assert server.env.steps == 1 and step(started(server)) == 2, "the environment is free"
    with pytest.raises(errors.ClosedError):
        begun.finish()


def test_an_error_of_the_environment_is_the_result() -> None:
    session = started(MemoryServer())
    begun = begin_step(session, action=2)
    with pytest.raises(errors.EnvError):
        begun.finish()
    assert step(session) == 1


def test_a_second_look_finds_the_same_answer() -> None:
    begun = begin_step(started(MemoryServer()))
    assert begun.look() is Arrival.WHOLE
    assert begun.look() is Arrival.WHOLE
    assert begun.finish() == 1
