"""Connections that break at random moments of an evaluation: it is the uncut one to the bit."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rlmesh import RemoteEnv
from rlmesh._transport.socket import unix as frames_local
from tests.faults import Proxy, between
from tests.faults.envs import WalkEnv, WideWalkEnv
from tests.processes import running

SERVER = """
from rlmesh import EnvServer
from rlmesh._transport.socket import unix as frames_local
from tests.faults.envs import {env} as Env
frames_local.CHUNKED_BYTES = {chunked}
if __name__ == "__main__":
    made = {{"factory": Env, "workers": "process"}} if {process} else {{"env": Env()}}
    server = EnvServer(address="{scheme}://127.0.0.1:0", **made)
    server.serve(on_ready=lambda: print(server.address, flush=True))
"""


def script(env: str, process: bool, chunked: int = 1 << 30, scheme: str = "tcp") -> list[str]:
    """The arguments of a Python that serves an environment of `envs`."""
    return ["-c", SERVER.format(env=env, process=process, chunked=chunked, scheme=scheme)]


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
    """Breaks connections when an evaluation comes to certain steps, and a random moment later.

    Args:
        proxy: Proxy of the connections that it breaks.
        steps: Steps of the evaluation.
        cuts: Number of connections that it breaks.
        fallback: Proxy of the client's connection if it is not at `proxy`.
    """

    def __init__(self, proxy: Proxy, steps: int, cuts: int, fallback: Proxy | None = None) -> None:
        self._proxy = proxy
        self._fallback = fallback
        self._chance = random.Random(3)
        self._moments = sorted(self._chance.sample(range(1, steps), cuts))
        self._due = threading.Semaphore(0)
        self._over = False
        self._behind = 0
        self.cuts = cuts
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
            patience = time.monotonic() + 0.1
            while self._proxy.broken == broken and time.monotonic() < deadline and not self._over:
                time.sleep(0.0005)
                if kind != "truncated":
                    self._proxy.cut()  # It was just connecting.
                if self._fallback is not None and time.monotonic() > patience:
                    patience = time.monotonic() + 0.2
                    self._fallback.cut()
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
            self._proxy.cut()  # One that came meanwhile would have lost bytes, and live on.
        else:
            self._proxy.delay = 0.005
            time.sleep(0.05)
            self._proxy.cut()
            self._proxy.delay = 0.0


def cut_and_compare(
    remote: RemoteEnv, saboteur: Saboteur, local: list[Any], steps: int, resumed: list[Any]
) -> str:
    """Play while connections are broken, compare, and return a summary."""
    begun = time.monotonic()
    try:
        seen = play(remote, steps, saboteur.tick)
    finally:
        seconds = time.monotonic() - begun
        saboteur.stop()
        remote.close()
    assert seen == local
    broken = sum(saboteur.kinds.values())
    assert broken >= 0.95 * saboteur.cuts, saboteur.kinds
    # Some break a connection that was about to take a session over from another one.
    assert len(resumed) >= 0.6 * broken
    longest = max(event.seconds for event in resumed)
    told = ", ".join(f"{count} {kind}" for kind, count in saboteur.kinds.items())
    return (
        f"{steps} steps in {seconds:.1f} s through {broken} broken connections ({told}); "
        f"{len(resumed)} resumed, the slowest after {longest:.2f} s; trajectory identical, "
        f"{seen_steps(seen)} steps applied"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
@pytest.mark.parametrize("scheme", ["tcp", "frames"])
def test_a_thousand_cuts_change_nothing(
    scheme: str,
    process: bool,
    long: bool,
    figure: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rlmesh._client.transport_choice.TRANSPORTS", ())  # It stays where it is.
    cuts, steps = (1000, 20_000) if long else (50, 1_000)
    local = play(WalkEnv(), steps, lambda _: None)
    with running(script("WalkEnv", process, scheme=scheme)) as server:
        address = server.wait_for(rf"{scheme}://\S+").group()
        resumed: list[Any] = []
        with Proxy(address) as proxy:
            remote = RemoteEnv(proxy.address, on_reconnect=resumed.append)
            saboteur = Saboteur(proxy, steps, cuts)
            words = cut_and_compare(remote, saboteur, local, steps, resumed)
    where = "in a worker process" if process else "in the server's thread"
    figure(f"cuts over {scheme}, environment {where}: {words}")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not frames_local.SUPPORTED, reason="it needs Linux")
@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
@pytest.mark.parametrize("way", ["the socket", "shared memory", "pieces"])
def test_cuts_of_frames_change_nothing(
    way: str,
    process: bool,
    long: bool,
    figure: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuts, steps = (1000, 20_000) if long else (50, 1_000)
    env = WalkEnv if way == "the socket" else WideWalkEnv
    chunked = 10_000 if way == "pieces" else 1 << 30
    monkeypatch.setattr(frames_local, "CHUNKED_BYTES", chunked)
    local = play(env(), steps, lambda _: None)
    with (
        running(script(env.__name__, process, chunked)) as server,
        Proxy(server.wait_for(r"tcp://\S+").group()) as fallback,
        between(fallback.address, "frames") as (address, proxy),
    ):
        resumed: list[Any] = []
        remote = RemoteEnv(address, transport="frames", on_reconnect=resumed.append)
        saboteur = Saboteur(proxy, steps, cuts, fallback)
        words = cut_and_compare(remote, saboteur, local, steps, resumed)
    where = "in a worker process" if process else "in the server's thread"
    figure(f"cuts of frames in {way}, environment {where}: {words}")


def seen_steps(seen: list[Any]) -> int:
    """How many steps the environment has counted by the last one."""
    applied: int = next(x for x in reversed(seen) if isinstance(x, tuple))[4]["applied"]
    return applied
