"""What operators see: health, draining, logs."""

from __future__ import annotations

import signal
import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from tests.integration.envs import CounterEnv
from tests.integration.test_resume import TallyEnv
from tests.processes import finished, running, until

NAMES = ["", "rlmesh.proto.env.v1.EnvService"]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.over_grpc
@pytest.mark.every_transport
@pytest.mark.parametrize("name", NAMES)
def test_health_tells_that_a_server_drains_while_its_last_call_runs(name: str) -> None:
    env = TallyEnv()
    server = EnvServer(env, options=ServeOptions(drain_timeout=20))
    server.start()
    with grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        seen: list[int] = []
        watched = stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=60)
        watcher = threading.Thread(target=_collect, args=(watched, seen), daemon=True)
        watcher.start()
        until(lambda: seen, 20)
        remote = RemoteEnv(server.address)
        remote.reset()
        env.go.clear()
        env.entered.clear()
        remote.step_async(1)
        assert env.entered.wait(10)
        stopping = threading.Thread(target=server.shutdown)
        stopping.start()
        deadline = time.monotonic() + 10
        while NOT_SERVING not in seen and time.monotonic() < deadline:
            time.sleep(0.01)
        assert seen[0] == SERVING
        assert seen[-1] == NOT_SERVING
        assert not server.wait(0), "the call still runs"
        env.go.set()
        assert remote.step_wait(10)[0] == 1, "it was answered all the same"
        stopping.join(10)
        assert server.wait(0), "nothing is left to wait for"
        with pytest.raises(errors.ShuttingDownError):
            remote.step(1)


def _collect(watched: object, seen: list[int]) -> None:
    try:
        for response in watched:  # type: ignore[attr-defined]
            seen.append(response.status)
    except grpc.RpcError:
        pass


SERVER = """
import time
from rlmesh import EnvServer, ServeOptions
from tests.integration.envs import CounterEnv
class Slow(CounterEnv):
    def step(self, action):
        time.sleep(0.5)
        return super().step(action)
server = EnvServer(Slow(), options=ServeOptions(drain_timeout=5))
server.serve(on_ready=lambda: print(server.address, flush=True))
"""


def test_sigterm_lets_the_running_call_end() -> None:
    with running(["-c", SERVER]) as server:
        remote = RemoteEnv(server.wait_for(r"tcp://\S+").group())
        remote.reset()
        remote.step_async(1)
        time.sleep(0.2)
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert remote.step_wait(10)[0] == 1
        remote.close()
        assert server.process.wait(10) == 0
        assert time.monotonic() - begun < 10


@pytest.mark.over_grpc
def test_an_address_in_use_is_one_line_with_the_systems_reason() -> None:
    with EnvServer(CounterEnv()) as server:
        env = "tests.integration.envs:CounterEnv"
        command = ["-m", "rlmesh._cli.serve_env", "--env", env, "--address", server.address]
        refused = finished(command)
    assert refused.returncode == 2
    message = f"serve_env: cannot listen on {server.address}: address already in use\n"
    assert refused.stderr == message


def test_idle_clients_do_not_hold_up_a_stop() -> None:
    server = EnvServer(CounterEnv(), options=ServeOptions(drain_timeout=60))
    server.start()
    remote = RemoteEnv(server.address)
    remote.reset()
    stopping = threading.Thread(target=server.shutdown)
    stopping.start()
    stopping.join(20)
    assert server.wait(0)
    with pytest.raises(errors.RLMeshError):
        remote.step(1)


HANGS = """
import time
from rlmesh import EnvServer, ServeOptions
from tests.integration.envs import CounterEnv
class Hangs(CounterEnv):
    def step(self, action):
        time.sleep(60)
server = EnvServer(Hangs(), options=ServeOptions(drain_timeout=0.1, close_timeout=0.5))
server.serve(on_ready=lambda: print(server.address, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_call_that_hangs_does_not_outlive_a_signal_for_long(number: int) -> None:
    with running(["-c", HANGS]) as server:
        remote = RemoteEnv(server.wait_for(r"tcp://\S+").group())
        remote.reset()
        remote.step_async(0)
        time.sleep(0.3)
        server.process.send_signal(number)
        assert server.process.wait(20) == 128 + number
        assert "has not returned within 0.6 s" in server.errors
