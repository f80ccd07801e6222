"""A bridge from frames over TCP to a WebSocket, so that every client of frames tests the latter."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Generator
from typing import Any

from rlmesh._transport.limits import MAX_MESSAGE_BYTES

__all__ = ["bridge"]


@contextlib.contextmanager
def bridge(websocket_address: str) -> Generator[str]:
    """Forward the frames of connections to a WebSocket; yield the address of the bridge."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    opened: list[socket.socket] = []
    accepting = threading.Thread(target=_accept, args=(listener, websocket_address, opened))
    accepting.start()
    try:
        yield f"frames://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(20)
        listener.close()
        for connected in opened:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, address: str, opened: list[socket.socket]) -> None:
    while True:
        try:
            connected, _ = listener.accept()
        except OSError:
            return
        opened.append(connected)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_forward, args=(connected, address), daemon=True).start()


def _forward(connected: socket.socket, address: str) -> None:
    """Send each frame as a message, until the client ends the connection."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    options: Any = {"compression": None, "max_size": None}
    with (
        contextlib.suppress(OSError, ConnectionClosed),
        connect(address, **options) as peer,
    ):
        threading.Thread(target=_back, args=(connected, peer), daemon=True).start()
        while True:
            (size,) = struct.unpack("<I", _exactly(connected, 4))
            if size > MAX_MESSAGE_BYTES:
                # The header of a binary message with the mask 0; its content may never come.
                peer.socket.sendall(b"\x82\xff" + struct.pack(">Q", size) + bytes(4))
                continue
            peer.send(_exactly(connected, size))


def _back(connected: socket.socket, peer: Any) -> None:
    """Send each message as a frame, until the server closes the WebSocket."""
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(OSError, ConnectionClosed):
        while True:
            message = peer.recv()
            connected.sendall(struct.pack("<I", len(message)) + message)
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
    connected.close()


def _exactly(connected: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = connected.recv(min(size - len(data), 1 << 20))
        if not more:
            raise ConnectionError("the client has ended the connection")
        data += more
    return bytes(data)
