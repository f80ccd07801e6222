"""Very large frames go in chunks, into memory that the values in them keep."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rlmesh._buffers import FrameParts
from rlmesh._reusable_buffer import ReceiveBuffers, is_given
from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from rlmesh._transport.socket.chunks import IN_CHUNKS, chunks
from rlmesh._transport.socket.framing import FramesEnded
from rlmesh._transport.socket.shared_memory import PeerSegment
from rlmesh._transport.socket.unix import CHUNKED_BYTES, LocalFrameSocket
from rlmesh.errors import LimitError

if sys.platform != "linux":
    pytest.skip("it needs Linux", allow_module_level=True)

LARGE = bytes(range(256)) * (CHUNKED_BYTES // 256)

Pair = tuple[LocalFrameSocket, LocalFrameSocket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A client and a server that share memory."""
    client, server = map(LocalFrameSocket, socket.socketpair())
    client._hand_over_own(b"x")
    server.receive_first()
    server.answer_first(b"y")
    client.receive_first()
    yield client, server
    client.close()
    server.close()


def passed(frame: Any, server: LocalFrameSocket, client: LocalFrameSocket) -> Any:
    """What arrives of a frame; neither end can do without the other."""
    sender = threading.Thread(target=server.send, args=(frame,))
    sender.start()
    try:
        return client.receive()
    finally:
        sender.join(10)


def test_pieces_are_not_put_together(pair: Pair) -> None:
    client, server = pair
    parts = [LARGE[:3], memoryview(LARGE)[3:], b"end"]
    frame = server.allocate_later(parts, len(LARGE) + 3)
    assert isinstance(frame, FrameParts) and frame.parts is parts
    assert len(frame) == len(LARGE) + 3 and bytes(frame) == LARGE + b"end"
    for _ in range(3):
        got = passed(frame, server, client)
        assert got == bytes(frame)
        assert is_given(got) and is_given(got[5:]) and not got.readonly
    assert passed(b"small", server, client) == b"small"
    assert passed(LARGE[:50_000], server, client) == LARGE[:50_000]


def test_any_number_of_pieces_arrives(pair: Pair) -> None:
    client, server = pair
    many = [LARGE[i : i + 1000] for i in range(0, len(LARGE), 1000)]
    assert len(many) > os.sysconf("SC_IOV_MAX"), "more than one call of the kernel takes"
    frame = server.allocate_later(many, len(LARGE))
    assert isinstance(frame, FrameParts)
    assert passed(frame, server, client) == LARGE


def test_what_does_not_go_in_chunks_is_put_together(pair: Pair) -> None:
    assert not isinstance(pair[1].allocate_later([LARGE[1:]], len(LARGE) - 1), FrameParts)
    here, there = map(LocalFrameSocket, socket.socketpair())  # They share no memory.
    frame = there.allocate_later([LARGE[:7], LARGE[7:]], len(LARGE))
    assert not isinstance(frame, FrameParts)
    assert passed(frame, there, here) == LARGE
    here.close()
    there.close()


def test_pieces_of_a_connection_that_is_lost_go_over_another(pair: Pair) -> None:
    frame = pair[1].allocate_later([LARGE, b"end"], len(LARGE) + 3)
    here, there = map(LocalFrameSocket, socket.socketpair())  # They share no memory.
    assert passed(frame, there, here) == LARGE + b"end"
    here.close()
    there.close()


def test_what_the_kernel_takes_by_halves_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = map(LocalFrameSocket, socket.socketpair())  # They share no memory.
    sizes = iter([2, 4, 10])  # Within the length, at its end, in the frame.
    sendmsg = socket.socket.sendmsg

    def halves(self: socket.socket, parts: Any, *rest: Any) -> int:
        return sendmsg(self, [b"".join(parts)[: next(sizes)]], *rest)

    monkeypatch.setattr(socket.socket, "sendmsg", halves)
    for _ in range(3):
        assert passed(LARGE, server, client) == LARGE
    client.close()
    server.close()


SIZES = [CHUNKED_BYTES, CHUNKED_BYTES + 1, 17 << 18, (16 << 20) - 1, 16 << 20, (21 << 20) + 7]


@pytest.mark.parametrize("size", SIZES)
def test_chunks_of_every_size_arrive(pair: Pair, size: int) -> None:
    client, server = pair
    data = os.urandom(64) * (size // 64 + 1)
    frame = server.allocate_later([data[:100], memoryview(data)[100:size]], size)
    assert isinstance(frame, FrameParts)
    for _ in range(2):
        assert passed(frame, server, client) == data[:size]
    assert passed(b"next", server, client) == b"next"
    assert passed(b"back", client, server) == b"back"


def test_bytes_of_another_process_go_in_chunks_both_ways(pair: Pair) -> None:
    for here, there in (pair, pair[::-1]):
        got = passed(LARGE, here, there)
        assert got == LARGE and is_given(got)


def test_pieces_are_cut_anywhere() -> None:
    parts = [b"abcde", b"", memoryview(b"fg"), b"hijklmnop"]
    for size in range(1, 20):
        cut = [b"".join(chunk) for chunk in chunks(parts, size)]
        assert b"".join(cut) == b"abcdefghijklmnop"
        assert all(len(chunk) == size for chunk in cut[:-1]) and 0 < len(cut[-1]) <= size
    assert list(chunks([b"", b""], 5)) == []


def test_a_frame_that_breaks_off_ends_the_connection(pair: Pair) -> None:
    client, server = pair
    reference = struct.pack("<II", len(LARGE) | 1 << 31, IN_CHUNKS)
    server._socket.sendall(reference + b"\1\1")
    server.close()
    with pytest.raises((FramesEnded, OSError)):
        client.receive()


def test_chunks_that_are_not_in_the_segment_end_the_connection() -> None:
    one, other = socket.socketpair()
    client = LocalFrameSocket(one)
    descriptor = os.memfd_create("small", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, 4096)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    client._peer = PeerSegment(descriptor)
    os.close(descriptor)
    other.sendall(struct.pack("<II", len(LARGE) | 1 << 31, IN_CHUNKS) + b"\1")
    with pytest.raises(FramesEnded, match="outside"):
        client.receive()
    other.sendall(struct.pack("<II", len(LARGE) | 1 << 31, IN_CHUNKS))
    client._peer = None
    with pytest.raises(FramesEnded, match="not shared"):
        client.receive()
    client.close()
    other.close()


def test_a_length_over_the_limit_takes_no_memory(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server = pair
    monkeypatch.setattr(ReceiveBuffers, "take", None)
    server._socket.sendall(struct.pack("<II", MAX_MESSAGE_BYTES + 1 | 1 << 31, IN_CHUNKS))
    with pytest.raises(FramesEnded, match="limit"):
        client.receive()
    with pytest.raises(LimitError):
        client.send(FrameParts([], MAX_MESSAGE_BYTES + 1))


def test_a_reader_that_does_not_read_lets_the_writer_go(pair: Pair) -> None:
    _, server = pair
    failures: list[Exception] = []

    def send() -> None:
        try:
            server.send(LARGE * 2)  # More than there is room for.
        except (FramesEnded, OSError) as error:
            failures.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    sender.join(0.1)
    assert sender.is_alive()
    server.cut()
    sender.join(10)
    assert not sender.is_alive() and failures
