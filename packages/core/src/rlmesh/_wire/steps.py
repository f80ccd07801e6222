"""Frames of steps, byte by byte: the same bytes that the generated messages give.

A step is nearly every frame. Messages would copy its slabs twice on either side, and their code is
cold after the pause between two steps. Here a slab is copied once when a frame is written, to where
the transport wants it, and not at all when one is read.

Written are the fields in the order of their numbers. Read is that same form alone: for a frame of
any other form (fields in another order, twice, or of a newer spec) `None` comes back, and the
generated messages decide.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from rlmesh._pieces import Frame
from rlmesh._wire import messages as m
from rlmesh.backends import Buffer

__all__ = [
    "Place",
    "read_reset_done",
    "read_step",
    "read_step_done",
    "varint",
    "whole",
    "write_reset_done",
    "write_step",
    "write_step_done",
]

Place = Callable[[Sequence[Buffer], int], Frame]
"""Makes a frame of its pieces and their size in all, where a transport wants it."""


def whole(parts: Sequence[Buffer], size: int) -> bytes:
    """A frame in a place of its own; see `Place`."""
    return b"".join(parts)


_LENGTH_DELIMITED = 2
_DOUBLE = 1

# Bytes of tags: field number << 3 | wire type.
_SEQUENCE = 1 << 3
_CALL_US = 2 << 3
_STEP_REQUEST = 5 << 3 | _LENGTH_DELIMITED
_RESET_RESPONSE = 5 << 3 | _LENGTH_DELIMITED
_STEP_RESPONSE = 6 << 3 | _LENGTH_DELIMITED
_FIRST = (
    1 << 3 | _LENGTH_DELIMITED
)  # StepRequest.action, {Reset,Step}Response.observation, Value.slabs
_SECOND = 2 << 3 | _LENGTH_DELIMITED  # The info of a reset.
_THIRD = 3 << 3 | _LENGTH_DELIMITED
_BATCH_SIZE = 2 << 3
_REWARD = 2 << 3 | _DOUBLE
_TERMINATED = 3 << 3
_TRUNCATED = 4 << 3
_INFO = 5 << 3 | _LENGTH_DELIMITED
_LANES = 6 << 3 | _LENGTH_DELIMITED
_FINAL = 7 << 3 | _LENGTH_DELIMITED

_SHORT = tuple(bytes([n]) for n in range(128))
_NO_REWARD = bytes(8)
_VIEW_BYTES = 4096
"""Slabs from this size on are read as views; a copy of a smaller one costs less than a view."""

_pack_double = struct.Struct("<d").pack
_unpack_double = struct.Struct("<d").unpack_from


class _Other(Exception):
    """The frame is not of the form that is written here."""


# Writing.


def write_step(sequence: int, step: m.Step, place: Place = whole) -> Frame:
    """The frame of a step's request."""
    parts: list[Buffer] = []
    size = _put_value(step.action, parts)
    if size < 126:
        head = b"\x2a%c\x0a%c" % (size + 2, size)
    else:
        action = varint(size)
        head = b"\x2a%b\x0a%b" % (varint(1 + len(action) + size), action)
    head = parts[0] = b"\x08%b%b" % (varint(sequence), head) if sequence else head
    return place(parts, len(head) + size)


def write_reset_done(
    sequence: int, done: m.ResetDone, call_us: int, info: bytes, place: Place = whole
) -> Frame:
    """The frame of a reset's answer; `info` is a serialised `Map`, empty for an empty one."""
    parts: list[Buffer] = []
    size = _put_value(done.observation, parts)
    observation = varint(size)
    size += 1 + len(observation)
    if info:
        size += _put_field(_SECOND, (info,), len(info), parts)
    return _put_response(sequence, call_us, b"\x2a", size, observation, parts, place)


def write_step_done(
    sequence: int, done: m.StepDone, call_us: int, info: bytes, place: Place = whole
) -> Frame:
    """The frame of a step's answer; `info` is a serialised `Map`, empty for an empty one."""
    parts: list[Buffer] = []
    size = _put_value(done.observation, parts)
    observation = _SHORT[size] if size < 128 else varint(size)
    size += 1 + len(observation)
    if done.lanes is None:
        tail = _scalars(done)
        parts.append(tail)
        size += len(tail)
    if info:
        size += _put_field(_INFO, (info,), len(info), parts)
    if done.lanes is not None:
        size += _put_lanes(done, parts)
    return _put_response(sequence, call_us, b"\x32", size, observation, parts, place)


