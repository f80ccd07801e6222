"""The facts that an environment states of itself, converted, or refused with the fact's name."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

from rlmesh._wire.contract import MAX_LANES
from rlmesh.specs import AutoresetMode

__all__ = [
    "read_autoreset_mode",
    "read_max_episode_steps",
    "read_metadata",
    "read_num_envs",
    "read_number",
    "read_render_fps",
    "read_render_modes",
    "read_text",
]

_MAX_STEPS = 2**64 - 1

_FPS = 'metadata["render_fps"]'
_MODES = 'metadata["render_modes"]'
_AUTORESET = 'metadata["autoreset_mode"]'


def read_metadata(metadata: Any) -> dict[str, Any]:
    """Return a copy of an environment's metadata; an environment may have none.

    Raises:
        ValueError: If it is no mapping.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise _wrong("metadata", metadata, "a dict")
    return dict(metadata)


def read_render_fps(value: Any) -> float | None:
    """Return the images per second, or None.

    Raises:
        ValueError: If the value is not a finite number that is 0 or more.
    """
    fps = read_number(_FPS, value)
    if fps is not None and not 0 <= fps < math.inf:
        raise _wrong(_FPS, value, "a finite number of images per second, 0 or more, or None")
    return fps


def read_render_modes(value: Any) -> tuple[str, ...]:
    """Return the modes in which an environment can be made.

    Raises:
        ValueError: If the value is one text, or nothing that has elements.
    """
    if value is None:
        return ()
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise _wrong(_MODES, value, 'a list of texts, such as ["human", "rgb_array"]')
    return tuple(_sendable(_MODES, str(mode)) for mode in value)


def read_autoreset_mode(value: Any) -> AutoresetMode:
    """Return Gymnasium's mode by its value; NEXT_STEP, Gymnasium's default, if there is none.

    Raises:
        ValueError: If there is no such mode: values would be taken for those of another step.
    """
    value = getattr(value, "value", value)
    if value is None:
        return AutoresetMode.NEXT_STEP
    for mode in AutoresetMode:
        if type(value) is str and value == mode.value:
            return mode
    choices = ", ".join(repr(mode.value) for mode in AutoresetMode)
    raise _wrong(_AUTORESET, value, f"gymnasium.vector.AutoresetMode, or one of {choices}")


def read_num_envs(value: Any) -> int:
    """Return the number of lanes of a vector.

    Raises:
        ValueError: If the value is not a whole number that the contract can have.
    """
    count = _whole("num_envs", value)
    if not 1 <= count <= MAX_LANES:
        raise _wrong("num_envs", value, f"1 to {MAX_LANES}")
    return count


def read_max_episode_steps(name: str, value: Any) -> int | None:
    """Return a number of steps; None if there is no limit, for which Gymnasium has -1 as well.

    Raises:
        ValueError: If the value is not a whole number, or is too large.
    """
    if value is None:
        return None
    steps = _whole(name, value)
    if steps > _MAX_STEPS:
        raise _wrong(name, value, f"{_MAX_STEPS} or less")
    return None if steps < 0 else steps


def read_number(name: str, value: Any) -> float | None:
    """Return a number, or None.

    Raises:
        ValueError: If the value is not a number.
    """
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(name, value, "a number, or None") from None


def read_text(name: str, value: Any) -> str | None:
    """Return a text, or None.

    Raises:
        ValueError: If the value is not a text.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong(name, value, "a text, or None")
    return _sendable(name, value)


def _sendable(name: str, text: str) -> str:
    """Return a text of the schema, which is UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _wrong(name, text, "a text without surrogates") from None
    return text


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise _wrong(name, value, "a whole number") from None


def _wrong(name: str, value: Any, expected: str) -> ValueError:
    return ValueError(f"{name} of the environment is {value!r:.200}; expected {expected}")
