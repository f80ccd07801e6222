"""`close()` within a call: in its callbacks, or in a signal handler that interrupts it."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, RemoteEnv, errors
from rlmesh._client.async_call import AsyncCall
from rlmesh.options import ServeOptions
from rlmesh.spaces import Discrete
from tests.faults import between

CLOSED = "closed in a callback or signal handler of the running call"


@pytest.fixture(autouse=True)
def no_wait_for_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn a wait of `close` for its own call into a hang that the tests notice."""
    monkeypatch.setattr("rlmesh._session.client_session.CLOSE_TIMEOUT", 120.0)
    monkeypatch.setattr("rlmesh._env_host.progress._PAUSE_SECONDS", 0.0)


class LoadingEnv:
    """Reports progress in `reset`, and then waits for `go`."""

    observation_space = action_space = Discrete(10)

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        rlmesh.report_progress("loading")
        assert self.go.wait(30)
        rlmesh.report_progress("ready")
        return 0, {}

    def step(self, action: int) -> Any:
        return action, 1.0, False, False, {}

    def close(self) -> None:
        pass


def assert_free(server: EnvServer) -> None:
    """Check that the environment is free, without the grace period of 30 s."""
    with RemoteEnv(server.address, wait=15) as other:
        assert other.reset()[0] == 0


@pytest.mark.every_transport
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_report_of_progress_may_close_the_client(asynchronous: bool) -> None:
    env = LoadingEnv()
    env.go.clear()
    closed_in: list[float] = []

    def close(progress: object) -> None:
        begun = time.monotonic()
        remote.close()
        closed_in.append(time.monotonic() - begun)

    with EnvServer(env) as server:
        remote = RemoteEnv(server.address, on_progress=close)
        with pytest.raises(errors.ClosedError, match=CLOSED):
            if asynchronous:
                remote.reset_async()
                remote.reset_wait(60)
            else:
                remote.reset()
        env.go.set()
        assert len(closed_in) == 1 and closed_in[0] < 60
        with pytest.raises(errors.ClosedError, match=CLOSED):
            remote.step(0)
        assert_free(server)


@pytest.mark.every_transport
def test_the_callback_of_a_reconnect_may_close_the_client(transport: str) -> None:
    with EnvServer(LoadingEnv()) as server, between(server.address, transport) as (address, proxy):
        remote = RemoteEnv(address, on_reconnect=lambda event: remote.close())
        remote.reset()
        proxy.cut()
        with pytest.raises(errors.ClosedError, match=CLOSED):
            remote.step(1)
        assert_free(server)


@pytest.mark.every_transport
def test_a_reconnect_in_a_call_that_runs_may_close_the_client(transport: str) -> None:
    env = LoadingEnv()
    env.go.clear()
    with EnvServer(env) as server, between(server.address, transport) as (address, proxy):

        def close(event: object) -> None:
            remote.close()
            env.go.set()

        remote = RemoteEnv(address, on_reconnect=close, on_progress=lambda _: proxy.cut())
        with pytest.raises(errors.ClosedError, match=CLOSED):
            remote.reset()
        assert_free(server)


def test_a_report_before_the_answer_to_close_may_close_the_client() -> None:
    """An interrupted reset is collected by `close`, with its reports."""
    reports: list[object] = []

    def on_progress(progress: object) -> None:
        reports.append(progress)
        if len(reports) == 1:
            raise KeyboardInterrupt
        remote.close()

    with EnvServer(LoadingEnv()) as server:
        remote = RemoteEnv(server.address, on_progress=on_progress)
        with pytest.raises(KeyboardInterrupt):
            remote.reset()
        remote.close()
        assert_free(server)


@pytest.mark.every_transport
def test_a_signal_handler_may_close_the_client() -> None:
    env = LoadingEnv()
    with EnvServer(env, options=ServeOptions(grace_period=0.1)) as server:
        remote = RemoteEnv(server.address)
        env.go.clear()
        former = signal.signal(signal.SIGALRM, lambda *_: remote.close())
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            with pytest.raises(errors.ClosedError, match=CLOSED):
                remote.reset()
        finally:
            signal.signal(signal.SIGALRM, former)
            env.go.set()
        assert_free(server)


def test_a_call_that_begins_after_the_close_is_refused() -> None:
    with EnvServer(LoadingEnv()) as server:
        remote = RemoteEnv(server.address)
        remote.reset_async()
        remote.reset_wait(20)
        remote.close()
        with pytest.raises(errors.ClosedError):
            remote.step_async(1)


def test_a_call_that_begins_during_the_close_fails() -> None:
    """It is put behind the end of the thread that makes the calls, and would never be answered."""
    calls = AsyncCall("here")
    calls.begin("step", int)
    assert calls.wait("step", 20) == 0
    assert calls._tasks is not None
    put = calls._tasks.put

    class Tasks:
        def put(self, task: Any) -> None:
            if task is not None:
                calls.close()  # As a signal handler would, at the worst time.
            put(task)

        get_nowait = calls._tasks.get_nowait

    calls._tasks = Tasks()  # type: ignore[assignment]
    calls.begin("step", int)
    with pytest.raises(errors.ClosedError):
        calls.wait("step", 20)