def _put_response(
    sequence: int,
    call_us: int,
    tag: bytes,
    size: int,
    observation: bytes,
    parts: list[Buffer],
    place: Place,
) -> Frame:
    """A frame of an answer of `size` bytes; `parts` lacks what stands before the observation."""
    head = b"\x08" + varint(sequence) if sequence else b""
    if call_us:
        head += b"\x10" + (_SHORT[call_us] if call_us < 128 else varint(call_us))
    length = _SHORT[size] if size < 128 else varint(size)
    before = parts[0] = b"%b%b%b\x0a%b" % (head, tag, length, observation)
    return place(parts, len(before) + size - 1 - len(observation))


def _scalars(done: m.StepDone) -> bytes:
    reward = _pack_double(done.reward)
    tail = b"" if reward == _NO_REWARD else b"\x11" + reward
    if done.terminated:
        tail += b"\x18\x01"
    if done.truncated:
        tail += b"\x20\x01"
    return tail


def _put_lanes(done: m.StepDone, parts: list[Buffer]) -> int:
    assert done.lanes is not None
    inner: list[Buffer] = []
    size = 0
    for tag, slab in zip((_FIRST, _SECOND, _THIRD), done.lanes):
        if len(slab):
            size += _put_field(tag, (slab,), len(slab), inner)
    size = _put_field(_LANES, inner, size, parts)
    if done.final is None:
        return size
    inner = []
    final = 0
    if done.final_mask:
        final += _put_field(_FIRST, (done.final_mask,), len(done.final_mask), inner)
    value: list[Buffer] = []
    value_size = _put_value(done.final, value)
    final += _put_field(_SECOND, value, value_size, inner)
    return size + _put_field(_FINAL, inner, final, parts)


def _put_value(value: m.Encoded, parts: list[Buffer]) -> int:
    """Append a `Value`, after an empty place for what stands before it; returns its size."""
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


def _put_field(tag: int, content: Sequence[Buffer], size: int, parts: list[Buffer]) -> int:
    head = _SHORT[tag] + varint(size)
    parts.append(head)
    parts.extend(content)
    return len(head) + size


def varint(number: int) -> bytes:
    """A number from 0 on as protobuf writes it."""
    if number < 128:
        return _SHORT[number]
    if number < 16384:
        return bytes((number & 127 | 128, number >> 7))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


# Reading.


def read_step(data: Buffer) -> m.Request | None:
    """The request of a step's frame; None: let the messages read it."""
    try:
        end = len(data)
        sequence, at = _number(data, 1) if data[0] == _SEQUENCE else (0, 0)
        at = _enter(_STEP_REQUEST, data, at, end)
        at = _enter(_FIRST, data, at, end)
        return m.Request(sequence, m.Step(_value(data, at, end)))
    except (_Other, IndexError):
        return None


def read_reset_done(
    data: Buffer, read_info: Callable[[Buffer], m.Info]
) -> tuple[int, m.ResetDone] | None:
    """Sequence and reply of a reset's answer; see `read_step_done`."""
    try:
        end = len(data)
        sequence, at = _response(_RESET_RESPONSE, data, end)
        at, stop = _span(_FIRST, data, at, end)
        observation = _value(data, at, stop)
        if stop == end:
            return sequence, m.ResetDone(observation)
        at, stop = _span(_SECOND, data, stop, end)
        if stop != end:
            return None
        return sequence, m.ResetDone(observation, read_info(data[at:stop]))
    except (_Other, IndexError):
        return None


def read_step_done(
    data: Buffer, read_info: Callable[[Buffer], m.Info]
) -> tuple[int, m.StepDone] | None:
    """Sequence and reply of a step's answer; None: let the messages read it.

    Args:
        data: The frame.
        read_info: Reads a serialised `Map`.
    """
    try:
        end = len(data)
        sequence, at = _response(_STEP_RESPONSE, data, end)
        at, stop = _span(_FIRST, data, at, end)
        observation = _value(data, at, stop)
        if stop < end and data[stop] >= _INFO:
            return sequence, _step_rest(data, stop, observation, read_info)
        return sequence, _step_scalars(data, stop, observation, read_info)
    except (_Other, IndexError, struct.error):
        return None


