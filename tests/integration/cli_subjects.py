"""Environments and models that the tests of the command line name, some of them loud."""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar

from rlmesh import Model, Tensor, spaces
from tests.integration.envs import CounterEnv

__all__ = [
    "LOUD_NUMBER",
    "MODEL",
    "Batches",
    "Chunks",
    "LoudEnv",
    "PictureEnv",
    "Policy",
    "fails",
    "loud",
    "never",
    "obeys",
    "one",
]


class LoudEnv(CounterEnv):
    """Prints, in Python and past it; number and duration of its steps are arguments."""

    def __init__(self, steps: int = 3, seconds: float = 0.0) -> None:
        super().__init__()
        print("made, says Python")
        os.write(1, b"made, says C\n")
        self.steps = steps
        self.seconds = seconds
        self.observation_space = spaces.Discrete(steps + 1)

    def step(self, action: Any) -> Any:
        time.sleep(self.seconds)
        self.step_count += 1
        info = {"is_success": bool(action)}
        return self.step_count, float(action), self.step_count == self.steps, False, info


class PictureEnv(CounterEnv):
    """Shows a square that grows redder, step by step; no library draws it."""

    render_mode = "rgb_array"
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 60}

    def render(self) -> Tensor:
        """The picture."""
        return Tensor(bytes([80 * self.step_count, 0, 20]) * 64 * 64, "uint8", (64, 64, 3))


def never(infos: Any) -> bool:
    """A rule of success by which no episode succeeds."""
    return False


def one(observation: Any) -> int:
    """Always 1."""
    return 1


def loud(observation: Any) -> int:
    """Prints."""
    print(f"saw {observation}")
    os.write(1, b"saw it, says C\n")
    return 1


def fails(observation: Any) -> int:
    """Fails."""
    raise LookupError("no such weight")


class Policy:
    """A class with predict, made with arguments."""

    def __init__(self, action: int = 0) -> None:
        self.action = action

    def predict(self, observation: Any) -> int:
        """Always the same."""
        return self.action

    @staticmethod
    def always(observation: Any) -> int:
        """Always 1."""
        return 1


def obeys(observation: Any, context: Any) -> int:
    """Prints its instruction."""
    print(f"told to {context.instruction}")
    return 1


class Batches:
    """Prints how many observations come at once."""

    def predict_batch(self, observations: Any) -> list[int]:
        """All 1."""
        print(f"batch of {len(observations)}")
        return [1] * len(observations)


class Chunks:
    """Prints when it is asked; four actions at a time."""

    def predict_chunk(self, observation: Any) -> list[int]:
        """Four times 1."""
        print(f"asked at {observation}")
        return [1, 1, 1, 1]


LOUD_NUMBER = 3
MODEL = Model(one)
