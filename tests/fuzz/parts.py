"""Inputs of several parts: each but the last stands behind its size."""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ["join", "split"]

MAX_PARTS = 32


def split(data: bytes) -> list[bytes]:
    """The parts of an input. Any bytes are some: a size beyond the end means all that is left."""
    parts: list[bytes] = []
    while len(data) >= 4 and len(parts) < MAX_PARTS - 1:
        (size,) = struct.unpack_from("<I", data)
        parts.append(data[4 : 4 + size])
        data = data[4 + size :]
    return [*parts, data] if data or not parts else parts


def join(parts: Sequence[bytes]) -> bytes:
    """The input of the parts."""
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)
