"""Frames on a connected socket: each after its length, four bytes, little-endian (B-12, B-13)."""

import os
import select
import socket
import ssl
import struct
import threading
import time
from typing import Any

from rlmesh_thin.faults import MAX_MESSAGE_BYTES
from rlmesh_thin.messages import HEADER

__all__ = ["PULSE_SECONDS", "Connection", "Lost", "TooLarge"]

PULSE_SECONDS = 5.0
SILENT_SECONDS = 20
SPIN_SECONDS = 0.0002
SOON_SECONDS = 0.0005
LINGER_SECONDS = 1.0
_AT_ONCE = 65536
_KEEPALIVE = (
    ("TCP_KEEPIDLE", 10),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 2),
    ("TCP_USER_TIMEOUT", 20000),
)


class Lost(Exception):
    """The peer is gone, or has broken the rules of frames."""


class TooLarge(Lost):
    """A first message is longer than it may be."""


class Connection:
    """A client's connection.

    Descriptors that a client sends beside its bytes (B-14) are never received: the kernel closes
    them, because no call here asks for them.

    Args:
        connected: The socket; with TLS, before its handshake.
        deadline: When the first messages must have come (monotonic seconds).
    """

    def __init__(self, connected: Any, deadline: float) -> None:
        self._socket = connected
        self._deadline = deadline
        self._tcp = connected.family != getattr(socket, "AF_UNIX", None)
        self._tls = isinstance(connected, ssl.SSLSocket)
        self._rest = b""
        self._sending = threading.Lock()
        self._soon = False
        # TLS may hold bytes that the socket does not have any more.
        self._may_spin = not self._tls and hasattr(os, "sched_yield") and (os.cpu_count() or 1) > 1
        ready = select.poll()
        ready.register(connected, select.POLLIN)
        self._is_ready = ready.poll
        if self._tcp:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE:
                if hasattr(socket, name):
                    connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def shake_hands(self) -> None:
        """Begin TLS, if the connection has it; raise OSError if the client does not."""
        if self._tls:
            self._socket.do_handshake()

    def receive_first(self, most: int) -> bytes:
        """Return one of the first messages, of at most so many bytes.

        Raises:
            TooLarge: If it has more.
            Lost, OSError: If it does not come in time.
        """
        (size,) = HEADER.unpack(self._in_time(HEADER.size))
        if size > most:
            raise TooLarge("expected at most %d bytes, got %d" % (most, size))
        return self._in_time(size)

    def _in_time(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise Lost("the first messages have not come in time")
            self._socket.settimeout(left)
            more = self._socket.recv(size - len(data))
            if not more:
                raise Lost("the peer has closed the connection")
            data += more
        return data

    def welcome(self) -> None:
        """Wait from now on as long as it takes; over TCP, while the peer is not silent."""
        self._socket.settimeout(SILENT_SECONDS if self._tls else None)
        if self._tcp and not self._tls:
            # In the kernel, so that the socket stays a blocking one, which takes one call a frame.
            after = struct.pack("ll", SILENT_SECONDS, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, after)

    def receive(self) -> bytes:
        """Return the next frame that is no pulse.

        Raises:
            Lost, OSError: If there is none.
        """
        while True:
            data = self._rest or self._recv_next()
            while len(data) < HEADER.size:
                data += self._recv()
            (size,) = HEADER.unpack_from(data)
            if size > MAX_MESSAGE_BYTES:
                raise Lost("a frame of %d bytes; the limit is %d" % (size, MAX_MESSAGE_BYTES))
            end = HEADER.size + size
            if len(data) < end:
                data = self._recv_rest(data, end)
            self._rest = data[end:]
            if size:
                return data[HEADER.size : end]

    def _recv_rest(self, begun: bytes, end: int) -> bytes:
        """Receive until there are `end` bytes, into memory that doubles whenever it is full.

        A length may lie, and a list of the parts would take many times their size if each of them
        had a single byte.
        """
        data, at = bytearray(begun), len(begun)
        while at < end:
            if at == len(data):
                data += bytes(min(max(at, _AT_ONCE), end - at))
            with memoryview(data) as view, view[at:] as rest:
                count = self._socket.recv_into(rest)
            if not count:
                raise Lost("the peer has closed the connection")
            at += count
        return bytes(data)

    def _recv_next(self) -> bytes:
        """Receive the bytes that come next; if some came soon before, look for a while first."""
        begun = time.perf_counter()
        if self._soon:
            while not self._is_ready(0) and time.perf_counter() - begun < SPIN_SECONDS:
                os.sched_yield()
        data = self._recv()
        self._soon = self._may_spin and time.perf_counter() - begun < SOON_SECONDS
        return data

    def _recv(self) -> bytes:
        data: bytes = self._socket.recv(_AT_ONCE)
        if not data:
            raise Lost("the peer has closed the connection")
        return data

    def send(self, data: Any) -> None:
        """Send a frame with its length before it: bytes, or a list of its parts."""
        with self._sending:
            if self._tls:
                view = memoryview(data if isinstance(data, bytes) else b"".join(data))
                while len(view):  # The timeout is that of each call.
                    view = view[self._socket.send(view[:_AT_ONCE]) :]
            elif isinstance(data, bytes):
                self._socket.sendall(data)
            else:
                sent = self._socket.sendmsg(data)
                for part in data:  # The kernel may have taken less than all.
                    if sent < len(part):
                        self._socket.sendall(memoryview(part)[sent:])
                    sent = max(0, sent - len(part))

    def try_to_send(self, data: Any) -> None:
        """Send a last frame, if the peer still takes it."""
        try:
            self._socket.settimeout(1.0)
            self.send(data)
        except (OSError, ValueError):
            pass

    def pulse(self) -> None:
        """Send an empty frame over TCP, unless the connection is in use; never wait."""
        if not self._tcp or not self._sending.acquire(False):
            return
        try:
            if self._poll(select.POLLOUT) & select.POLLOUT:
                self._socket.sendall(bytes(HEADER.size))
        except (OSError, ValueError):
            pass
        finally:
            self._sending.release()

    def is_gone(self) -> bool:
        """Return whether the peer is known to have closed the connection."""
        return bool(self._poll(getattr(select, "POLLRDHUP", 0)))

    def _poll(self, events: int) -> int:
        poll = select.poll()
        try:
            poll.register(self._socket, events)
        except ValueError:  # It is closed.
            return select.POLLHUP
        return sum(found for _, found in poll.poll(0))

    def shut(self, how: int = socket.SHUT_RDWR) -> None:
        """End waits for bytes, from any thread; with SHUT_RD, frames can still be sent."""
        try:
            # Not the method of an SSLSocket, which drops the state of TLS first.
            socket.socket.shutdown(self._socket, how)
        except (OSError, ValueError):
            pass

    def limit(self, seconds: float) -> None:
        """Let a call on the connection take no longer than this."""
        self._socket.settimeout(seconds)

    def linger(self) -> None:
        """Read until the peer has closed the connection, or for a second.

        If bytes of the peer were unread when the connection is closed, the last frame that was sent
        could be lost (B-16).
        """
        self.shut(socket.SHUT_WR)
        deadline = time.monotonic() + LINGER_SECONDS
        try:
            while time.monotonic() < deadline:
                self._socket.settimeout(deadline - time.monotonic())
                if not socket.socket.recv(self._socket, _AT_ONCE):
                    break
        except (OSError, ValueError):
            pass

    def close(self) -> None:
        """Close the connection; only while no other thread uses it."""
        self._socket.close()
