"""Sessions as a client sees them: answers, errors as answers, refusals; the server lives on."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from rlmesh_proto.env.v1 import env_pb2, env_pb2_grpc

from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from tests.inside import connection_of
from tests.integration.envs import CounterEnv, ScriptedEnv, client_of, plays_on
from tests.processes import ROOT
from tests.size import LONG


@pytest.mark.every_transport
def test_an_episode_is_played() -> None:
    with client_of(CounterEnv()) as remote:
        assert remote.reset(seed=0) == (0, {})
        assert remote.step(1) == (1, 1.0, False, False, {"action": 1})
        assert remote.step(0) == (2, 1.0, False, False, {"action": 0})
        assert remote.step(1) == (3, 1.0, True, False, {"action": 1})


def test_reset_takes_positional_arguments_too() -> None:
    with client_of(CounterEnv()) as remote:
        assert remote.reset(3, {"a": 1}) == (0, {})


@pytest.mark.every_transport
@pytest.mark.parametrize("address", ["unix", "tcp"])
def test_every_address_is_resolved_and_played(address: str, tmp_path: Path) -> None:
    where = f"unix://{tmp_path}/env.sock" if address == "unix" else "tcp://127.0.0.1:0"
    with EnvServer(CounterEnv(), where) as server:
        assert server.address.startswith(f"{address}://") and not server.address.endswith(":0")
        remote = RemoteEnv(server.address)
        plays_on(remote)
        remote.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.every_transport
def test_an_exception_of_the_environment_is_an_answer() -> None:
    with client_of(ScriptedEnv(KeyError("lost"))) as remote:
        remote.reset()
        with pytest.raises(errors.EnvError, match=r"step\(\) raised KeyError: 'lost'") as caught:
            remote.step(0)
        assert caught.value.exception_type == "builtins.KeyError"
        assert "in step" in caught.value.remote_traceback
        assert not caught.value.session_closed
        plays_on(remote)


def test_tracebacks_stay_on_the_server_where_it_says_so() -> None:
    with client_of(ScriptedEnv(KeyError("lost")), expose_tracebacks=False) as remote:
        remote.reset()
        with pytest.raises(errors.EnvError) as caught:
            remote.step(0)
        assert caught.value.remote_traceback == ""


@pytest.mark.every_transport
def test_a_second_client_is_told_who_holds_the_environment() -> None:
    with EnvServer(CounterEnv()) as server:
        first = RemoteEnv(server.address)
        with pytest.raises(errors.BusyError, match="is held by") as caught:
            RemoteEnv(server.address)
        assert caught.value.holder == f"{socket.gethostname()}:{os.getpid()}"
        plays_on(first)
        first.close()
        plays_on(RemoteEnv(server.address))


@pytest.mark.every_transport
def test_a_refused_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(errors.ConnectError, match=str(port)):
        RemoteEnv(f"127.0.0.1:{port}", connect_timeout=5)


@pytest.mark.every_transport
def test_a_silent_address() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(errors.ConnectError, match=r"does not answer within 0\.5 s"):
            RemoteEnv(silent.getsockname()[1], connect_timeout=0.5)
        assert time.monotonic() - start < 10


@pytest.mark.own_transport
@pytest.mark.parametrize("text", ["nowhere", "127.0.0.1:99999", "ftp://x:1", "unix://", "a:b:c"])
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(errors.AddressError):
        RemoteEnv(text)


@pytest.mark.own_transport
def test_a_port_in_use_is_an_error() -> None:
    with (
        EnvServer(CounterEnv()) as server,
        pytest.raises(errors.AddressError, match="cannot listen"),
    ):
        EnvServer(CounterEnv(), server.address)


@pytest.mark.over_grpc
@pytest.mark.every_transport
@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_token_is_asked_for_before_anything_is_told(token: str) -> None:
    with EnvServer(CounterEnv(), token="secret") as server:
        with pytest.raises(errors.AuthenticationError):
            RemoteEnv(server.address, token=token)
        with grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel:
            stub = env_pb2_grpc.EnvServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.Describe(env_pb2.DescribeRequest(), timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
        plays_on(RemoteEnv(server.address, token="secret"))


@pytest.mark.own_transport
@pytest.mark.parametrize("allowed", [False, True])
def test_a_remote_shutdown_is_off_unless_allowed(allowed: bool) -> None:
    server = EnvServer(CounterEnv(), options=ServeOptions(remote_shutdown=allowed))
    with server, grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel:
        stub = env_pb2_grpc.EnvServiceStub(channel)
        if allowed:
            stub.Shutdown(env_pb2.ShutdownRequest(), timeout=5)
            assert server.wait(10)
        else:
            with pytest.raises(grpc.RpcError) as caught:
                stub.Shutdown(env_pb2.ShutdownRequest(), timeout=5)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]
            assert not server.wait(0)


@pytest.mark.own_transport
def test_describe_tells_versions_and_the_contract() -> None:
    import rlmesh_proto

    with (
        EnvServer(CounterEnv()) as server,
        grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel,
    ):
        stub = env_pb2_grpc.EnvServiceStub(channel)
        description = stub.Describe(env_pb2.DescribeRequest(), timeout=5)
    assert description.server.spec_version == rlmesh_proto.SPEC_VERSION
    assert description.server.spec_digest == rlmesh_proto.SPEC_DIGEST
    assert description.contract.id == "CounterEnv"


@pytest.mark.every_transport
def test_a_concurrent_call_raises_at_once() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(CounterEnv):
        def step(self, action: Any) -> Any:
            entered.set()
            leave.wait(10)
            return super().step(action)

    with client_of(Slow()) as remote:
        remote.reset()
        thread = threading.Thread(target=remote.step, args=(0,))
        thread.start()
        assert entered.wait(10)
        with pytest.raises(errors.ConcurrentCallError):
            remote.step(0)
        leave.set()
        thread.join(10)
        assert remote.step(0)[0] == 2


@pytest.mark.every_transport
def test_a_closed_client_says_so_and_closes_again() -> None:
    with client_of(CounterEnv()) as remote:
        remote.close()
        remote.close()
        with pytest.raises(errors.ClosedError):
            remote.reset()


@pytest.mark.every_transport
def test_a_client_pickles_as_its_address() -> None:
    with EnvServer(CounterEnv()) as server:
        remote = RemoteEnv(server.address)
        data = pickle.dumps(remote)
        remote.close()
        copy = pickle.loads(data)
        plays_on(copy)
        copy.close()


@pytest.mark.every_transport
def test_the_environment_is_called_from_one_thread_and_closed_once() -> None:
    threads: set[int] = set()

    class Tells(CounterEnv):
        def reset(self, seed: Any = None, options: Any = None) -> Any:
            threads.add(threading.get_ident())
            return super().reset(seed, options)

        def close(self) -> None:
            threads.add(threading.get_ident())
            super().close()

    env = Tells()
    with EnvServer(env) as server:
        for _ in range(3):
            remote = RemoteEnv(server.address)
            remote.reset()
            remote.close()
        assert env.closed == 0
    assert env.closed == 1 and len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.every_transport
def test_serve_calls_the_environment_in_the_callers_thread() -> None:
    threads: set[int] = set()

    class Tells(CounterEnv):
        def step(self, action: Any) -> Any:
            threads.add(threading.get_ident())
            return super().step(action)

    server = EnvServer(Tells())

    def play() -> None:
        remote = RemoteEnv(server.address)
        remote.reset()
        remote.step(0)
        remote.close()
        server.shutdown()

    player = threading.Thread(target=play)
    server.serve(on_ready=player.start)
    player.join(10)
    assert threads == {threading.get_ident()} and server.wait(0)


@pytest.mark.every_transport
def test_nothing_is_left_behind() -> None:
    before = set(threading.enumerate())
    with client_of(CounterEnv()) as remote:
        plays_on(remote)
    deadline = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(threading.enumerate()) - before == set()


def test_a_vector_is_refused_by_the_client_of_one_environment() -> None:
    class Vector(CounterEnv):
        num_envs = 2
        single_observation_space = CounterEnv.observation_space
        single_action_space = CounterEnv.action_space

    with (
        EnvServer(Vector()) as server,
        pytest.raises(errors.UnsupportedError, match="RemoteVectorEnv"),
    ):
        RemoteEnv(server.address)


def test_an_env_whose_reset_takes_neither_seed_nor_options() -> None:
    class Plain(CounterEnv):
        def reset(self) -> Any:  # type: ignore[override]
            return 0, {"plain": True}

    with client_of(Plain()) as remote:
        assert remote.reset() == (0, {"plain": True})
        with pytest.raises(errors.EnvError, match="seed"):
            remote.reset(seed=1)
        assert remote.reset() == (0, {"plain": True})


@pytest.mark.own_transport
def test_an_object_without_spaces_is_not_served() -> None:
    with pytest.raises(TypeError, match="observation_space, action_space"):
        EnvServer(object())


@pytest.mark.own_transport
def test_a_process_that_closes_its_client_ends() -> None:
    # The stream must be freed by close(): freed at exit, one process in fifteen hung.
    code = "import sys, rlmesh; e = rlmesh.RemoteEnv(sys.argv[1]); e.reset(); e.close()"
    with EnvServer(CounterEnv()) as server:
        for _ in range(15 if LONG else 5):
            done = subprocess.run(
                [sys.executable, "-c", code, server.address], cwd=ROOT, timeout=30, check=False
            )
            assert done.returncode == 0


@pytest.mark.own_transport
def test_a_closed_connection_holds_no_stream() -> None:
    with (
        EnvServer(CounterEnv()) as server,
        RemoteEnv(server.address, transport="grpc") as remote,
    ):
        remote.reset()
        connection = connection_of(remote)  # What a hang at exit came from.
        remote.close()
        assert connection._incoming is None
