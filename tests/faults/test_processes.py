"""Processes that are stopped or starved: what runs goes on."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

import pytest

from rlmesh import RemoteEnv, errors
from tests.faults import Proxy
from tests.faults.envs import WalkEnv
from tests.faults.test_cuts import play, script
from tests.processes import running, until

STEPS = 300

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it needs POSIX and /proc")


def test_a_server_that_is_stopped_for_a_while_goes_on() -> None:
    local = play(WalkEnv(), STEPS, lambda _: None)
    with running(script("WalkEnv", False)) as server:
        pid = server.process.pid

        def tick(step: int) -> None:
            if step % 100 == 50:
                os.kill(pid, signal.SIGSTOP)
                threading.Timer(0.5, os.kill, (pid, signal.SIGCONT)).start()

        with RemoteEnv(server.wait_for(r"tcp://\S+").group()) as remote:
            assert play(remote, STEPS, tick) == local


def test_a_worker_that_is_stopped_for_a_while_goes_on() -> None:
    local = play(WalkEnv(), STEPS, lambda _: None)
    with (
        running(script("WalkEnv", True)) as server,
        RemoteEnv(server.wait_for(r"tcp://\S+").group()) as remote,
    ):
        pid = remote.reset()[1]["pid"]

        def tick(step: int) -> None:
            if step % 100 == 50:
                os.kill(pid, signal.SIGSTOP)
                threading.Timer(0.3, os.kill, (pid, signal.SIGCONT)).start()

        assert play(remote, STEPS, tick) == local


STARVED = """
import resource
from rlmesh import EnvServer
from tests.faults.envs import WalkEnv
server = EnvServer(WalkEnv())
def ready():
    resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
    print(server.address, flush=True)
server.serve(on_ready=ready)
"""


def test_a_session_goes_on_when_descriptors_run_out(figure: Callable[[str], None]) -> None:
    local = play(WalkEnv(), STEPS, lambda _: None)
    with running(["-c", STARVED]) as server:
        address = server.wait_for(r"tcp://\S+").group()
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        idle: list[socket.socket] = []
        with RemoteEnv(address) as remote:

            def tick(step: int) -> None:
                if step == 50:
                    idle.extend(socket.create_connection((host, int(port))) for _ in range(40))

            assert play(remote, STEPS, tick) == local
            with pytest.raises((errors.ConnectError, errors.BusyError)):
                RemoteEnv(address, connect_timeout=1)
        for connection in idle:
            connection.close()
        # The environment is free again, and so are the descriptors.
        with RemoteEnv(address, wait=30, connect_timeout=30) as remote:
            assert remote.reset(seed=11)[0] == local[0]
        figure("descriptors run out: the session went on, and new ones came in once some were free")


def test_a_server_that_cannot_start_a_worker_says_so_and_lives_on() -> None:
    with running(script("WalkEnv", True)) as server:
        address = server.wait_for(r"tcp://\S+").group()
        pid = server.process.pid
        idle = len(os.listdir(f"/proc/{pid}/fd"))
        RemoteEnv(address).close()  # It takes the one that was made at first.
        until(lambda: len(os.listdir(f"/proc/{pid}/fd")) < idle, 10)
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        # Enough for a connection, not for the sockets of a worker besides.
        few = len(os.listdir(f"/proc/{pid}/fd")) + 2
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, hard))
        with pytest.raises(errors.EnvError, match="Too many open files"):
            RemoteEnv(address, connect_timeout=10)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        with RemoteEnv(address, wait=10) as remote:
            assert remote.reset(seed=11)[0] == play(WalkEnv(), 0, lambda _: None)[0]


def test_a_peer_that_goes_silent_is_noticed(figure: Callable[[str], None]) -> None:
    """A black hole: keepalive ends the connection, and the session resumes over another one."""
    with (
        running(script("WalkEnv", False)) as server,
        Proxy(server.wait_for(r"tcp://\S+").group()) as proxy,
        RemoteEnv(proxy.address, transport="grpc") as remote,
    ):
        remote.reset(seed=11)
        begun = time.monotonic()
        with proxy.swallowing():
            remote.step_async(3)
            until(lambda: proxy.connections > 1, 40)
            noticed = time.monotonic() - begun
            proxy.cut()
        assert remote.step_wait(60)[4]["applied"] == 1
    assert noticed < 25  # A ping after at most 10 s, and its answer's 10 s.
    figure(f"a black hole was noticed after {noticed:.1f} s")
