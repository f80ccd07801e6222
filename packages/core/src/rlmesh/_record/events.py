"""What a recorder is told, and what it asks of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlmesh.spaces import Space, from_gymnasium

__all__ = ["EpisodeEnd", "EpisodeStart", "Run", "Step", "fps_of", "spaces_of"]


@dataclass(frozen=True)
class Run:
    """A run begins, or has ended.

    Attributes:
        env: The environment.
    """

    env: Any = None


@dataclass(frozen=True)
class EpisodeStart:
    """An episode has begun.

    Attributes:
        episode: Its place in the run, from 0.
        seed: Seed of its reset; None: unseeded.
        observation: Its first observation.
        info: Info of the reset.
        env: The environment.
    """

    episode: int
    seed: int | None
    observation: Any
    info: Mapping[str, Any] = field(default_factory=dict)
    env: Any = None


@dataclass(frozen=True)
class Step:
    """A step was made.

    Attributes:
        episode: The episode's place in the run, from 0.
        seed: Seed of its reset; None: unseeded.
        step: The step's place in the episode, from 0.
        observation: What the action was chosen by.
        action: The action.
        reward: What it gave.
        terminated: Whether the episode has ended by itself.
        truncated: Whether it was cut.
        info: Info of the step.
        next_observation: What it led to.
        env: The environment.
    """

    episode: int
    seed: int | None
    step: int
    observation: Any
    action: Any
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]
    next_observation: Any
    env: Any = None


@dataclass(frozen=True)
class EpisodeEnd:
    """An episode has ended.

    Attributes:
        episode: Its place in the run, from 0.
        seed: Seed of its reset; None: unseeded.
        env: The environment.
    """

    episode: int
    seed: int | None
    env: Any = None


def spaces_of(env: Any) -> tuple[Space[Any], Space[Any]]:
    """Spaces of one observation and of one action, also of one lane of a vector.

    Raises:
        TypeError: If the environment has none.
    """
    source = getattr(env, "env_contract", None) or env
    found: list[Space[Any]] = []
    for name in ("observation_space", "action_space"):
        # An empty Dict is a space that is false.
        space = getattr(source, f"single_{name}", getattr(source, name, None))
        if space is None:
            raise TypeError(f"expected an environment, but {type(env).__name__} has no {name}")
        found.append(space if isinstance(space, Space) else from_gymnasium(space))
    return found[0], found[1]


def fps_of(env: Any) -> float | None:
    """Frames a second by the contract, else by the metadata; None: not said."""
    contract = getattr(env, "env_contract", None)
    metadata = getattr(env, "metadata", None)
    said = getattr(contract, "render_fps", None)
    if said is None and isinstance(metadata, Mapping):
        said = metadata.get("render_fps")
    return float(said) if isinstance(said, (int, float)) and said > 0 else None
