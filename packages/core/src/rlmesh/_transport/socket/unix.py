"""Frames on a Unix socket, large ones in memory that both ends share (CONTRACT.md, B-12, B-14)."""

from __future__ import annotations

import array
import contextlib
import os
import re
import socket
import struct
import sys
from collections.abc import Callable, Sequence

from rlmesh._buffers import Frame, FrameParts
from rlmesh._reusable_buffer import ReceiveBuffers
from rlmesh._transport.limits import MAX_MESSAGE_BYTES, too_large
from rlmesh._transport.socket.chunks import IN_CHUNKS, chunking, chunks
from rlmesh._transport.socket.descriptors import has_room
from rlmesh._transport.socket.framing import (
    AT_ONCE,
    HEADER,
    INF,
    MORE,
    FirstFrameTooLong,
    FramesEnded,
    FrameSocket,
    checked,
)
from rlmesh._transport.socket.peer_process import PeerProcess
from rlmesh._transport.socket.shared_memory import (
    PAGE_BYTES,
    SHARED_BYTES,
    OwnSegment,
    PeerSegment,
    SegmentRefused,
    WrittenFrame,
)
from rlmesh.backends import Buffer

__all__ = [
    "SUPPORTED",
    "LocalFrameSocket",
    "admit",
    "is_name",
    "listen",
    "peer_is_same_user",
]

SUPPORTED = sys.platform == "linux"
"""Whether this system has the abstract namespace and reports a peer's credentials."""

_NAME = re.compile(r"rlmesh-[0-9a-f]{32}")
_REFERENCE = struct.Struct("<II")
_CREDENTIALS = struct.Struct("3i")
_LOOK_AFTER = struct.pack("ll", 5, 0)
"""Seconds and microseconds of silence after which the other end's process is looked after."""

CHUNKED_BYTES = 4 * 1024 * 1024
"""From this size on an answer goes in chunks, into memory that values keep; see `chunks`."""

_TOKEN = b"\1"
"""Byte that reports that a chunk is written, or that it is read."""

_DESCRIPTORS = socket.CMSG_SPACE(4) if hasattr(socket, "CMSG_SPACE") else 0


