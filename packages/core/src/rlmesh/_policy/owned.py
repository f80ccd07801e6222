"""`owned`: copies of values, because their maker may still write to the arrays."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["owned"]


def owned(value: Any) -> Any:
    """Copy the arrays and containers of a value so that the caller owns them.

    Args:
        value: An observation, action or info: arrays of any library and other values, in dicts,
            lists and tuples. Other values are returned unchanged.
    """
    if isinstance(value, dict):
        copied: dict[Any, Any] = copy.copy(value)
        copied.update((key, owned(part)) for key, part in value.items())
        return copied
    if isinstance(value, list):
        return [owned(part) for part in value]
    if isinstance(value, tuple):
        parts = map(owned, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if not hasattr(value, "__array__"):
        return value
    duplicate = getattr(value, "clone", None) or getattr(value, "copy", None)
    return duplicate() if callable(duplicate) else value
