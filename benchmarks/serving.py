"""`python -m benchmarks.serving`: throughput of a served model, with and without dynamic batching.

A forward pass takes 5 ms for any batch: the model sleeps, as a host does that waits for a GPU.
Sessions, one thread each, send one request after another. The floors are the same sessions taking
turns at the model in this process, which is the best without batching, and a model that takes no
time, with small observations and with images over each transport. The sides are interleaved, with
medians of rounds.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

import rlmesh
from rlmesh.numpy import Model
from rlmesh.specs import EnvContract

__all__ = ["main"]

PASS = 0.005
SESSIONS = (1, 4, 16)
SECONDS = 1.0
ROUNDS = 5
SIDES = ("in turns, this process", "served, one at a time", "served, batched")
TRANSPORTS = ("frames", "grpc")
ANSWERS = 100
"""Number of answers of a side before the next side's turn; ten turns make a round."""

ACTIONS = rlmesh.spaces.Discrete(2)
OBSERVATION = np.zeros(4, np.float32)
CONTRACT = EnvContract("point", rlmesh.spaces.Box(-1.0, 1.0, (4,)), ACTIONS)
IMAGE = np.zeros((480, 640, 3), np.uint8)
CAMERA = EnvContract("camera", rlmesh.spaces.Box(0, 255, IMAGE.shape, dtype="uint8"), ACTIONS)

Predict = Callable[[Any], Any]


class SlowModel:
    """A model with a forward pass of 5 ms for any batch."""

    def predict_batch(self, observations: Any) -> Any:
        time.sleep(PASS)
        return observations[:, 0] > 0


class FreeModel:
    """A model with a forward pass that takes no time."""

    def predict(self, observation: Any) -> int:
        return 0


def serve(pipe: Connection) -> None:
    """Serve the models in a separate process."""
    many = max(SESSIONS)
    servers = [
        rlmesh.ModelServer(
            Model(model()), options=rlmesh.ServeOptions(max_batch_size=size), max_sessions=many
        )
        for model, size in ((SlowModel, 1), (SlowModel, many), (FreeModel, 1))
    ]
    for server in servers:
        server.start()
    pipe.send([server.address for server in servers])
    pipe.recv()
    for server in servers:
        server.shutdown()


def asked(predicts: list[Predict]) -> float:
    """Return the answers per second of all sessions together, one thread each."""
    counts = [0] * len(predicts)
    end = time.perf_counter() + SECONDS

    def ask(index: int) -> None:
        predict = predicts[index]
        while time.perf_counter() < end:
            predict(OBSERVATION)
            counts[index] += 1

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(predicts))]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begun)


def in_turns(sessions: int) -> float:
    """Return the answers per second of a model of this process, with one caller at a time."""
    model, turn = SlowModel(), threading.Lock()

    def predict(observation: Any) -> Any:
        with turn:
            return model.predict_batch(observation[None])[0]

    return asked([predict] * sessions)


def served(address: str, sessions: int) -> float:
    """Return the answers per second of a served model."""
    with ExitStack() as stack:
        remotes = [
            stack.enter_context(rlmesh.RemoteModel(address, CONTRACT)) for _ in range(sessions)
        ]
        for remote in remotes:
            remote.predict(OBSERVATION)
        return asked([remote.predict for remote in remotes])


def free_costs(address: str) -> dict[str, float]:
    """Return the median microseconds of an answer of a model that takes no time, by side."""
    with ExitStack() as stack:
        sides = {}
        for name, contract, value in (("point", CONTRACT, OBSERVATION), ("image", CAMERA, IMAGE)):
            for way in TRANSPORTS:
                remote = rlmesh.RemoteModel(address, contract, transport=way)  # type: ignore[arg-type]
                predict = stack.enter_context(remote).predict
                sides[f"{name}, {way}"] = partial(predict, value)
        spent: dict[str, list[int]] = {name: [] for name in sides}
        for turn in range(11):
            for name, ask in sides.items():
                for _ in range(ANSWERS):
                    begun = time.perf_counter_ns()
                    ask()
                    if turn:  # The first turn warms up.
                        spent[name].append(time.perf_counter_ns() - begun)
    return {name: statistics.median(values) / 1000 for name, values in spent.items()}


def measured(
    alone: str, batched: str, free: str
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return answers per second, and microseconds of a free model's answer, by side and round."""
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for sessions in SESSIONS:
            sides = (in_turns(sessions), served(alone, sessions), served(batched, sessions))
            for side, rate in zip(SIDES, sides):
                rates.setdefault(f"{side} x {sessions}", []).append(rate)
        for name, cost in free_costs(free).items():
            costs.setdefault(name, []).append(cost)
    return rates, costs


def main() -> int:
    """Measure and print; the last line is JSON."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        rates, costs = measured(*ours.recv())
    finally:
        ours.send(None)
        process.join(10)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print("answers a second of a model of 5 ms a pass, by sessions")
    print(f"{'':26}" + "".join(f"{sessions:>10}" for sessions in SESSIONS))
    for side in SIDES:
        row = "".join(f"{medians[f'{side} x {sessions}']:10.0f}" for sessions in SESSIONS)
        print(f"{side:26}{row}")
    many = max(SESSIONS)
    gain = medians[f"{SIDES[2]} x {many}"] / medians[f"{SIDES[1]} x {many}"]
    print(f"batching, {many} sessions: {gain:.1f} times")
    print("a model that takes no time, us an answer")
    for name, values in costs.items():
        print(f"{name:26}{statistics.median(values):10.0f}")
    print(json.dumps({"gain": gain, "free_us": costs, "answers_a_second": rates}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
