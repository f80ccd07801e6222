"""The first server in another language: it plays, and spec/FIRST_SERVER.md has its bytes."""

from __future__ import annotations

import ast
import struct
from collections.abc import Iterator

import pytest
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2, handshake_pb2

from rlmesh import RemoteEnv, errors
from rlmesh._cli.description import describe
from rlmesh._transport.address import Address, parse_address
from rlmesh._transport.probe import connect_to
from rlmesh._wire.services import MODEL_SERVICE
from rlmesh._wire.spec import SPEC_VERSION
from tests.integration.raw_frames import ask, exchange, framed, hello, worked_messages
from tests.processes import ROOT, running

SERVER = ROOT / "examples" / "any_language" / "first_server.py"
TOKEN = "s3cret"


@pytest.fixture(scope="module")
def where() -> Iterator[Address]:
    with running([str(SERVER), TOKEN]) as server:
        yield parse_address(server.wait_for(r"frames://\S+").group())


def test_it_uses_nothing_but_sockets() -> None:
    imported = {
        name.name
        for node in ast.walk(ast.parse(SERVER.read_text()))
        if isinstance(node, ast.Import)
        for name in node.names
    }
    assert imported == {"os", "socket", "struct", "sys"}


def test_a_client_plays_it(where: Address) -> None:
    for _ in range(2):
        with RemoteEnv(str(where), token=TOKEN, validation="strict") as remote:
            assert remote.reset(seed=1)[0].tolist() == [0, 0]
            with pytest.raises(errors.InvalidValueError):
                remote.step(7)
            steps = 1
            while not any(remote.step(1)[2:4]):
                steps += 1
            assert steps == 10
            with pytest.raises(errors.UnsupportedError):
                remote.render()
    assert describe(str(where), TOKEN, None, 10).contract.id == "Point"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (hello(), error_pb2.ERROR_CODE_UNAUTHENTICATED),
        (hello(TOKEN, MODEL_SERVICE), error_pb2.ERROR_CODE_UNSUPPORTED),
        (hello(TOKEN) + framed(b"\x08\x01\x22\x00"), error_pb2.ERROR_CODE_WRONG_STATE),
        (hello(TOKEN) + framed(b"\x1a\x00"), error_pb2.ERROR_CODE_MALFORMED),
        (hello(TOKEN) + framed(b"\x1a\x02\x0a\x00"), error_pb2.ERROR_CODE_UNSUPPORTED_VERSION),
    ],
)
def test_it_refuses_with_a_reason(where: Address, sent: bytes, code: int) -> None:
    (answer,) = exchange(where, sent)
    assert (answer.error.code, answer.error.session_closed) == (code, True)


def test_a_number_out_of_sequence_changes_nothing(where: Address) -> None:
    with connect_to(where, 20) as connected:
        connected.sendall(hello(TOKEN))
        header = handshake_pb2.OpenHeader()
        header.client.spec_version = SPEC_VERSION
        ask(connected, env_pb2.SessionRequest(open=header).SerializeToString())
        for number, code in ((5, 6), (1, 0), (3, 6), (2, 0)):
            request = env_pb2.SessionRequest(sequence=number, reset=env_pb2.ResetRequest())
            assert ask(connected, request.SerializeToString()).error.code == code


@pytest.mark.parametrize("noise", [b"\xff" * 9, b"\xff" * 4, hello(TOKEN) + b"\x05\0\0\0\xff\xff"])
def test_noise_costs_a_connection_and_no_more(where: Address, noise: bytes) -> None:
    with connect_to(where, 5) as connected:
        connected.sendall(noise)
    assert describe(str(where), TOKEN, None, 10).contract.id == "Point"


def test_the_pages_bytes_are_the_servers(where: Address) -> None:
    messages = worked_messages((ROOT / "spec" / "FIRST_SERVER.md").read_text(encoding="utf-8"))
    (sender, greeting), *rest = messages
    assert (sender, greeting) == ("client", hello())
    assert [sender for sender, _ in rest] == ["client", "server"] * 5
    with connect_to(where, 20) as connected:
        connected.sendall(hello(TOKEN))
        for (_, request), (_, shown) in zip(rest[::2], rest[1::2]):
            assert struct.unpack_from("<I", request)[0] == len(request) - 4
            answer = ask(connected, current(env_pb2.SessionRequest.FromString(request[4:])))
            assert current(answer) == current(env_pb2.SessionResponse.FromString(shown[4:]))


def current(message: env_pb2.SessionRequest | env_pb2.SessionResponse) -> bytes:
    """Return a message with the version of today, and without the name of its session."""
    if message.HasField("open"):
        if isinstance(message, env_pb2.SessionRequest):
            message.open.client.spec_version = SPEC_VERSION
        else:
            message.open.header.session_id = "s1"
            message.open.header.server.spec_version = SPEC_VERSION
            message.open.contract.spec_version = SPEC_VERSION
    return message.SerializeToString()
