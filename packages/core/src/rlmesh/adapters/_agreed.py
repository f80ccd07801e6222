"""A property that one side leaves unspecified is taken from the other side."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["agreed"]

T = TypeVar("T")


def agreed(env: T, model: T, unspecified: T) -> tuple[T, T]:
    """Return the values of both sides; a side that leaves it unspecified gets the other's."""
    return (model if env == unspecified else env), (env if model == unspecified else model)
