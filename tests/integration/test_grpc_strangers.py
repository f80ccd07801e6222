"""What callers without a token can make a server hold: memory and threads."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rlmesh_proto.env.v1 import env_pb2, env_pb2_grpc

from rlmesh import EnvServer, RemoteEnv, ServeOptions
from tests.faults.usage import Usage
from tests.inside import connection_of
from tests.integration.envs import CounterEnv
from tests.integration.raw_grpc import RawConnection, message
from tests.processes import running, until
from tests.size import LONG

TOKEN = "s3cret"
ENV = "/rlmesh.proto.env.v1.EnvService"
HEALTH = "/grpc.health.v1.Health"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
UNARY = [f"{ENV}/Describe", f"{ENV}/Shutdown", f"{HEALTH}/Check", f"{HEALTH}/Watch"]
OPEN = [*UNARY, f"{ENV}/Session", REFLECTION]

SERVER = """
import resource, sys
if sys.argv[2] != "0":
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
from rlmesh import EnvServer, ServeOptions
from tests.integration.envs import CounterEnv
options = ServeOptions(remote_shutdown=True)
with EnvServer(CounterEnv(), token=sys.argv[1], options=options) as server:
    print("at", server.address, flush=True)
    server.wait()
"""


@pytest.fixture(autouse=True)
def transport() -> str:
    """Clients of these tests are gRPC's own."""
    return "grpc"


@contextmanager
def process(token: str = TOKEN, memory: int = 0) -> Generator[tuple[str, int], None, None]:
    """A server in a process of its own: its address and process number."""
    with running(["-c", SERVER, token, str(memory)]) as server:
        yield server.wait_for(r"at (\S+)")[1], server.process.pid


def peak(pid: int) -> int:
    """The most memory in MB that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def is_healthy(address: str, timeout: float = 20.0) -> bool:
    """Whether the server says so to a new client, which may be cancelled on a busy machine.

    A call that waits behind others is spared for 50 ms; after that, the next one may cancel it.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            return _check_health(address, timeout)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.CANCELLED:
                raise
    return False


def _check_health(address: str, timeout: float) -> bool:
    target = address.removeprefix("tcp://")
    with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        answer = stub.Check(request, timeout=timeout, wait_for_ready=True)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def plays(address: str, token: str = TOKEN) -> None:
    with RemoteEnv(address, token=token) as remote:
        assert remote.reset()[0] == 0


# Memory.


