"""The log of a server: who has opened, lost, resumed and ended which session, and how long."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from typing import Any
from unittest import mock

import pytest

import rlmesh
from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from rlmesh._transport.grpc import server as grpc_server
from rlmesh._wire.services import ENV_SERVICE
from tests.faults.proxy import Proxy
from tests.inside import session_of
from tests.integration.cli_processes import COMMAND, COUNTER, serving
from tests.integration.envs import CounterEnv, MischiefEnv
from tests.integration.raw_grpc import RawConnection
from tests.processes import finished, running, until

ME = r"\S+:\d+"


@pytest.fixture(autouse=True)
def transport() -> str:
    """Which transport is used makes no difference; once is enough."""
    return "auto"


class Log:
    """The records of a server and of clients of this process."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def events(self, level: int = logging.INFO) -> list[dict[str, Any]]:
        facts = [
            getattr(record, "rlmesh_facts", None)
            for record in self._caplog.records
            if record.levelno >= level
        ]
        return [fact for fact in facts if fact is not None]

    def names(self) -> list[str]:
        return [fact["event"] for fact in self.events()]

    def wait_for(self, name: str) -> dict[str, Any]:
        until(lambda: name in self.names(), 30, name)
        return next(fact for fact in self.events() if fact["event"] == name)

    def line(self, pattern: str) -> str:
        lines = [record.getMessage() for record in self._caplog.records]
        found = [line for line in lines if re.search(pattern, line)]
        assert len(found) == 1, (pattern, lines)
        return found[0]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Log:
    # Tests before may have logged so much of a kind that more of it is left out for a while.
    monkeypatch.setattr("rlmesh._logs._PRINTABLE._counts", {})
    caplog.set_level(logging.INFO, "rlmesh")
    return Log(caplog)


def test_a_session_from_its_opening_to_its_end(log: Log) -> None:
    with EnvServer(CounterEnv()) as server:
        with RemoteEnv(server.address) as remote:
            identity = session_of(remote).id
            remote.reset()
            with pytest.raises(errors.BusyError):
                RemoteEnv(server.address)
        log.wait_for("ended")
    assert log.names() == ["serving", "opened", "refused", "ended", "stopping", "stopped"]
    log.line(rf"^session {identity} opened by {ME} \(ipv4:127.0.0.1:\d+\)$")
    log.line(rf"^refused {ME} \(ipv4:.*\): the environment is held by {ME} for \d")
    log.line(rf"^session {identity} of {ME} ended after \d+\.\d s, 2 requests: closed by its cl")
    opened, ended = log.wait_for("opened"), log.wait_for("ended")
    assert opened["session"] == ended["session"] == identity
    assert opened["client"] == ended["client"] and re.fullmatch(ME, opened["client"])
    assert ended["seconds"] > 0 and ended["requests"] == 2 and ended["losses"] == 0
    assert log.wait_for("refused")["reason"] == "busy"


def test_a_wrong_token_is_refused_and_not_shown(log: Log) -> None:
    with (
        EnvServer(CounterEnv(), token="s3cret") as server,
        pytest.raises(errors.AuthenticationError),
    ):
        RemoteEnv(server.address, token="gu3ss")
    refused = log.wait_for("refused")
    assert refused["reason"] == "unauthenticated" and refused["peer"].startswith("ipv4:127")
    assert "s3cret" not in str(log.events()) and "gu3ss" not in log.line("no token, or a wrong")


def test_a_loss_is_logged_once_and_then_in_a_summary(log: Log) -> None:
    options = ServeOptions(frames=False)
    with EnvServer(CounterEnv(), options=options) as server, Proxy(server.address) as proxy:
        where = proxy.address
        with RemoteEnv(where) as remote:
            for _ in range(5):
                remote.reset()
                proxy.cut()
        log.wait_for("ended")
    assert [name for name in log.names() if name in ("lost", "resumed", "ended")] == [
        "lost",
        "resumed",
        "ended",
    ]
    log.line(rf"^session \w+ of {ME} lost its connection after \d+\.\d s; it waits 30 s for its")
    log.line(rf"^session \w+ resumed by {ME} \(ipv4:.*\) after \d+\.\d\d s without a connection$")
    log.line(r"closed by its client; its connection was lost 5 times, for \d+\.\d s in all$")
    assert log.wait_for("ended")["losses"] == 5
    log.line(r"^tcp://.*; resuming, for 30 s at most$")
    log.line(r"^tcp://.*: resumed after \d+\.\d\d s, attempt 1$")
    log.line(r"^tcp://.*: session \w+ has ended; its connection was lost 5 times")
    mine = {fact["event"]: fact for fact in log.events() if fact.get("address") == where}
    assert mine["connection_lost"]["session"] == mine["session_ended"]["session"] != ""
    assert mine["connection_resumed"]["attempts"] == 1 and mine["session_ended"]["losses"] == 5


