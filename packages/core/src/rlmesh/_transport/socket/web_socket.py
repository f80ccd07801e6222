"""Frames as binary messages of a WebSocket, for browsers (CONTRACT.md, B-18).

The protocol itself is that of the library `websockets`, used without its input and output: sockets,
threads, deadlines and limits are those of every other connection of frames.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from rlmesh._buffers import Frame, FrameParts
from rlmesh._optional import optional_import
from rlmesh._transport.address import Address
from rlmesh._transport.limits import MAX_MESSAGE_BYTES, too_large
from rlmesh._transport.socket import tcp
from rlmesh._transport.socket.framing import AT_ONCE, FirstFrameTooLong, FramesEnded
from rlmesh._transport.socket.listening import Listening
from rlmesh._transport.socket.pulse import has_room_to_send
from rlmesh.backends import Buffer
from rlmesh.errors import AddressError
from rlmesh.options import TLS, ServeOptions

if TYPE_CHECKING:
    import ssl

    from rlmesh._transport.socket.doorkeeper import Doorkeeper

__all__ = ["PATH", "WebSocketFrames"]

PATH = "/rlmesh"
"""Path of the WebSocket on its server."""

_MAX_REQUEST_BYTES = 16_384
"""Max size of the HTTP request that asks for a WebSocket, in bytes."""

_MAX_OVERHEAD_BYTES = 14
"""Size of the longest header of a WebSocket's frame, in bytes."""

_SILENT = logging.Logger("websockets")
"""Logger of the library; what it reports is reported here, or of no interest."""
_SILENT.addHandler(logging.NullHandler())


class WebSocketFrames:
    """Sessions over a WebSocket, on a port of their own (B-18)."""

    def is_served(self, options: ServeOptions) -> bool:
        """See `Entrance`: if the options name a port."""
        return options.websocket_port is not None

    def listen(
        self, options: ServeOptions, where: Address, doorkeeper: Doorkeeper, tls: TLS | None
    ) -> Listening:
        """See `Entrance`: on the host of the server's address.

        Raises:
            ImportError: If the extra `[web]` is not installed.
        """
        optional_import("websockets", "websocket_port", "web")
        if where.is_unix:
            raise AddressError(f"websocket_port needs a host, and {where} has none")
        origins = tuple(options.websocket_origins)
        admit = tcp.admission(
            doorkeeper,
            tls,
            partial(_WebSocketFrameSocket, origins=origins),
            partial(_SecureWebSocketFrameSocket, origins=origins),
        )
        listener = tcp.listen(where, options.websocket_port or 0)
        scheme = "ws" if tls is None else "wss"
        authority = Address(scheme, where.host, listener.getsockname()[1]).authority
        return Listening(listener, admit, f"{scheme}://{authority}{PATH}")


