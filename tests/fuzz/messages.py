"""Walks through messages of any type."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

__all__ = ["has_wide_nothing", "is_repeated", "walk"]


def walk(message: Any) -> Iterator[Any]:
    """A message and all that are in it."""
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for child in value if is_repeated(field) else (value,):
                yield from walk(child)


def is_repeated(field: Any) -> bool:
    """Whether a field holds any number of values."""
    # protobuf 6 has a property; what older ones have warns since.
    repeated: bool = field.is_repeated if hasattr(field, "is_repeated") else field.label == 3
    return repeated


def has_wide_nothing(message: Any) -> bool:
    """Whether shapes in it have no elements, but other extents that multiply beyond a limit.

    Such a shape is refused although it costs no bytes: libraries multiply the extents too, and
    lists without an element are lists.
    """
    shapes = (part.shape for part in walk(message) if "shape" in part.DESCRIPTOR.fields_by_name)
    return sum(math.prod(n or 1 for n in shape) for shape in shapes if 0 in shape) > 2**16