def test_an_evaluation_logs_a_lost_endpoint_once_and_then_what_became_of_it(log: Log) -> None:
    class Kill:
        def on_episode_end(self, event: Any) -> None:
            if event.episode == 3:
                server.process.kill()
                server.process.wait()

    with serving(COUNTER) as (where, server), EnvServer(CounterEnv()) as other:
        result = rlmesh.evaluate(
            lambda _: 1, [where, other.address], seeds=range(40), hooks=Kill(), retries=3
        )
    assert len(result.episodes) == 40
    address = re.escape(where)
    log.line(rf"^{address}\S* .*; resuming, for 30 s at most$")
    log.line(rf"^{address}\S* .*; connecting again$")
    log.line(rf"^{address}\S* .*\(tried 3 times in \d+\.\d s\); it plays no more in this run$")
    mine = [fact["event"] for fact in log.events(logging.WARNING) if fact.get("endpoint") == where]
    assert mine == ["endpoint_lost", "endpoint_retired"]


def test_a_client_that_does_not_come_back(log: Log) -> None:
    options = ServeOptions(frames=False, grace_period=0.3)
    with EnvServer(CounterEnv(), options=options) as server, Proxy(server.address) as proxy:
        remote = RemoteEnv(proxy.address)
        remote.reset()
        proxy.cut()
        ended = log.wait_for("ended")
        assert ended["reason"] == "its client did not come back within 0.3 s (grace_period)"
        with pytest.raises(errors.RLMeshError):
            remote.step(0)
        remote.close()
    assert log.wait_for("refused")["reason"] == "unknown_session"


def test_a_move_to_another_transport_is_no_loss(log: Log) -> None:
    with EnvServer(CounterEnv()) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        if remote.transport != "frames":
            pytest.skip("frames are not available here")
    assert not {"lost", "resumed"}.intersection(log.names())


def test_a_crash_is_logged_once_with_its_session(log: Log) -> None:
    with (
        EnvServer(factory=MischiefEnv, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        for _ in range(2):
            remote.reset()
            with pytest.raises(errors.EnvCrashedError):
                remote.step(MischiefEnv.TROUBLES.index("segfault"))
            with pytest.raises(errors.EnvCrashedError):
                remote.step(0)
        identity = session_of(remote).id
    crashes = [fact for fact in log.events(logging.ERROR) if fact["event"] == "crashed"]
    assert [crash["session"] for crash in crashes] == [identity] * 2
    assert "SIGSEGV" in crashes[0]["reason"] and re.fullmatch(ME, crashes[0]["client"])


def test_serve_logs_a_servers_life_by_default() -> None:
    with serving(COUNTER) as (where, server):
        RemoteEnv(where).close()
        assert server.stop() == 0
        lines = server.errors.splitlines()
    assert [re.sub(r"^\S+Z INFO +", "", line).split()[0] for line in lines] == [
        "serving",
        "session",
        "session",
        "stopping,",
        "stopped",
    ]


@pytest.mark.parametrize("variables", [True, False])
def test_serve_env_logs_json(variables: bool) -> None:
    command = ["-m", "rlmesh._cli.serve_env", "--env", COUNTER]
    given: dict[str, str] = {"RLMESH_TIMEOUT": "3"}
    if variables:
        given |= {"RLMESH_LOG": "info", "RLMESH_LOG_FORMAT": "json"}
    else:
        command += ["--log-level", "info", "--log-format", "json"]
    with running(command, **given) as server:
        where = server.wait_for(r"serving \S+ on (\S+)\n").group(1)
        RemoteEnv(where).close()
        assert server.stop() == 0
        objects = [json.loads(line) for line in server.errors.splitlines()]
    assert [each["event"] for each in objects] == [
        "warning",
        "serving",
        "opened",
        "ended",
        "stopping",
        "stopped",
    ]
    assert objects[0]["message"].startswith("the variable RLMESH_TIMEOUT has no effect")


def test_a_level_hides_and_shows() -> None:
    with serving(COUNTER, "--log-level", "error") as (where, server):
        RemoteEnv(where).close()
        assert server.stop() == 0 and server.errors == ""
    for arguments in (["--log-level", "loud"], ["--log-format", "xml"]):
        refused = finished([*COMMAND, "serve", COUNTER, *arguments])
        assert refused.returncode == 2 and f"{arguments[0]}: expected" in refused.stderr


@pytest.mark.parametrize(("metadata", "logged"), [((), 0), ((("user-agent", "grpc"),), 1)])
def test_a_call_whose_connection_broke_before_it_began_is_no_wrong_token(
    metadata: Any, logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    """gRPC reports such a call without any metadata, although its client sent the token."""
    context = mock.Mock(invocation_metadata=lambda: metadata, peer=lambda: "ipv4:127.0.0.1:1")
    context.add_callback.return_value = True
    grpc_server._refuse(iter(()), context)
    assert context.abort.call_count == 1
    assert caplog.text.count("no token, or a wrong one") == logged


def test_a_call_that_is_cut_within_its_headers_is_no_wrong_token(log: Log) -> None:
    """gRPC passes on the headers that have come; clients send the token as the last of them."""
    session = f"/{ENV_SERVICE}/Session"
    options = ServeOptions(frames=False)
    with EnvServer(CounterEnv(), token="s3cret", options=options) as server:
        for _ in range(10):
            with contextlib.closing(RawConnection(server.address)) as cut:
                cut.open(session, is_whole=False, user_agent="grpc")
        with contextlib.closing(RawConnection(server.address)) as whole:
            stream = whole.open(session, user_agent="grpc", authorization="Bearer gu3ss")
            until(lambda: stream in whole.ended, 30, "the refusal")
    assert log.names().count("refused") == 1
