"""WebSockets by the library and by plain sockets, for tests of a server's entrance for browsers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Generator
from typing import Any

import pytest
from rlmesh_proto.env.v1 import env_pb2

from rlmesh import EnvServer, ServeOptions
from rlmesh._wire.frames_alone import write_hello
from rlmesh._wire.services import ENV_SERVICE
from tests.integration.envs import CounterEnv
from tests.integration.raw_frames import OPEN, RESET

__all__ = [
    "FIRST",
    "OPTIONS",
    "PAGE",
    "TOKEN",
    "answered",
    "ask",
    "dial",
    "hello",
    "masked",
    "plain",
    "plays",
    "raw",
    "response",
    "serving_many",
    "upgrade",
]

TOKEN = "s3cret"
FIRST = OPEN.SerializeToString()
PAGE = "https://lab.example"
OPTIONS = ServeOptions(websocket_port=0, websocket_origins=(PAGE,))


def serving_many() -> EnvServer:
    """Return a server of many sessions, because tests leave some behind that could be resumed."""
    return EnvServer(
        factory=CounterEnv, max_sessions=64, address="127.0.0.1:0", token=TOKEN, options=OPTIONS
    )


def dial(server: Any, **options: Any) -> Any:
    """Return a WebSocket to a server, as a context."""
    options = {"compression": None, "max_size": None, **options}
    from websockets.sync.client import connect

    return connect(server.websocket_address, **options)


def hello(token: str = TOKEN, service: str = ENV_SERVICE) -> bytes:
    """Return a first message."""
    return write_hello(service, token)


def response(message: Any) -> env_pb2.SessionResponse:
    """Return the answer of a message."""
    return env_pb2.SessionResponse.FromString(message)


def ask(peer: Any, request: bytes) -> env_pb2.SessionResponse:
    """Send a request and return its answer; pulses are left out."""
    peer.send(request)
    while not (message := peer.recv(20)):
        pass
    return response(message)


def plays(server: EnvServer, **options: Any) -> None:
    """Play a session from its beginning to its end."""
    with dial(server, **options) as peer:
        peer.send(hello())
        assert ask(peer, FIRST).WhichOneof("response") == "open"
        assert ask(peer, RESET.SerializeToString()).WhichOneof("response") == "reset"
        close = env_pb2.SessionRequest(sequence=2)
        close.close.SetInParent()
        assert ask(peer, close.SerializeToString()).WhichOneof("response") == "close"
        from websockets.exceptions import ConnectionClosedOK

        with pytest.raises(ConnectionClosedOK):
            peer.recv(20)


def plain(server: EnvServer) -> socket.socket:
    """Return a socket that is connected to the port of the WebSocket."""
    host, _, port = str(server.websocket_address).split("/")[2].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def upgrade(path: str = "/rlmesh", **headers: str) -> bytes:
    """Return a request of HTTP for a WebSocket."""
    fields = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


def masked(opcode: int, data: bytes, *, declared: int | None = None) -> bytes:
    """Return a frame of a WebSocket as clients send it, with the mask 0."""
    size = len(data) if declared is None else declared
    if size < 126:
        return bytes([opcode, 0x80 | size, 0, 0, 0, 0]) + data
    if size < 65_536:
        return bytes([opcode, 0xFE]) + struct.pack(">H", size) + bytes(4) + data
    return bytes([opcode, 0xFF]) + struct.pack(">Q", size) + bytes(4) + data


def answered(server: EnvServer, request: bytes) -> bytes:
    """Return what a server sends for some bytes until it ends the connection."""
    with plain(server) as peer:
        peer.sendall(request)
        data = b""
        with contextlib.suppress(ConnectionError):
            while more := peer.recv(4096):
                data += more
        return data


@contextlib.contextmanager
def raw(server: Any, tls: ssl.SSLContext | None = None) -> Generator[socket.socket]:
    """Open a WebSocket by plain sockets, with TLS if a context is given.

    The library's client reads on a thread of its own while another one writes. With TLS, what is
    written is lost in one of some hundred connections (seen with Python 3.11), so it is not used.
    """
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(plain(server))
        if tls is not None:
            peer = stack.enter_context(tls.wrap_socket(peer, server_hostname="127.0.0.1"))
        peer.sendall(upgrade())
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += peer.recv(1)
        assert data.startswith(b"HTTP/1.1 101 ")
        assert b"Extensions" not in data
        yield peer
