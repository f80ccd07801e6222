"""`python -m benchmarks.workers`: gain of worker processes for environments that compute.

A step of the environment computes for about 2 ms. One client, then four at once, step environments
of one server, in its threads and in processes. The floor is the same steps in one process and in
four, without requests. The sides are interleaved, with medians of rounds.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import time
from multiprocessing.synchronize import Barrier
from typing import Any, Literal

import rlmesh
from benchmarks.threads import seconds_together

__all__ = ["main"]

ROUNDS = 5
STEPS = 200
MANY = 4
KINDS = ("thread", "process", "floor")


class ComputingEnv:
    """An environment in which each step is some work for one core."""

    observation_space = rlmesh.spaces.Discrete(2)
    action_space = rlmesh.spaces.Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        total = 0
        for number in range(40_000):
            total += number * number
        return total % 2, 0.0, False, False, {}

    def close(self) -> None:
        pass


def steps_a_second(workers: Literal["thread", "process"], clients: int) -> float:
    """Return the steps per second of all clients together."""
    # Without spares, because they would be made while the others are measured.
    with rlmesh.EnvServer(factory=ComputingEnv, max_sessions=clients, workers=workers) as server:
        remotes = [rlmesh.RemoteEnv(server.address) for _ in range(clients)]
        for remote in remotes:
            remote.reset()
            remote.step(0)
        seconds = seconds_together(_play, remotes)
        for remote in remotes:
            remote.close()
    return clients * STEPS / seconds


def bare_steps_a_second(processes: int) -> float:
    """Return the steps per second of environments without requests, one process each."""
    context = multiprocessing.get_context("spawn")
    line = context.Barrier(processes + 1)
    all_of_them = [
        context.Process(target=_play_alone, args=(line,), daemon=True) for _ in range(processes)
    ]
    for process in all_of_them:
        process.start()
    line.wait(60)
    begun = time.perf_counter()
    line.wait(60)
    seconds = time.perf_counter() - begun
    for process in all_of_them:
        process.join(10)
    return processes * STEPS / seconds


def _play(remote: rlmesh.RemoteEnv) -> None:
    for _ in range(STEPS):
        remote.step(0)


def _play_alone(line: Barrier) -> None:
    env = ComputingEnv()
    env.step(0)
    line.wait(60)
    for _ in range(STEPS):
        env.step(0)
    line.wait(60)


def main() -> int:
    """Measure and print; the last line is JSON."""
    cases = [(kind, count) for kind in KINDS for count in (1, MANY)]
    rates: dict[str, list[float]] = {f"{kind} x {count}": [] for kind, count in cases}
    for _ in range(ROUNDS):
        for kind, count in cases:
            rate = bare_steps_a_second(count) if kind == "floor" else steps_a_second(kind, count)
            rates[f"{kind} x {count}"].append(rate)
    for name, values in rates.items():
        print(f"{name:<14}{statistics.median(values):10.0f} steps a second")
    ratios = {
        kind: statistics.median(
            many / one for one, many in zip(rates[f"{kind} x 1"], rates[f"{kind} x {MANY}"])
        )
        for kind in KINDS
    }
    cores = len(os.sched_getaffinity(0))
    summary = ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in ratios.items())
    print(f"{MANY} to one, on {cores} cores: {summary}")
    print(json.dumps({"ratios": ratios, "cores": cores, "steps_a_second": rates}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
