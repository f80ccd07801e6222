"""Connections that break at random moments of an evaluation: it is the uncut one to the bit."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rlmesh import RemoteEnv
from tests.faults import Proxy
from tests.faults.envs import WalkEnv
from tests.processes import running

SERVER = """
from rlmesh import EnvServer
from tests.faults.envs import WalkEnv
if __name__ == "__main__":
    server = EnvServer(factory=WalkEnv, workers="process") if {process} else EnvServer(WalkEnv())
    server.serve(on_ready=lambda: print(server.address, flush=True))
"""


def play(env: Any, steps: int, tick: Callable[[int], None]) -> list[Any]:
    """What a seeded evaluation sees, from its first reset on."""
    chance = random.Random(5)
    seen = [env.reset(seed=11)[0]]
    for step in range(steps):
        tick(step)
        result = env.step(chance.randrange(1000))
        seen.append(result)
        if result[2]:
            seen.append(env.reset()[0])
    return seen


class Saboteur:
    """Breaks connections when an evaluation comes to certain steps, and a random moment later."""

    def __init__(self, proxy: Proxy, steps: int, cuts: int) -> None:
        self._proxy = proxy
        self._chance = random.Random(3)
        self._moments = sorted(self._chance.sample(range(1, steps), cuts))
        self._due = threading.Semaphore(0)
        self._over = False
        self._behind = 0
        self.kinds = dict.fromkeys(("cut", "truncated", "late", "swallowed", "delayed"), 0)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def tick(self, step: int) -> None:
        """The evaluation is about to take this step."""
        while self._moments and self._moments[0] <= step:
            self._moments.pop(0)
            self._behind += 1
            self._due.release()
        deadline = time.monotonic() + 2
        # Those that wait for an answer need the evaluation to go on.
        while self._behind > 3 and time.monotonic() < deadline:
            time.sleep(0.001)

    def stop(self) -> None:
        self._over = True
        self._due.release()
        self._thread.join()

    def _work(self) -> None:
        while self._due.acquire() and not self._over:
            time.sleep(self._chance.uniform(0, 0.001))
            broken = self._proxy.broken
            kind = self._chance.choices(list(self.kinds), [60, 30, 6, 3, 1])[0]
            self._harm(kind)
            deadline = time.monotonic() + 5  # A truncation waits for an answer.
            while self._proxy.broken == broken and time.monotonic() < deadline and not self._over:
                time.sleep(0.0005)
                if kind != "truncated":
                    self._proxy.cut()  # It was just connecting.
            self.kinds[kind] += self._proxy.broken > broken
            self._behind -= 1

    def _harm(self, kind: str) -> None:
        if kind == "cut":
            self._proxy.cut()
        elif kind == "truncated":
            self._proxy.cut_after(self._chance.randrange(1, 200))
        elif kind == "late":
            self._proxy.cut_late(0.02)
        elif kind == "swallowed":
            with self._proxy.swallowing():
                time.sleep(0.03)
                self._proxy.cut()
        else:
            self._proxy.delay = 0.005
            time.sleep(0.05)
            self._proxy.cut()
            self._proxy.delay = 0.0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
def test_a_thousand_cuts_change_nothing(
    process: bool, long: bool, figure: Callable[[str], None]
) -> None:
    cuts, steps = (1000, 20_000) if long or not process else (100, 2_000)
    local = play(WalkEnv(), steps, lambda _: None)
    with running(["-c", SERVER.format(process=process)]) as server:
        address = server.wait_for(r"tcp://\S+").group()
        resumed = []
        with Proxy(address) as proxy:
            remote = RemoteEnv(proxy.address, transport="grpc", on_reconnect=resumed.append)
            saboteur = Saboteur(proxy, steps, cuts)
            begun = time.monotonic()
            try:
                seen = play(remote, steps, saboteur.tick)
            finally:
                seconds = time.monotonic() - begun
                saboteur.stop()
                remote.close()
        assert seen == local
        broken = sum(saboteur.kinds.values())
        assert broken >= 0.95 * cuts, saboteur.kinds
        assert len(resumed) >= 0.9 * broken
        longest = max(event.seconds for event in resumed)
        told = ", ".join(f"{count} {kind}" for kind, count in saboteur.kinds.items())
        where = "in a worker process" if process else "in the server's thread"
        figure(
            f"cuts, environment {where}: {steps} steps in {seconds:.1f} s through {broken} broken "
            f"connections ({told}); {len(resumed)} resumed, the slowest after {longest:.2f} s; "
            f"trajectory identical, {seen_steps(seen)} steps applied"
        )


def seen_steps(seen: list[Any]) -> int:
    """How many steps the environment has counted by the last one."""
    applied: int = next(x for x in reversed(seen) if isinstance(x, tuple))[4]["applied"]
    return applied
