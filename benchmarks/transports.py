"""`python -m benchmarks.transports`: a step of CartPole over each transport.

The floors are Gymnasium's AsyncVectorEnv of one environment with shared memory, and a bare echo of
the same bytes on a Unix socket. The environment is always in another process; the sides are
interleaved.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal

import gymnasium

from rlmesh.numpy import RemoteEnv

__all__ = ["main"]

ROUNDS = 7
STEPS = 1000
SERVER = (
    "import gymnasium, rlmesh\n"
    "server = rlmesh.EnvServer(gymnasium.make('CartPole-v1'))\n"
    "server.serve(on_ready=lambda: print(server.address, flush=True))\n"
)
BYTES = 64
"""Approximate size in bytes of an action or an observation of CartPole with its frame."""


@contextmanager
def served() -> Generator[str, None, None]:
    """Yield the address of a server in a separate process."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def timed(step: Callable[[], object]) -> float:
    """Return the median microseconds of a call."""
    for _ in range(100):
        step()
    spent = []
    for _ in range(STEPS):
        begun = time.perf_counter_ns()
        step()
        spent.append(time.perf_counter_ns() - begun)
    return statistics.median(spent) / 1000


def over(transport: Literal["grpc", "frames"]) -> float:
    """Measure a step of a remote environment."""
    with served() as address:
        env = RemoteEnv(address, transport=transport)
        env.reset(seed=0)

        def step() -> None:
            if env.step(1)[2]:
                env.reset()

        median = timed(step)
        env.close()
    return median


def vector() -> float:
    """Measure a step of Gymnasium's vector of one."""
    env: Any = gymnasium.vector.AsyncVectorEnv(
        [lambda: gymnasium.make("CartPole-v1")], shared_memory=True
    )
    env.reset(seed=0)
    actions = env.action_space.sample()
    median = timed(lambda: env.step(actions))
    env.close()
    return median


def echo() -> float:
    """Measure a round trip of as many bytes on a Unix socket."""
    here, there = socket.socketpair()
    child = os.fork()
    if not child:
        here.close()
        while data := there.recv(BYTES):
            there.sendall(data)
        os._exit(0)
    there.close()
    data = bytes(BYTES)

    def exchange() -> None:
        here.sendall(data)
        here.recv(BYTES)

    median = timed(exchange)
    here.close()
    os.waitpid(child, 0)
    return median


def main() -> int:
    """Measure and print."""
    sides: dict[str, Callable[[], float]] = {
        "echo on a Unix socket": echo,
        "AsyncVectorEnv of one": vector,
        "RemoteEnv over frames": lambda: over("frames"),
        "RemoteEnv over gRPC": lambda: over("grpc"),
    }
    rounds = [{name: side() for name, side in sides.items()} for _ in range(ROUNDS)]
    print("median microseconds of a step of CartPole")
    for name in sides:
        print(f"{name:<24}{statistics.median(r[name] for r in rounds):10.1f}")
    ratios = {
        "frames to AsyncVectorEnv": ("RemoteEnv over frames", "AsyncVectorEnv of one"),
        "frames to gRPC": ("RemoteEnv over frames", "RemoteEnv over gRPC"),
    }
    medians = {
        name: statistics.median(r[a] / r[b] for r in rounds) for name, (a, b) in ratios.items()
    }
    for name, ratio in medians.items():
        print(f"{name}: {ratio:.2f}")
    print(json.dumps({"ratios": medians, "rounds_us": rounds}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