class LocalFrameSocket(FrameSocket):
    """Frames on a Unix socket; see `FrameSocket`."""

    def __init__(self, connected: socket.socket, deadline: float = INF) -> None:
        super().__init__(connected, deadline)
        self._process = PeerProcess(_credentials(connected)[0])
        # In the kernel, so that the socket stays a blocking one, which takes one call a frame.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _LOOK_AFTER)
        self._own: OwnSegment | None = None
        self._peer: PeerSegment | None = None
        self._placed: WrittenFrame | None = None
        self._memory = ReceiveBuffers()

    # The first exchange, in which each end hands the other its segment.

    def offer(self, frame: Frame) -> Buffer:
        """Send a client's first frame, with a segment, and return the answer to it.

        Frames are shared from then on if the server has handed over one, too.

        Raises:
            FramesEnded: As `receive`.
            OSError: As `receive`.
        """
        self._hand_over_own(frame)
        answer = self.receive_first()
        if self._peer is None:
            self._own = None
        return answer

    def _hand_over_own(self, frame: Frame) -> None:
        with contextlib.suppress(OSError):
            self._own = OwnSegment()
        self._hand_over(frame)

    def receive_first(self) -> Buffer:
        """Return the first frame, and the segment that comes with it; see `receive`.

        The descriptor may come with any part of the frame, such as with its length alone (B-14).
        """
        data = bytearray()
        descriptors = array.array("i")
        try:
            while len(data) < self._first_end(data):
                part, ancillary = self._first_message()
                if not part:
                    raise FramesEnded("the peer has closed the connection")
                data += part
                self._count_first(len(part))
                for level, kind, numbers in ancillary:
                    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                        descriptors.frombytes(numbers[: len(numbers) // 4 * 4])
                if len(descriptors) > 1:
                    # A peer could otherwise hand over as many as the frame has bytes.
                    raise FramesEnded(f"B-14: expected one descriptor, got {len(descriptors)}")
            if descriptors:
                self._peer = PeerSegment(descriptors[0])
        except SegmentRefused as error:
            raise FramesEnded(str(error)) from None
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._rest = bytes(data)
        return self.receive()

    def _first_end(self, data: bytearray) -> int:
        """Return the size of the first frame with its length, or of the length if it is missing."""
        if len(data) < HEADER.size:
            return HEADER.size
        (size,) = HEADER.unpack_from(data)
        max_bytes = self.max_first_bytes
        if self._deadline < INF and size > max_bytes:
            raise FirstFrameTooLong(f"a first message of {size} bytes; the limit is {max_bytes}")
        return HEADER.size + checked(size)

    def _first_message(self) -> tuple[bytes, list[tuple[int, int, bytes]]]:
        """Receive bytes of the first frame, and what the kernel hands over with them."""
        self._limit()
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(AT_ONCE, _DESCRIPTORS)
                return data, ancillary
            except BlockingIOError:
                reason = self._process.gone()
                if reason:
                    raise FramesEnded(reason) from None

    def answer_first(self, frame: Frame) -> None:
        """Send a server's first frame, with a segment if the client has handed over one."""
        if self._peer is not None:
            try:
                self._own = OwnSegment()
            except OSError:
                self._peer = None
        self._hand_over(frame)

    def _hand_over(self, frame: Frame) -> None:
        own = self._own
        if own is None:
            self.send(frame)
            return
        header = HEADER.pack(checked(len(frame)))
        with memoryview(header + bytes(frame)) as data:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [own.descriptor]))]
            sent = self._socket.sendmsg([data], rights)
            self._socket.sendall(data[sent:])
        own.handed_over()

    def allocate(self, parts: Sequence[Buffer], size: int) -> Buffer:
        """Return a frame made of pieces, of `size` bytes in all, in memory that `send` finds.

        Returns:
            The frame. In shared memory it stays as it is until the next but one is placed (see
            `OwnSegment`).

        Raises:
            LimitError: If it is too large for the peer.
        """
        if size < SHARED_BYTES:
            return b"".join(parts)
        if self._own is None or size > MAX_MESSAGE_BYTES:
            return super().allocate(parts, size)
        placed = self._placed = self._own.write(parts, size)
        return placed.view

    def allocate_later(self, parts: Sequence[Buffer], size: int) -> Frame:
        """See `FrameSocket`; only chunks, which need a segment, are sent piece by piece."""
        if self._own is not None and CHUNKED_BYTES <= size <= MAX_MESSAGE_BYTES:
            return FrameParts(parts, size)
        return self.allocate(parts, size)

    def shares_memory(self) -> bool:
        """See `FrameSocket`."""
        return self._peer is not None

    def close(self) -> None:
        """See `FrameSocket`; the memory goes with the last view of it."""
        super().close()
        self._own = self._peer = self._placed = None

    def _recv(self, size: int, flags: int = 0) -> bytes:
        while True:
            try:
                return self._socket.recv(size, flags)
            except BlockingIOError:
                reason = self._process.gone()
                if reason:
                    raise FramesEnded(reason) from None

    def peer_has_ended(self) -> bool:
        """See `FrameSocket`."""
        return self._process.has_ended()

    def send(self, frame: Frame) -> None:
        """See `FrameSocket`."""
        size = len(frame)
        if self._own is None or size < SHARED_BYTES:
            super().send(frame)
            return
        if size > MAX_MESSAGE_BYTES:
            raise too_large(size)
        placed = self._placed
        if placed is None or placed.view is not frame:
            if isinstance(frame, FrameParts) or size >= CHUNKED_BYTES:
                parts = frame.parts if isinstance(frame, FrameParts) else (frame,)
                self._send_chunks(parts, size, self._own)
                return
            placed = self._placed = self._own.write((frame,), size)
        self._socket.sendall(_REFERENCE.pack(size | MORE, placed.page))

    def _send_chunks(self, parts: Sequence[Buffer], size: int, own: OwnSegment) -> None:
        self._socket.sendall(_REFERENCE.pack(size | MORE, IN_CHUNKS))
        cut = chunking(size)
        for index, chunk in enumerate(chunks(parts, cut.size)):
            if index >= cut.slots:
                self._exactly(1)
            own.put(cut.offset(index), chunk)
            self._socket.sendall(_TOKEN)
        count = -(-size // cut.size)
        self._exactly(min(count, cut.slots))  # Nothing of it is left when the next frame comes.

    def _referred(self, data: bytes) -> memoryview:
        """Return the frame that a reference stands for."""
        while len(data) < _REFERENCE.size:
            data += self._more()
        self._rest = data[_REFERENCE.size :]
        size, page = _REFERENCE.unpack_from(data)
        if self._peer is None:
            raise FramesEnded("the peer refers to memory that is not shared")
        size = checked(size & ~MORE)
        try:
            if page == IN_CHUNKS:
                return self._receive_chunks(size, self._peer)
            return self._peer.read(page, size)
        except SegmentRefused as error:
            raise FramesEnded(str(error)) from None

    def _receive_chunks(self, size: int, peer: PeerSegment) -> memoryview:
        memory = self._memory.take(size)
        cut = chunking(size)
        for index, start in enumerate(range(0, size, cut.size)):
            part = memory[start : start + cut.size]
            if self._rest:
                self._rest = self._rest[1:]
            else:
                self._exactly(1)
            part[:] = peer.read(cut.offset(index) // PAGE_BYTES, len(part))
            self._socket.sendall(_TOKEN)
        return memory


def peer_is_same_user(connected: socket.socket) -> bool:
    """Return whether the kernel reports that the other end belongs to this process's user."""
    return _credentials(connected)[1] == os.geteuid()


def _credentials(connected: socket.socket) -> tuple[int, int, int]:
    """Return process, user and group of the other end, as the kernel reports them."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, group = _CREDENTIALS.unpack(credentials)
    return process, user, group


def is_name(text: str) -> bool:
    """Return whether a name is one of RLMesh's listeners; a client connects to no other."""
    return _NAME.fullmatch(text) is not None


def listen() -> tuple[socket.socket, str]:
    """Return a listener in the abstract namespace, which leaves no file behind, and its name."""
    name = f"rlmesh-{os.urandom(16).hex()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"\0{name}")
    return listener, name


def admit(
    connected: socket.socket, deadline: float, begun: Callable[[FrameSocket], object]
) -> LocalFrameSocket:
    """Return the frames of a client, which has until `deadline` for its first frame.

    `begun` is called with them before anything is received.

    Raises:
        FramesEnded: If it is another user's, or few descriptors are left.
    """
    if not peer_is_same_user(connected):
        raise FramesEnded("another user's client")
    if not has_room(connected):
        raise FramesEnded("half of this process's descriptors are in use")
    frames = LocalFrameSocket(connected, deadline)
    begun(frames)
    return frames
