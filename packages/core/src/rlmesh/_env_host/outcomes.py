"""What environments return, checked: the forms of `reset` and `step`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlmesh._elements import is_masked
from rlmesh.errors import InvalidValueError

__all__ = ["check_reset", "check_step", "flag_of", "reward_of"]


def check_reset(result: Any) -> tuple[Any, Mapping[Any, Any]]:
    """Return observation and info of a `reset`.

    Raises:
        InvalidValueError: If it is not a pair with a dict.
    """
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
        raise InvalidValueError(
            "reset()",
            "(observation, info) with info a dict, as Gymnasium has it since 0.26",
            _form(result),
            side="observation",
        )
    return result[0], result[1]


def check_step(result: Any) -> tuple[Any, Any, Any, Any, Mapping[Any, Any]]:
    """Return the five results of a `step`.

    Raises:
        InvalidValueError: If they are not five with a dict; names the fix for the old four.
    """
    if type(result) is tuple and len(result) == 5 and type(result[4]) is dict:
        return result
    if isinstance(result, tuple) and len(result) == 4:
        raise InvalidValueError(
            "step()",
            "(observation, reward, terminated, truncated, info)",
            "the four results of the old Gym API; split done into terminated and truncated, or "
            "wrap the environment with shimmy",
            side="observation",
        )
    if not isinstance(result, tuple) or len(result) != 5 or not isinstance(result[4], Mapping):
        raise InvalidValueError(
            "step()",
            "(observation, reward, terminated, truncated, info) with info a dict",
            _form(result),
            side="observation",
        )
    return result


def reward_of(value: Any) -> float:
    """Return a reward as a float; an array of one element is accepted too, whatever its shape.

    Raises:
        InvalidValueError: If it is not one number.
    """
    if type(value) is float:
        return value
    try:
        if isinstance(value, (str, bytes)) or is_masked(value):  # float() would read the text.
            raise TypeError
        # NumPy refuses to convert an array of one element with a dimension, or warns of it.
        return float(value.item() if getattr(value, "ndim", 0) else value)
    except (TypeError, ValueError):
        got = f"{value!r:.60}"
        raise InvalidValueError("reward", "one number", got, side="observation") from None


def flag_of(value: Any, name: str) -> bool:
    """Return `terminated` or `truncated` as a bool; 0, 1 and NumPy's scalars are accepted too.

    Raises:
        InvalidValueError: If it is none of these.
    """
    if value is True or value is False:
        return bool(value)
    try:
        if not isinstance(value, (str, bytes)) and (value == 0 or value == 1):
            return bool(value)
    except (TypeError, ValueError):
        pass
    got = f"{value!r:.60} of type {type(value).__name__}"
    raise InvalidValueError(name, "a bool", got, side="observation")


def _form(result: Any) -> str:
    if isinstance(result, tuple):
        kinds = ", ".join(type(x).__name__ for x in result)
        return f"a tuple of {len(result)} ({kinds})"
    return f"a {type(result).__name__}"
