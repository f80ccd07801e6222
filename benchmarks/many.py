"""`python -m benchmarks.many`: eight fast environments, waited for by eight threads or by one.

Eight processes serve CartPole over frames. Steps per second of all of them together, side by side
in each round: a client in a thread each; `step_async` and `rlmesh.wait` in one thread; `evaluate`
with a model that takes no time; and Gymnasium's `AsyncVectorEnv` with as many processes.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import gymnasium
import numpy as np

import rlmesh
from benchmarks.threads import seconds_together

__all__ = ["main"]

COUNT = 8
STEPS = 800
"""Steps of each environment in a round."""

ROUNDS = 7
WARM_UP = 50


def make() -> Any:
    return gymnasium.make("CartPole-v1")


def serve(pipe: Connection) -> None:
    """Serve one environment until the pipe has a message."""
    with rlmesh.EnvServer(make()) as server:
        pipe.send(server.address)
        pipe.recv()


def by_threads(clients: list[Any]) -> float:
    """Return the steps per second of a thread for each client."""

    def play(client: Any) -> None:
        client.reset(seed=0)
        for _ in range(STEPS):
            if client.step(0)[2]:
                client.reset()

    return len(clients) * STEPS / seconds_together(play, clients)


def by_one_thread(clients: list[Any]) -> float:
    """Return the steps per second of one thread that waits for all clients."""
    left = dict.fromkeys(clients, STEPS)
    resetting = set()
    for client in clients:
        client.reset(seed=0)
    begun = time.perf_counter()
    for client in clients:
        client.step_async(0)
    while left:
        for client in rlmesh.wait(left):
            if client in resetting:
                resetting.remove(client)
                client.reset_wait()
                client.step_async(0)
                continue
            left[client] -= 1
            ended = client.step_wait()[2]
            if not left[client]:
                del left[client]
            elif ended:
                resetting.add(client)
                client.reset_async()
            else:
                client.step_async(0)
    return len(clients) * STEPS / (time.perf_counter() - begun)


def by_evaluate(addresses: list[str]) -> float:
    """Return the steps per second of `evaluate`."""
    from rlmesh.numpy import Model

    model = Model(lambda observation: int(observation[2] > 0))
    result = rlmesh.evaluate(model, addresses, seeds=range(COUNT * STEPS // 40))
    return result.steps_per_second


def by_vector() -> float:
    """Return the steps of environments per second of Gymnasium's vector of processes."""
    vector = gymnasium.vector.AsyncVectorEnv([make] * COUNT)
    try:
        vector.reset(seed=0)
        actions = np.zeros(COUNT, dtype=np.int64)
        for _ in range(WARM_UP):
            vector.step(actions)
        begun = time.perf_counter()
        for _ in range(STEPS):
            vector.step(actions)
        return COUNT * STEPS / (time.perf_counter() - begun)
    finally:
        vector.close()


def main() -> int:
    """Measure and print; the last line is JSON."""
    from rlmesh.numpy import RemoteEnv

    warnings.simplefilter("ignore")
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(COUNT)]
    processes = [context.Process(target=serve, args=(end,), daemon=True) for _, end in pipes]
    for process in processes:
        process.start()
    addresses = [ours.recv() for ours, _ in pipes]
    rates: dict[str, list[float]] = {}
    try:
        for _ in range(ROUNDS):
            clients: list[Any] = [RemoteEnv(address) for address in addresses]
            ways: list[tuple[str, Callable[[], float]]] = [
                ("a thread each", lambda: by_threads(clients)),  # noqa: B023  (called at once)
                ("rlmesh.wait", lambda: by_one_thread(clients)),  # noqa: B023
            ]
            for name, measure in ways:
                rates.setdefault(name, []).append(measure())
            for client in clients:
                client.close()
            rates.setdefault("evaluate", []).append(by_evaluate(addresses))
            rates.setdefault("AsyncVectorEnv", []).append(by_vector())
    finally:
        for ours, _ in pipes:
            ours.send(None)
        for process in processes:
            process.join(10)
    for name, found in rates.items():
        print(f"{name}: {statistics.median(found):,.0f} steps a second")
    gain = statistics.median(a / b for a, b in zip(rates["rlmesh.wait"], rates["a thread each"]))
    beside = {
        name: statistics.median(a / b for a, b in zip(rates[name], rates["AsyncVectorEnv"]))
        for name in ("rlmesh.wait", "evaluate")
    }
    print(f"rlmesh.wait is {gain:.2f} times a thread each")
    for name, ratio in beside.items():
        print(f"{name} is {ratio:.2f} times AsyncVectorEnv")
    print(json.dumps({"gain": gain, "beside": beside, "environments": COUNT}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
