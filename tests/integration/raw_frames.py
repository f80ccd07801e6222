"""Frames by plain sockets, for tests of what a server does with them."""

from __future__ import annotations

import re
import socket
import struct
from contextlib import suppress

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import handshake_pb2

from rlmesh._transport.address import Address
from rlmesh._transport.probe import connect_to
from rlmesh._wire.frames_alone import write_hello
from rlmesh._wire.services import ENV_SERVICE
from rlmesh._wire.spec import SPEC_VERSION

CLIENT = handshake_pb2.PeerInfo(
    spec_version=SPEC_VERSION, capabilities=[handshake_pb2.CAPABILITY_RESUME]
)
OPEN = env_pb2.SessionRequest()
OPEN.open.client.CopyFrom(CLIENT)
RESET = env_pb2.SessionRequest(sequence=1)
RESET.reset.SetInParent()


def framed(message: bytes) -> bytes:
    """Return a message after its length."""
    return struct.pack("<I", len(message)) + message


def hello(token: str = "", service: str = ENV_SERVICE) -> bytes:
    """Return a first message, framed."""
    return framed(write_hello(service, token))


def exchange(where: Address, sent: bytes, timeout: float = 20.0) -> list[env_pb2.SessionResponse]:
    """Send bytes, and return all frames that come until the server ends the connection."""
    with connect_to(where, timeout) as connected:
        with suppress(ConnectionError):
            connected.sendall(sent)
        return list(read_all(connected))


def read_all(connected: socket.socket) -> list[env_pb2.SessionResponse]:
    """Return all frames until the end of a connection; pulses are left out."""
    data = b""
    with suppress(ConnectionError):
        while more := connected.recv(65_536):
            data += more
    frames = []
    while data:
        (size,) = struct.unpack_from("<I", data)
        if size:
            frames.append(env_pb2.SessionResponse.FromString(data[4 : 4 + size]))
        data = data[4 + size :]
    return frames


def ask(connected: socket.socket, message: bytes) -> env_pb2.SessionResponse:
    """Send a frame, and return the next one that comes; pulses are left out."""
    connected.sendall(framed(message))
    while not (size := struct.unpack("<I", _exactly(connected, 4))[0]):
        pass
    return env_pb2.SessionResponse.FromString(_exactly(connected, size))


def _exactly(connected: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connected.recv(size - len(data))
        if not more:
            raise ConnectionError("the server has ended the connection")
        data += more
    return data


def worked_messages(text: str) -> list[tuple[str, bytes]]:
    """Return the messages that a document shows in order, each with its sender and its length."""
    text = re.sub(r"\n        (?=[0-9a-f]{2}( |$))", " ", text, flags=re.MULTILINE)
    found = re.findall(r"^    (client|server), .* : ([0-9a-f ]+)$", text, re.MULTILINE)
    return [(sender, bytes.fromhex(shown)) for sender, shown in found]
