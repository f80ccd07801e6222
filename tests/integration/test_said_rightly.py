"""What is said where something fails: by exit codes, warnings, logs and messages."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from rlmesh import TLS, EnvServer, RemoteEnv, RemoteVectorEnv, ServeOptions, errors
from rlmesh._logs import FLOOD_RECORDS, logger
from rlmesh._transport.socket import client as frames_client
from tests.certificates import issued
from tests.inside import frame_socket_of
from tests.integration.cli_processes import COMMAND
from tests.integration.envs import CounterEnv
from tests.processes import ROOT, finished, running


@pytest.fixture(autouse=True)
def transport() -> str:
    """The transport is named by each test."""
    return "frames"


class FailingEnv(CounterEnv):
    """Fails in each step, or in those of odd seeds."""

    always = True

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.seed = seed
        return super().reset(seed)

    def step(self, action: Any) -> Any:
        if self.always or self.seed % 2:
            raise LookupError("no such thing")
        return super().step(action)


class HalfFailingEnv(FailingEnv):
    always = False


@pytest.mark.parametrize(("name", "status"), [("FailingEnv", 1), ("HalfFailingEnv", 0)])
def test_an_evaluation_of_which_nothing_succeeded_fails(name: str, status: int) -> None:
    with running([*COMMAND, "serve", f"{__name__}:{name}"]) as server:
        address = server.wait_for(r"serving \S+ on (\S+)\n").group(1)
        done = finished([*COMMAND, "eval", "random", address, "--seeds", "0:4"])
    assert done.returncode == status, done
    assert ("every episode" in done.stderr) == bool(status)


def test_frames_that_are_not_reached_again_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = ServeOptions(frames=False, frames_port=0)
    with (
        EnvServer(CounterEnv(), options=options) as server,
        RemoteEnv(server.address, transport="frames") as remote,
    ):
        remote.reset()

        def refuse(*_: Any) -> Any:
            raise OSError("refused")

        monkeypatch.setattr(frames_client.frames_tcp, "dial", refuse)
        frame_socket_of(remote).cut()
        assert remote.step(0)[0] == 1
        assert remote.transport == "grpc"
    assert "go on over gRPC" in caplog.text


class Methods(CounterEnv):
    """Has a method, and an attribute."""

    level = 1

    def instruction(self) -> str:
        return "pick it up"


@pytest.mark.parametrize("vector", [False, True])
def test_a_method_cannot_be_replaced(vector: bool) -> None:
    envs: Any = Methods()
    if vector:
        gymnasium = pytest.importorskip("gymnasium")
        from tests.integration.vector_subjects import methods

        envs = gymnasium.vector.SyncVectorEnv([methods] * 2)
    remote_of: Any = RemoteVectorEnv if vector else RemoteEnv
    with EnvServer(envs, expose=["instruction", "level"]) as server:
        with remote_of(server.address) as remote:
            with pytest.raises(errors.UnsupportedError, match="is a method"):
                remote.set_attr("instruction", "pwned")
            remote.set_attr("level", 3)
            assert remote.get_attr("level") in (3, (3, 3))
        with remote_of(server.address) as remote:
            assert remote.call("instruction") in ("pick it up", ("pick it up",) * 2)


def test_what_comes_again_and_again_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unsendable(CounterEnv):
        def thing(self) -> Any:
            return object()

    with (
        EnvServer(Unsendable(), expose=["thing"]) as server,
        RemoteEnv(server.address) as remote,
    ):
        for _ in range(5 * FLOOD_RECORDS):
            with pytest.raises(errors.RLMeshError):
                remote.call("thing")
    records = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert 0 < len(records) <= FLOOD_RECORDS + 1
    assert "more of this kind" in records[-1].getMessage() or len(records) < FLOOD_RECORDS


def test_other_records_are_logged_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    log = logger("rlmesh.server")
    caplog.set_level(logging.INFO, "rlmesh.server")
    for i in range(3 * FLOOD_RECORDS):
        log.warning("a flood %d", i)
        log.info("a session %d", i)
    log.warning("another kind")
    told = [record.getMessage() for record in caplog.records]
    assert len([words for words in told if "a flood" in words]) == FLOOD_RECORDS + 1
    assert len([words for words in told if "a session" in words]) == 3 * FLOOD_RECORDS
    assert told[-1] == "another kind"


@pytest.mark.parametrize("broken", ["certificate", "key", "authority", "another's key"])
def test_certificates_that_cannot_be_used_are_named(
    broken: str,
    authority: Any,
    roots: bytes,
) -> None:
    own, other = issued(authority), issued(authority)
    given = {"certificate": own.certificate, "key": own.key, "authority": roots}
    given["key" if broken == "another's key" else broken] = (
        other.key if broken == "another's key" else b"no certificate"
    )
    word = "authority" if broken == "authority" else "certificate and key"
    with pytest.raises(errors.AddressError, match=word) as told:
        EnvServer(CounterEnv(), "127.0.0.1:0", tls=TLS(**given))
    assert "in use" not in str(told.value)
    with (
        EnvServer(CounterEnv(), "127.0.0.1:0", tls=own) as server,
        pytest.raises(OSError, match=word),
    ):
        RemoteEnv(server.address, tls=TLS(**given), connect_timeout=3)


def test_the_page_says_when_an_environment_is_free() -> None:
    row = re.search(
        r"\| a client vanishes without closing \|(.*)",
        (ROOT / "docs/troubleshooting.md").read_text(),
    )
    assert row is not None
    assert "over frames" in row[1]
