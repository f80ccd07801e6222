"""Fields of frames, written byte by byte around slabs that are not copied."""

from __future__ import annotations

from collections.abc import Sequence

from rlmesh._messages import env as m
from rlmesh.backends import Buffer

__all__ = ["SHORT", "put_field", "put_value", "varint"]

SHORT = tuple(bytes([n]) for n in range(128))
"""Varints of one byte."""


def put_value(value: m.Encoded, parts: list[Buffer]) -> int:
    """Append a `Value` after an empty part, which the caller replaces; return its size."""
    parts.append(b"")
    size = 0
    for slab in value.slabs:
        length = len(slab)
        if length < 128:
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