class _WebSocketFrameSocket(tcp.TcpFrameSocket):
    """The server's end of frames as binary messages of a WebSocket.

    Args:
        connected: The socket.
        deadline: Time by which the client's first messages must have arrived (monotonic seconds).
        origins: Values of the header `Origin` that are admitted.
    """

    _EMPTY: ClassVar[bytes] = b"\x82\x00"
    """An empty binary message."""

    def __init__(
        self, connected: socket.socket, deadline: float, *, origins: Sequence[str]
    ) -> None:
        super().__init__(connected, deadline)
        from websockets.server import ServerProtocol

        # Other programs than browsers send no `Origin`. Without extensions nothing is compressed.
        admitted: Any = [None, *origins]
        self._protocol = ServerProtocol(
            origins=admitted, max_size=MAX_MESSAGE_BYTES, logger=_SILENT
        )
        self._messages: deque[Buffer] = deque()
        self._parts = bytearray()
        self._fed = 0

    def shake_hands(self) -> None:
        """See `FrameSocket`: TLS, if any, then the request for a WebSocket, and its answer.

        Raises:
            FramesEnded: If the request is none, has another path, or comes from a page that the
                server does not admit; the client has the reason as an answer of HTTP.
        """
        super().shake_hands()
        protocol = self._protocol
        while not (events := protocol.events_received()):
            if protocol.handshake_exc is not None or self._fed >= _MAX_REQUEST_BYTES:
                raise FramesEnded(f"not a request for a WebSocket: {protocol.handshake_exc}")
            self._feed(self._in_time_at_most(_MAX_REQUEST_BYTES - self._fed))
        if len(events) > 1:
            raise FramesEnded("the peer has not waited for the answer to its request")
        request: Any = events[0]
        if request.path == PATH:
            response = protocol.accept(request)
        else:
            words = f"Expected the path {PATH}.\n"
            response = protocol.reject(HTTPStatus.NOT_FOUND, words)
        protocol.send_response(response)
        self._flush()
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self.finish()
            raise FramesEnded(f"a request was answered {response.status_code}: {response.body!r}")
        self._fed = 0

    def receive_short(self, max_bytes: int, count: Callable[[int], object] | None = None) -> bytes:
        """See `FrameSocket`; a pulse is no frame."""
        while not (message := self._next_message()):
            if self._fed > max_bytes + _MAX_OVERHEAD_BYTES:
                raise FirstFrameTooLong(f"a first message longer than {max_bytes} bytes")
            data = self._in_time_at_most(AT_ONCE)
            self._feed(data)
            if count is not None:
                count(len(data))
        if len(message) > max_bytes:
            words = f"a first message of {len(message)} bytes; the limit is {max_bytes}"
            raise FirstFrameTooLong(words)
        return bytes(message)

    def _in_time_at_most(self, size: int) -> bytes:
        """Receive some bytes before the deadline."""
        self._limit()
        data = self._socket.recv(min(size, AT_ONCE))
        if not data:
            raise FramesEnded("the peer has closed the connection")
        return data

    def receive(self) -> Buffer:
        """See `FrameSocket`; a pulse is no frame."""
        with self._using:
            while not (message := self._next_message()):
                data = self._wait()
                if not data:
                    raise FramesEnded("the peer has closed the connection")
                self._feed(data)
        return message

    def _next_message(self) -> Buffer | None:
        """Return a message that is whole; None if more bytes are needed.

        Raises:
            FramesEnded: If the peer has closed the WebSocket, or broken one of its rules.
        """
        if self._messages:
            return self._messages.popleft()
        if self._protocol.close_expected():
            raise FramesEnded(f"the WebSocket is closed: {self._protocol.parser_exc}")
        return None

    def _feed(self, data: bytes) -> None:
        """Take the messages out of bytes that have arrived, and answer Pings."""
        protocol = self._protocol
        protocol.receive_data(data)
        self._fed += len(data)
        if self._is_open:
            for event in protocol.events_received():
                self._take(event)
        self._flush()

    @property
    def _is_open(self) -> bool:
        return self._protocol.state.name != "CONNECTING"

    def _take(self, frame: Any) -> None:
        """Add a frame of a WebSocket to the messages."""
        from websockets.frames import Opcode

        if frame.opcode is Opcode.BINARY and frame.fin:
            self._fed = 0
            self._messages.append(frame.data)
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._parts += frame.data
            if frame.fin:
                self._fed = 0
                self._messages.append(bytes(self._parts))
                self._parts = bytearray()
        elif frame.opcode is Opcode.TEXT:
            self._protocol.fail(1003, "expected binary messages")

    def send(self, frame: Frame) -> None:
        """See `FrameSocket`."""
        if len(frame) > MAX_MESSAGE_BYTES:
            raise too_large(len(frame))
        with self._using:
            self._send_message(frame)

    def send_report(self, frame: Frame) -> None:
        """See `FrameSocket`."""
        with self._using:
            if has_room_to_send(self._socket):
                self._send_message(frame)

    def _send_message(self, frame: Frame) -> None:
        if self._protocol.close_expected():
            raise FramesEnded("the WebSocket is closed")
        self._protocol.send_binary(bytes(frame) if isinstance(frame, FrameParts) else frame)
        self._flush()

    def _flush(self) -> None:
        """Send what the protocol has to send."""
        for data in self._protocol.data_to_send():
            if data:  # An empty one would half-close the connection, which ends soon anyway.
                self._send_large(b"", data)

    def _ask_for_a_sign(self) -> None:
        """See `TcpFrameSocket`: a browser answers a Ping, also while a page's timers sleep."""
        if not self._protocol.close_expected():
            self._protocol.send_ping(b"")
            self._flush()

    def _say_goodbye(self) -> None:
        """Close the WebSocket, unless a thread uses the socket or the peer reads nothing."""
        if not self._using.acquire(blocking=False):
            return
        try:
            if self._is_open and not self._protocol.close_expected():
                self._protocol.send_close(1000)
                if has_room_to_send(self._socket):
                    self._flush()
        except (OSError, ValueError):
            pass  # The connection has ended.
        finally:
            self._using.release()

    def finish(self) -> None:
        """See `FrameSocket`."""
        self._say_goodbye()
        super().finish()

    def close(self) -> None:
        """See `FrameSocket`."""
        self._say_goodbye()
        super().close()


class _SecureWebSocketFrameSocket(_WebSocketFrameSocket, tcp.TlsFrameSocket):
    """The same, in TLS records."""

    def __init__(
        self, connected: ssl.SSLSocket, deadline: float, *, origins: Sequence[str]
    ) -> None:
        super().__init__(connected, deadline, origins=origins)
