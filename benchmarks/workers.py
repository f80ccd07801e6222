"""`python -m benchmarks.workers`: what worker processes give environments that compute.

A step of the environment computes for about 2 ms. One client, then as many at once as there are
cores (at most four), step environments of one server, in its threads and in processes; sides
interleaved, medians of rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from typing import Any, Literal

import rlmesh

__all__ = ["main"]

ROUNDS = 5
STEPS = 200


class ComputingEnv:
    """Each step is some work for one core."""

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
    """Steps a second of all clients together."""
    with rlmesh.EnvServer(
        factory=ComputingEnv, max_sessions=clients, workers=workers, spares=clients - 1
    ) as server:
        remotes = [rlmesh.RemoteEnv(server.address) for _ in range(clients)]
        for remote in remotes:
            remote.reset()
            remote.step(0)
        threads = [threading.Thread(target=_play, args=(remote,)) for remote in remotes]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begun
        for remote in remotes:
            remote.close()
    return clients * STEPS / seconds


def _play(remote: rlmesh.RemoteEnv) -> None:
    for _ in range(STEPS):
        remote.step(0)


def main() -> int:
    """Measure and print."""
    many = max(2, min(4, len(os.sched_getaffinity(0))))
    cases = [(workers, clients) for clients in (1, many) for workers in ("thread", "process")]
    rates: dict[str, list[float]] = {f"{w} x {c}": [] for w, c in cases}
    for _ in range(ROUNDS):
        for workers, clients in cases:
            rates[f"{workers} x {clients}"].append(steps_a_second(workers, clients))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, median in medians.items():
        print(f"{name:<14}{median:10.0f} steps a second")
    ratio = medians[f"process x {many}"] / medians["process x 1"]
    print(f"{many} processes to one: {ratio:.2f}")
    print(json.dumps({"ratio": ratio, "cores": many, "steps_a_second": rates}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