def _response(tag: int, data: Buffer, end: int) -> tuple[int, int]:
    """Sequence of an answer, and where its content starts."""
    sequence, at = _number(data, 1) if data[0] == _SEQUENCE else (0, 0)
    if data[at] == _CALL_US:
        _, at = _number(data, at + 1)
    return sequence, _enter(tag, data, at, end)


def _step_scalars(
    data: Buffer, at: int, observation: m.Encoded, read_info: Callable[[Buffer], m.Info]
) -> m.StepDone:
    """The reward and flags of a single environment, and its info."""
    end = len(data)
    reward = 0.0
    terminated = truncated = False
    if at < end and data[at] == _REWARD:
        (reward,) = _unpack_double(data, at + 1)
        at += 9
    if at < end and data[at] == _TERMINATED:
        terminated, at = _flag(data, at + 1)
    if at < end and data[at] == _TRUNCATED:
        truncated, at = _flag(data, at + 1)
    if at == end:
        return m.StepDone(observation, reward, terminated, truncated)
    at, stop = _span(_INFO, data, at, end)
    if stop != end:
        raise _Other
    return m.StepDone(observation, reward, terminated, truncated, read_info(data[at:stop]))


def _step_rest(
    data: Buffer, at: int, observation: m.Encoded, read_info: Callable[[Buffer], m.Info]
) -> m.StepDone:
    """The info, the lanes and the last observations of a vector."""
    end = len(data)
    info: m.Info = m.NO_INFO
    if data[at] == _INFO:
        at, stop = _span(_INFO, data, at, end)
        info, at = read_info(data[at:stop]), stop
    if at == end:
        return m.StepDone(observation, info=info)
    start, at = _span(_LANES, data, at, end)
    lanes = _lanes(data, start, at)
    mask, final = b"", None
    if at < end:
        start, at = _span(_FINAL, data, at, end)
        if at != end:
            raise _Other
        if data[start] == _FIRST:
            start, stop = _span(_FIRST, data, start, end)
            mask, start = bytes(data[start:stop]), stop
        start, stop = _span(_SECOND, data, start, end)
        if stop != end:
            raise _Other
        final = _value(data, start, end)
    return m.StepDone(observation, info=info, lanes=lanes, final_mask=mask, final=final)


def _lanes(data: Buffer, at: int, end: int) -> m.LaneOutcomes:
    slabs: list[Buffer] = [b"", b"", b""]
    for i, tag in enumerate((_FIRST, _SECOND, _THIRD)):
        if at < end and data[at] == tag:
            start, at = _span(tag, data, at, end)
            slabs[i] = data[start:at]
    if at != end:
        raise _Other
    return m.LaneOutcomes(*slabs)


def _value(data: Buffer, at: int, end: int) -> m.Encoded:
    slabs: list[Buffer] = []
    while at < end and data[at] == _FIRST:
        at, stop = _span(_FIRST, data, at, end)
        slabs.append(data[at:stop] if stop - at < _VIEW_BYTES else memoryview(data)[at:stop])
        at = stop
    batch_size = None
    if at < end and data[at] == _BATCH_SIZE:
        batch_size, at = _number(data, at + 1)
    if at != end or (batch_size is not None and batch_size >= 1 << 32):
        raise _Other
    return m.Encoded(slabs, batch_size)


def _span(tag: int, data: Buffer, at: int, end: int) -> tuple[int, int]:
    """Where the content of a field starts and ends; the field must be `tag`, and end by `end`."""
    if data[at] != tag:
        raise _Other
    size = data[at + 1]
    at += 2
    if size > 127:
        size, at = _number(data, at - 1)
    if at + size > end:
        raise _Other
    return at, at + size


def _enter(tag: int, data: Buffer, at: int, end: int) -> int:
    """Where the content of a field starts that is the last one up to `end`."""
    if data[at] == tag and data[at + 1] == end - at - 2 < 128:
        return at + 2
    at, stop = _span(tag, data, at, end)
    if stop != end:
        raise _Other
    return at


def _number(data: Buffer, at: int) -> tuple[int, int]:
    """A varint of at most 63 bits, and where it ends."""
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    number, shift = byte & 127, 7
    while shift < 63:
        at += 1
        byte = data[at]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at + 1
        shift += 7
    raise _Other


def _flag(data: Buffer, at: int) -> tuple[bool, int]:
    if data[at] > 1:
        raise _Other
    return data[at] == 1, at + 1
