"""`python -m benchmarks.thin`: a step of the thin host beside one of the whole server.

Both serve frames over TCP from a process of their own and are played by one client; the rounds are
interleaved. The environments are CartPole and one with an image of 480x640x3.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from rlmesh.numpy import RemoteEnv
from tools.thin.bundle import TARGET

__all__ = ["ImageEnv", "cart_pole", "main"]

ROUNDS = 40
"""Rounds of both sides, one after the other."""

STEPS = 150
"""Steps of a side in a round."""

TARGETS = {"cart_pole": 1.2, "ImageEnv": 1.5}
"""Max ratio of the thin host's median to the whole server's."""

WHOLE = (
    "import rlmesh, benchmarks.thin as sides\n"
    "server = rlmesh.EnvServer(sides.{env}(), 'frames://127.0.0.1:0')\n"
    "server.serve(on_ready=lambda: print(server.address, flush=True))\n"
)


def cart_pole() -> Any:
    """Return CartPole without a limit on its steps."""
    return gymnasium.make("CartPole-v1", max_episode_steps=1_000_000_000)


class ImageEnv(gymnasium.Env[Any, Any]):
    """An environment that returns one image, again and again."""

    observation_space = gymnasium.spaces.Box(0, 255, (480, 640, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self) -> None:
        self._image = np.arange(480 * 640 * 3, dtype=np.uint8).reshape(480, 640, 3)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return self._image, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self._image, 0.0, False, False, {}


@contextmanager
def served(command: list[str]) -> Generator[str, None, None]:
    """Yield the address that a server's process prints, or writes to a descriptor."""
    reading, writing = os.pipe()
    ready = ["--ready-fd", str(writing)] if command[-1].startswith("benchmarks.thin:") else []
    with (
        os.fdopen(reading) as lines,
        subprocess.Popen(
            [sys.executable, *command, *ready], stdout=writing, pass_fds=[writing]
        ) as server,
    ):
        os.close(writing)
        try:
            yield lines.readline().strip()
        finally:
            server.terminate()


def measure(env: RemoteEnv) -> float:
    """Return the median microseconds of a step in one round."""
    spent = []
    for _ in range(STEPS):
        begun = time.perf_counter_ns()
        ended = env.step(1)[2]
        spent.append(time.perf_counter_ns() - begun)
        if ended:
            env.reset()
    return statistics.median(spent) / 1000


def compare(host: Path, env: str) -> tuple[dict[str, float], float]:
    """Return the medians of both sides, and the median ratio of the thin one to the whole one."""
    commands = {
        "whole": ["-c", WHOLE.format(env=env)],
        "thin": [str(host), f"benchmarks.thin:{env}"],
    }
    with ExitStack() as stack:
        sides = {}
        for name, command in commands.items():
            sides[name] = RemoteEnv(stack.enter_context(served(command)))
            sides[name].reset(seed=0)
            measure(sides[name])
        rounds = [{name: measure(side) for name, side in sides.items()} for _ in range(ROUNDS)]
        for side in sides.values():
            side.close()
    medians = {name: statistics.median(r[name] for r in rounds) for name in commands}
    return medians, statistics.median(r["thin"] / r["whole"] for r in rounds)


def main() -> int:
    """Measure and print; 1 if a ratio is over its target."""
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        host = Path(folder) / "host.py"
        host.write_text(TARGET.read_text(encoding="utf-8"), encoding="utf-8")
        for env, target in TARGETS.items():
            medians, ratios[env] = compare(host, env)
            words = ", ".join(f"{name} {median:.1f}" for name, median in medians.items())
            print(f"{env}: {words} us a step; ratio {ratios[env]:.2f}, at most {target}")
    print(json.dumps({"ratios": ratios}))
    return int(any(ratios[env] > target for env, target in TARGETS.items()))


if __name__ == "__main__":
    raise SystemExit(main())
