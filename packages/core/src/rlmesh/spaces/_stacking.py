"""Joins values of one space into one value with a new first axis, and splits it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh.spaces._arrays import array_view
from rlmesh.spaces._base import NumericSpace, Space
from rlmesh.spaces._box import Box
from rlmesh.spaces._dict import Dict
from rlmesh.spaces._tuple import Tuple
from rlmesh.tensor import Tensor

__all__ = ["is_leafless", "stack", "unstack"]


def stack(space: Space[Any], values: Sequence[Any]) -> Any:
    """Join native values of `space`.

    Args:
        space: The space of each value.
        values: Values as `sample` makes them.

    Returns:
        A Tensor `(n, *shape)` for a space of numbers; a dict or tuple of such Tensors for Dict and
        Tuple; a plain tuple of the values for a space whose values differ in size.
    """
    if isinstance(space, NumericSpace):
        shape = (len(values), *space.shape)
        if not space.shape and not any(isinstance(v, Tensor) for v in values):
            return Tensor(space.dtype.pack(values), space.dtype, shape)
        return Tensor(b"".join(v.buffer for v in values), space.dtype, shape)
    if isinstance(space, Dict):
        return {key: stack(child, [v[key] for v in values]) for key, child in space.items()}
    if isinstance(space, Tuple):
        return tuple(stack(child, [v[i] for v in values]) for i, child in enumerate(space))
    return tuple(values)


def unstack(space: Space[Any], value: Any) -> list[Any] | None:
    """Return the values that `value` joins; None if it does not have the space's structure.

    Every leaf must have the same length. The values are not yet checked against their space. A
    space without leaves (an empty Dict) carries no length; on its own it counts as length 0.
    """
    try:
        return _unstack(space, value)
    except (KeyError, IndexError, TypeError):
        return None


def _unstack(space: Space[Any], value: Any) -> list[Any] | None:
    if is_leafless(space):
        return [] if space.contains(value) else None
    if isinstance(space, Dict):
        if not isinstance(value, dict):
            return None
        items: dict[Any, Any] = value
        if items.keys() != space.keys():
            return None
        rows = _rows([(child, items[key]) for key, child in space.items()])
        return None if rows is None else [dict(zip(space, row, strict=True)) for row in rows]
    if isinstance(space, Tuple):
        if not isinstance(value, (tuple, list)):
            return None
        parts: Sequence[Any] = value
        if len(parts) != len(space):
            return None
        return _rows(list(zip(space, parts, strict=True)))
    if isinstance(space, NumericSpace):
        return _unstack_numbers(space, value)
    if not isinstance(value, (tuple, list)):
        return None
    values: Sequence[Any] = value
    return list(values)


def _rows(parts: list[tuple[Space[Any], Any]]) -> list[Any] | None:
    """Return the values of each child, side by side; at least one child has leaves."""
    columns = [_unstack(child, part) for child, part in parts]
    present = [column for column in columns if column is not None]
    leafless = [is_leafless(child) for child, _ in parts]
    lengths = {len(c) for c, empty in zip(present, leafless, strict=False) if not empty}
    if len(present) < len(columns) or len(lengths) != 1:
        return None
    length = lengths.pop()
    for i, (_, part) in enumerate(parts):
        if leafless[i]:
            present[i] = [part] * length
    return list(zip(*present, strict=True))


def is_leafless(space: Space[Any]) -> bool:
    """Return whether the space has only one value, so that a stack of it carries no length."""
    return isinstance(space, (Dict, Tuple)) and all(is_leafless(c) for _, c in space.children)


def _unstack_numbers(space: NumericSpace[Any], value: Any) -> list[Any] | None:
    view = array_view(value)
    if view is None:
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            return None
        rows: Sequence[Any] = value
        return list(rows)
    if not view.shape or view.shape[1:] != space.shape:
        return None
    if isinstance(space, Box) and not space.shape:
        return list(view.elements())
    tensor = Tensor(view.data(), view.dtype, view.shape)
    if space.shape:
        return list(tensor)
    # The elements keep their type, because `contains` checks it.
    step = view.dtype.itemsize
    parts = range(0, tensor.nbytes, step)
    return [Tensor(tensor.buffer[i : i + step], view.dtype, ()) for i in parts]
