"""Frames with aligned slabs (B-17): where each slab begins, and the whole frame.

The frames are assembled here byte by byte, because the order of their fields matters.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FRAMES", "AlignedFrame"]

MESSAGES = "rlmesh.proto.env.v1.", "rlmesh.proto.model.v1."


@dataclass(frozen=True)
class AlignedFrame:
    """A frame with aligned slabs.

    Attributes:
        name: Name, unique in its file.
        message: Full name of the frame's message.
        slabs: Position and size of each slab in the frame, in order.
        hex: The frame.
    """

    name: str
    message: str
    slabs: list[dict[str, int]]
    hex: str


def _varint(number: int) -> bytes:
    low = [number >> shift & 127 for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([part | 128 for part in low[:-1]] + low[-1:])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _slab(size: int) -> bytes:
    return bytes(i % 251 for i in range(size))


def _value(at: int, sizes: Sequence[int], batch: int | None = None) -> bytes:
    """Return a Value whose content begins at position `at` of the frame."""
    content = b""
    for size in sizes:
        slab = _field(1, _slab(size))
        if size < 64:
            content += slab
            continue
        # One of the 64 sizes that padding may have brings the slab to a multiple of 64.
        aligned = next(
            n for n in range(64) if (at + len(content) + 2 + n + len(slab) - size) % 64 == 0
        )
        content += _field(3, bytes(aligned)) + slab + _field(3, bytes(63 - aligned))
    if batch is not None:
        content += _varint(2 << 3) + _varint(batch)
    return content


def _within(head: bytes, tags: Sequence[int], sizes: Sequence[int], rest: bytes = b"") -> bytes:
    """Return a frame that begins with `head` and has a Value in nested fields, before `rest`.

    The position of the Value depends on its length, which does not depend on its position.
    """
    length = len(_value(0, sizes))
    prefix = b""
    for tag in reversed(tags):
        inside = len(prefix) + length + (len(rest) if tag != tags[-1] else 0)
        prefix = _varint(tag << 3 | 2) + _varint(inside) + prefix
    return head + prefix + _value(len(head + prefix), sizes) + rest


def _case(name: str, message: str, frame: bytes, sizes: Sequence[int]) -> AlignedFrame:
    slabs, at = [], 0
    for size in sizes:
        at = frame.index(_field(1, _slab(size)), at) + len(_field(1, b"\0" * size)) - size
        slabs.append({"offset": at, "size": size})
        at += size
    assert all(slab["offset"] % 64 == 0 for slab in slabs if slab["size"] >= 64)
    return AlignedFrame(name, message, slabs, frame.hex())


def _frames() -> list[AlignedFrame]:
    env, model = MESSAGES
    sequence, call = b"\x08\x07", b"\x10\xac\x02"
    reward = b"\x11" + struct.pack("<d", 1.0)
    one, several = (4096,), (28, 4032, 64)
    return [
        _case(
            "an action",
            env + "SessionRequest",
            _within(sequence, (5, 1), one),
            one,
        ),
        _case(
            "a first observation",
            env + "SessionResponse",
            _within(sequence, (5, 1), one),
            one,
        ),
        _case(
            "an observation of several slabs, one of them too small to be aligned",
            env + "SessionResponse",
            _within(sequence + call, (6, 1), several, reward),
            several,
        ),
        _case(
            "an observation for a model",
            model + "SessionRequest",
            _within(sequence, (5, 3), one),
            one,
        ),
    ]


FRAMES = tuple(_frames())
