"""The memory of a frame follows the bytes that come, and not the length that is announced."""

from __future__ import annotations

import socket
import struct
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from rlmesh._transport.socket.framing import FramesEnded, FrameSocket
from rlmesh._transport.socket.tcp import TcpFrameSocket, TlsFrameSocket

KINDS: list[Any] = [FrameSocket, TcpFrameSocket, TlsFrameSocket]
"""The calls on a plain socket are those on one of TLS."""

MIB = 1024 * 1024


def touched(call: Callable[[], object]) -> int:
    """Return the most memory that was in use during a call, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_length_that_lies_takes_no_memory() -> None:
    ours, theirs = socket.socketpair()
    plain: Any = theirs
    frames = TlsFrameSocket(plain)
    ours.sendall(struct.pack("<I", MAX_MESSAGE_BYTES) + b"x")
    ours.close()

    def receive() -> None:
        with pytest.raises(FramesEnded, match="closed the connection"):
            frames.receive()

    # Without TLS the kernel fills memory that the process has reserved, and not touched.
    assert touched(receive) < 4 * MIB
    frames.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 5 * MIB + 3])
def test_large_frames_are_received_as_they_were_sent(kind: Any, size: int) -> None:
    ours, theirs = socket.socketpair()
    frames = kind(theirs)
    sent = (bytes(range(251)) * (size // 251 + 1))[:size]
    data = (struct.pack("<I", size) + sent) * 2
    sender = threading.Thread(target=ours.sendall, args=(data,))
    sender.start()
    assert bytes(frames.receive()) == sent
    assert bytes(frames.receive()) == sent
    sender.join()
    frames.close()
    ours.close()
