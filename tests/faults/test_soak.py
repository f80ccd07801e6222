"""A long evaluation: what it costs does not grow with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from rlmesh import RemoteEnv
from tests.faults.test_cuts import script
from tests.faults.usage import Usage
from tests.processes import running

CLIENT = """
import random, sys
from rlmesh import RemoteEnv
from tests.faults.usage import Usage
import os
steps, rounds = int(sys.argv[2]), 2
chance = random.Random(1)
with RemoteEnv(sys.argv[1]) as remote:
    remote.reset(seed=1)
    for _ in range(rounds):
        for _ in range(steps // rounds):
            if remote.step(chance.randrange(1000))[2]:
                remote.reset()
        print(f"memory {Usage(os.getpid()).memory:.2f}", flush=True)
    print("done", flush=True)
"""

MOST_MB = 10.0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
def test_neither_end_grows(process: bool, long: bool, figure: Callable[[str], None]) -> None:
    steps = 200_000 if long else 5_000
    with running(script("WalkEnv", process)) as server:
        address = server.wait_for(r"tcp://\S+").group()
        with RemoteEnv(address) as remote:
            for _ in range(500):
                remote.reset(seed=1)
                remote.step(1)
        before = Usage(server.process.pid)
        begun = time.monotonic()
        with running(["-c", CLIENT, address, str(steps)]) as client:
            client.wait_for("done", 1500)
            seconds = time.monotonic() - begun
            half, full = (float(line.split()[1]) for line in client.output.splitlines()[:2])
            after = Usage(server.process.pid)
        grown = after.memory - before.memory
        assert grown < MOST_MB
        assert full - half < MOST_MB
        # Those of the client that is connected: sockets, and two segments.
        assert after.descriptors <= before.descriptors + 6
        where = "a worker process" if process else "the server's thread"
        figure(
            f"soak, environment in {where}: {steps} steps in {seconds:.0f} s; the server grew by "
            f"{grown:.1f} MB, the client by {full - half:.1f} MB in its second half"
        )
