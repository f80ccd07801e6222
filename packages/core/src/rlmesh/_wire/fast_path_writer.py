"""Frames of steps, written byte by byte: the same bytes that the generated messages give.

A step is nearly every frame. Messages would copy its slabs twice, and their code is cold after the
pause between two steps. Here a slab is copied once, to where the transport wants it.

The fields come in the order of their numbers.
"""

from __future__ import annotations

import struct

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._messages import env as m
from rlmesh._wire.field_tags import (
    FINAL,
    FIRST,
    INFO,
    LANES,
    RESET_SIM_TIME,
    SECOND,
    SIM_TIME,
    THIRD,
)
from rlmesh._wire.field_writer import SHORT, align, put_field, put_value, varint
from rlmesh.backends import Buffer

__all__ = ["write_reset_done", "write_step", "write_step_done"]

_NO_REWARD = bytes(8)

_pack_double = struct.Struct("<d").pack


def write_step(
    sequence: int, step: m.Step, allocate: FrameAllocator = join_parts, aligned: int = 0
) -> Frame:
    """Return the frame of a step's request; see `rlmesh._wire.field_writer.align`."""
    parts: list[Buffer] = []
    size = put_value(step.action, parts, aligned)
    if size < 126:
        head = b"\x2a%c\x0a%c" % (size + 2, size)
    else:
        action = varint(size)
        head = b"\x2a%b\x0a%b" % (varint(1 + len(action) + size), action)
    head = parts[0] = b"\x08%b%b" % (varint(sequence), head) if sequence else head
    if 0 < aligned <= size:
        align(parts)
    return allocate(parts, len(head) + size)


def write_reset_done(
    sequence: int,
    done: m.ResetDone,
    call_us: int,
    info: bytes,
    allocate: FrameAllocator = join_parts,
    aligned: int = 0,
) -> Frame:
    """Return the frame of a reset's answer; `info` is a serialised `DynamicMap`."""
    parts: list[Buffer] = []
    size = put_value(done.observation, parts, aligned)
    length = varint(size)
    size += 1 + len(length)
    if info:
        size += put_field(SECOND, (info,), len(info), parts)
    if done.sim_time is not None:
        size += _put_time(RESET_SIM_TIME, done.sim_time, parts)
    return _put_response(sequence, call_us, b"\x2a", size, length, parts, allocate, aligned)


def write_step_done(
    sequence: int,
    done: m.StepDone,
    call_us: int,
    info: bytes,
    allocate: FrameAllocator = join_parts,
    aligned: int = 0,
) -> Frame:
    """Return the frame of a step's answer; `info` is a serialised `DynamicMap`, or empty."""
    parts: list[Buffer] = []
    size = put_value(done.observation, parts, aligned)
    length = SHORT[size] if size < 128 else varint(size)
    size += 1 + len(length)
    if done.lanes is None:
        tail = _scalars(done)
        parts.append(tail)
        size += len(tail)
    if info:
        size += put_field(INFO, (info,), len(info), parts)
    if done.lanes is not None:
        size += _put_lanes(done, parts, aligned)
    if done.sim_time is not None:
        size += _put_time(SIM_TIME, done.sim_time, parts)
    return _put_response(sequence, call_us, b"\x32", size, length, parts, allocate, aligned)


def _put_response(
    sequence: int,
    call_us: int,
    tag: bytes,
    size: int,
    length: bytes,
    parts: list[Buffer],
    allocate: FrameAllocator,
    aligned: int,
) -> Frame:
    """Return a frame of an answer of `size` bytes.

    `parts` lacks the fields before the observation; `length` is its size, as a varint.
    """
    head = b"\x08" + varint(sequence) if sequence else b""
    if call_us:
        head += b"\x10" + (SHORT[call_us] if call_us < 128 else varint(call_us))
    whole_length = SHORT[size] if size < 128 else varint(size)
    before = parts[0] = b"%b%b%b\x0a%b" % (head, tag, whole_length, length)
    if 0 < aligned <= size:
        align(parts)
    return allocate(parts, len(before) + size - 1 - len(length))


def _scalars(done: m.StepDone) -> bytes:
    reward = _pack_double(done.reward)
    tail = b"" if reward == _NO_REWARD else b"\x11" + reward
    if done.terminated:
        tail += b"\x18\x01"
    if done.truncated:
        tail += b"\x20\x01"
    return tail


def _put_time(tag: int, seconds: float, parts: list[Buffer]) -> int:
    parts.append(b"%c%b" % (tag, _pack_double(seconds)))
    return 9


def _put_lanes(done: m.StepDone, parts: list[Buffer], aligned: int) -> int:
    assert done.lanes is not None
    inner: list[Buffer] = []
    size = 0
    for tag, slab in zip((FIRST, SECOND, THIRD), done.lanes):
        if len(slab):
            size += put_field(tag, (slab,), len(slab), inner)
    size = put_field(LANES, inner, size, parts)
    if done.final is None:
        return size
    inner = []
    final = 0
    if done.final_mask:
        final += put_field(FIRST, (done.final_mask,), len(done.final_mask), inner)
    value: list[Buffer] = []
    value_size = put_value(done.final, value, aligned)
    final += put_field(SECOND, value, value_size, inner)
    return size + put_field(FINAL, inner, final, parts)
