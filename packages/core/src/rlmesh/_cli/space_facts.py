"""A space as plain facts for JSON, and as text for a tree."""

from __future__ import annotations

from typing import Any

from rlmesh import spaces as s
from rlmesh.spaces._integer import IntegerSpace

__all__ = ["plain", "space_facts", "space_words"]

MAX_NUMBERS = 8
"""Largest number of values of a bound in a text; of more, only the smallest and the largest."""


def space_facts(space: s.Space[Any]) -> dict[str, Any]:
    """Return kind, shape, dtype, bounds and sub-spaces in the form of JSON.

    A bound is one number if all elements have the same.
    """
    facts: dict[str, Any] = {"kind": space.kind}
    if space.shape is not None:
        facts["shape"] = list(space.shape)
    if space.dtype is not None:
        facts["dtype"] = str(space.dtype)
    facts.update(_own_facts(space))
    if isinstance(space, s.Dict):
        facts["spaces"] = {str(key): space_facts(child) for key, child in space.children}
    elif isinstance(space, s.Graph):
        facts.update({str(key): space_facts(child) for key, child in space.children})
    elif isinstance(space, s.Sequence):
        facts["feature_space"] = space_facts(space.feature_space)
    elif space.children:
        facts["spaces"] = [space_facts(child) for _, child in space.children]
    return facts


def _own_facts(space: s.Space[Any]) -> dict[str, Any]:
    if isinstance(space, s.Box):
        return {"low": _bound(space, "low"), "high": _bound(space, "high")}
    if isinstance(space, IntegerSpace):
        return {"n": space.n, "start": space.start}
    if isinstance(space, s.MultiBinary):
        return {"flat": space.flat}
    if isinstance(space, s.MultiDiscrete):
        return {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
    if isinstance(space, s.Text):
        lengths = {"min_length": space.min_length, "max_length": space.max_length}
        return {**lengths, "charset": space.charset}
    return {"stack": space.stack} if isinstance(space, s.Sequence) else {}


def _bound(box: s.Box, side: str) -> Any:
    compact = box.low_bounds if side == "low" else box.high_bounds
    if compact.uniform and compact.data:
        assert box.dtype is not None
        return box.dtype.unpack(compact.data)[0]
    return (box.low if side == "low" else box.high).tolist()


def space_words(space: s.Space[Any]) -> str:
    """Return a one-line description of a space, without its sub-spaces."""
    name = type(space).__name__
    if isinstance(space, s.Box):
        low, high = _bound(space, "low"), _bound(space, "high")
        return f"{name} {space.dtype} {_extents(space)} from {_numbers(low)} to {_numbers(high)}"
    if isinstance(space, IntegerSpace):
        return f"{name} {space.dtype} from {space.start} to {space.start + space.n - 1}"
    if isinstance(space, s.MultiDiscrete):
        counts, start = _numbers(space.nvec.tolist()), _numbers(space.start.tolist())
        return f"{name} {space.dtype} {_extents(space)}, {counts} choices from {start}"
    if isinstance(space, s.MultiBinary):
        return f"{name} {space.n}"
    if isinstance(space, s.Text):
        lengths = f"{space.min_length} to {space.max_length} characters"
        return f"{name} of {lengths} out of {len(space.charset)}: {space.charset[:24]!r}" + (
            "…" if len(space.charset) > 24 else ""
        )
    if isinstance(space, s.Sequence):
        return f"{name}, stacked" if space.stack else name
    return name


def _extents(space: s.Space[Any]) -> str:
    return str(space.shape)


def _numbers(value: Any) -> str:
    """Return a bound as text: one number, all numbers, or their range."""
    flat = _flat(value)
    if len(set(flat)) == 1:
        return _number(flat[0])
    if len(flat) <= MAX_NUMBERS:
        return "[" + ", ".join(map(_number, flat)) + "]"
    return f"[{_number(min(flat))} … {_number(max(flat))}]"


def _flat(value: Any) -> list[float]:
    if isinstance(value, list):
        return [number for part in value for number in _flat(part)]
    return [value]


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def plain(value: Any) -> Any:
    """Return a value of infos or metadata in the form of JSON; the repr of what JSON lacks."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    to_list = getattr(value, "tolist", None)
    return plain(to_list()) if callable(to_list) else repr(value)
