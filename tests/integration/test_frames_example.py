"""The worked connection of CONTRACT.md, §19, replayed against a server."""

from __future__ import annotations

import struct

import pytest
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import frames_pb2, handshake_pb2

from rlmesh import EnvServer
from rlmesh._transport.address import Address, parse_address
from rlmesh._transport.probe import connect_to
from rlmesh._wire.spec import SPEC_VERSION
from tests.conformance.contract import CONTRACT
from tests.integration.envs import CounterEnv
from tests.integration.raw_frames import ask, exchange, worked_messages

KEY = bytes(range(16))
VERSION = "1.0.0"


@pytest.fixture(autouse=True)
def transport() -> None:
    """The server's address is one of frames."""


def example() -> list[tuple[str, bytes]]:
    """The messages of the example in order, each with its sender and its length."""
    text = CONTRACT.read_text(encoding="utf-8")
    return worked_messages(
        text[text.index("**A connection of frames alone**") : text.index("## 20. ")]
    )


def unframed(data: bytes) -> bytes:
    (size,) = struct.unpack_from("<I", data)
    assert size == len(data) - 4
    return data[4:]


def request(data: bytes, opened: env_pb2.OpenResponse) -> bytes:
    """A client's message with this server's version, session and key."""
    message = env_pb2.SessionRequest.FromString(unframed(data))
    assert message.SerializeToString() == unframed(data)
    if message.WhichOneof("request") == "open":
        message.open.client.spec_version = SPEC_VERSION
        if message.open.HasField("resume"):
            message.open.resume.session_id = opened.header.session_id
            message.open.resume.resume_key = opened.header.resume_key
    return message.SerializeToString()


def plain(answer: env_pb2.SessionResponse) -> env_pb2.SessionResponse:
    """A server's message without what differs from one server to another."""
    shown = env_pb2.SessionResponse.FromString(answer.SerializeToString())
    shown.call_us = 0
    if shown.WhichOneof("response") == "error":
        shown.error.message = ""
        return shown
    kind = shown.WhichOneof("response")
    for part in [shown.open if kind == "open" else shown.describe] * (kind in ("open", "describe")):
        header = shown.open.header if kind == "open" else shown.describe
        if header.HasField("server"):
            capable = [handshake_pb2.CAPABILITY_RESUME]
            own = handshake_pb2.PeerInfo(spec_version=VERSION, capabilities=capable)
            header.server.CopyFrom(own)
        if part.HasField("contract"):
            part.contract.spec_version = VERSION
            part.contract.ClearField("metadata")
    if kind == "open":
        shown.open.header.session_id, shown.open.header.resume_key = "s1", KEY
        shown.open.header.ClearField("offers")
    return shown


def connections() -> list[list[tuple[str, bytes]]]:
    """The connections of the example: each begins with a client's FramesHello."""
    found: list[list[tuple[str, bytes]]] = []
    for sender, data in example():
        if sender == "client" and data[4:5] == b"\x0a" and b"Service" in data:
            found.append([])
        found[-1].append((sender, data))
    return found


def play(where: Address, messages: list[tuple[str, bytes]], opened: env_pb2.OpenResponse) -> None:
    """Send what the client sends, and compare what the server answers."""
    (_, hello), *rest = messages
    assert frames_pb2.FramesHello.FromString(unframed(hello)).SerializeToString() == hello[4:]
    with connect_to(where, 20) as connected:
        connected.sendall(hello)
        sent = b""
        for sender, data in rest:
            if sender == "client":
                sent = data
                if len(data) == 4:  # A pulse.
                    connected.sendall(data)
                continue
            answer = ask(connected, request(sent, opened))
            if answer.HasField("open"):
                opened.CopyFrom(answer.open)
            assert plain(answer).SerializeToString() == unframed(data)


class Example(CounterEnv):
    pass


def test_the_worked_connection_is_the_servers() -> None:
    opened = env_pb2.OpenResponse()
    refused, *admitted = connections()
    with EnvServer(Example(), "frames://127.0.0.1:0", token="s3cret") as server:
        where = parse_address(server.address)
        (answer,) = exchange(where, refused[0][1])
        assert plain(answer).SerializeToString() == unframed(refused[1][1])
        for messages in admitted:
            play(where, messages, opened)
    assert len(admitted) == 3
