"""Reports of the progress of a call that takes long (CONTRACT.md, N-17)."""

from __future__ import annotations

import threading
from typing import Any, get_args

import pytest

import rlmesh
from rlmesh import EnvServer, RemoteEnv, errors
from rlmesh._messages import env as m
from rlmesh._messages.kinds import kind_of
from rlmesh._session.server_connection import Answer, ServerConnection
from rlmesh._session.server_session import ServerSession
from rlmesh.numpy import RemoteEnv as NumpyRemoteEnv
from rlmesh.spaces import Discrete
from rlmesh.specs import Progress
from tests.faults import between
from tests.inside import connection_of

LOADING = [Progress(0.25, "loading the scene"), Progress(None, "compiling")]


@pytest.fixture(autouse=True)
def every_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send reports without a pause between them."""
    monkeypatch.setattr("rlmesh._env_host.progress._PAUSE_SECONDS", 0.0)


class LoadingEnv:
    """Reports its progress in `reset`; an action of 1 fails after a report, one of 2 reports."""

    observation_space = action_space = Discrete(10)

    def __init__(self) -> None:
        self.before_return: Any = int

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        rlmesh.report_progress("loading the scene", 0.25)
        rlmesh.report_progress("compiling")
        self.before_return()
        return 0, {}

    def step(self, action: int) -> Any:
        rlmesh.report_progress("stepping", 0.5)
        if action == 1:
            raise RuntimeError("it broke")
        return action, 1.0, False, False, {}

    def close(self) -> None:
        pass


@pytest.mark.every_transport
@pytest.mark.parametrize("client", [RemoteEnv, NumpyRemoteEnv])
def test_a_client_receives_the_reports_before_the_answer(client: Any, transport: str) -> None:
    reports: list[Progress] = []
    with (
        EnvServer(LoadingEnv()) as server,
        client(server.address, on_progress=reports.append) as remote,
    ):
        assert remote.transport == transport
        observation, _ = remote.reset()
        assert (int(observation), reports) == (0, LOADING)
        assert int(remote.step(3)[0]) == 3, "a step is too short for reports"
        assert reports == LOADING
        remote.step_many([4, 5])
        assert reports[2:] == [Progress(0.5, "stepping")] * 2, "several steps are not"
        remote.reset_async()
        remote.reset_wait(20)
        assert reports[4:] == LOADING


def test_a_client_that_wants_none_gets_none() -> None:
    with EnvServer(LoadingEnv()) as server, RemoteEnv(server.address) as remote:
        assert remote.reset()[0] == 0


def test_the_reports_of_a_worker_process_arrive() -> None:
    reports: list[Progress] = []
    with (
        EnvServer(factory=LoadingEnv, workers="process") as server,
        RemoteEnv(server.address, on_progress=reports.append) as remote,
    ):
        remote.reset()
        # Its process has the pause between reports that this one does not have.
        assert reports == LOADING[:1]
        with pytest.raises(errors.EnvError, match="it broke"):
            remote.step_many([1])
        assert remote.step(2)[0] == 2
    with (
        EnvServer(factory=LoadingEnv, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        assert remote.reset()[0] == 0


def test_a_callback_that_fails_does_not_end_the_call(caplog: pytest.LogCaptureFixture) -> None:
    def fail(progress: Progress) -> None:
        raise ValueError("no")

    with (
        EnvServer(LoadingEnv()) as server,
        RemoteEnv(server.address, on_progress=fail) as remote,
    ):
        assert remote.reset()[0] == 0
    assert "the callback for a Progress failed" in caplog.text


@pytest.mark.every_transport
def test_a_connection_that_is_cut_between_the_reports_loses_no_answer(transport: str) -> None:
    env = LoadingEnv()
    reports: list[Progress] = []
    resets: list[int] = []
    with (
        EnvServer(env) as server,
        between(server.address, transport) as (address, proxy),
        RemoteEnv(address, on_progress=reports.append) as remote,
    ):
        reported = threading.Event()

        def cut() -> None:
            resets.append(1)
            if len(resets) == 2:
                reported.wait(5)
                proxy.cut()

        env.before_return = cut
        remote.reset()
        reported.set()
        assert remote.reset()[0] == 0
        assert len(resets) == 2, "a reset is applied once"
        assert remote.step(2)[0] == 2
    assert reports[:2] == LOADING


@pytest.mark.every_transport
def test_a_request_that_is_sent_again_after_a_cut_has_reports_too(transport: str) -> None:
    reports: list[Progress] = []
    with (
        EnvServer(LoadingEnv()) as server,
        between(server.address, transport) as (address, proxy),
        RemoteEnv(address, on_progress=reports.append) as remote,
    ):
        remote.reset()
        proxy.cut()
        remote.reset_async()
        assert remote.reset_wait(20)[0] == 0
        assert reports == LOADING * 2
        assert remote.transport == transport and remote.step(2)[0] == 2


def test_a_call_that_was_interrupted_is_collected_past_its_reports() -> None:
    with EnvServer(LoadingEnv()) as server:
        raised = [KeyboardInterrupt, None, None, None]

        def interrupt(progress: Progress) -> None:
            error = raised.pop(0) if raised else None
            if error is not None:
                raise error

        with RemoteEnv(server.address, on_progress=interrupt) as remote:
            with pytest.raises(KeyboardInterrupt):
                remote.reset()
            assert remote.reset()[0] == 0
            assert remote.step(2)[0] == 2


def test_reports_outside_of_a_call_and_of_other_threads_go_nowhere() -> None:
    rlmesh.report_progress("nothing", 0.5)
    reports: list[Progress] = []
    env = LoadingEnv()
    env.before_return = lambda: _in_a_thread(lambda: rlmesh.report_progress("elsewhere"))
    with (
        EnvServer(env) as server,
        RemoteEnv(server.address, on_progress=reports.append) as remote,
    ):
        remote.reset()
        assert reports == LOADING
        rlmesh.report_progress("after the call")
        assert remote.step(2)[0] == 2


def _in_a_thread(function: Any) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(20)


@pytest.mark.parametrize("message", [12, b"x", None])
def test_a_message_that_is_no_text_is_refused(message: Any) -> None:
    with pytest.raises(TypeError, match="expected a text as message"):
        rlmesh.report_progress(message)


def test_what_is_nearly_right_is_sent() -> None:
    env = LoadingEnv()
    env.before_return = lambda: rlmesh.report_progress("\udcff", 1.0 + 1e-9)
    reports: list[Progress] = []
    with (
        EnvServer(env) as server,
        RemoteEnv(server.address, on_progress=reports.append) as remote,
    ):
        remote.reset()
        with pytest.raises(TypeError, match="expected a function as on_progress, got 3"):
            RemoteEnv(server.address, on_progress=3)  # type: ignore[arg-type]
    assert reports[2] == Progress(1.0, "?")


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="expected a number from 0 to 1"):
        rlmesh.report_progress("x", fraction)


def test_reports_in_quick_succession_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._env_host.progress._PAUSE_SECONDS", float("inf"))
    reports: list[Progress] = []
    with (
        EnvServer(LoadingEnv()) as server,
        RemoteEnv(server.address, on_progress=reports.append) as remote,
    ):
        remote.reset()
        assert reports == LOADING[:1]
        remote.reset()
        assert reports == LOADING[:1], "whatever the call"


def test_a_long_message_is_cut() -> None:
    env = LoadingEnv()
    env.before_return = lambda: rlmesh.report_progress("ä" * 200)
    reports: list[Progress] = []
    with (
        EnvServer(env) as server,
        RemoteEnv(server.address, on_progress=reports.append) as remote,
    ):
        remote.reset()
    assert reports[2].message == "ä" * 128


def test_the_call_goes_on_without_its_client() -> None:
    """A report to a client that has gone is dropped."""
    env = LoadingEnv()
    entered, gone, returned = threading.Event(), threading.Event(), threading.Event()
    with EnvServer(env) as server:
        remote = RemoteEnv(server.address, on_progress=lambda _: None)

        def wait() -> None:
            entered.set()
            gone.wait(20)
            for _ in range(20):
                rlmesh.report_progress("nobody listens")
            returned.set()

        env.before_return = wait
        remote.reset_async()
        assert entered.wait(20)
        connection_of(remote).cut()
        gone.set()
        assert returned.wait(20)
        assert remote.reset_wait(20)[0] == 0
        env.before_return = int
        remote.close()


@pytest.mark.every_transport
@pytest.mark.parametrize("many", [False, True])
def test_a_server_that_reports_and_does_not_answer_does_not_hold_up_close(
    many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlmesh._session.client_session.CLOSE_TIMEOUT", 0.5)
    go = threading.Event()

    def report(self: ServerConnection, session: Any, request: Any, frame: Any) -> Answer:
        if isinstance(request.body, m.Close):
            self._report(request.sequence, LOADING[0])
            while many and not go.wait(0.01):
                self._report(request.sequence, LOADING[0])
            assert go.wait(30)
        return answered(self, session, request, frame)

    answered = ServerConnection._next
    monkeypatch.setattr(ServerConnection, "_next", report)
    reports: list[Progress] = []
    with EnvServer(LoadingEnv()) as server:
        remote = RemoteEnv(server.address, on_progress=reports.append)
        closing = threading.Thread(target=remote.close, daemon=True)
        closing.start()
        closing.join(15)
        assert reports and not closing.is_alive()
        go.set()


def test_a_report_that_is_not_asked_for_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerSession, "wants_progress", True)
    with EnvServer(LoadingEnv()) as server:
        remote = RemoteEnv(server.address)
        with pytest.raises(errors.CodecError, match=r"Q-2: .* answered with progress"):
            remote.reset()
        remote.close()


def test_every_message_has_a_name() -> None:
    """The name is for errors about a message, which must not fail themselves."""
    made = {m.Malformed, m.Unsupported, m.ModelRequest, m.ModelReply}  # Their names differ.
    for body in {*get_args(m.RequestBody), *get_args(m.Reply)} - made:
        empty = tuple.__new__(body) if issubclass(body, tuple) else object.__new__(body)
        assert kind_of(empty)
