"""The first message of a frames connection, on each kind of listener that has it (B-16)."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2

import rlmesh
from rlmesh import EnvServer, ModelServer, RemoteEnv, RemoteModel, ServeOptions, errors
from rlmesh._transport.address import Address, parse_address
from rlmesh._transport.probe import connect_to
from rlmesh._transport.socket import framing
from rlmesh._transport.socket import server as frames_server
from rlmesh._transport.socket.unix import SUPPORTED
from rlmesh._wire.services import ENV_SERVICE, MODEL_SERVICE
from tests.inside import frames_server_of
from tests.integration.envs import CounterEnv
from tests.integration.raw_frames import OPEN, exchange, framed, hello
from tests.offers import tcp_port
from tests.processes import until

KINDS = ["offered", "frames", *(["frames+unix"] if SUPPORTED else [])]
TOKEN = "s3cret"

MALFORMED = error_pb2.ERROR_CODE_MALFORMED
UNAUTHENTICATED = error_pb2.ERROR_CODE_UNAUTHENTICATED


@pytest.fixture(autouse=True)
def transport() -> None:
    """Each test chooses its own."""


@pytest.fixture(scope="module", params=KINDS)
def listener(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[EnvServer, Address]]:
    """A server with a token, and where a connection of frames to it begins with a FramesHello."""
    address, options = "127.0.0.1:0", ServeOptions(frames=False, frames_port=0)
    if request.param != "offered":
        path = tmp_path_factory.mktemp("socket") / "s"
        address = "frames://127.0.0.1:0" if request.param == "frames" else f"frames+unix://{path}"
        options = ServeOptions(frames=False)
    with EnvServer(CounterEnv(), address, token=TOKEN, options=options) as server:
        where = parse_address(server.address)
        if request.param == "offered":
            where = Address("frames", where.host, tcp_port(server))
        yield server, where


def still_serves(server: EnvServer) -> None:
    with RemoteEnv(server.address, token=TOKEN, transport="frames") as remote:
        remote.reset(seed=0)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (framed(b""), UNAUTHENTICATED),
        (hello(), UNAUTHENTICATED),
        (hello("wrong!"), UNAUTHENTICATED),
        (hello(TOKEN + "x"), UNAUTHENTICATED),
        (hello("", "no.Service"), UNAUTHENTICATED),
        (hello(TOKEN, MODEL_SERVICE), error_pb2.ERROR_CODE_UNSUPPORTED),
        (hello(TOKEN, ""), error_pb2.ERROR_CODE_UNSUPPORTED),
        (framed(b"\xff" * 40), MALFORMED),
        (framed(b"\x0a\x02\xff\xfe"), MALFORMED),
        (hello("s" * 8193), MALFORMED),
        (struct.pack("<I", 2**32 - 1), MALFORMED),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", MALFORMED),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), MALFORMED),
        (hello(TOKEN) + framed(b"\xff" * 5), MALFORMED),
        (hello(TOKEN) + hello(TOKEN), error_pb2.ERROR_CODE_WRONG_STATE),
    ],
)
@pytest.mark.parametrize("more", [b"", framed(OPEN.SerializeToString()), bytes(300_000)])
def test_who_may_not_enter_gets_one_reason_and_the_server_lives_on(
    listener: tuple[EnvServer, Address], sent: bytes, code: int, more: bytes
) -> None:
    server, where = listener
    (answer,) = exchange(where, sent + more)
    assert answer.WhichOneof("response") == "error"
    assert (answer.sequence, answer.error.code, answer.error.session_closed) == (0, code, True)
    if code == error_pb2.ERROR_CODE_UNSUPPORTED:
        assert (answer.error.path, [*answer.error.choices]) == ("service", [ENV_SERVICE])
    still_serves(server)


def test_a_missing_and_a_wrong_token_get_one_text(listener: tuple[EnvServer, Address]) -> None:
    _, where = listener
    (missing,), (wrong,) = exchange(where, hello()), exchange(where, hello("wrong"))
    assert missing == wrong
    assert "token" in missing.error.message
    assert "CounterEnv" not in str(missing)


def test_a_first_request_is_short(listener: tuple[EnvServer, Address]) -> None:
    server, where = listener
    (answer,) = exchange(where, hello(TOKEN) + struct.pack("<I", 65_537) + bytes(70_000))
    assert (answer.sequence, answer.error.code) == (0, MALFORMED)
    assert answer.error.message == "B-16: a first message of 65537 bytes; the limit is 65536"
    still_serves(server)


@pytest.mark.parametrize("begun", [b"", hello(TOKEN)[:7], hello(TOKEN), hello(TOKEN) + b"\5\0"])
def test_a_client_that_does_not_go_on_is_cut(
    listener: tuple[EnvServer, Address], begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, where = listener
    monkeypatch.setattr(frames_server, "_FIRST_SECONDS", 0.3)
    assert exchange(where, begun) == []
    still_serves(server)


def test_a_refused_client_that_goes_on_sending_is_cut(
    listener: tuple[EnvServer, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, where = listener
    monkeypatch.setattr(framing, "_LINGER_SECONDS", 0.2)
    with connect_to(where, 20) as connected, pytest.raises(ConnectionError):
        while True:
            connected.sendall(hello("wrong") + bytes(100_000))
    still_serves(server)


def test_clients_report_what_they_are_told(listener: tuple[EnvServer, Address]) -> None:
    server, where = listener
    if where.port and parse_address(server.address).port != where.port:
        pytest.skip("the token is checked at the server's own address first")
    for token in ("", "wrong"):
        with pytest.raises(errors.AuthenticationError, match="asks for a token"):
            RemoteEnv(server.address, token=token)
    with pytest.raises(errors.WrongServiceError, match=r"EnvService, and not .*ModelService"):
        RemoteModel(server.address, token=TOKEN)


def test_a_server_without_a_token_admits_any() -> None:
    with EnvServer(CounterEnv(), "frames://127.0.0.1:0") as server:
        RemoteEnv(server.address, token="unasked").close()


def test_a_models_first_request_has_a_contract_as_large_as_it_is() -> None:
    class Wide(CounterEnv):
        metadata: ClassVar[dict[str, str]] = {"notes": "n" * 200_000}

    with (
        EnvServer(Wide(), "frames://127.0.0.1:0") as server,
        ModelServer(rlmesh.Model(lambda observation: 0), "frames://127.0.0.1:0") as model,
        RemoteEnv(server.address) as remote,
        RemoteModel(model.address, remote) as policy,
    ):
        assert policy.transport == "frames"
        observation, _ = remote.reset(seed=0)
        assert policy.predict(observation) == 0


def test_a_client_that_connects_while_the_server_stops_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = EnvServer(CounterEnv(), "frames://127.0.0.1:0")
    with server:
        where = parse_address(server.address)
        with connect_to(where, 20) as connected:
            # What `stop` sets before it closes the listener.
            frames_server_of(server)._stopping = True
            connected.sendall(hello() + framed(OPEN.SerializeToString()))
            data = connected.recv(4096)
    answer = env_pb2.SessionResponse.FromString(data[4:])
    assert answer.error.code == error_pb2.ERROR_CODE_SHUTTING_DOWN


@pytest.mark.parametrize("scheme", KINDS[1:])
def test_a_client_that_has_not_asked_yet_is_told_of_a_stop(scheme: str, tmp_path: Path) -> None:
    address = "frames://127.0.0.1:0" if scheme == "frames" else f"frames+unix://{tmp_path}/s"
    server = EnvServer(CounterEnv(), address)
    with server, connect_to(parse_address(server.address), 20) as connected:
        connected.sendall(hello())
        until(lambda: frames_server_of(server)._streams, 20)
        begun = time.monotonic()
        server.shutdown()
        assert time.monotonic() - begun < 5
        data = connected.recv(4096)
    answer = env_pb2.SessionResponse.FromString(data[4:])
    assert answer.error.code == error_pb2.ERROR_CODE_SHUTTING_DOWN


def test_a_large_token_fits() -> None:
    token = "t" * 4096
    with EnvServer(CounterEnv(), "frames://127.0.0.1:0", token=token) as server:
        RemoteEnv(server.address, token=token).close()


def test_the_socket_of_a_listener_is_not_another_ones(tmp_path: Path) -> None:
    if not SUPPORTED:
        pytest.skip("frames on Unix sockets need Linux")
    path = tmp_path / "s"
    with EnvServer(CounterEnv(), f"frames+unix://{path}"):
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(errors.AddressError, match=r"frames\+unix://.*another server"):
            EnvServer(CounterEnv(), f"frames+unix://{path}")
    assert not path.exists()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with EnvServer(CounterEnv(), f"frames+unix://{path}") as server:
        RemoteEnv(server.address).close()
