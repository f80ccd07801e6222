"""Every snippet and statement of the user's pages."""

from __future__ import annotations

import inspect
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import rlmesh
from rlmesh import types
from rlmesh._cli.serve_env import write_ready_fd
from rlmesh._models.base import ModelBase
from tests.documents.snippets import PAGES, SNIPPETS, run_snippet
from tests.integration.envs import CounterEnv
from tests.processes import ROOT, running, served

gym = pytest.importorskip("gymnasium")
from rlmesh.numpy import Model, RemoteEnv  # noqa: E402

SERVING = health_pb2.HealthCheckResponse.SERVING
SERVICE = "rlmesh.proto.env.v1.EnvService"


@pytest.fixture
def port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.fixture
def counter() -> Generator[rlmesh.EnvServer, None, None]:
    with rlmesh.EnvServer(CounterEnv()) as server:
        yield server


def number(server: rlmesh.EnvServer) -> str:
    return server.address.rpartition(":")[2]


@pytest.mark.skipif(not PAGES.exists(), reason="the pages are not beside this checkout")
@pytest.mark.parametrize("name", SNIPPETS)
def test_the_snippet_is_the_pages(name: str) -> None:
    page, source = SNIPPETS[name]
    text = " ".join((PAGES / page).read_text().split())
    assert " ".join(source.split()) in text


@pytest.mark.parametrize("name", ["counter", "serve"])
def test_a_served_snippet_plays_and_stops_on_sigterm(name: str, port: str, tmp_path: Path) -> None:
    script = tmp_path / "snippet.py"
    script.write_text(SNIPPETS[name][1].replace("5555", port))
    with running([str(script)]) as process:
        env = connected(f"127.0.0.1:{port}")
        env.reset(seed=0)
        env.step(0)
        env.close()
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - start < 5


def connected(address: str) -> Any:
    deadline = time.monotonic() + 20
    while True:
        try:
            return RemoteEnv(address)
        except rlmesh.errors.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_model_snippet(counter: rlmesh.EnvServer) -> None:
    run_snippet("model", {}, **{"5555": number(counter)})


def test_loop_snippet(counter: rlmesh.EnvServer) -> None:
    names: dict[str, Any] = {}
    run_snippet("loop", names, **{"5555": number(counter)})
    assert names["step"] == 3 and names["term"] is True


def test_contract_snippet(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"rlmesh": rlmesh, "env": gym.make("CartPole-v1")}
    run_snippet("contract", names, **{"5555": port})
    assert capsys.readouterr().out.split() == ["CartPole-v1", "box", "discrete", "1"]
    server = names["server"]
    assert server.spec is server.env_contract
    server.shutdown()


def test_start_snippet(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Once(rlmesh.EnvServer):
        def wait(self, timeout: float | None = None) -> bool:
            env = RemoteEnv(self.address)
            env.reset(seed=0)
            env.close()
            self.shutdown()
            return super().wait(10)

    names: dict[str, Any] = {"rlmesh": rlmesh, "env": gym.make("CartPole-v1")}
    source = SNIPPETS["start"][1].replace("rlmesh.EnvServer", "Once").replace("5555", port)
    exec(source, {**names, "Once": Once})  # noqa: S102
    assert capsys.readouterr().out.strip() == f"tcp://127.0.0.1:{port}"


@pytest.mark.parametrize("name", ["addresses", "helpers"])
def test_address_snippets(name: str, port: str, tmp_path: Path) -> None:
    for line in SNIPPETS[name][1].strip().splitlines():
        source = line.replace("5555", port).replace("/tmp/rlmesh-env.sock", f"{tmp_path}/e.sock")
        server = eval(source, {"rlmesh": rlmesh, "env": CounterEnv()})  # noqa: S307
        with server:
            env = rlmesh.RemoteEnv(server.address)
            assert env.reset() == (0, {})
            env.close()


def test_health_tells_when_the_server_serves() -> None:
    server = rlmesh.EnvServer(CounterEnv())
    with server, grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE):
            check = health_pb2.HealthCheckRequest(service=name)
            assert stub.Check(check, timeout=5).status == SERVING
        server.shutdown()
        with pytest.raises(grpc.RpcError):
            stub.Check(health_pb2.HealthCheckRequest(), timeout=5)


