"""`RawConnection`: gRPC as bytes, for clients that do what no library would do."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Generator

__all__ = ["RawConnection", "message"]

_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_INITIAL_WINDOW = 0x4
_FRAME_BYTES = 16_384


def message(body: bytes, *, compressed: bool = False) -> bytes:
    """A message of gRPC."""
    return struct.pack(">BI", compressed, len(body)) + body


class RawConnection:
    """A connection of HTTP/2 in plain text.

    Args:
        address: Address of the server ("tcp://127.0.0.1:5555").
        window: How many bytes the server may send on a stream.

    Attributes:
        ended: Streams that the server has ended.
        answered: Streams on which the server has sent anything.
    """

    def __init__(self, address: str, window: int = 65_535) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._streams = itertools.count(1, 2)
        self._changed = threading.Condition()
        self._window = 65_535
        self._initial = 65_535
        self._windows: dict[int, int] = {}
        self._over = False
        self.ended: set[int] = set()
        self.answered: set[int] = set()
        settings = struct.pack(">HI", _INITIAL_WINDOW, window)
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings))
        threading.Thread(target=self._receive, daemon=True).start()

    def open(self, method: str, *, is_whole: bool = True, **headers: str) -> int:
        """Send the headers of a call, and nothing after them; return the stream's number.

        Without `is_whole`, the server waits for more headers.
        """
        stream = next(self._streams)
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        block = b"".join(_field(name, value) for name, value in fields.items())
        with self._changed:
            self._windows[stream] = self._initial
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS if is_whole else 0, stream, block))
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> bool:
        """Send bytes as fast as the server lets this client; whether all have been sent."""
        view = memoryview(data)
        while view:
            with self._changed:
                self._changed.wait_for(lambda: self._room(stream) > 0 or self._is_over(stream), 20)
                room = min(self._room(stream), _FRAME_BYTES, len(view))
                if room <= 0 or self._is_over(stream):
                    return False
                self._window -= room
                self._windows[stream] -= room
            last = end and room == len(view)
            try:
                frame = _frame(_DATA, _END_STREAM * last, stream, bytes(view[:room]))
                self._socket.sendall(frame)
            except OSError:
                return False
            view = view[room:]
        return True

    def wait_ended(self, stream: int, timeout: float) -> bool:
        """Whether the server has ended the stream, after a wait."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_over(stream), timeout)

    def wait_answered(self, stream: int, timeout: float) -> bool:
        """Whether the server has sent something on the stream, after a wait."""
        with self._changed:
            return self._changed.wait_for(lambda: stream in self.answered, timeout)

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _room(self, stream: int) -> int:
        return min(self._window, self._windows[stream])

    def _is_over(self, stream: int) -> bool:
        return self._over or stream in self.ended

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            for kind, flags, stream, payload in self._frames():
                with self._changed:
                    self._take(kind, flags, stream, payload)
                    self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                if name == _INITIAL_WINDOW:
                    for other in self._windows:
                        self._windows[other] += value - self._initial
                    self._initial = value
            self._socket.sendall(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW:
            (more,) = struct.unpack(">I", payload)
            if stream:
                self._windows[stream] = self._windows.get(stream, 0) + more
            else:
                self._window += more
        elif kind in (_DATA, _HEADERS, _RST):
            self.answered.add(stream)
            if kind == _RST or flags & _END_STREAM:
                self.ended.add(stream)

    def _frames(self) -> Generator[tuple[int, int, int, bytes], None, None]:
        data = b""
        while more := self._socket.recv(65_536):
            data += more
            while len(data) >= 9:
                size = int.from_bytes(data[:3], "big")
                if len(data) < 9 + size:
                    break
                (stream,) = struct.unpack(">I", data[5:9])
                yield data[3], data[4], stream, data[9 : 9 + size]
                data = data[9 + size :]


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _field(name: str, value: str) -> bytes:
    """A header that no table keeps, without Huffman's code."""
    return b"\0" + b"".join(_length(len(text)) + text.encode() for text in (name, value))


def _length(size: int) -> bytes:
    """HPACK's integer with a prefix of seven bits."""
    if size < 127:
        return bytes([size])
    size -= 127
    groups = [127]
    while size >= 128:
        groups.append(size % 128 | 128)
        size //= 128
    return bytes([*groups, size])
