"""Peers over TCP frames that say nothing: stopped, or behind a box that drops everything."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from rlmesh import TLS, EnvServer, RemoteEnv, ServeOptions
from rlmesh._transport.address import Address
from rlmesh._transport.socket import client as frames_client
from rlmesh._transport.socket import tcp as frames_tcp
from tests.certificates import issued
from tests.faults.proxy import Proxy
from tests.inside import connection_of, frame_socket_of, sessions_of
from tests.integration.envs import CounterEnv
from tests.offers import tcp_port
from tests.processes import running, stop_process, until

PULSE, SILENT = 0.2, 1.0
PORT = ServeOptions(frames=False, frames_port=0)

SERVER = f"""
from rlmesh import EnvServer, ServeOptions
from rlmesh._transport.socket import pulse
from rlmesh._transport.socket import tcp as frames_tcp
from rlmesh._transport.socket import pulse
frames_tcp.PULSE_SECONDS = pulse.PULSE_SECONDS = {PULSE}
frames_tcp.SILENT_SECONDS = {SILENT}
from tests.integration.envs import CounterEnv
with EnvServer(CounterEnv(), options=ServeOptions(frames=False, frames_port=0)) as server:
    print("at", server.address, flush=True)
    server.wait()
"""


@pytest.fixture(autouse=True)
def transport(monkeypatch: pytest.MonkeyPatch) -> str:
    """Seconds instead of tens of seconds; the transport is named by each test."""
    for module in ("tcp", "pulse"):
        monkeypatch.setattr(f"rlmesh._transport.socket.{module}.PULSE_SECONDS", PULSE)
    monkeypatch.setattr("rlmesh._transport.socket.tcp.SILENT_SECONDS", SILENT)
    return "frames"


def test_what_is_promised() -> None:
    """25 s are (docs/troubleshooting.md); the other tests have shorter times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.undo()
        from rlmesh._transport.socket import pulse

        assert pulse.SILENT_SECONDS + 5 <= 25


class SlowEnv(CounterEnv):
    """Its steps take longer than a peer may be silent."""

    def step(self, action: Any) -> Any:
        time.sleep(2.5 * SILENT)
        return super().step(action)


@pytest.mark.parametrize("secured", [False, True])
def test_a_long_step_and_an_idle_client_are_no_silence(
    secured: bool,
    authority: Any,
    roots: bytes,
) -> None:
    tls = issued(authority) if secured else None
    trusted = TLS(authority=roots) if secured else None
    with (
        EnvServer(SlowEnv(), "127.0.0.1:0", tls=tls, options=PORT) as server,
        RemoteEnv(server.address, tls=trusted, transport="frames") as remote,
    ):
        remote.reset()
        frames = frame_socket_of(remote)
        assert remote.step(1)[0] == 1
        time.sleep(2.5 * SILENT)
        assert remote.step(1)[0] == 2
        assert frame_socket_of(remote) is frames


@contextmanager
def through(server: EnvServer, monkeypatch: pytest.MonkeyPatch) -> Generator[Proxy, None, None]:
    """A proxy between clients and the port of frames, and nothing else."""
    with Proxy(f"tcp://127.0.0.1:{tcp_port(server)}") as proxy:
        port = int(proxy.address.rpartition(":")[2])
        dial = frames_tcp.dial

        def redirected(where: Address, _: int, *rest: Any) -> Any:
            return dial(where, port, *rest)

        monkeypatch.setattr(frames_client.frames_tcp, "dial", redirected)
        yield proxy


def test_a_box_that_drops_everything_is_noticed_by_a_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        EnvServer(CounterEnv(), options=PORT) as server,
        through(server, monkeypatch) as proxy,
        RemoteEnv(server.address, transport="frames") as remote,
    ):
        remote.reset()
        frames = frame_socket_of(remote)
        proxy.swallows.set()
        timer = threading.Timer(3 * SILENT, proxy.swallows.clear)
        timer.start()
        assert remote.step(1)[0] == 1  # Over gRPC, and perhaps over new frames then.
        assert frames_of_or_none(remote) is not frames
        timer.join()


def frames_of_or_none(remote: RemoteEnv) -> Any:
    connection = connection_of(remote)
    return getattr(connection, "_frames", None)


def test_a_box_that_drops_everything_is_noticed_by_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = ServeOptions(frames=False, frames_port=0, grace_period=0.5)
    with (
        EnvServer(CounterEnv(), options=options) as server,
        through(server, monkeypatch) as proxy,
    ):
        remote = RemoteEnv(server.address, transport="frames")
        remote.reset()
        proxy.swallows.set()
        until(lambda: not sessions_of(server), 20)  # Its environment is free again.
        proxy.cut()
        remote.close()


def test_a_server_that_is_stopped_is_noticed() -> None:
    with running(["-c", SERVER]) as process:
        address = process.wait_for(r"at (\S+)")[1]
        with RemoteEnv(address, transport="frames", connect_timeout=2) as remote:
            remote.reset()
            frames = frame_socket_of(remote)
            stop_process(process.process.pid)
            try:
                caller = threading.Thread(target=remote.step, args=(1,))
                caller.start()
                until(lambda: frames_of_or_none(remote) is not frames, 20)
            finally:
                os.kill(process.process.pid, signal.SIGCONT)
            caller.join(30)
            assert not caller.is_alive()
            assert remote.step(1)[0] == 2  # Each was applied once.


def test_a_client_that_is_stopped_is_noticed() -> None:
    options = ServeOptions(frames=False, frames_port=0, grace_period=0.5)
    with EnvServer(CounterEnv(), options=options) as server:
        client = f"""
from rlmesh._transport.socket import pulse
from rlmesh._transport.socket import tcp as frames_tcp
from rlmesh._transport.socket import pulse
frames_tcp.PULSE_SECONDS = pulse.PULSE_SECONDS = {PULSE}
from rlmesh import RemoteEnv
remote = RemoteEnv({server.address!r}, transport="frames")
remote.reset()
print("ready", flush=True)
import time
time.sleep(60)
"""
        with running(["-c", client]) as process:
            process.wait_for("ready")
            time.sleep(2 * SILENT)
            assert sessions_of(server)
            stop_process(process.process.pid)
            try:
                until(lambda: not sessions_of(server), 20)
            finally:
                os.kill(process.process.pid, signal.SIGCONT)


def test_no_thread_is_left() -> None:
    with EnvServer(CounterEnv(), options=PORT) as server:
        with RemoteEnv(server.address, transport="frames") as remote:
            remote.reset()
            assert "rlmesh-pulse" in [thread.name for thread in threading.enumerate()]
        forgotten = RemoteEnv(server.address, transport="frames")
        forgotten.reset()
        del forgotten
    until(lambda: "rlmesh-pulse" not in [t.name for t in threading.enumerate()], 20)