@pytest.mark.parametrize("method", [*UNARY, f"{ENV}/Session"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_requests_are_refused(method: str, encoding: str) -> None:
    body = gzip.compress(bytes(50_000_000), 1)
    with process() as (address, pid):
        assert is_healthy(address)
        before = peak(pid)
        with RawConnection(address) as client:
            stream = client.open(method, grpc_encoding=encoding)
            client.send(stream, message(body, compressed=True), end=True)
            assert client.wait_ended(stream, 20)
        assert is_healthy(address)
        assert peak(pid) - before < 20
        plays(address)


@pytest.mark.parametrize(
    ("method", "token"),
    [
        (method, token)
        for method in UNARY
        for token in ("", f"Bearer {TOKEN}")
        if LONG or (method in UNARY[::2]) != bool(token)
    ],
)
def test_a_large_unary_request_costs_no_memory(method: str, token: str) -> None:
    with process() as (address, pid):
        assert is_healthy(address)
        before = peak(pid)
        with ExitStack() as stack:
            for _ in range(24):
                client = stack.enter_context(RawConnection(address))
                stream = client.open(method, **({"authorization": token} if token else {}))
                threading.Thread(
                    target=client.send, args=(stream, message(bytes(20_000_000))), daemon=True
                ).start()
            assert is_healthy(address)
            time.sleep(0.5)
            assert is_healthy(address)
        # What is read is refused after a second, or once others ask; the rest is never read.
        assert peak(pid) - before < (900 if "Health" in method or token else 60)
        plays(address)


@pytest.mark.slow
def test_a_server_with_little_memory_survives_gzip() -> None:
    """24 connections with 6 MB of gzip, which are 6 GB, and a server that may have 5 GB."""
    connections, size = (24, 250_000_000) if LONG else (24, 60_000_000)
    memory = 5_000_000_000 if LONG else 2_500_000_000
    body = gzip.compress(bytes(size), 1)
    for method in UNARY:
        with process(memory=memory) as (address, _), ExitStack() as stack:
            for _ in range(connections):
                client = stack.enter_context(RawConnection(address))
                stream = client.open(method, grpc_encoding="gzip")
                threading.Thread(
                    target=client.send,
                    args=(stream, message(body, compressed=True)),
                    kwargs={"end": True},
                    daemon=True,
                ).start()
            time.sleep(2)
            assert is_healthy(address)
            plays(address)


def test_a_shutdown_request_of_more_than_kilobytes_is_refused() -> None:
    with process() as (address, _):
        target = address.removeprefix("tcp://")
        with grpc.insecure_channel(target) as channel:
            call: Any = channel.unary_unary(f"{ENV}/Shutdown")
            shown = [("authorization", f"Bearer {TOKEN}")]
            with pytest.raises(grpc.RpcError) as caught:
                call(bytes(5_000), timeout=20, metadata=shown)
            code = caught.value.code()  # type: ignore[attr-defined]
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        plays(address)


# Threads.


@pytest.mark.parametrize(
    ("method", "token"),
    [(x, token) for token in ("", TOKEN) for x in OPEN if LONG or token or "Session" in x],
)
def test_calls_that_send_nothing_hold_up_nobody(method: str, token: str) -> None:
    """1,100 calls without a message over a few connections; with and without a token to show."""
    with process(token) as (address, pid), ExitStack() as stack:
        before = Usage(pid).threads
        for _ in range(11):
            client = stack.enter_context(RawConnection(address))
            for _ in range(100):
                client.open(method)
        assert is_healthy(address)
        plays(address, token)
        assert is_healthy(address)
        # Threads of ended calls stay in the pool; without the limit, these calls hold 1,024.
        assert Usage(pid).threads - before < 800


def test_calls_that_send_nothing_leave_threads_to_sessions_that_exist() -> None:
    options = ServeOptions(frames=False)
    with EnvServer(CounterEnv(), options=options) as server, ExitStack() as stack:
        remote = stack.enter_context(RemoteEnv(server.address))
        remote.reset()
        for method in OPEN:
            client = stack.enter_context(RawConnection(server.address))
            # gRPC 1.62 ends a connection of which it has cancelled many calls.
            with suppress(OSError):
                for _ in range(200):
                    client.open(method)
        for count in (1, 2):
            connection_of(remote)._incoming.cancel()  # A resume needs a thread, too.
            assert remote.step(0)[0] == count


def test_streams_of_a_connection_are_limited() -> None:
    with EnvServer(CounterEnv()) as server, RawConnection(server.address) as client:
        try:
            streams = [client.open(f"{HEALTH}/Watch") for _ in range(300)]
        except OSError:
            return  # gRPC 1.62 closes the whole connection.
        until(lambda: any(stream in client.ended for stream in streams), 20)


def test_a_watcher_that_reads_nothing_holds_up_nobody() -> None:
    """Its window is shut, so that what is sent to it waits."""
    server = EnvServer(CounterEnv())
    with server, RawConnection(server.address, window=0) as client:
        for _ in range(50):
            client.send(client.open(f"{HEALTH}/Watch"), message(b""), end=True)
        time.sleep(0.2)
        assert is_healthy(server.address)
        plays(server.address, "")
        stopping = threading.Thread(target=server.shutdown)
        stopping.start()
        stopping.join(20)
        assert not stopping.is_alive()


def test_a_watcher_is_told_when_the_server_stops() -> None:
    serving, not_serving = (
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    )
    with (
        EnvServer(CounterEnv(), options=ServeOptions(drain_timeout=5)) as server,
        grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel,
    ):
        request = health_pb2.HealthCheckRequest(service="rlmesh.proto.env.v1.EnvService")
        watch = health_pb2_grpc.HealthStub(channel).Watch(request, timeout=30)
        assert next(watch).status == serving
        threading.Thread(target=server.shutdown).start()
        assert next(watch).status == not_serving
        watch.cancel()


def test_an_unknown_name_is_told() -> None:
    with (
        EnvServer(CounterEnv()) as server,
        grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="unknown")
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(request, timeout=10)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]
        assert next(stub.Watch(request, timeout=10)).status == (
            health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        )
        described = env_pb2_grpc.EnvServiceStub(channel).Describe(env_pb2.DescribeRequest())
        assert described.contract.id == "CounterEnv"


def test_a_server_without_threads_for_a_while_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC's own thread would end with an exception, and take no call any more."""
    start, refused = threading.Thread.start, threading.Event()

    def fail(thread: threading.Thread) -> None:
        if thread.name.startswith("rlmesh-grpc-"):
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    with EnvServer(CounterEnv(), token=TOKEN) as server:
        monkeypatch.setattr(threading.Thread, "start", fail)
        with pytest.raises(grpc.RpcError):
            _check_health(server.address, 1.0)
        assert refused.is_set()
        monkeypatch.setattr(threading.Thread, "start", start)
        assert is_healthy(server.address)
        plays(server.address)
