"""Clients that connect, play and vanish: the server is as it was before them."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from rlmesh import RemoteEnv
from tests.faults.usage import Usage
from tests.processes import Running, running, until

SERVER = """
from rlmesh import EnvServer, ServeOptions
from tests.faults.envs import WalkEnv
server = EnvServer(
    factory=WalkEnv, max_sessions=256, options=ServeOptions(grace_period=2.0)
)
server.serve(on_ready=lambda: print(server.address, flush=True))
"""

CLIENTS = """
import sys, time
from rlmesh import RemoteEnv
clients = [RemoteEnv(sys.argv[1], connect_timeout=60) for _ in range(int(sys.argv[2]))]
for i, client in enumerate(clients):
    client.reset(seed=i)
    for _ in range(10):
        client.step(3)
print("played", flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


def play_one(address: str) -> None:
    with RemoteEnv(address) as remote:
        remote.reset(seed=1)
        for _ in range(10):
            remote.step(3)


def wave(address: str, clients: int, each: int) -> None:
    """So many clients at once, which are killed while they hold their environments."""
    with ExitStack() as stack:
        crowd: list[Running] = [
            stack.enter_context(running(["-c", CLIENTS, address, str(each)]))
            for _ in range(clients // each)
        ]
        for process in crowd:
            process.wait_for("played", 120)
        for process in crowd:
            process.stop(signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_crowd_of_clients_vanishes(long: bool, figure: Callable[[str], None]) -> None:
    clients = 200 if long else 80
    with running(["-c", SERVER]) as server:
        address = server.wait_for(r"tcp://\S+").group()
        pid = server.process.pid
        play_one(address)
        before = Usage(pid)
        wave(address, clients, clients // 8)
        during = Usage(pid)

        def quiet() -> bool:
            now = Usage(pid)
            return now.threads <= before.threads + 4 and now.descriptors <= before.descriptors + 4

        def told() -> str:
            return f"before {before}, with {clients} clients {during}, now {Usage(pid)}"

        try:
            until(quiet, 60)
        except AssertionError:
            raise AssertionError(told()) from None
        once = Usage(pid)
        begun = time.monotonic()
        wave(address, clients, clients // 8)
        until(quiet, 60)
        twice = Usage(pid)
        assert twice.memory <= once.memory + 15, told()
        play_one(address)
        figure(
            f"{clients} clients connect, play and are killed: before {before}; with them {during}; "
            f"after {once}; after {clients} more {twice} ({time.monotonic() - begun:.0f} s)"
        )
