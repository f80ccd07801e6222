"""What the lifecycle callbacks of a model receive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from rlmesh.results import EpisodeResult, RunResult

__all__ = ["CloseEvent", "EpisodeEndEvent", "LifecycleCallback", "ResetEvent"]


@dataclass(frozen=True)
class ResetEvent:
    """An episode has begun.

    Attributes:
        episode: Its place in the run, from 0.
        seed: Seed of its reset; None: unseeded.
        observation: Its first observation, in the model's backend.
        info: Info of the reset.
    """

    episode: int
    seed: int | None
    observation: Any
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EpisodeEndEvent:
    """An episode has ended.

    Attributes:
        result: What it gave.
        info: Info of its last step.
    """

    result: EpisodeResult
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CloseEvent:
    """A run has ended, as planned or not.

    Attributes:
        result: What it gave.
    """

    result: RunResult


LifecycleCallback = Callable[[Union[ResetEvent, EpisodeEndEvent, CloseEvent, Any]], object]
"""A callback of a model; it receives one event."""
