"""Gymnasium's AsyncVectorEnv of one environment, in a process of its own."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import numpy

from benchmarks.peers.cases import Case
from benchmarks.peers.sides import environments, program


class VectorOfOne:
    """A client; the vector's worker process is its server."""

    def __init__(self, case: Case) -> None:
        # Shared memory does not support Sequence and Graph, so that those are pickled.
        self._env: Any = gymnasium.vector.AsyncVectorEnv(
            [partial(environments.make, case)], shared_memory=case.kind != "ragged", copy=True
        )
        self.pids = [process.pid for process in self._env.processes]
        self._batched = [numpy.asarray(action)[None] for action in environments.actions(case)]
        self._turn = 0

    def reset(self, seed: int | None) -> Any:
        self._turn = 0
        return self._env.reset(seed=seed)[0]

    def step(self, action: Any) -> tuple[Any, bool]:
        batched = self._batched[self._turn]
        self._turn ^= 1
        return self._env.step(batched)[0], False  # The vector resets by itself.

    def plain(self, observation: Any) -> Any:
        """Return the only lane."""
        if isinstance(observation, dict):
            return {name: values[0] for name, values in observation.items()}
        return observation[0]

    def close(self) -> None:
        self._env.close()


def connect(case: Case, option: str, address: str) -> VectorOfOne:
    return VectorOfOne(case)


if __name__ == "__main__":
    program.run(connect, versions=["gymnasium", "numpy"])
