"""`python -m benchmarks.evaluate`: gain and cost of evaluating on many endpoints.

Two questions, each answered by a ratio or a difference within one run. With a model that takes 5 ms
for a pass, batched or not: steps per second of `evaluate` on 16 endpoints, beside 16 calls of
`run`, one after another. With a model that takes no time: microseconds per step of `evaluate`,
beside the same steps by the same clients without it.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import rlmesh

__all__ = ["main"]

ENDPOINTS = 16
PASS = 0.005
SLOW_STEPS = 25
FREE_STEPS = 2_000
ROUNDS = 5


class PointEnv:
    """An environment that costs almost nothing; its seed is the number of steps of an episode."""

    observation_space = rlmesh.spaces.Box(-1.0, 1.0, (4,))
    action_space = rlmesh.spaces.Discrete(2)

    def __init__(self) -> None:
        self._left = 0
        self._observation = rlmesh.Tensor(bytes(16), "float32", (4,))

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self._left = seed or 1
        return self._observation, {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._left -= 1
        return self._observation, 1.0, self._left == 0, False, {}

    def close(self) -> None:
        pass


class SlowModel:
    """A model with a forward pass of 5 ms for any batch."""

    def predict_batch(self, observations: Any) -> Any:
        time.sleep(PASS)
        return observations[:, 0] > 0


def serve(pipe: Connection) -> None:
    """Serve every endpoint in a separate process."""
    servers = [rlmesh.EnvServer(PointEnv()) for _ in range(ENDPOINTS)]
    for server in servers:
        server.start()
    pipe.send([server.address for server in servers])
    pipe.recv()


def gain(addresses: list[str]) -> tuple[float, float]:
    """Return steps per second of `run` on one endpoint after another, and of `evaluate` on all."""
    from rlmesh.numpy import Model

    model = Model(SlowModel())
    begun = time.perf_counter()
    for address in addresses:
        model.run(address, seeds=[SLOW_STEPS])
    sequential = ENDPOINTS * SLOW_STEPS / (time.perf_counter() - begun)
    result = rlmesh.evaluate(model, addresses, seeds=[SLOW_STEPS] * 4 * ENDPOINTS)
    return sequential, result.steps_per_second


def client_step(addresses: list[str]) -> float:
    """Return the seconds of a step by clients alone, one thread each."""
    from rlmesh.numpy import RemoteEnv

    clients = [RemoteEnv(address) for address in addresses]

    def play(client: Any) -> None:
        client.reset(seed=FREE_STEPS)
        for _ in range(FREE_STEPS):
            client.step(0)

    threads = [threading.Thread(target=play, args=(client,)) for client in clients[1:]]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    play(clients[0])
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    for client in clients:
        client.close()
    return seconds / (len(addresses) * FREE_STEPS)


def evaluated_step(addresses: list[str]) -> float:
    """Return the seconds of a step of `evaluate`, with a model that takes no time."""
    from rlmesh.numpy import Model

    model = Model(lambda observation: 0)
    result = rlmesh.evaluate(model, addresses, seeds=[FREE_STEPS] * len(addresses))
    return result.seconds / result.total_steps


def main() -> int:
    """Measure and print; the last line is JSON."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    addresses: list[str] = ours.recv()
    try:
        gains = [gain(addresses) for _ in range(ROUNDS)]
        costs = {
            count: [
                (client_step(addresses[:count]), evaluated_step(addresses[:count]))
                for _ in range(ROUNDS)
            ]
            for count in (1, 4)
        }
    finally:
        ours.send(None)
        process.join(10)
    ratio = statistics.median(many / one for one, many in gains)
    one, many = (statistics.median(rates) for rates in zip(*gains))
    print(f"a pass of 5 ms: {one:.0f} steps a second by run, {many:.0f} by evaluate: {ratio:.1f}")
    own = {}
    for count, pairs in costs.items():
        client, evaluated = (statistics.median(seconds) * 1e6 for seconds in zip(*pairs))
        own[count] = statistics.median(b - a for a, b in pairs) * 1e6
        print(
            f"{count} endpoints: {client:.0f} us a step by clients, {evaluated:.0f} us by "
            f"evaluate: {own[count]:.0f} us its own"
        )
    print(json.dumps({"ratio": ratio, "own_us": own, "endpoints": ENDPOINTS}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
