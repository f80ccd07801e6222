"""Stopping a server (K-8 to K-12): which sessions continue, how long, and what clients receive."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from rlmesh_proto.env.v1 import env_pb2, env_pb2_grpc

from rlmesh import TLS, EnvServer, RemoteEnv, ServeOptions, errors
from tests.certificates import issued
from tests.inside import connection_of, session_calls_of
from tests.integration.envs import CounterEnv, GatedEnv
from tests.integration.raw_grpc import RawConnection
from tests.processes import until


def ask_to_stop(server: EnvServer, seconds: float) -> None:
    with grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel:
        request = env_pb2.ShutdownRequest(drain_ms=round(1000 * seconds))
        env_pb2_grpc.EnvServiceStub(channel).Shutdown(request, timeout=20)


@contextmanager
def drained(**options: Any) -> Generator[tuple[EnvServer, RemoteEnv], None, None]:
    with EnvServer(CounterEnv(), options=ServeOptions(remote_shutdown=True, **options)) as server:
        remote = RemoteEnv(server.address)
        remote.reset()
        yield server, remote


@pytest.mark.over_grpc
def test_an_idle_session_goes_on_while_the_server_drains() -> None:
    with drained() as (server, remote):
        ask_to_stop(server, 60)
        for count in (1, 2):
            time.sleep(0.3)
            assert remote.step(0)[0] == count
        with pytest.raises((errors.ShuttingDownError, errors.ConnectError)):
            RemoteEnv(server.address, connect_timeout=2)
        assert not server.wait(0)
        ask_to_stop(server, 0)  # A later call shortens the time.
        assert server.wait(20)
        with pytest.raises(errors.ShuttingDownError):
            remote.step(0)


@pytest.mark.over_grpc
def test_a_session_is_resumed_while_the_server_drains(transport: str) -> None:
    with drained() as (server, remote):
        ask_to_stop(server, 60)
        connection = connection_of(remote)
        if transport == "frames":
            connection._frames.cut()
        else:
            connection._incoming.cancel()
        assert remote.step(0)[0] == 1
        server.shutdown()


@pytest.mark.over_grpc
def test_a_later_call_does_not_lengthen_the_time() -> None:
    with drained() as (server, _):
        ask_to_stop(server, 0.5)
        with pytest.raises(grpc.RpcError):
            for _ in range(200):
                ask_to_stop(server, 60)
                time.sleep(0.05)
        assert server.wait(20)


def test_an_idle_client_gets_the_reason_for_the_end_of_its_session() -> None:
    with EnvServer(CounterEnv()) as server:
        remote = RemoteEnv(server.address)
        remote.reset()
        server.shutdown()
        with pytest.raises(errors.ShuttingDownError):
            remote.step(0)


@pytest.mark.own_transport
@pytest.mark.parametrize("scheme", ["grpcs", "framess"])
def test_an_idle_client_of_frames_with_tls_gets_the_reason_too(
    scheme: str, authority: Any, roots: bytes
) -> None:
    options = ServeOptions(frames=False, frames_port=0 if scheme == "grpcs" else None)
    tls = issued(authority)
    with EnvServer(CounterEnv(), f"{scheme}://127.0.0.1:0", tls=tls, options=options) as server:
        remote = RemoteEnv(server.address, tls=TLS(authority=roots), transport="frames")
        remote.reset()
        server.shutdown()
        with pytest.raises(errors.ShuttingDownError):
            remote.step(0)


def test_the_answer_of_a_running_step_arrives() -> None:
    env = GatedEnv()
    with EnvServer(env) as server:
        remote = RemoteEnv(server.address)
        remote.reset()
        remote.step_async(0)
        assert env.entered.wait(20)
        stopping = threading.Thread(target=server.shutdown)
        stopping.start()
        time.sleep(5 * ServeOptions().drain_timeout)
        env.go.set()
        assert remote.step_wait(20)[0] == 1
        stopping.join(20)
        assert not stopping.is_alive()
        with pytest.raises(errors.ShuttingDownError):
            remote.step(0)
    assert env.closed == 1


@pytest.mark.over_grpc
def test_streams_that_have_sent_nothing_do_not_hold_up_a_stop() -> None:
    server = EnvServer(CounterEnv())
    with server, RawConnection(server.address) as client:
        stream = client.open("/rlmesh.proto.env.v1.EnvService/Session")
        until(lambda: session_calls_of(server), 20)
        stopping = threading.Thread(target=server.shutdown)
        stopping.start()
        stopping.join(5)
        assert not stopping.is_alive()
        assert client.wait_ended(stream, 20)
