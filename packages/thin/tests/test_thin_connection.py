"""Connections of the thin host: the memory of a frame, however its bytes come."""

from __future__ import annotations

import socket
import struct
import threading
import time
import tracemalloc

import pytest

from rlmesh_thin.connection import Connection, Lost


def connection(connected: socket.socket) -> Connection:
    made = Connection(connected, time.monotonic() + 10)
    made.welcome()
    return made


def test_single_bytes_take_no_more_memory_than_their_frame() -> None:
    # Packets, so that each call receives a single byte.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    data = bytes(range(200)) * 100

    def send() -> None:
        ours.send(struct.pack("<I", len(data)))
        for byte in data:
            ours.send(bytes([byte]))

    sender = threading.Thread(target=send)
    sender.start()
    tracemalloc.start()
    try:
        assert connection(theirs).receive() == data
        assert tracemalloc.get_traced_memory()[1] < 10 * len(data)
    finally:
        tracemalloc.stop()
        sender.join()
        ours.close()
        theirs.close()


def test_a_length_that_lies_takes_no_memory() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(struct.pack("<I", 256 * 1024 * 1024) + b"x")
    ours.close()
    tracemalloc.start()
    try:
        with pytest.raises(Lost, match="closed the connection"):
            connection(theirs).receive()
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()
        theirs.close()


@pytest.mark.parametrize("size", [65_531, 65_532, 65_533, 131_068, 3_000_001])
def test_large_frames_are_received_as_they_were_sent(size: int) -> None:
    ours, theirs = socket.socketpair()
    sent = (bytes(range(251)) * (size // 251 + 1))[:size]
    sender = threading.Thread(target=ours.sendall, args=((struct.pack("<I", size) + sent) * 2,))
    sender.start()
    frames = connection(theirs)
    assert frames.receive() == sent
    assert frames.receive() == sent
    sender.join()
    ours.close()
    theirs.close()
