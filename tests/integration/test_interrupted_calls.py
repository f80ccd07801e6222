"""Calls that an interrupt ends: the session goes on, and each step is applied once."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv
from rlmesh._client.async_call import AsyncCall
from rlmesh._session.begun_request import BegunRequest
from rlmesh._session.client_session import ClientSession
from tests.inside import connection_of
from tests.integration.envs import TallyEnv


@pytest.mark.every_transport
def test_an_interrupted_call_is_collected_before_the_next_one() -> None:
    env = TallyEnv()
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        connection = connection_of(remote)
        exchange = connection.exchange

        def interrupted(frame: bytes, timeout: float | None = None) -> bytes:
            exchange(frame, timeout)
            raise KeyboardInterrupt

        connection.exchange = interrupted
        with pytest.raises(KeyboardInterrupt):
            remote.step(0)
        assert remote.step(0)[0] == 2  # The first step was applied, and its answer is gone.
    assert env.steps == 2


@pytest.mark.every_transport
@pytest.mark.parametrize("broken", [LookupError, threading.Event().wait])
def test_a_connection_that_an_interrupt_has_broken_is_left_alone(
    broken: Callable[[], object],
) -> None:
    # As in gRPC's close, if the interrupt came between a lock and what it guards.
    def close() -> None:
        raised = broken()
        assert isinstance(raised, Exception)
        raise raised

    def interrupted(frame: bytes, timeout: float | None = None) -> bytes:
        raise KeyboardInterrupt

    with EnvServer(TallyEnv()) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        transport = connection_of(remote)
        really_close = transport.close
        for name, function in (("exchange", interrupted), ("close", close)):
            setattr(transport, name, function)
        with pytest.raises(KeyboardInterrupt):
            remote.step(0)
        assert remote.step(0)[0] == 2  # The one before was made up for.
        really_close()  # Else whichever test garbage is collected in has its warning.


class Interrupted(BaseException):
    pass


class Interrupting:
    """Raises `Interrupted` before the first line of a client's request that it has not stopped at.

    Signals come between lines, too, and not at the second visit of a `with`, which frees its lock.
    """

    CODES = (
        *(ClientSession.request, ClientSession._ask, ClientSession._exchange),
        *(ClientSession._written, ClientSession._replied),
    )
    BEGUN = (
        *(AsyncCall.begin, AsyncCall.wait, AsyncCall.is_done),
        *(ClientSession.begin, ClientSession._written),
        *(ClientSession._receive_begun, ClientSession._ask, ClientSession._replied),
        *(BegunRequest.look, BegunRequest.finish),
    )

    def __init__(self, functions: tuple[Callable[..., Any], ...]) -> None:
        self._codes = {function.__code__ for function in functions}
        self.places: set[tuple[str, int]] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code not in self._codes:
            return None
        place = (frame.f_code.co_name, frame.f_lineno)
        if event == "line" and place not in self.places:
            self.places.add(place)
            raise Interrupted
        return self


@contextlib.contextmanager
def traced(interrupting: Interrupting) -> Iterator[None]:
    """Interrupt what runs."""
    tracer = sys.gettrace()
    sys.settrace(interrupting)
    try:
        yield
    finally:
        sys.settrace(tracer)


@pytest.mark.every_transport
def test_a_call_may_be_interrupted_anywhere() -> None:
    env, calls, interrupting = TallyEnv(), 0, Interrupting(Interrupting.CODES)
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        done = False
        while not done:
            before = env.steps
            calls += 1
            with contextlib.suppress(Interrupted), traced(interrupting):
                remote.step(0)
                done = True
            calls += 1
            assert before < remote.step(0)[0] == env.steps <= calls
    names = {"request", "_ask", "_exchange", "_written", "_replied"}
    assert {name for name, _ in interrupting.places} == names
    assert len(interrupting.places) > 20


@pytest.mark.own_transport
def test_a_call_that_was_begun_may_be_interrupted_anywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step that was begun is applied once, and its result is kept until it was returned."""
    monkeypatch.setattr("rlmesh._transport.socket.unix.SHARED_BYTES", 16_384)
    env, calls, interrupting = TallyEnv(), 0, Interrupting(Interrupting.BEGUN)
    with EnvServer(env, "frames://127.0.0.1:0") as server, RemoteEnv(server.address) as remote:
        remote.reset()
        done = False
        while not done:
            before = env.steps
            calls += 1
            with contextlib.suppress(Interrupted), traced(interrupting):
                remote.step_async(0)
                assert remote.step_wait(20)[0] == env.steps
                done = True
            if remote._stub.running.pending is not None:
                assert remote.step_wait(20)[0] == env.steps == before + 1
            calls += 1
            assert before < remote.step(0)[0] == env.steps <= calls
    assert {"look", "finish", "_receive_begun", "wait"} < {name for name, _ in interrupting.places}
    assert len(interrupting.places) > 30
