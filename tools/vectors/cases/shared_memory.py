"""Frames in shared memory (B-14): what a writer puts and sends, and what a reader makes of it.

The bytes of a frame are those of a short pattern, repeated: its size decides how it travels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["FRAMES", "MemoryCase"]

PAGE, MIB = 4096, 1024 * 1024
MORE, CHUNKED = 1 << 31, 2**32 - 1
PATTERN = bytes(range(251))


@dataclass(frozen=True)
class MemoryCase:
    """One frame of a writer.

    Attributes:
        name: Name, unique in its file.
        segment_bytes: Size of the writer's segment.
        pattern: Bytes, in hexadecimal, that the frame repeats; its byte i is byte i modulo 251.
        frame_bytes: Size of the frame.
        events: What happens, in order: "put" copies `size` bytes of the frame from `start` to
            `offset` of the segment; "send" is what the writer sends, in hexadecimal; "receive" is
            what the reader sends.
        refused: Whether the reader closes the connection, without a frame.
    """

    name: str
    segment_bytes: int
    pattern: str
    frame_bytes: int
    events: list[dict[str, int | str]]
    refused: bool


def _case(
    name: str,
    size: int,
    events: list[dict[str, int | str]],
    *,
    segment: int = 512 * MIB,
    refused: bool = False,
) -> MemoryCase:
    return MemoryCase(name, segment, PATTERN.hex(), size, events, refused)


def _put(start: int, size: int, offset: int) -> dict[str, int | str]:
    return {"event": "put", "start": start, "size": size, "offset": offset}


def _sent(data: bytes) -> dict[str, int | str]:
    return {"event": "send", "hex": data.hex()}


def _reference(size: int, page: int) -> dict[str, int | str]:
    return _sent(struct.pack("<II", size | MORE, page))


_RECEIVED: dict[str, int | str] = {"event": "receive", "hex": "01"}


def _chunked(size: int) -> list[dict[str, int | str]]:
    """Return the events of a frame in chunks."""
    chunk, slots = (MIB, 4) if size >= 16 * MIB else (MIB // 4, 8)
    events = [_reference(size, CHUNKED)]
    count = -(-size // chunk)
    for i in range(count):
        if i >= slots:
            events.append(_RECEIVED)  # The reader no longer needs the memory of chunk i - slots.
        start = i * chunk
        events.append(_put(start, min(chunk, size - start), chunk * (i % slots)))
        events.append(_sent(b"\1"))
    return events + [_RECEIVED] * min(count, slots)


def _frames() -> Iterator[MemoryCase]:
    yield _case("at the first page", 20_000, [_put(0, 20_000, 0), _reference(20_000, 0)])
    yield _case("at a later page", 5000, [_put(0, 5000, 7 * PAGE), _reference(5000, 7)])
    last = [_put(0, 4096, 3 * PAGE), _reference(4096, 3)]
    yield _case("up to the end of the segment", 4096, last, segment=4 * PAGE)
    whole = struct.pack("<I", 10) + PATTERN[:10]
    yield _case("on the socket, though memory is shared", 10, [_sent(whole)])
    yield _case("in one chunk", 1000, _chunked(1000))
    yield _case("in chunks of 256 KiB, the last one shorter", 600_000, _chunked(600_000))
    yield _case("in more chunks than places", 10 * MIB // 4 + 1, _chunked(10 * MIB // 4 + 1))
    yield _case("in chunks of 1 MiB", 16 * MIB + 5, _chunked(16 * MIB + 5))
    small = 4 * PAGE
    outside = [_reference(4097, 3)]
    yield _case("one byte outside", 4097, outside, segment=small, refused=True)
    yield _case("at a page outside", 1, [_reference(1, 4)], segment=small, refused=True)
    yield _case("larger than a message", 2**28 + 1, [_reference(2**28 + 1, 0)], refused=True)


FRAMES = tuple(_frames())
