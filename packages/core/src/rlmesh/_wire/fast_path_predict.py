"""Frames of predictions, byte by byte: the same bytes that the generated messages give.

As in `fast_path_writer` and `fast_path_reader`, generated messages would copy the observations
twice on either side. Only the form that is written is read: for a frame of any other form the
result is None, and the generated messages read the frame.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._messages import env as m
from rlmesh._messages.model import Predict
from rlmesh._wire.fast_path import NotCanonical, enter, number, sequence_of, span, value
from rlmesh._wire.field_tags import (
    COMMITTED_COUNTS,
    FORM,
    MAX_ACTIONS,
    OBSERVED,
    OBSERVED_COUNTS,
    PREDICT_REQUEST,
    PREFIX,
    PREFIX_COUNTS,
    SECOND,
    STEPS,
    THIRD,
)
from rlmesh._wire.field_writer import SHORT, align, put_value, varint
from rlmesh._wire.model_spec import predict_form_from_wire, predict_form_to_wire
from rlmesh.backends import Buffer

__all__ = ["read_predict", "write_predict"]

_NUMBERS_BYTES = 3 * 65_536
"""Maximum size in bytes of packed numbers: that of the lanes that a session may have (M-1). If more
were read one by one, one message would keep the server busy for most of a minute."""


def write_predict(
    sequence: int, body: Predict, allocate: FrameAllocator = join_parts, aligned: int = 0
) -> Frame:
    """Return the frame of a request; see `rlmesh._wire.field_writer.align`.

    Raises:
        ValueError: If a lane, a count of observations or actions, or the number of actions that are
            wanted does not fit 32 bits, or a step does not fit 64.
    """
    parts: list[Buffer] = []
    size = put_value(body.observation, parts, aligned)
    before = b"" if body.form is None else b"\x08" + varint(predict_form_to_wire(body.form))
    before += _packed(b"\x12", "a lane", body.lanes)
    before += b"\x1a" + varint(size)
    max_length = _checked("max_chunk_length", body.max_chunk_length, 32)
    tail = b"\x20" + varint(max_length) if max_length else b""
    tail += _packed(b"\x2a", "a step", body.steps, 64)
    tail += _packed(b"\x32", "a count of observations", body.observed_counts)
    parts.append(tail)
    rest = len(before) + size + len(tail) + _put(OBSERVED, body.observed, parts, aligned)
    if body.prefix_counts or body.prefix is not None or body.committed_counts:
        counts = _packed(b"\x42", "a count of actions", body.prefix_counts)
        committed = _packed(b"\x52", "a count of actions", body.committed_counts)
        parts.append(counts)
        rest += len(counts) + _put(PREFIX, body.prefix, parts, aligned) + len(committed)
        parts.append(committed)
    head = b"\x08" + varint(sequence) if sequence else b""
    head += b"\x2a" + varint(rest)
    parts[0] = head + before
    if 0 < aligned <= rest:
        align(parts)
    return allocate(parts, len(head) + rest)


def _put(tag: int, optional: m.Encoded | None, parts: list[Buffer], aligned: int) -> int:
    """Append a field with a value, if there is one; return its size."""
    if optional is None:
        return 0
    at = len(parts)
    size = put_value(optional, parts, aligned)
    head = parts[at] = SHORT[tag] + varint(size)
    return len(head) + size


def _packed(tag: bytes, name: str, given: Sequence[int], bits: int = 32) -> bytes:
    """Return a field of numbers; nothing if there are none."""
    numbers = b"".join([varint(_checked(name, one, bits)) for one in given])
    return tag + varint(len(numbers)) + numbers if numbers else b""


def _checked(name: str, given: int, bits: int) -> int:
    exact = operator.index(given)
    if not 0 <= exact < 1 << bits:
        raise ValueError(f"{name} of {exact}; expected 0 to 2**{bits} - 1")
    return exact


def read_predict(data: Buffer) -> m.Request | None:
    """Return the request of a frame; None if the messages have to read it."""
    try:
        end = len(data)
        sequence, at = sequence_of(data)
        at = enter(PREDICT_REQUEST, data, at, end)
        form, at = number(data, at + 1) if data[at] == FORM else (0, at)
        lanes, at = _numbers(SECOND, data, at, end)
        at, stop = span(THIRD, data, at, end)
        observation = value(data, at, stop)
        max_length, at = 0, stop
        if at < end and data[at] == MAX_ACTIONS:
            max_length, at = number(data, at + 1)
        steps, at = _numbers(STEPS, data, at, end)
        counts, at = _numbers(OBSERVED_COUNTS, data, at, end)
        observed, at = _value(OBSERVED, data, at, end)
        prefix_counts, at = _numbers(PREFIX_COUNTS, data, at, end)
        prefix, at = _value(PREFIX, data, at, end)
        committed, at = _numbers(COMMITTED_COUNTS, data, at, end)
    except (NotCanonical, IndexError):
        return None
    # The messages keep 32 bits of larger ones.
    words = max([max_length, *lanes, *counts, *prefix_counts, *committed])
    if at != end or form >= 1 << 31 or words >= 1 << 32:
        return None
    body = Predict(
        predict_form_from_wire(form),
        lanes,
        observation,
        max_length,
        steps,
        counts,
        observed,
        prefix_counts,
        prefix,
        committed,
    )
    return m.Request(sequence, body)


def _value(tag: int, data: Buffer, at: int, end: int) -> tuple[m.Encoded | None, int]:
    """Return the value of a field, None if it is absent, and the position after it."""
    if at >= end or data[at] != tag:
        return None, at
    start, at = span(tag, data, at, end)
    return value(data, start, at), at


def _numbers(tag: int, data: Buffer, at: int, end: int) -> tuple[tuple[int, ...], int]:
    """Return the numbers of a packed field, none if it is absent, and the position after it."""
    if at >= end or data[at] != tag:
        return (), at
    at, stop = span(tag, data, at, end)
    if stop - at > _NUMBERS_BYTES:
        raise NotCanonical
    numbers: list[int] = []
    while at < stop:
        one, at = number(data, at)
        numbers.append(one)
    if at != stop:
        raise NotCanonical
    return tuple(numbers), at
