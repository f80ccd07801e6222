"""The page serve-an-environment.txt."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import rlmesh
from rlmesh._cli.serve_env import write_ready_fd
from tests.documents.pages import (
    assert_code_is_quoted,
    assert_on_page,
    execute,
    named,
    quotations,
    replaced,
)
from tests.integration.envs import CounterEnv
from tests.processes import STARTED, finished, running, served, until

gym = pytest.importorskip("gymnasium")
from rlmesh.numpy import RemoteEnv, RemoteVectorEnv  # noqa: E402

PAGE = "serve-an-environment.txt"
SERVICE = "rlmesh.proto.env.v1.EnvService"

SERVE = """\
import gymnasium as gym
import rlmesh

env = gym.make("CartPole-v1")
server = rlmesh.EnvServer(env, "127.0.0.1:5555")
server.serve()
"""

START = """\
server = rlmesh.EnvServer(env, port=5555)
server.start()
print(server.address)
server.wait()
"""

CONTRACT = """\
server = rlmesh.EnvServer(env, "127.0.0.1:5555")
contract = server.env_contract

print(contract.id)
print(contract.observation_space.kind)
print(contract.action_space.kind)
print(contract.num_envs)
"""

ADDRESSES = """\
rlmesh.EnvServer(env, "tcp://127.0.0.1:5555")
rlmesh.EnvServer(env, "127.0.0.1:5555")
rlmesh.EnvServer(env, "unix:///tmp/rlmesh-env.sock")
"""

HELPERS = """\
rlmesh.EnvServer(env, host="127.0.0.1", port=5555)
rlmesh.EnvServer(env, path="/tmp/rlmesh-env.sock")
"""

PROBE = """\
grpc-health-probe -addr 127.0.0.1:5555
# status: SERVING
"""

READY = """\
# Open fd 3 onto a file, point --ready-fd at it, then read the address back.
# Use a dedicated fd (not stdout/1) so the address line is not mixed with the
# human-readable startup prints.
exec 3>/tmp/rlmesh-ready
python -m rlmesh._cli.serve_env --env CartPole-v1 \\
  --address tcp://127.0.0.1:0 --ready-fd 3 &
exec 3>&-                            # close our copy so EOF propagates
addr=$(head -n1 /tmp/rlmesh-ready)   # the resolved bind address
echo "ready at $addr"
"""

SNIPPETS = (SERVE, START, CONTRACT, ADDRESSES, HELPERS, PROBE, READY)


def health(address: str, service: str = "", timeout: float = 5.0) -> str:
    """What a standard health client reads, or the status that its call ends with."""
    target = address.removeprefix("tcp://").replace("unix://", "unix:")
    with grpc.insecure_channel(target, [("grpc.enable_http_proxy", 0)]) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        try:
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
        except grpc.RpcError as error:
            return str(error.code().name)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_blocks(number: int, port: int) -> None:
    """serve() blocks."""
    with running(["-c", replaced(SERVE, port=port)], fresh=True) as server:
        address = f"tcp://127.0.0.1:{port}"
        until(lambda: health(address) == "SERVING", STARTED, server)
        env = RemoteEnv(address)
        observation, info = env.reset(seed=0)
        local = gym.make("CartPole-v1").reset(seed=0)[0]
        assert (observation.tobytes(), info) == (local.tobytes(), {})
        assert server.process.poll() is None
        begin = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - begin < 2.0
        assert server.errors == ""


def test_start_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Use start() when the current process needs to keep doing other work"""
    names: dict[str, Any] = {"env": gym.make("CartPole-v1"), "rlmesh": rlmesh}
    code = compile(replaced(START, port=0), "<snippet>", "exec")
    waiting = threading.Thread(target=exec, args=(code, names), daemon=True)
    waiting.start()
    until(lambda: "server" in names, 10)
    server = names["server"]
    until(lambda: health(server.address) == "SERVING", 10)
    with RemoteEnv(server.address) as env:
        env.reset(seed=0)
    assert server.wait(0.01) is False
    server.shutdown()
    waiting.join(10)
    assert not waiting.is_alive()
    assert capsys.readouterr().out == f"{server.address}\n"
    assert server.wait(0) is True


