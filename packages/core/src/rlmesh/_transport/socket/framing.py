"""Frames on a socket: each after its length, four bytes, little-endian (CONTRACT.md, B-12)."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from time import perf_counter_ns

from rlmesh._arrival import Arrival
from rlmesh._buffers import Frame, FrameParts
from rlmesh._transport.limits import MAX_MESSAGE_BYTES, joined, too_large
from rlmesh._transport.socket.pulse import has_room_to_send
from rlmesh._transport.socket.spin_wait import SpinWait
from rlmesh.backends import Buffer

__all__ = [
    "AT_ONCE",
    "FIRST_BYTES",
    "HEADER",
    "INF",
    "MORE",
    "FirstFrameTooLong",
    "FrameSocket",
    "FramesEnded",
    "any_size",
    "checked",
    "peer_name",
    "time_left",
]

INF = float("inf")

HEADER = struct.Struct("<I")

MORE = 1 << 31
"""Bit that is added to a length if no frame follows; see `rlmesh._transport.socket.unix`."""

AT_ONCE = 65_536
"""Maximum number of bytes that one call receives of small frames."""

_LARGE_BYTES = 16_384
"""Size in bytes from which a frame is sent and received apart from its length: it saves a copy."""

FIRST_BYTES = 65_536
"""Maximum size of a first request, in bytes: it names the client and the session to resume."""

_LINGER_SECONDS = 1.0
"""Seconds for which the bytes of a client that is not admitted are read."""


_EXCHANGES = 64
"""Number of frames that are exchanged after a large answer: the next ones are probably large."""

_NOW = getattr(socket, "MSG_DONTWAIT", 0) if hasattr(select, "poll") else 0
"""Flag of calls that do not wait; 0: the system has none."""


class FramesEnded(Exception):
    """The peer has closed the connection, or broken a rule of frames."""


class FirstFrameTooLong(FramesEnded):
    """A message of a peer that is not admitted yet is over its limit."""


class FrameSocket:
    """Sends and receives frames on a connected, blocking socket.

    A peer sends a frame only after the answer to its last one, except for one final frame.
    Therefore at most two frames can arrive together.

    Args:
        connected: The socket, which belongs to this object from now on.
        deadline: Time by which the peer's first messages must have arrived (monotonic seconds).

    Attributes:
        max_first_bytes: Maximum size of a client's first request, in bytes.
        grow_first: Called with the number of bytes of a client's first request that have come;
            returns whether the rest may come.
    """

    def __init__(self, connected: socket.socket, deadline: float = INF) -> None:
        connected.settimeout(None)
        self._socket = connected
        self._deadline = deadline
        self.max_first_bytes = FIRST_BYTES
        self.grow_first: Callable[[int], bool] = any_size
        self._spin_wait = SpinWait(connected)
        self._rest = b""
        self._large = False
        # Number of frames for which `takes_at_once` returns False, because one was large.
        self._exchanges = 0
        self._ending = threading.Lock()

    @property
    def descriptor(self) -> int:
        """File descriptor to wait for; -1: `look` cannot be used."""
        return self._socket.fileno() if _NOW else -1

    def takes_at_once(self, size: int) -> bool:
        """Return whether a frame of `size` bytes is sent, and probably answered, without a wait."""
        if self._exchanges:
            self._exchanges -= 1
        return size < _LARGE_BYTES and not (self._exchanges or self._large)

    def look(self) -> Arrival:
        """Receive what has arrived, without waiting, and return how much of a frame is here.

        Raises:
            FramesEnded: As `receive`.
            OSError: As `receive`.
        """
        try:
            more = self._socket.recv(AT_ONCE, _NOW)
        except BlockingIOError:
            return Arrival.PART
        if not more:
            raise FramesEnded("the peer has closed the connection")
        self._rest += more
        return self._arrival()

    def _arrival(self) -> Arrival:
        if len(self._rest) < HEADER.size:
            return Arrival.PART
        (size,) = HEADER.unpack_from(self._rest)
        if size >= _LARGE_BYTES:  # A reference to shared memory too: its first bit is set.
            self._exchanges = _EXCHANGES
            return Arrival.LARGE
        return Arrival.WHOLE if len(self._rest) >= HEADER.size + size else Arrival.PART

    def shake_hands(self) -> None:
        """Begin TLS, if the connection has it; raise OSError if the client does not in time."""

    def offer(self, frame: Frame) -> Buffer:
        """Send a client's first frame and return the answer to it; raises as `receive`."""
        self.send(frame)
        return self.receive()

    def receive_first(self) -> Buffer:
        """Return a client's first request; see `receive`."""
        return self.receive_short(self.max_first_bytes, self._count_first)

    def _count_first(self, size: int) -> None:
        if not self.grow_first(size):
            raise FramesEnded("first requests of other clients take too much memory")

    def answer_first(self, frame: Frame) -> None:
        """Send the answer to a client's first request."""
        self.send(frame)

    def receive_short(self, max_bytes: int, count: Callable[[int], object] | None = None) -> bytes:
        """Return a frame of a peer that is not admitted yet, of at most `max_bytes` bytes.

        `count` is called with the number of bytes that have arrived, again and again.
        """
        (size,) = HEADER.unpack(self._in_time(HEADER.size))
        if size > max_bytes:
            raise FirstFrameTooLong(f"a first message of {size} bytes; the limit is {max_bytes}")
        return self._in_time(size, count)

    def _in_time(self, size: int, count: Callable[[int], object] | None = None) -> bytes:
        """Receive `size` bytes before the deadline, however slowly they arrive."""
        data = bytearray()
        while len(data) < size:
            self._limit()
            more = self._socket.recv(min(size - len(data), AT_ONCE))
            if not more:
                raise FramesEnded("the peer has closed the connection")
            data += more
            if count is not None:
                count(len(more))
        return bytes(data)

    def _limit(self) -> None:
        """Limit the next call on the socket to the time that is left until the deadline."""
        if self._deadline < INF:
            self._socket.settimeout(time_left(self._deadline))

    def welcomed(self) -> None:
        """End the deadline of the first messages, because they have arrived."""
        self._deadline = INF
        self._socket.settimeout(None)

    def allocate(self, parts: Sequence[Buffer], size: int) -> Buffer:
        """Return a frame made of pieces, of `size` bytes in all, in memory that `send` prefers.

        Raises:
            LimitError: If it is too large for the peer.
        """
        return joined(parts, size)

    def allocate_later(self, parts: Sequence[Buffer], size: int) -> Frame:
        """Allocate as `allocate` does, for parts that do not change until the peer's next frame."""
        return self.allocate(parts, size)

    def shares_memory(self) -> bool:
        """Return whether the peer has handed over memory, so that large frames are shared."""
        return False

    def send(self, frame: Frame) -> None:
        """Send a frame.

        Raises:
            LimitError: If it is too large for the peer.
            OSError: If the connection is over.
        """
        size = len(frame)
        if size < _LARGE_BYTES:
            self._socket.sendall(HEADER.pack(size) + bytes(frame))
            return
        if size > MAX_MESSAGE_BYTES:
            raise too_large(size)
        self._send_large(
            HEADER.pack(size), bytes(frame) if isinstance(frame, FrameParts) else frame
        )

    def send_report(self, frame: Frame) -> None:
        """Send a short frame before an answer, unless the call would have to wait for the peer.

        The frame is never put into shared memory, because the answer may be there before the peer
        has read the frame (B-14).
        """
        if has_room_to_send(self._socket):
            self._socket.sendall(HEADER.pack(len(frame)) + bytes(frame))

    def _send_large(self, header: bytes, frame: Buffer) -> None:
        sent = self._socket.sendmsg([header, frame])
        if sent < len(header) + len(frame):
            # The kernel took a part; sendall has the rest.
            self._socket.sendall(header[sent:])
            self._socket.sendall(memoryview(frame)[max(0, sent - len(header)) :])

    def receive(self) -> Buffer:
        """Return the next frame, which is valid until the next call.

        Raises:
            FramesEnded: If there is none, or if it is too large or at a wrong position.
            OSError: If the connection breaks.
        """
        if self._large and not self._rest:
            return self._receive_in_place()
        data = self._rest or self._wait()
        while len(data) < HEADER.size:
            data += self._more()
        (size,) = HEADER.unpack_from(data)
        end = HEADER.size + size
        if len(data) == end:
            self._rest = b""
            return data[HEADER.size :]
        if size & MORE:
            return self._referred(data)
        if len(data) > end:
            self._rest = data[end:]
            return data[HEADER.size : end]
        self._rest = b""
        self._large = True  # The next frame is probably large too.
        begun = data[HEADER.size :]
        return begun + self._exactly(checked(size) - len(begun))

    def _wait(self) -> bytes:
        """Receive the bytes that arrive next."""
        if self._spin_wait.spin():
            return self._socket.recv(AT_ONCE)
        begun = perf_counter_ns()
        data = self._recv(AT_ONCE)
        self._spin_wait.record_wait(perf_counter_ns() - begun)
        return data

    def _referred(self, data: bytes) -> Buffer:
        """Return the frame that a reference stands for, which `data` begins with."""
        raise FramesEnded("the peer refers to memory that is not shared")

    def _receive_in_place(self) -> Buffer:
        """Return the next frame if it is probably large: one call more, and no copy."""
        header = self._exactly(HEADER.size)
        (size,) = HEADER.unpack(header)
        if size & MORE:  # The peer shares memory, and need not have shared the frame before.
            self._large = False
            return self._referred(header)
        self._large = size >= _LARGE_BYTES
        return self._exactly(checked(size))

    def _exactly(self, size: int) -> bytes:
        data = self._recv(size, socket.MSG_WAITALL) if size else b""
        while len(data) < size:
            more = self._recv(size - len(data), socket.MSG_WAITALL)
            if not more:
                raise FramesEnded("the peer has closed the connection")
            data += more
        return data

    def _recv(self, size: int, flags: int = 0) -> bytes:
        return self._socket.recv(size, flags)

    def _more(self) -> bytes:
        more = self._recv(AT_ONCE)
        if not more:
            raise FramesEnded("the peer has closed the connection")
        return more

    def refuse(self, frame: Frame) -> None:
        """Send the last frame to a client that is not admitted, and end the connection."""
        with contextlib.suppress(OSError):
            self.send(frame)
        self.finish()

    def finish(self) -> None:
        """End the connection after a last frame, so that the client receives it.

        What the client has sent is read first: if bytes were left unread, the kernel would reset
        the connection, and the client could lose the frame.
        """
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
            until = time.monotonic() + _LINGER_SECONDS
            while (left := until - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not self._socket.recv(AT_ONCE):
                    break
        self.close()

    def is_connected(self) -> bool:
        """Return whether the peer has not ended the connection, as far as the kernel knows."""
        if not hasattr(select, "POLLRDHUP"):
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)
        try:
            return not poll.poll(0)
        except OSError:
            return False

    def peer_has_ended(self) -> bool:
        """Return whether the other end's process is known to have ended."""
        return False

    def cut(self) -> None:
        """End the connection, from any thread; a thread that waits for a frame then raises."""
        # `close` waits, so that the descriptor cannot be another connection's by now.
        with self._ending, contextlib.suppress(OSError):
            # Not the method of an `SSLSocket`: that method drops the TLS state first, and a
            # thread that is sending would send the rest in plain text.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def wake(self) -> None:
        """End the wait for the next frame, from any thread; frames may still be sent."""
        with self._ending, contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def close(self) -> None:
        """End the connection and free the socket; only while no other thread uses the socket.

        Another thread calls `cut`: closing would drop the TLS state of a thread that is sending,
        and the descriptor's number could be another connection's before that thread has noticed.
        """
        self.cut()
        with self._ending:
            self._socket.close()

    def __del__(self) -> None:
        """Close the socket of a connection that was never closed."""
        self._socket.close()


def any_size(size: int) -> bool:
    """Return True: the default of `FrameSocket.grow_first`."""
    return True


def time_left(deadline: float) -> float:
    """Return the seconds until a deadline; raise TimeoutError if it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the peer has not begun in time")
    return left


def checked(size: int) -> int:
    """Return a length; raise FramesEnded if it is over the limit."""
    if size > MAX_MESSAGE_BYTES:
        raise FramesEnded(str(too_large(size)))
    return size


def peer_name(connected: socket.socket) -> str:
    """Return the name of a socket's peer as gRPC writes it, "ipv4:127.0.0.1:5001"."""
    if connected.family not in (socket.AF_INET, socket.AF_INET6):
        return "unix:frames"  # The client's end of a Unix socket has no name.
    try:
        host, port = connected.getpeername()[:2]
    except OSError:
        return "a peer that has gone"
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
