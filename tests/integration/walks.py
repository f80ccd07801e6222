"""An environment with episodes that follow from their seeds, and models that play it."""

from __future__ import annotations

import random
import time
from typing import Any

import rlmesh
from rlmesh.results import RunResult

__all__ = ["Decide", "WalkEnv", "Walks", "told"]


class WalkEnv:
    """A walk: its length, observations and rewards follow from seed and actions alone.

    Args:
        delay: Largest duration of a step in seconds; the duration does not depend on the seed.
        fails: Seeds of the episodes that raise at their third step.
    """

    observation_space = rlmesh.spaces.Box(-10.0, 10.0, (3,), "float32")
    action_space = rlmesh.spaces.Discrete(3)

    def __init__(self, delay: float = 0.0, fails: tuple[int, ...] = ()) -> None:
        self._delay = delay
        self._fails = fails
        self._luck = random.Random()
        self._random = random.Random()
        self._seed: int | None = None
        self._steps = 0
        self._place = 0.0
        self.closed = 0

    def reset(self, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self._seed = seed
        self._random = random.Random(seed)
        self._steps, self._place = 0, self._random.uniform(-1, 1)
        return self._seen(), {"seed": seed}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        time.sleep(self._luck.uniform(0, self._delay)) if self._delay else None
        self._steps += 1
        if self._steps == 3 and self._seed in self._fails:
            raise RuntimeError(f"seed {self._seed} does not work")
        self._place += (int(action) - 1) * self._random.uniform(0.5, 1.5)
        ended = abs(self._place) > 3
        late = self._steps >= 20
        info = {"is_success": self._place > 0} if ended or late else {}
        return self._seen(), self._place, ended, late and not ended, info

    def _seen(self) -> Any:
        numbers = [self._place, self._random.uniform(-1, 1), float(self._steps) / 10]
        return rlmesh.Tensor.of(numbers, "float32")

    def close(self) -> None:
        self.closed += 1


class Decide:
    """Deterministic; the same in every form and library."""

    def predict(self, observation: Any) -> int:
        return _action([float(x) for x in observation])


class Walks:
    """The same as a batch."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def predict_batch(self, observations: Any) -> Any:
        rows = observations.tolist()
        self.sizes.append(len(rows))
        return [_action(row) for row in rows]


def _action(row: list[float]) -> int:
    return 2 if row[0] + row[1] > 0 else 0 if row[1] < -0.5 else 1


def told(result: RunResult) -> list[tuple[Any, ...]]:
    """What of a run does not depend on time and place."""
    return [
        (e.index, e.seed, e.reward, e.steps, e.end, e.success, e.env_id) for e in result.episodes
    ]
