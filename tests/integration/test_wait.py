"""`rlmesh.wait`: one thread plays many environments."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest

import rlmesh
from rlmesh import EnvServer, RemoteEnv, errors
from rlmesh._transport.socket import unix
from tests.faults import Proxy
from tests.inside import connection_of
from tests.integration.envs import CounterEnv, GatedEnv

Transport = Literal["grpc", "frames"]
TRANSPORTS: list[Transport] = ["frames", "grpc"]


@contextlib.contextmanager
def clients_of(*envs: Any, transport: Transport = "frames") -> Iterator[list[RemoteEnv]]:
    """Serve environments and connect a client to each, which has been reset."""
    with contextlib.ExitStack() as stack:
        clients = []
        for env in envs:
            server = stack.enter_context(EnvServer(env))
            client = RemoteEnv(server.address, transport=transport)
            clients.append(stack.enter_context(client))
            client.reset()
        yield clients


@pytest.mark.own_transport
@pytest.mark.parametrize("carrier", TRANSPORTS)
def test_one_thread_plays_many_environments(carrier: Transport) -> None:
    with clients_of(*(CounterEnv() for _ in range(4)), transport=carrier) as clients:
        counts = dict.fromkeys(clients, 0)
        for client in clients:
            client.step_async(1)
        while min(counts.values()) < 20:
            ready = rlmesh.wait(clients, 20)
            assert ready
            for client in ready:
                counts[client] += 1
                assert client.step_wait(0)[0] == counts[client] % 5
                client.step_async(1)
        if carrier == "frames" and unix.SHARED_BYTES > 1:
            names = [thread.name for thread in threading.enumerate()]
            assert "rlmesh-call" not in names, "no thread waits for a step"
        for client in clients:
            client.step_wait(20)


@pytest.mark.own_transport
@pytest.mark.parametrize("carrier", TRANSPORTS)
def test_a_slow_environment_holds_up_no_other(carrier: Transport) -> None:
    slow = GatedEnv()
    with clients_of(slow, CounterEnv(), transport=carrier) as (first, second):
        first.step_async(1)
        for count in range(1, 6):
            second.step_async(1)
            assert rlmesh.wait([first, second], 20) == [second]
            assert second.step_wait()[0] == count % 5
        assert rlmesh.wait([first], 0.05) == []
        assert rlmesh.wait([first], 0) == []
        slow.go.set()
        assert rlmesh.wait([first], 20) == [first]
        assert first.step_wait()[0] == 1


@pytest.mark.own_transport
def test_transports_are_waited_for_together() -> None:
    gated, also_gated = GatedEnv(), GatedEnv()
    with (
        clients_of(gated, transport="grpc") as (over_grpc,),
        clients_of(also_gated, transport="frames") as (over_frames,),
    ):
        both = [over_grpc, over_frames]
        for client in both:
            client.step_async(1)
        for env, client in ((gated, over_grpc), (also_gated, over_frames)):
            threading.Timer(0.1, env.go.set).start()
            assert rlmesh.wait(both, 20) == [client]
            client.step_wait()
            env.go.clear()
            client.step_async(1)
        gated.go.set()
        also_gated.go.set()


@pytest.mark.own_transport
def test_a_late_answer_is_waited_for_by_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._client.wait.LATE_SECONDS", 0.05)
    env = GatedEnv()
    with clients_of(env) as (client,):
        client.step_async(1)
        assert rlmesh.wait([client], 0.2) == []
        assert client._stub.running.future is not None
        env.go.set()
        assert rlmesh.wait([client], 20) == [client]
        assert client.step_wait()[0] == 1


@pytest.mark.own_transport
def test_a_connection_that_is_lost_is_resumed() -> None:
    env = CounterEnv()
    with clients_of(env) as (client,):
        for count in range(1, 4):
            client.step_async(1)
            connection_of(client).cut()
            assert rlmesh.wait([client], 20) == [client]
            assert client.step_wait()[0] == count, "the step is applied once"


@pytest.mark.own_transport
def test_steps_through_a_proxy_that_cuts_are_applied_once() -> None:
    with (
        EnvServer(CounterEnv()) as server,
        Proxy(server.address) as proxy,
        RemoteEnv(proxy.address, transport="grpc") as client,
    ):
        client.reset()
        for count in range(1, 31):
            if count % 5 == 0:
                proxy.cut_after(1)
            client.step_async(1)
            assert rlmesh.wait([client], 20) == [client]
            assert client.step_wait()[0] == count % 5


class Pictures(CounterEnv):
    """Observations that are too large to be read in the waiting thread."""

    observation_space = rlmesh.spaces.Box(0, 255, (300, 300, 3), "uint8")

    def step(self, action: Any) -> Any:
        _, *others = super().step(action)
        size = 300 * 300 * 3
        value = bytes([self.step_count]) * size
        return rlmesh.Tensor(value, "uint8", (300, 300, 3)), *others

    def reset(self, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset()
        return rlmesh.Tensor(bytes(300 * 300 * 3), "uint8", (300, 300, 3)), {}


@pytest.mark.own_transport
def test_large_observations_come_whole() -> None:
    with clients_of(Pictures(), CounterEnv()) as clients:
        for count in range(1, 6):
            for client in clients:
                client.step_async(1)
            waiting = list(clients)
            while waiting:
                for client in rlmesh.wait(waiting, 20):
                    waiting.remove(client)
            assert bytes(clients[0].step_wait()[0].tobytes()) == bytes([count]) * 300 * 300 * 3
            assert clients[1].step_wait()[0] == count % 5


@pytest.mark.own_transport
def test_what_cannot_be_waited_for_is_refused() -> None:
    assert rlmesh.wait([]) == []
    with clients_of(CounterEnv()) as (client,):
        with pytest.raises(ValueError, match="begin one with step_async"):
            rlmesh.wait([client])
        with pytest.raises(TypeError, match="expected clients of environments, got str"):
            rlmesh.wait(["tcp://127.0.0.1:1"])  # type: ignore[type-var]


@pytest.mark.own_transport
def test_a_server_that_ends_is_an_error_of_the_step() -> None:
    env = GatedEnv()
    server = EnvServer(env)
    server.start()
    client = RemoteEnv(server.address)
    client.reset()
    client.step_async(1)
    assert env.entered.wait(20)
    stopping = threading.Thread(target=server.shutdown)
    stopping.start()
    begun = time.monotonic()
    env.go.set()
    assert rlmesh.wait([client], 20) == [client]
    with contextlib.suppress(errors.RLMeshError):
        client.step_wait(20)
    assert time.monotonic() - begun < 20
    stopping.join(20)
    client.close()