def same(one: Any, other: Any) -> bool:
    """Equality of results to the bit, but for integers, which have the type of their space."""
    return re.sub(r"np\.int64\((\d+)\)", r"\1", repr(one)) == repr(other)


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "Blackjack-v1"])
def test_gymnasium_environments_are_served(name: str) -> None:
    """RLMesh works with standard Gymnasium environments from gym.make(...) and with custom objects
    that follow the same shape"""
    local = gym.make(name)
    with rlmesh.EnvServer(gym.make(name)) as server, RemoteEnv(server.address) as env:
        assert env.observation_space == local.observation_space
        assert env.action_space == local.action_space
        assert same(env.reset(seed=3), local.reset(seed=3))
        env.action_space.seed(0)
        for _ in range(3):
            action = env.action_space.sample()
            observation, reward, *rest = local.step(action)
            assert same(env.step(action), (observation, float(reward), *rest))


def test_a_vector_environment_is_served() -> None:
    """Vectorized environments can expose num_envs, single_observation_space, and
    single_action_space."""
    vector = gym.make_vec("CartPole-v1", 3, vectorization_mode="sync")
    with rlmesh.EnvServer(vector) as server, closing(RemoteVectorEnv(server.address)) as env:
        assert server.env_contract.num_envs == env.num_envs == 3
        assert env.single_observation_space == vector.single_observation_space
        assert env.single_action_space == vector.single_action_space
        assert env.reset(seed=0)[0].shape == (3, 4)


def test_wrappers_stay_in_place() -> None:
    """Common Gymnasium wrappers can stay in place. RLMesh reads the spaces and calls the wrapped
    methods through the normal Gymnasium API."""

    def wrapped() -> Any:
        env = gym.wrappers.FlattenObservation(gym.make("Blackjack-v1"))
        return gym.wrappers.TransformReward(env, lambda reward: 10 * reward)

    local = wrapped()
    with rlmesh.EnvServer(wrapped()) as server, RemoteEnv(server.address) as env:
        assert env.observation_space == local.observation_space
        for seed in range(5):
            assert repr(env.reset(seed=seed)) == repr(local.reset(seed=seed))
            assert repr(env.step(0)) == repr(local.step(0))


def test_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    """When EnvServer wraps the environment, it creates an EnvContract. Clients receive that
    contract during connection."""
    names = execute(replaced(CONTRACT, port=0), env=gym.make("CartPole-v1"), rlmesh=rlmesh)
    assert capsys.readouterr().out.split() == ["CartPole-v1", "box", "discrete", "1"]
    with names["server"] as server, rlmesh.RemoteEnv(server.address) as env:
        assert env.env_contract == names["contract"]


def test_spec_is_an_alias() -> None:
    """server.spec is an alias for server.env_contract."""
    server = rlmesh.EnvServer(CounterEnv())
    assert server.spec is server.env_contract
    server.shutdown()


@pytest.mark.parametrize("line", [*ADDRESSES.splitlines(), *HELPERS.splitlines()])
def test_addresses(line: str, port: int, tmp_path: Path) -> None:
    changes: dict[str, object] = {"port": port} if "5555" in line else {"socket": tmp_path / "s"}
    code = f"server = {replaced(line, **changes)}"
    wanted = f"tcp://127.0.0.1:{port}" if "5555" in line else f"unix://{tmp_path / 's'}"
    with execute(code, env=CounterEnv(), rlmesh=rlmesh)["server"] as server:
        assert server.address == wanted
        with rlmesh.RemoteEnv(server.address) as env:
            assert env.reset() == (0, {})
        assert health(server.address) == "SERVING"
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health(service: str) -> None:
    """Overall server health, the empty "" service name, reports SERVING once the listener accepts
    connections."""
    server = rlmesh.EnvServer(CounterEnv())
    assert health(server.address, service, 0.5) != "SERVING"
    server.start()
    assert health(server.address, service) == "SERVING"
    server.shutdown()
    assert health(server.address, service) == "UNAVAILABLE"


