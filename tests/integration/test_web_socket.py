"""A WebSocket (B-18): which clients are admitted, what is refused, and the bytes."""

from __future__ import annotations

import contextlib
import re
import struct
import time
from collections.abc import Iterator

import pytest
from rlmesh_proto.session.v1 import error_pb2

from rlmesh import EnvServer, ServeOptions
from rlmesh._transport.socket import server as frames_server
from rlmesh._transport.socket import web_socket
from rlmesh._wire.services import MODEL_SERVICE
from tests.conformance.contract import CONTRACT
from tests.integration.envs import CounterEnv
from tests.integration.raw_web_socket import (
    FIRST,
    PAGE,
    TOKEN,
    answered,
    ask,
    dial,
    hello,
    masked,
    plain,
    plays,
    raw,
    response,
    serving_many,
    upgrade,
)

exceptions = pytest.importorskip("websockets.exceptions")


@pytest.fixture(autouse=True)
def transport(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test chooses its own, without a proxy."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def server() -> Iterator[EnvServer]:
    with serving_many() as server:
        yield server


def test_the_worked_example_is_played() -> None:
    text = CONTRACT.read_text(encoding="utf-8").partition("**WebSocket** (B-18)")[2]
    text = text.partition("\n## ")[0]
    lines = re.search(r"((?:^    .*\n)+)", text, re.MULTILINE)
    assert lines is not None
    request = "\r\n".join([*(line.strip() for line in lines[0].splitlines()), "", ""]).encode()
    accepted = re.search(r"Sec-WebSocket-Accept: ([^`]+)", text)
    assert accepted is not None
    shown = {
        name: bytes.fromhex(data)
        for name, data in re.findall(r"^    (\w[^:\n]*).*? :((?:\s+[0-9a-f]{2})+)$", text, re.M)
    }
    options = ServeOptions(websocket_port=0)
    with (
        EnvServer(CounterEnv(), "127.0.0.1:0", token="t", options=options) as server,
        plain(server) as peer,
    ):
        peer.sendall(request)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += peer.recv(1)
        assert accepted[1].encode() in answer
        peer.sendall(shown['FramesHello of EnvService, token "t"'] + shown["open"])
        data = b""
        while more := peer.recv(4096):
            data += more
    # The example is of version 1.0.0, which this server may not talk; it has read both messages.
    refused = response(data[2 : 2 + data[1]] if data[1] < 126 else data[4:-4])
    assert refused.error.code == error_pb2.ERROR_CODE_UNSUPPORTED_VERSION
    assert data.endswith(shown["Close of the server after its last message"])
    assert shown["pulse of the server"] == web_socket._WebSocketFrameSocket._EMPTY


def test_the_address_names_scheme_port_and_path(server: EnvServer) -> None:
    assert server.websocket_address is not None
    assert server.websocket_address.startswith("ws://127.0.0.1:")
    assert server.websocket_address.endswith("/rlmesh")
    with EnvServer(CounterEnv()) as without:
        assert without.websocket_address is None


@pytest.mark.parametrize(
    "origin", ["https://evil.example", f"{PAGE}:444", PAGE.upper(), "null", "http://127.0.0.1"]
)
def test_pages_that_are_not_listed_are_refused(server: EnvServer, origin: str) -> None:
    assert answered(server, upgrade(Origin=origin)).startswith(b"HTTP/1.1 403 ")


def test_no_page_is_listed_by_default() -> None:
    options = ServeOptions(websocket_port=0)
    with EnvServer(CounterEnv(), "127.0.0.1:0", options=options) as server:
        page = "http://" + str(server.websocket_address).split("/")[2]
        assert answered(server, upgrade(Origin=page)).startswith(b"HTTP/1.1 403 ")
        plays(server)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (upgrade("/"), b"404"),
        (upgrade("/rlmesh/"), b"404"),
        (upgrade(Upgrade="", Connection=""), b"426"),
        (upgrade(**{"Sec-WebSocket-Version": "12"}), b"400"),
    ],
)
def test_other_requests_are_answered(server: EnvServer, request_: bytes, status: bytes) -> None:
    assert answered(server, request_).split(b" ")[1] == status
    plays(server)


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x10\0\0\0" + bytes(16) + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20_000),
        upgrade()[:-2] + b"A: b\r\n" * 5000,
        upgrade()[:-2] + b"A: " + b"b" * 500_000,
        upgrade() + masked(0x82, hello()),
    ],
    ids=["HTTP/2", "frames", "TLS", "headers", "a long header", "a hello before the answer"],
)
def test_what_is_no_request_is_cut(server: EnvServer, sent: bytes) -> None:
    assert b" 101 " not in answered(server, sent)
    plays(server)


