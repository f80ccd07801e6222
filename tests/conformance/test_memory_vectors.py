"""The vectors of frames in shared memory (B-14), read by our reader and written by our writer."""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from rlmesh._buffers import FrameParts
from rlmesh._transport.socket.framing import FramesEnded
from rlmesh._transport.socket.unix import LocalFrameSocket
from tests.conformance.vectors import VECTORS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="B-14 is for Linux")


@dataclass(frozen=True)
class Case:
    """A case; see spec/vectors/README.md."""

    name: str
    segment_bytes: int
    pattern: str
    frame_bytes: int
    events: tuple[dict[str, Any], ...]
    refused: bool

    @property
    def frame(self) -> bytes:
        pattern = bytes.fromhex(self.pattern)
        return (pattern * (self.frame_bytes // len(pattern) + 1))[: self.frame_bytes]

    @property
    def read_frame(self) -> bytes:
        """The frame that a reader returns; empty: it refuses the case."""
        return b"" if self.refused else self.frame


def cases() -> list[Case]:
    path = VECTORS / "sessions" / "memory" / "all.json"
    return [Case(**case) for case in json.loads(path.read_text("ascii"))["cases"]]


class Segment:
    """Sealed memory of one end."""

    def __init__(self, size: int) -> None:
        self.descriptor = os.memfd_create("vector", os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, size)
        self.memory = mmap.mmap(self.descriptor, size)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)


@contextlib.contextmanager
def ends() -> Iterator[tuple[socket.socket, LocalFrameSocket]]:
    """Yield the script's end of a connection, and ours."""
    script, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    script.settimeout(20)
    frames = LocalFrameSocket(ours)
    try:
        with script:
            yield script, frames
    finally:
        frames.close()


def exactly(script: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = script.recv(size - len(data))
        assert more, "our end has closed the connection"
        data += more
    return data


def write(case: Case, segment: Segment, script: socket.socket) -> None:
    """Write a case as the peer of a reader, and check what the reader sends."""
    frame = case.read_frame
    for event in case.events:
        if event["event"] == "put":
            start, size, offset = event["start"], event["size"], event["offset"]
            segment.memory[offset : offset + size] = frame[start : start + size]
        elif event["event"] == "send":
            script.sendall(bytes.fromhex(event["hex"]))
        else:
            assert exactly(script, 1).hex() == event["hex"]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_our_reader_reads_the_frame(case: Case) -> None:
    segment, frame = Segment(case.segment_bytes), case.read_frame
    with ends() as (script, ours):
        first = b"\1\0\0\0x"
        socket.send_fds(script, [first], [segment.descriptor])
        assert bytes(ours.receive_first()) == b"x"
        writer = threading.Thread(target=write, args=(case, segment, script))
        writer.start()
        try:
            if case.refused:
                with pytest.raises(FramesEnded):
                    ours.receive()
            else:
                assert bytes(ours.receive()) == frame
        finally:
            writer.join(20)
            os.close(segment.descriptor)


def test_a_peer_may_send_a_large_frame_itself_and_refer_to_the_next_one() -> None:
    """B-14 lets the writer choose for each frame."""
    segment, first = Segment(65_536), bytes(100_000)
    segment.memory[4096:24_096] = b"\7" * 20_000
    with ends() as (script, ours):
        socket.send_fds(script, [b"\1\0\0\0x"], [segment.descriptor])
        assert bytes(ours.receive_first()) == b"x"
        for _ in range(2):
            inline = struct.pack("<I", len(first)) + first
            writer = threading.Thread(target=script.sendall, args=(inline,))
            writer.start()
            assert bytes(ours.receive()) == first
            writer.join(20)
            for _ in range(2):
                script.sendall(struct.pack("<II", 20_000 | 1 << 31, 1))
                assert bytes(ours.receive()) == b"\7" * 20_000
        os.close(segment.descriptor)


def chunked() -> list[Case]:
    """Return the frames that our writer sends in chunks too."""
    return [case for case in cases() if case.name.startswith("in") and case.frame_bytes >= 16_384]


@pytest.mark.parametrize("case", chunked(), ids=lambda case: case.name)
def test_our_writer_sends_the_chunks(case: Case) -> None:
    segment = Segment(4096)
    with ends() as (script, ours):
        offer = threading.Thread(target=ours.offer, args=(b"x",))
        offer.start()
        data, descriptors, _, _ = socket.recv_fds(script, 5, 2)
        (theirs,) = descriptors
        socket.send_fds(script, [data], [segment.descriptor])
        offer.join(20)
        memory = mmap.mmap(theirs, os.fstat(theirs).st_size, prot=mmap.PROT_READ)
        sending = threading.Thread(
            target=ours.send, args=(FrameParts((case.frame,), case.frame_bytes),)
        )
        sending.start()
        for event in case.events:
            if event["event"] == "put":
                put = event
            elif event["event"] == "receive":
                script.sendall(bytes.fromhex(event["hex"]))
            else:
                sent = bytes.fromhex(event["hex"])
                assert exactly(script, len(sent)) == sent
                if sent == b"\1":
                    start, size, offset = put["start"], put["size"], put["offset"]
                    assert memory[offset : offset + size] == case.frame[start : start + size]
        sending.join(20)
        assert not sending.is_alive()
        for descriptor in (theirs, segment.descriptor):
            os.close(descriptor)
