"""Frames of predictions, byte by byte: the same bytes that the generated messages give.

As for steps (`step_writer`, `step_reader`): messages would copy the observations twice on either
side. Read is the form alone that is written; for any other `None` comes back, and the messages
decide.
"""

from __future__ import annotations

import operator

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._messages import env as m
from rlmesh._messages.model import Predict
from rlmesh._wire.fast_path import NotCanonical, enter, number, sequence_of, span, value
from rlmesh._wire.field_tags import FORM, MAX_ACTIONS, PREDICT_REQUEST, SECOND, THIRD
from rlmesh._wire.field_writer import put_value, varint
from rlmesh._wire.model_spec import predict_form_from_wire, predict_form_to_wire
from rlmesh.backends import Buffer

__all__ = ["read_predict", "write_predict"]

_LANES_BYTES = 3 * 65_536
"""What the lanes that a session may have take at most (M-1). Of more, read one by one, one message
would keep the server busy for most of a minute."""


def write_predict(sequence: int, body: Predict, allocate: FrameAllocator = join_parts) -> Frame:
    """Return the frame of a request.

    Raises:
        ValueError: If a lane, or how many actions are wanted, does not fit 32 bits.
    """
    parts: list[Buffer] = []
    size = put_value(body.observation, parts)
    before = b"" if body.form is None else b"\x08" + varint(predict_form_to_wire(body.form))
    lanes = b"".join([varint(_uint32("a lane", lane)) for lane in body.lanes])
    if lanes:
        before += b"\x12%b%b" % (varint(len(lanes)), lanes)
    before += b"\x1a" + varint(size)
    most = _uint32("max_chunk_length", body.max_chunk_length)
    tail = b"\x20" + varint(most) if most else b""
    head = b"\x08" + varint(sequence) if sequence else b""
    head += b"\x2a%b%b" % (varint(len(before) + size + len(tail)), before)
    parts[0] = head
    parts.append(tail)
    return allocate(parts, len(head) + size + len(tail))


def _uint32(name: str, given: int) -> int:
    exact = operator.index(given)
    if not 0 <= exact < 1 << 32:
        raise ValueError(f"{name} of {exact}; expected 0 to 2**32 - 1")
    return exact


def read_predict(data: Buffer) -> m.Request | None:
    """Return the request of a frame; None if the messages have to read it."""
    try:
        end = len(data)
        sequence, at = sequence_of(data)
        at = enter(PREDICT_REQUEST, data, at, end)
        form, at = number(data, at + 1) if data[at] == FORM else (0, at)
        lanes: list[int] = []
        if data[at] == SECOND:
            at, stop = span(SECOND, data, at, end)
            if stop - at > _LANES_BYTES:
                return None
            while at < stop:
                lane, at = number(data, at)
                lanes.append(lane)
            if at != stop:
                return None
        at, stop = span(THIRD, data, at, end)
        observation = value(data, at, stop)
        most = 0
        if stop < end:
            most, stop = number(data, stop + 1) if data[stop] == MAX_ACTIONS else (0, stop)
    except (NotCanonical, IndexError):
        return None
    # The messages keep 32 bits of larger ones.
    if stop != end or form >= 1 << 31 or max([most, *lanes]) >= 1 << 32:
        return None
    return m.Request(
        sequence, Predict(predict_form_from_wire(form), tuple(lanes), observation, most)
    )
