"""Frames of steps, read byte by byte: a slab is not copied at all.

Read is the form alone that `step_writer` writes. For a frame of any other form (fields in another
order, twice, or of a newer spec) `None` comes back, and the generated messages decide.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from rlmesh._wire import messages as m
from rlmesh._wire.step_tags import (
    BATCH_SIZE,
    CALL_US,
    FINAL,
    FIRST,
    INFO,
    LANES,
    RESET_RESPONSE,
    REWARD,
    SECOND,
    SEQUENCE,
    STEP_REQUEST,
    STEP_RESPONSE,
    TERMINATED,
    THIRD,
    TRUNCATED,
)
from rlmesh.backends import Buffer

__all__ = ["StepReader", "read_reset_done", "read_step"]

_VIEW_BYTES = 4096
"""Slabs from this size on are read as views; a copy of a smaller one costs less than a view."""

_unpack_double = struct.Struct("<d").unpack_from


class _Other(Exception):
    """The frame is not of the form that is read here."""


def read_step(data: Buffer) -> m.Request | None:
    """The request of a step's frame; None: let the messages read it."""
    try:
        end = len(data)
        sequence, at = _number(data, 1) if data[0] == SEQUENCE else (0, 0)
        at = _enter(STEP_REQUEST, data, at, end)
        at = _enter(FIRST, data, at, end)
        return m.Request(sequence, m.Step(_value(data, at, end)))
    except (_Other, IndexError):
        return None


def read_reset_done(
    data: Buffer, read_info: Callable[[Buffer], m.Info]
) -> tuple[int, m.ResetDone] | None:
    """Sequence and reply of a reset's answer; None: let the messages read it."""
    try:
        end = len(data)
        sequence, at = _response(RESET_RESPONSE, data, end)
        at, stop = _span(FIRST, data, at, end)
        observation = _value(data, at, stop)
        if stop == end:
            return sequence, m.ResetDone(observation)
        at, stop = _span(SECOND, data, stop, end)
        if stop != end:
            return None
        return sequence, m.ResetDone(observation, read_info(data[at:stop]))
    except (_Other, IndexError):
        return None


class StepReader:
    """Reads the answers of a session's steps.

    It remembers the head of the last one whose observation is one slab: the steps of most
    environments have the same, since it says nothing but sizes.

    Args:
        read_info: Reads a serialised `Map`.
    """

    def __init__(self, read_info: Callable[[Buffer], m.Info]) -> None:
        self._read_info = read_info
        self._head = b""
        self._size = -1  # From the head on; no frame has it yet.
        self._slab = 0

    def read(self, data: Buffer) -> tuple[int, m.StepDone] | None:
        """Sequence and reply of a step's answer; None: let the messages read it."""
        try:
            end = len(data)
            sequence, at = _number(data, 1) if data[0] == SEQUENCE else (0, 0)
            if data[at] == CALL_US:
                _, at = _number(data, at + 1)
            start = at + len(self._head)
            if self._size == end - at and data[at:start] == self._head:
                stop = start + self._slab
                observation = m.Encoded([_slab(data, start, stop)])
            else:
                start, stop = _span(FIRST, data, _enter(STEP_RESPONSE, data, at, end), end)
                observation = _value(data, start, stop)
                if len(observation.slabs) == 1 and observation.batch_size is None:
                    self._slab = len(observation.slabs[0])
                    self._head = bytes(data[at : stop - self._slab])
                    self._size = end - at
            if stop < end and data[stop] >= INFO:
                return sequence, _step_rest(data, stop, observation, self._read_info)
            return sequence, _step_scalars(data, stop, observation, self._read_info)
        except (_Other, IndexError, struct.error):
            return None


def _response(tag: int, data: Buffer, end: int) -> tuple[int, int]:
    """Sequence of an answer, and where its content starts."""
    sequence, at = _number(data, 1) if data[0] == SEQUENCE else (0, 0)
    if data[at] == CALL_US:
        _, at = _number(data, at + 1)
    return sequence, _enter(tag, data, at, end)


def _step_scalars(
    data: Buffer, at: int, observation: m.Encoded, read_info: Callable[[Buffer], m.Info]
) -> m.StepDone:
    """The reward and flags of a single environment, and its info."""
    end = len(data)
    reward = 0.0
    terminated = truncated = False
    if at < end and data[at] == REWARD:
        (reward,) = _unpack_double(data, at + 1)
        at += 9
    if at < end and data[at] == TERMINATED:
        terminated, at = _flag(data, at + 1)
    if at < end and data[at] == TRUNCATED:
        truncated, at = _flag(data, at + 1)
    if at == end:
        return m.StepDone(observation, reward, terminated, truncated)
    at, stop = _span(INFO, data, at, end)
    if stop != end:
        raise _Other
    return m.StepDone(observation, reward, terminated, truncated, read_info(data[at:stop]))


def _step_rest(
    data: Buffer, at: int, observation: m.Encoded, read_info: Callable[[Buffer], m.Info]
) -> m.StepDone:
    """The info, the lanes and the last observations of a vector."""
    end = len(data)
    info: m.Info = m.NO_INFO
    if data[at] == INFO:
        at, stop = _span(INFO, data, at, end)
        info, at = read_info(data[at:stop]), stop
    if at == end:
        return m.StepDone(observation, info=info)
    start, at = _span(LANES, data, at, end)
    lanes = _lanes(data, start, at)
    mask, final = b"", None
    if at < end:
        start, at = _span(FINAL, data, at, end)
        if at != end:
            raise _Other
        if data[start] == FIRST:
            start, stop = _span(FIRST, data, start, end)
            mask, start = bytes(data[start:stop]), stop
        start, stop = _span(SECOND, data, start, end)
        if stop != end:
            raise _Other
        final = _value(data, start, end)
    return m.StepDone(observation, info=info, lanes=lanes, final_mask=mask, final=final)


def _lanes(data: Buffer, at: int, end: int) -> m.LaneOutcomes:
    slabs: list[Buffer] = [b"", b"", b""]
    for i, tag in enumerate((FIRST, SECOND, THIRD)):
        if at < end and data[at] == tag:
            start, at = _span(tag, data, at, end)
            slabs[i] = data[start:at]
    if at != end:
        raise _Other
    return m.LaneOutcomes(*slabs)


def _value(data: Buffer, at: int, end: int) -> m.Encoded:
    slabs: list[Buffer] = []
    while at < end and data[at] == FIRST:
        at, stop = _span(FIRST, data, at, end)
        slabs.append(_slab(data, at, stop))
        at = stop
    batch_size = None
    if at < end and data[at] == BATCH_SIZE:
        batch_size, at = _number(data, at + 1)
    if at != end or (batch_size is not None and batch_size >= 1 << 32):
        raise _Other
    return m.Encoded(slabs, batch_size)


def _slab(data: Buffer, at: int, stop: int) -> Buffer:
    return data[at:stop] if stop - at < _VIEW_BYTES else memoryview(data)[at:stop]


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
