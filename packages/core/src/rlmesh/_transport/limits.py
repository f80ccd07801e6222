"""How large a message may be, whatever carries it (CONTRACT.md, M-1)."""

from __future__ import annotations

from collections.abc import Sequence

from rlmesh.backends import Buffer
from rlmesh.errors import LimitError

__all__ = ["MAX_MESSAGE_BYTES", "joined", "too_large"]

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
"""Largest message that either side accepts by default, in bytes."""


def joined(parts: Sequence[Buffer], size: int) -> bytes:
    """Return a message made of pieces, of `size` bytes in all.

    Raises:
        LimitError: If it is too large for the peer.
    """
    if size > MAX_MESSAGE_BYTES:
        raise too_large(size)
    return b"".join(parts)


def too_large(size: int) -> LimitError:
    """Return the error for a message of `size` bytes."""
    return LimitError(f"a message of {size} bytes is over the limit of {MAX_MESSAGE_BYTES}")