def test_health_needs_no_token() -> None:
    with (
        rlmesh.EnvServer(CounterEnv(), token="secret") as server,
        grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel,
    ):
        check = health_pb2_grpc.HealthStub(channel).Check
        assert check(health_pb2.HealthCheckRequest(), timeout=5).status == SERVING


def test_ready_snippet_under_bash(tmp_path: Path) -> None:
    script = SNIPPETS["ready"][1].replace("/tmp/rlmesh-ready", f"{tmp_path}/ready")
    # `head` may come before the line does: the page's own wait is its reader's.
    wait = f"for i in $(seq 200); do [ -s {tmp_path}/ready ] && break; sleep 0.1; done\n"
    script = script.replace("addr=", wait + "addr=") + "kill $!; wait $!; echo status $?\n"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": path},
        cwd=ROOT,
        check=False,
    )
    assert "ready at tcp://127.0.0.1:" in done.stdout and "status 0" in done.stdout
    assert (tmp_path / "ready").read_text().count("\n") == 1


def test_write_ready_fd_writes_one_line_and_closes() -> None:
    reader, writer = os.pipe()
    write_ready_fd(writer, "tcp://127.0.0.1:1")
    with os.fdopen(reader) as stream:
        assert stream.read() == "tcp://127.0.0.1:1\n"
    with pytest.raises(OSError, match="Bad file"):
        os.close(writer)


def test_the_command_line_serves_a_module_and_says_what_is_wrong() -> None:
    with served("tests.integration.envs:CounterEnv") as address:
        env = rlmesh.RemoteEnv(address)
        assert env.reset() == (0, {})
        env.close()
    command = [sys.executable, "-m", "rlmesh._cli.serve_env", "--env", "Nothing-v0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "Nothing" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("protocol", "method", "parameters"),
    [
        ("EnvLike", "reset", ["self", "seed", "options"]),
        ("EnvLike", "step", ["self", "action"]),
        ("EnvLike", "close", ["self"]),
        ("SpaceLike", "sample", ["self"]),
        ("SpaceLike", "contains", ["self", "value"]),
        ("SpaceLike", "seed", ["self", "seed"]),
        ("VectorEnvLike", "reset", ["self", "seed", "options"]),
        ("VectorEnvLike", "step", ["self", "actions"]),
        ("VectorEnvLike", "close", ["self"]),
    ],
)
def test_the_protocols_are_the_pages(protocol: str, method: str, parameters: list[str]) -> None:
    function = getattr(getattr(types, protocol), method)
    assert list(inspect.signature(function).parameters) == parameters


@pytest.mark.parametrize(
    ("protocol", "names"),
    [
        ("EnvLike", ["observation_space", "action_space"]),
        ("VectorEnvLike", ["num_envs", "single_observation_space", "single_action_space"]),
    ],
)
def test_the_protocols_have_the_pages_properties(protocol: str, names: list[str]) -> None:
    for name in names:
        assert isinstance(getattr(types, protocol).__dict__[name], property)


def test_the_models_page(counter: rlmesh.EnvServer) -> None:
    result = Model(lambda observation: 0).run(counter.address, seeds=[0])
    assert result.mean_reward == 3.0
    names = list(inspect.signature(ModelBase.__init__).parameters)
    assert names == [
        "self",
        "source",
        "spec",
        "on_reset",
        "on_episode_end",
        "on_close",
        "artifacts",
        "load_kwargs",
        "trust_entrypoints",
    ]
    ended: list[Any] = []
    model = Model(lambda observation: 0, on_episode_end=ended.append)
    assert model.run_local_for_episodes(counter.address, max_episodes=2) is None  # type: ignore[func-returns-value]
    assert [event.result.steps for event in ended] == [3, 3]
