"""Fields of frames, read byte by byte: a large slab is not copied at all.

Reading past the end raises IndexError.
"""

from __future__ import annotations

from rlmesh._messages import env as m
from rlmesh._wire.field_tags import BATCH_SIZE, FIRST, PADDING, SEQUENCE
from rlmesh.backends import Buffer

__all__ = ["NotCanonical", "enter", "number", "sequence_of", "slab", "span", "value"]

_MAX_SLABS = 4096
"""Maximum number of slabs of a value that are read here. A message has room for 100 million empty
slabs, and views of them would take all memory."""

_VIEW_BYTES = 4096
"""Size in bytes from which slabs are read as views; smaller ones are copied faster."""


class NotCanonical(Exception):
    """The frame does not have the form that is read here."""


def sequence_of(data: Buffer) -> tuple[int, int]:
    """Return the sequence number of a frame, and the position after it."""
    return number(data, 1) if data[0] == SEQUENCE else (0, 0)


def value(data: Buffer, at: int, end: int) -> m.Encoded:
    """Return a spec-directed value, which must end at `end`."""
    slabs: list[Buffer] = []
    gaps = 0
    while at < end:
        tag = data[at]
        if tag == FIRST:
            at, stop = span(FIRST, data, at, end)
            slabs.append(slab(data, at, stop))
            at = stop
        elif tag == PADDING:
            at = span(PADDING, data, at, end)[1]
            gaps += 1
        else:
            break
        if len(slabs) > _MAX_SLABS or gaps > 2 * _MAX_SLABS:
            raise NotCanonical
    batch_size = None
    if at < end and data[at] == BATCH_SIZE:
        batch_size, at = number(data, at + 1)
    if at != end or (batch_size is not None and batch_size >= 1 << 32):
        raise NotCanonical
    return m.Encoded(slabs, batch_size)


def slab(data: Buffer, at: int, stop: int) -> Buffer:
    """Return the bytes from `at` to `stop`: a view if they are many."""
    return data[at:stop] if stop - at < _VIEW_BYTES else memoryview(data)[at:stop]


def span(tag: int, data: Buffer, at: int, end: int) -> tuple[int, int]:
    """Return start and end of a field's content; the field must be `tag`, and end by `end`."""
    if data[at] != tag:
        raise NotCanonical
    size = data[at + 1]
    at += 2
    if size > 127:
        size, at = number(data, at - 1)
    if at + size > end:
        raise NotCanonical
    return at, at + size


def enter(tag: int, data: Buffer, at: int, end: int) -> int:
    """Return the start of the content of the last field up to `end`."""
    if data[at] == tag and data[at + 1] == end - at - 2 < 128:
        return at + 2
    at, stop = span(tag, data, at, end)
    if stop != end:
        raise NotCanonical
    return at


def number(data: Buffer, at: int) -> tuple[int, int]:
    """Return a varint of at most 63 bits, and the position after it."""
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    total, shift = byte & 127, 7
    while shift < 63:
        at += 1
        byte = data[at]
        total |= (byte & 127) << shift
        if byte < 128:
            return total, at + 1
        shift += 7
    raise NotCanonical