def test_health_is_separate_from_the_session(counter: rlmesh.EnvServer) -> None:
    """the standard grpc.health.v1 health service, separate from the env/model RPCs"""
    with rlmesh.RemoteEnv(counter.address) as env:
        env.reset()
        assert health(counter.address) == "SERVING"
        assert health(counter.address, "no.such.Service") == "NOT_FOUND"


def test_health_needs_no_token() -> None:
    with rlmesh.EnvServer(CounterEnv(), token="secret") as server:
        assert health(server.address) == "SERVING"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "127.0.0.1:0"])
def test_ready_fd(address: str) -> None:
    """RLMesh writes one line containing the resolved bind address, for example
    tcp://127.0.0.1:54321, then closes the file descriptor. This works when the bind port is 0
    because the line carries the resolved address."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as ready, os.fdopen(writer, "w") as ours:
        command = ["-m", "rlmesh._cli.serve_env", "--env", "tests.integration.envs:CounterEnv"]
        command += ["--address", address, "--ready-fd", str(writer)]
        with running(command, pass_fds=[writer], fresh=True) as server:
            ours.close()
            text = ready.read()  # To its end, which comes while the server goes on.
            assert text.startswith("tcp://127.0.0.1:") and text.count("\n") == 1
            with rlmesh.RemoteEnv(text.strip()) as env:
                assert env.reset() == (0, {})
            assert server.stop() == 0


def test_the_ready_script(tmp_path: Path) -> None:
    # The file is empty until the server is ready, and `head` does not wait; a script has to.
    script = replaced(READY, ready=tmp_path / "ready")
    opening, reading = script.split("addr=")
    waiting = f"for i in $(seq 600); do [ -s {tmp_path / 'ready'} ] && break; sleep 0.1; done"
    ending = 'kill -TERM $!\nwait $!\necho "ended with $?"'
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    whole = f"{opening}{waiting}\naddr={reading}{ending}\n"
    done = finished(["-c", whole], program="bash", PATH=path)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    address = (tmp_path / "ready").read_text()
    assert address.startswith("tcp://127.0.0.1:") and address.count("\n") == 1
    assert lines[1:] == [f"ready at {address.strip()}", "ended with 0"]


def test_write_ready_fd() -> None:
    """Python embedders can call rlmesh._cli.serve_env.write_ready_fd directly."""
    reader, writer = os.pipe()
    write_ready_fd(writer, "tcp://127.0.0.1:54321")
    with os.fdopen(reader) as stream:
        assert stream.read() == "tcp://127.0.0.1:54321\n"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writer)


def test_the_command_line_takes_a_token() -> None:
    with served("tests.integration.envs:CounterEnv", RLMESH_TOKEN="secret") as address:
        with pytest.raises(rlmesh.errors.AuthenticationError):
            rlmesh.RemoteEnv(address)
        with rlmesh.RemoteEnv(address, token="secret") as env:
            assert env.reset() == (0, {})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--env", "NoSuchEnv-v0"], "NoSuchEnv"),
        (["--env", "no_such_module:Env"], "no_such_module"),
        (["--env", "CartPole-v1", "--address", "here"], "'here' is not an address"),
        (["--env", "CartPole-v1", "--kwargs", "{"], "serve_env: "),
    ],
)
def test_the_command_line_says_what_is_wrong(arguments: list[str], words: str) -> None:
    done = finished(["-m", "rlmesh._cli.serve_env", *arguments], fresh=True)
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("quotation", quotations(globals()), ids=named)
def test_the_page_says(quotation: str) -> None:
    assert_on_page(PAGE, quotation)


def test_all_code_of_the_page_is_here() -> None:
    assert_code_is_quoted(PAGE, quotations(globals()))
