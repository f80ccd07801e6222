"""`python -m benchmarks.alignment`: a step with aligned slabs beside one without.

One server in a process of its own is played by two clients on the same host, in shared memory: one
lists CAPABILITY_ALIGNED_SLABS, the other one does not. The rounds are interleaved. Each step views
its observation in place, and adds up its elements.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import gymnasium
import numpy as np

from rlmesh.numpy import RemoteEnv

__all__ = ["ImageEnv", "main"]

ROUNDS = 40
"""Rounds of both sides, one after the other."""

STEPS = 100
"""Steps of a side in a round."""

CASES = (
    ("84x84x3", "uint8"),
    ("480x640x3", "uint8"),
    ("84x84x3", "float32"),
    ("480x640x3", "float32"),
)
"""Shape and dtype of the images."""

SERVER = (
    "import rlmesh, benchmarks.alignment as sides\n"
    "make = lambda: sides.ImageEnv({shape!r}, {dtype!r})\n"
    "server = rlmesh.EnvServer(factory=make, max_sessions=2)\n"
    "server.serve(on_ready=lambda: print(server.address, flush=True))\n"
)


class ImageEnv(gymnasium.Env[Any, Any]):
    """An environment that returns one image, again and again."""

    def __init__(self, shape: str, dtype: str) -> None:
        extents = tuple(map(int, shape.split("x")))
        self.observation_space = gymnasium.spaces.Box(0, 255, extents, np.dtype(dtype).type)
        self.action_space = gymnasium.spaces.Discrete(2)
        self._image = (np.arange(np.prod(extents)) % 256).astype(dtype).reshape(extents)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return self._image, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self._image, 0.0, False, False, {}


@contextmanager
def served(shape: str, dtype: str) -> Generator[str, None, None]:
    """Yield the address of a server."""
    command = [sys.executable, "-c", SERVER.format(shape=shape, dtype=dtype)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def connect(address: str, aligned: bool) -> RemoteEnv:
    """Return a client that asks for alignment, or does not."""
    env = RemoteEnv(address, copy=not aligned)
    env._stub._copy = False
    env.reset()
    return env


def measure(env: RemoteEnv) -> float:
    """Return the median microseconds of a step and a sum in one round."""
    spent = []
    for _ in range(STEPS):
        begun = time.perf_counter_ns()
        env.step(1)[0].sum()
        spent.append(time.perf_counter_ns() - begun)
    return statistics.median(spent) / 1000


def compare(shape: str, dtype: str) -> tuple[dict[str, float], float]:
    """Return the medians of both sides, and the median ratio of aligned to not aligned."""
    with ExitStack() as stack:
        address = stack.enter_context(served(shape, dtype))
        sides = {
            name: stack.enter_context(connect(address, name == "aligned"))
            for name in ("aligned", "not aligned")
        }
        for side in sides.values():
            measure(side)
        rounds = []
        for number in range(ROUNDS):
            order = list(sides.items())[:: 1 if number % 2 else -1]
            rounds.append({name: measure(side) for name, side in order})
    medians = {name: statistics.median(r[name] for r in rounds) for name in sides}
    return medians, statistics.median(r["aligned"] / r["not aligned"] for r in rounds)


def main() -> int:
    """Measure and print."""
    ratios: dict[str, float] = {}
    for shape, dtype in CASES:
        medians, ratio = compare(shape, dtype)
        name = f"{shape} {dtype}"
        ratios[name] = round(ratio, 3)
        words = ", ".join(f"{side} {median:.1f}" for side, median in medians.items())
        print(f"{name}: {words} us a step; ratio {ratio:.2f}", flush=True)
    print(json.dumps({"ratios": ratios}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
