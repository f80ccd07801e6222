"""Frames of steps, read byte by byte: a slab is not copied at all.

Only the form that `fast_path_writer` writes is read. For a frame of any other form (fields in
another order, twice, or of a newer spec) the result is None, and the generated messages read the
frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from rlmesh._messages import env as m
from rlmesh._wire.fast_path import NotCanonical, enter, number, sequence_of, slab, span, value
from rlmesh._wire.field_tags import (
    CALL_US,
    FINAL,
    FIRST,
    INFO,
    LANES,
    PADDING,
    RESET_RESPONSE,
    RESET_SIM_TIME,
    REWARD,
    SECOND,
    SIM_TIME,
    STEP_REQUEST,
    STEP_RESPONSE,
    TERMINATED,
    THIRD,
    TRUNCATED,
)
from rlmesh.backends import Buffer

__all__ = ["StepReader", "read_call_seconds", "read_reset_done", "read_step"]

_unpack_double = struct.Struct("<d").unpack_from


def read_step(data: Buffer) -> m.Request | None:
    """Return the request of a step's frame; None if the messages have to read it."""
    try:
        end = len(data)
        sequence, at = sequence_of(data)
        at = enter(STEP_REQUEST, data, at, end)
        at = enter(FIRST, data, at, end)
        return m.Request(sequence, m.Step(value(data, at, end)))
    except (NotCanonical, IndexError):
        return None


def read_call_seconds(data: Buffer) -> float | None:
    """Return the seconds in the environment or model (Q-11); None if an answer has none."""
    try:
        _, at = sequence_of(data)
        return number(data, at + 1)[0] / 1e6 if data[at] == CALL_US else None
    except (NotCanonical, IndexError):
        return None


def read_reset_done(
    data: Buffer, read_info: Callable[[Buffer], m.Info]
) -> tuple[int, m.ResetDone] | None:
    """Return sequence and reply of a reset's answer; None if the messages have to read it."""
    try:
        end = len(data)
        sequence, at = _begin(data)
        at, stop = span(FIRST, data, enter(RESET_RESPONSE, data, at, end), end)
        observation = value(data, at, stop)
        if stop == end:
            return sequence, m.ResetDone(observation)
        info: m.Info = m.NO_INFO
        if data[stop] == SECOND:
            at, stop = span(SECOND, data, stop, end)
            info = read_info(data[at:stop])
        return sequence, m.ResetDone(observation, info, _time(RESET_SIM_TIME, data, stop))
    except (NotCanonical, IndexError, struct.error):
        return None


class StepReader:
    """Reads the answers of a session's steps.

    It remembers what is around the observation of the last answer with one slab: most steps of an
    environment have the same there, because it has nothing but sizes and padding.

    Args:
        read_info: Reads a serialised `DynamicMap`.
    """

    def __init__(self, read_info: Callable[[Buffer], m.Info]) -> None:
        self._read_info = read_info
        self._head = b""
        self._tail = b""
        self._size = -1  # From the head on; no frame has it yet.
        self._slab = 0

    def read(self, data: Buffer) -> tuple[int, m.StepDone] | None:
        """Return sequence and reply of a step's answer; None if the messages have to read it."""
        try:
            end = len(data)
            sequence, at = _begin(data)
            start = at + len(self._head)
            after = start + self._slab
            stop = after + len(self._tail)
            if (
                self._size == end - at
                and data[at:start] == self._head
                and (after == stop or data[after:stop] == self._tail)
            ):
                observation = m.Encoded([slab(data, start, after)])
            else:
                start, stop = span(FIRST, data, enter(STEP_RESPONSE, data, at, end), end)
                observation = value(data, start, stop)
                if len(observation.slabs) == 1 and observation.batch_size is None:
                    self._remember(data, at, start, stop, len(observation.slabs[0]))
            if stop < end and data[stop] >= INFO:
                return sequence, _step_rest(data, stop, observation, self._read_info)
            return sequence, _step_scalars(data, stop, observation, self._read_info)
        except (NotCanonical, IndexError, struct.error):
            return None

    def _remember(self, data: Buffer, at: int, start: int, stop: int, size: int) -> None:
        """Keep what is around the slab, of `size` bytes, of the value from `start` to `stop`."""
        while data[start] == PADDING:
            start = span(PADDING, data, start, stop)[1]
        start = span(FIRST, data, start, stop)[0]
        self._slab = size
        self._head = bytes(data[at:start])
        self._tail = bytes(data[start + size : stop])
        self._size = len(data) - at


def _begin(data: Buffer) -> tuple[int, int]:
    """Return an answer's sequence number, and the position after the duration of the call."""
    sequence, at = sequence_of(data)
    if data[at] == CALL_US:
        _, at = number(data, at + 1)
    return sequence, at


def _step_scalars(
    data: Buffer, at: int, observation: m.Encoded, read_info: Callable[[Buffer], m.Info]
) -> m.StepDone:
    """Return the reward and flags of a single environment, and its info."""
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
    info: m.Info = m.NO_INFO
    if data[at] == INFO:
        at, stop = span(INFO, data, at, end)
        info, at = read_info(data[at:stop]), stop
    seconds = _time(SIM_TIME, data, at)
    return m.StepDone(observation, reward, terminated, truncated, info, sim_time=seconds)


def _time(tag: int, data: Buffer, at: int) -> float | None:
    """Return the time of the simulation, if the rest of a frame is one; None if none is left."""
    if at == len(data):
        return None
    if data[at] != tag or at + 9 != len(data):
        raise NotCanonical
    seconds: float = _unpack_double(data, at + 1)[0]
    return seconds


def _step_rest(
    data: Buffer, at: int, observation: m.Encoded, read_info: Callable[[Buffer], m.Info]
) -> m.StepDone:
    """Return the info, the lanes and the last observations of a vector."""
    end = len(data)
    info: m.Info = m.NO_INFO
    if data[at] == INFO:
        at, stop = span(INFO, data, at, end)
        info, at = read_info(data[at:stop]), stop
    if at == end or data[at] != LANES:
        return m.StepDone(observation, info=info, sim_time=_time(SIM_TIME, data, at))
    start, at = span(LANES, data, at, end)
    lanes = _lanes(data, start, at)
    mask, final = b"", None
    if at < end and data[at] == FINAL:
        start, at = span(FINAL, data, at, end)
        if data[start] == FIRST:
            start, stop = span(FIRST, data, start, at)
            mask, start = bytes(data[start:stop]), stop
        start, stop = span(SECOND, data, start, at)
        if stop != at:
            raise NotCanonical
        final = value(data, start, stop)
    seconds = _time(SIM_TIME, data, at)
    return m.StepDone(
        observation, info=info, lanes=lanes, final_mask=mask, final=final, sim_time=seconds
    )


def _lanes(data: Buffer, at: int, end: int) -> m.LaneOutcomes:
    slabs: list[Buffer] = [b"", b"", b""]
    for i, tag in enumerate((FIRST, SECOND, THIRD)):
        if at < end and data[at] == tag:
            start, at = span(tag, data, at, end)
            slabs[i] = data[start:at]
    if at != end:
        raise NotCanonical
    return m.LaneOutcomes(*slabs)


def _flag(data: Buffer, at: int) -> tuple[bool, int]:
    if data[at] > 1:
        raise NotCanonical
    return data[at] == 1, at + 1
