"""The steps of an episode in memory before they are written, independent of the format."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from rlmesh._elements import numbers_of
from rlmesh._recording.columns import Cell, Columns
from rlmesh._wire.stored import InfoWriter
from rlmesh.backends import NATIVE
from rlmesh.spaces import Space
from rlmesh.tensor import Tensor

__all__ = ["First", "Info", "Item", "Last", "Layout", "Row"]


@dataclass(frozen=True)
class Info:
    """An info.

    Attributes:
        text: JSON for readers: arrays are lists, and values that JSON lacks are text.
        data: A serialised `rlmesh.proto.spaces.v1.DynamicMap`, which is lossless.
    """

    text: str
    data: bytes


@dataclass(frozen=True)
class First:
    """The result of the reset."""

    info: Info


@dataclass(frozen=True)
class Row:
    """A step: the observation and action before it, and its result."""

    step: int
    observation: list[Cell]
    action: list[Cell]
    reward: float
    terminated: bool
    truncated: bool
    info: Info


@dataclass(frozen=True)
class Last:
    """The observation after the last step."""

    observation: list[Cell]


Item = Union[First, Row, Last]
"""The type of the items of an episode's file: First, rows, Last."""


class Layout:
    """The conversion of an environment's values to cells.

    Attributes:
        observation: Columns of the observation before a step.
        action: Columns of the action.
        final: Columns of the observation after the last step.

    Args:
        observation: Space of an observation.
        action: Space of an action.
    """

    def __init__(self, observation: Space[Any], action: Space[Any]) -> None:
        self.observation = Columns(observation, "observation")
        self.action = Columns(action, "action")
        self.final = Columns(observation, "final_observation", nullable=True)
        self._infos = InfoWriter(NATIVE)

    def first(self, event: Any) -> First:
        """Return the result of the reset as cells."""
        return First(self._info(event.info))

    def row(self, event: Any) -> Row:
        """Return a step as cells."""
        return Row(
            step=int(event.step),
            observation=self.observation.cells(event.observation),
            action=self.action.cells(event.action),
            reward=float(event.reward),
            terminated=bool(event.terminated),
            truncated=bool(event.truncated),
            info=self._info(event.info),
        )

    def last(self, observation: Any) -> Last:
        """Return the observation after the last step as cells."""
        return Last(self.final.cells(observation))

    def _info(self, info: Mapping[Any, Any]) -> Info:
        return Info(json.dumps(_readable(info), ensure_ascii=False), self._infos.to_bytes(info))


def _readable(value: Any) -> Any:
    """Return a value in a form that JSON has."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {_text(str(key)): _readable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_readable(item) for item in value]
    found = numbers_of(value) if not isinstance(value, (bytes, bytearray)) else None
    if found is None:
        return repr(value)
    return _readable(Tensor(found[2], found[0], found[1]).tolist())


def _text(text: str) -> str:
    """Return a text without characters that UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()
