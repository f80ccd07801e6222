"""Fields of frames, written byte by byte around slabs that are not copied."""

from __future__ import annotations

from collections.abc import Sequence

from rlmesh._messages import env as m
from rlmesh.backends import Buffer

__all__ = ["SHORT", "align", "aligned_from", "put_field", "put_value", "varint"]

SHORT = tuple(bytes([n]) for n in range(128))
"""Varints of one byte."""


ALIGNMENT = 64
"""Number of bytes of a frame that aligned slabs begin at a multiple of; smaller slabs are not."""

_ASKED_BYTES = 4096
"""Sum of the sizes of a value's slabs from which they are aligned for a peer that asks for it."""

_KEPT_BYTES = 1024 * 1024
"""The same for any peer that memory is shared with: values keep the memory of the largest frames,
and the time that alignment takes does not show there."""

_GAP_BYTES = 67
"""Number of bytes of padding before and after a slab together, wherever the slab stands."""

_GAP = b"\0" * (_GAP_BYTES - 2)
"""Part that stands for padding until the positions of all parts are known."""

_PADDING = tuple(b"\x1a%c" % size + bytes(size) for size in range(_GAP_BYTES - 3))
"""Padding by the size of its content; with tag and length it has 2 to 65 bytes."""


def put_value(value: m.Encoded, parts: list[Buffer], aligned: int = 0) -> int:
    """Append a `Value` after an empty part, which the caller replaces; return its size.

    Args:
        value: The value.
        parts: Parts of the frame, which `align` completes once the frame has all of them.
        aligned: Sum of the sizes of the slabs from which they are aligned, in bytes; 0: never.
    """
    parts.append(b"")
    size = 0
    slabs = value.slabs
    # Most values have one slab, and are too small.
    is_aligned = aligned and aligned <= (len(slabs[0]) if len(slabs) == 1 else sum(map(len, slabs)))
    for slab in slabs:
        length = len(slab)
        if is_aligned and length >= ALIGNMENT:
            head = b"\x0a" + varint(length)
            parts += (_GAP, head, slab, _GAP)
            size += _GAP_BYTES + len(head) + length
        elif length < 128:
            parts += (b"\x0a%c" % length, slab)
            size += 2 + length
        else:
            head = b"\x0a" + varint(length)
            parts += (head, slab)
            size += len(head) + length
    if value.batch_size is not None:
        tail = b"\x10" + varint(value.batch_size)
        parts.append(tail)
        size += len(tail)
    return size


def aligned_from(shared: bool, asked: bool) -> int:
    """Return the sum of the sizes of a value's slabs from which they are aligned; 0: never.

    Args:
        shared: Whether large frames travel in memory that is shared with the peer.
        asked: Whether both ends list `Capability.ALIGNED_SLABS`.
    """
    if not shared:
        return 0
    return _ASKED_BYTES if asked else _KEPT_BYTES


def align(parts: list[Buffer]) -> None:
    """Replace what stands for padding, so that slabs begin at multiples of `ALIGNMENT`."""
    at, after = 0, -1
    for index, part in enumerate(parts):
        if part is _GAP:
            if after < 0:
                slab = at + len(parts[index + 1])
                # Tag and length take two of the bytes.
                before = (-slab - 2) % ALIGNMENT
                after = _GAP_BYTES - 4 - before
                parts[index] = part = _PADDING[before]
            else:
                parts[index] = part = _PADDING[after]
                after = -1
        at += len(part)


def put_field(tag: int, content: Sequence[Buffer], size: int, parts: list[Buffer]) -> int:
    """Append a field with `size` bytes of content; return its size."""
    head = SHORT[tag] + varint(size)
    parts.append(head)
    parts.extend(content)
    return len(head) + size


def varint(number: int) -> bytes:
    """Return a number from 0 on as protobuf writes it."""
    if number < 128:
        return SHORT[number]
    if number < 16384:
        return bytes((number & 127 | 128, number >> 7))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