def test_nothing_is_compressed(server: EnvServer) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    with plain(server) as peer:
        peer.sendall(upgrade(**offer))
        assert b"Extensions" not in peer.recv(4096)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (hello(""), error_pb2.ERROR_CODE_UNAUTHENTICATED),
        (hello("wrong!"), error_pb2.ERROR_CODE_UNAUTHENTICATED),
        (hello(TOKEN, MODEL_SERVICE), error_pb2.ERROR_CODE_UNSUPPORTED),
        (b"\xff" * 40, error_pb2.ERROR_CODE_MALFORMED),
        (hello("s" * 8193), error_pb2.ERROR_CODE_MALFORMED),
        (hello("s" * 300_000), error_pb2.ERROR_CODE_MALFORMED),
        (FIRST, error_pb2.ERROR_CODE_UNAUTHENTICATED),
    ],
)
def test_a_refused_client_gets_one_reason(server: EnvServer, sent: bytes, code: int) -> None:
    with dial(server) as peer:
        answer = ask(peer, sent)
        assert (answer.sequence, answer.error.code, answer.error.session_closed) == (0, code, True)
        with pytest.raises(exceptions.ConnectionClosed):
            peer.recv(20)
    plays(server)


def test_the_hello_and_the_first_request_may_come_together(server: EnvServer) -> None:
    with raw(server) as peer:
        peer.sendall(masked(0x82, hello()) + masked(0x82, FIRST))
        assert peer.recv(1) == b"\x82"


def test_messages_may_come_in_parts_between_pings(server: EnvServer) -> None:
    first = FIRST
    with raw(server) as peer:
        peer.sendall(masked(0x82, hello()) + masked(0x02, first[:3]) + masked(0x89, b"p"))
        assert peer.recv(3) == b"\x8a\x01p"
        peer.sendall(masked(0x00, b"") + masked(0x80, first[3:]))
        assert peer.recv(1) == b"\x82"


def test_a_first_request_is_short(server: EnvServer) -> None:
    with raw(server) as peer:
        peer.sendall(masked(0x82, hello()) + masked(0x82, bytes(140_000), declared=200_000))
        data = b""
        while not data.endswith(struct.pack(">H", 1000)) and (more := peer.recv(65_536)):
            data += more
    size = data[1]
    error = response(data[2 : 2 + size]).error
    assert (error.code, error.session_closed) == (error_pb2.ERROR_CODE_MALFORMED, True)
    assert data[2 + size : 4 + size] == b"\x88\x02"  # A Close.
    plays(server)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (masked(0x82, b"", declared=268_435_457), 1009),
        (masked(0x82, b"", declared=2**63 - 1), 1009),
        (masked(0x81, b"text"), 1003),
        (b"\x82\x04text", 1002),
        (masked(0x80, b"a part of nothing"), 1002),
        (masked(0xC2, b"compressed"), 1002),
        (masked(0x88, struct.pack(">H", 1000)), 1000),
    ],
)
def test_broken_rules_close_the_websocket(server: EnvServer, sent: bytes, status: int) -> None:
    with raw(server) as peer:
        peer.sendall(masked(0x82, hello()) + masked(0x82, FIRST))
        time.sleep(0.2)
        peer.sendall(sent)
        data = b""
        with contextlib.suppress(ConnectionError):
            while more := peer.recv(65_536):
                data += more
        assert b"\x88" in data and struct.pack(">H", status) in data
    plays(server)


@pytest.mark.parametrize(
    "begun",
    [b"", upgrade()[:30], upgrade(), upgrade() + masked(0x82, hello())],
    ids=["nothing", "half a request", "no hello", "no request"],
)
def test_a_client_that_does_not_go_on_is_cut(
    server: EnvServer, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_server, "_FIRST_SECONDS", 0.4)
    start = time.monotonic()
    with plain(server) as peer:
        request, rest = begun[: len(upgrade())], begun[len(upgrade()) :]
        peer.sendall(request)
        if rest:
            peer.recv(4096)
            peer.sendall(rest)
        while peer.recv(4096):
            pass
    assert time.monotonic() - start < 10


def test_slow_bytes_have_no_more_time(server: EnvServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_server, "_FIRST_SECONDS", 0.6)
    with raw(server) as peer:
        peer.setblocking(False)
        sent = 0
        for byte in masked(0x82, bytes(100)):
            try:
                peer.sendall(bytes([byte]))
                if not peer.recv(4096):
                    break
            except BlockingIOError:
                pass
            except OSError:
                break
            sent += 1
            time.sleep(0.1)
    assert sent < 20
    plays(server)


def test_places_are_limited(server: EnvServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_server, "MAX_STREAMS", 4)
    with contextlib.ExitStack() as stack:
        for _ in range(8):  # Strangers make room for later ones.
            stack.enter_context(plain(server))
        plays(server)
