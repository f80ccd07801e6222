"""Chunks: consecutive actions that a model returns at once, as one batch."""

from __future__ import annotations

from typing import Any

from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Space, path_text
from rlmesh.tensor import Tensor

__all__ = ["join_chunks"]


def join_chunks(
    actions: Any, space: Space[Any], count: int | None, max_length: int = 0
) -> tuple[Any, int]:
    """Join chunks of actions into one batch of actions.

    Args:
        actions: Actions of the space with an axis of time, after that of the lanes if there are
            any.
        space: Space of one action.
        count: Number of lanes; None: there is no axis of lanes.
        max_length: Largest number of actions to keep of each chunk; 0: all.

    Returns:
        The actions with one leading axis, all of the first lane first, and the length of a chunk.

    Raises:
        InvalidValueError: If the chunks differ in length or are empty, or there are not `count`.
    """
    joined = _Joined(count, max_length)
    result = joined.join(actions, space, ())
    if joined.length is None:
        raise InvalidValueError("action", "an action space with leaves", "one without")
    return result, joined.length


class _Joined:
    """The joined leaves of one value, all with the same length of a chunk."""

    def __init__(self, count: int | None, max_length: int) -> None:
        self._count = count
        self._max_length = max_length
        self.length: int | None = None

    def join(self, value: Any, space: Space[Any], keys: tuple[str | int, ...]) -> Any:
        if space.kind in ("dict", "tuple"):
            parts = {k: self._part(value, k, part, keys) for k, part in space.children}
            return parts if space.kind == "dict" else tuple(parts.values())
        path = f"action{path_text(keys)}"
        expected = f"{self._count or 1} chunks of one length, above 0"
        try:
            if isinstance(value, Tensor):  # A Tensor cannot be sliced.
                value = list(value) if self._count is None else [list(lane) for lane in value]
            lanes = [value] if self._count is None else value
            count, lengths = len(lanes), {len(lane) for lane in lanes}
        except TypeError:  # None, a number, or an array that lacks an axis.
            got = f"a {type(value).__name__} of shape {getattr(value, 'shape', '?')}"
            raise InvalidValueError(path, expected, got) from None
        if count != (self._count or 1) or len(lengths) != 1 or 0 in lengths:
            raise InvalidValueError(path, expected, f"{count} of lengths {sorted(lengths)}")
        length = lengths.pop()
        length = min(length, self._max_length) if self._max_length else length
        if self.length not in (None, length):
            raise InvalidValueError(path, f"chunks of {self.length} actions", f"of {length}")
        self.length = length
        if self._count is None:
            return value[:length]
        if hasattr(value, "reshape"):
            return value[:, :length].reshape((-1, *value.shape[2:]))
        return tuple(action for lane in lanes for action in lane[:length])

    def _part(
        self, value: Any, key: str | int, space: Space[Any], keys: tuple[str | int, ...]
    ) -> Any:
        keys = (*keys, key)
        try:
            part = value[key]
        except (KeyError, IndexError, TypeError):
            path = f"action{path_text(keys)}"
            raise InvalidValueError(path, "chunks", f"a {type(value).__name__}") from None
        return self.join(part, space, keys)
