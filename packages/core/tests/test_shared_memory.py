"""Segments that frames travel in: their owners, their refusals, and that nothing stays."""

from __future__ import annotations

import array
import gc
import mmap
import os
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import pytest

from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from rlmesh._transport.socket.framing import FramesEnded
from rlmesh._transport.socket.unix import LocalFrameSocket as FrameSocket

if sys.platform != "linux":
    pytest.skip("it needs Linux", allow_module_level=True)

import fcntl

from rlmesh._transport.socket.shared_memory import OwnSegment, PeerSegment, SegmentRefused

LARGE = bytes(range(256)) * 400


@pytest.fixture
def pair() -> Iterator[tuple[FrameSocket, FrameSocket]]:
    """A client and a server that have met."""
    client, server = map(FrameSocket, socket.socketpair())
    client._hand_over_own(b"hello")
    assert server.receive_first() == b"hello"
    server.answer_first(b"welcome")
    assert client.receive_first() == b"welcome"
    yield client, server
    client.close()
    server.close()


def mapped(frame: object) -> bool:
    return isinstance(frame, memoryview) and isinstance(frame.obj, mmap.mmap)


def descriptors() -> int:
    """How many are open; what earlier tests have left is not counted, for it may go meanwhile."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def segments() -> set[str]:
    """The addresses of mapped segments."""
    with open("/proc/self/maps") as maps:
        return {line.split()[0] for line in maps if "memfd:rlmesh" in line}


def test_large_frames_are_shared_both_ways(pair: tuple[FrameSocket, FrameSocket]) -> None:
    for here, there in (pair, pair[::-1]):
        here.send(LARGE)
        got = there.receive()
        assert mapped(got) and got == LARGE
        assert isinstance(got, memoryview) and got.readonly
        here.send(b"small")
        assert there.receive() == b"small"


@pytest.mark.parametrize("with_part", range(4))
@pytest.mark.parametrize("limited", [False, True])
def test_the_descriptor_may_come_with_any_part_of_the_first_frame(
    with_part: int, limited: bool
) -> None:
    frame = b"x" * 100
    header = struct.pack("<I", len(frame))
    parts = [header[:2], header[2:], frame[:40], frame[40:]]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    before = descriptors()
    own = OwnSegment()
    reader = FrameSocket(theirs, time.monotonic() + 10 if limited else float("inf"))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [own.descriptor]))]

    def send() -> None:
        for number, part in enumerate(parts):
            ours.sendmsg([part], rights if number == with_part else [])
            time.sleep(0.01)

    sender = threading.Thread(target=send)
    sender.start()
    assert bytes(reader.receive_first()) == frame
    sender.join()
    placed = own.write((b"y" * 5000,), 5000)
    ours.sendall(struct.pack("<II", 5000 | 1 << 31, placed.page))
    assert bytes(reader.receive()) == b"y" * 5000
    reader.close()
    ours.close()
    del own, placed, reader
    gc.collect()
    assert descriptors() <= before


def test_a_placed_frame_is_not_copied_again(pair: tuple[FrameSocket, FrameSocket]) -> None:
    client, server = pair
    frame = server.allocate([LARGE[:7], LARGE[7:]], len(LARGE))
    server.send(frame)
    got = client.receive()
    assert got == LARGE
    assert isinstance(frame, memoryview)
    frame[0] = 77  # The very same bytes.
    assert got[0] == 77


def test_a_frame_stays_until_the_next_but_one(pair: tuple[FrameSocket, FrameSocket]) -> None:
    client, server = pair
    views = []
    for fill in range(6):
        server.send(bytes([fill]) * 20_000)
        views.append(client.receive())
        for back in range(min(len(views), 2)):
            assert views[-1 - back] == bytes([fill - back]) * 20_000


def test_very_large_frames_take_one_place(pair: tuple[FrameSocket, FrameSocket]) -> None:
    client, server = pair
    for fill in range(3):
        server.send(server.allocate([bytes([fill]) * (20 << 20)], 20 << 20))
        assert client.receive() == bytes([fill]) * (20 << 20)
    assert server._placed is not None and server._placed.page == 0


def test_a_frame_of_another_connection_is_copied(pair: tuple[FrameSocket, FrameSocket]) -> None:
    client, server = pair
    other, _ = map(FrameSocket, socket.socketpair())
    other._own = OwnSegment()
    kept = other.allocate([LARGE], len(LARGE))
    other.close()
    del other
    gc.collect()
    server.send(kept)
    assert client.receive() == LARGE


def test_one_end_without_memory_is_enough_for_none() -> None:
    client, server = map(FrameSocket, socket.socketpair())
    client.send(b"hello")
    assert server.receive_first() == b"hello"
    server.answer_first(b"welcome")
    assert client.receive_first() == b"welcome"
    server.send(LARGE)
    got = client.receive()
    assert got == LARGE and not mapped(got)
    client.close()
    server.close()


def test_what_is_over_the_limit_is_refused(pair: tuple[FrameSocket, FrameSocket]) -> None:
    from rlmesh.errors import LimitError

    with pytest.raises(LimitError):
        pair[0].allocate([b""], MAX_MESSAGE_BYTES + 1)


# What a hostile peer may try.


def file_of(size: int) -> int:
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return os.dup(file.fileno())


def memory_of(size: int, seals: int) -> int:
    descriptor = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


@pytest.mark.parametrize("limited", [False, True])
def test_one_descriptor_comes_with_the_first_frame_and_no_more(limited: bool) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    own = OwnSegment()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [own.descriptor]))]
    ours.sendmsg([struct.pack("<I", 1000)], rights)
    for _ in range(50):
        ours.sendmsg([b"x"], rights)
    ours.shutdown(socket.SHUT_WR)
    reader = FrameSocket(theirs, time.monotonic() + 10 if limited else float("inf"))
    before = descriptors()
    with pytest.raises(FramesEnded, match="B-14: expected one descriptor, got 2"):
        reader.receive_first()
    assert descriptors() == before
    reader.close()
    ours.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: file_of(100_000),
        lambda: os.open("/dev/null", os.O_RDONLY),
        lambda: memory_of(100_000, 0),
        lambda: memory_of(100_000, fcntl.F_SEAL_GROW),
        lambda: memory_of(0, fcntl.F_SEAL_SHRINK),
        lambda: memory_of(1 << 40, fcntl.F_SEAL_SHRINK),
    ],
    ids=["file", "device", "unsealed", "growing only", "empty", "huge"],
)
def test_what_could_be_cut_off_is_refused(make: object) -> None:
    assert callable(make)
    descriptor = make()
    before = descriptors()
    with pytest.raises(SegmentRefused):
        PeerSegment(descriptor)
    one, other = socket.socketpair()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor, descriptor]))]
    one.sendmsg([struct.pack("<I", 1) + b"x"], rights)
    there = FrameSocket(other)
    with pytest.raises(FramesEnded):
        there.receive_first()
    there.close()
    one.close()
    assert descriptors() == before
    os.close(descriptor)


@pytest.mark.parametrize(
    ("page", "size"),
    [
        (2**32 - 2, 1),
        (2 * MAX_MESSAGE_BYTES // 4096, 1),
        (2 * MAX_MESSAGE_BYTES // 4096 - 1, 4097),
        (0, MAX_MESSAGE_BYTES + 1),
    ],
)
def test_references_are_bounds_checked(
    pair: tuple[FrameSocket, FrameSocket], page: int, size: int
) -> None:
    client, server = pair
    server._socket.sendall(struct.pack("<II", size | 1 << 31, page))
    with pytest.raises(FramesEnded):
        client.receive()


def test_a_reference_without_memory_ends_the_connection() -> None:
    one, other = socket.socketpair()
    there = FrameSocket(other)
    one.sendall(struct.pack("<II", 20_000 | 1 << 31, 0))
    with pytest.raises(FramesEnded, match="not shared"):
        there.receive()
    one.close()
    there.close()


def test_a_reader_can_neither_write_nor_cut_off() -> None:
    own = OwnSegment()
    descriptor = os.dup(own.descriptor)
    for harm in (
        lambda: os.ftruncate(descriptor, 0),
        lambda: os.ftruncate(descriptor, 1 << 40),
        lambda: mmap.mmap(descriptor, 4096),
        lambda: os.pwrite(descriptor, b"x", 0),
        lambda: fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE),
    ):
        with pytest.raises(OSError, match=r"not permitted|denied"):
            harm()
    view = PeerSegment(descriptor).read(0, 10)
    with pytest.raises(TypeError):
        view[0] = 1
    os.close(descriptor)


def test_nothing_is_left() -> None:
    before, mapped = descriptors(), segments()
    ends = []
    for _ in range(3):
        client, server = map(FrameSocket, socket.socketpair())
        client._hand_over_own(b"x")
        server.receive_first()
        server.answer_first(b"y")
        client.receive_first()
        server.send(server.allocate([bytes(50 << 20)], 50 << 20))
        client.receive()
        client.close()
        server.close()
        ends.append((client, server))  # A reference to the ends keeps no memory.
    assert descriptors() == before
    assert not segments() - mapped
