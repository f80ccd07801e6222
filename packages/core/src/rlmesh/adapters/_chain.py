"""`Chain`: a series of conversions, some of which depend on the episode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._steps import Step
from rlmesh.dtypes import DType

__all__ = ["Chain", "Lanes", "StatefulStep"]


@dataclass(frozen=True)
class Lanes:
    """What is known of the episodes that the rows of an array belong to.

    Attributes:
        memories: Facts of each episode by a key of their owner.
        stacked: Whether arrays have a first axis of the episodes; if not, there is one episode.
    """

    memories: Sequence[dict[Any, Any]]
    stacked: bool


class StatefulStep(ABC):
    """A conversion that depends on other values of the episode."""

    calculates = True

    @abstractmethod
    def inverse(self) -> StatefulStep:
        """Return the conversion that undoes this one."""

    @abstractmethod
    def apply(self, array: Any, arrays: Arrays, lanes: Lanes) -> Any:
        """Return the converted array, and remember what later values need."""


@dataclass(frozen=True)
class Chain:
    """A series of conversions between two element types.

    Attributes:
        path: The input or leaf that the numbers belong to, for messages.
        steps: The conversions, in order.
        work: Type to calculate in; None: nothing is calculated.
        rounds: Whether the results are rounded to whole numbers.
        target: Type of the result; None: the type that the steps leave.
        before: Conversions in the type that the numbers come in; they leave that type.
    """

    path: str
    steps: tuple[Step | StatefulStep, ...]
    work: DType | None
    rounds: bool
    target: DType | None
    before: tuple[Step, ...] = ()

    def __call__(self, array: Any, arrays: Arrays, lanes: Lanes | None = None) -> Any:
        """Return the converted array; rounding is to the nearest, ties to even.

        Raises:
            InvalidValueError: If the target's type cannot hold a number.
        """
        for first in self.before:
            array = first(array, arrays)
        if self.work is not None:
            array = arrays.cast(array, self.work)
        for step in self.steps:
            if isinstance(step, StatefulStep):
                assert lanes is not None, "a step that depends on the episode needs it"
                array = step.apply(array, arrays, lanes)
            else:
                array = step(array, arrays)
        array = arrays.own(arrays.xp.round(array) if self.rounds else array)
        return array if self.target is None else arrays.exact(array, self.target, self.path)
