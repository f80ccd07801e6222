"""`Arrival`: how much of an answer has arrived."""

from __future__ import annotations

from enum import Enum, auto

__all__ = ["Arrival"]


class Arrival(Enum):
    """How much of an answer has arrived."""

    PART = auto()
    """Not all of it, perhaps nothing."""

    WHOLE = auto()
    """All of it: the next call returns it without waiting."""

    LARGE = auto()
    """A part of an answer that takes a while to read, so that a thread should wait for it."""
