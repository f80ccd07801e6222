"""Frames over TCP: which clients may ask for them, and which peers the server admits."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import warnings
from typing import Any

import pytest

import rlmesh
from rlmesh import TLS, EnvServer, RemoteEnv, ServeOptions, errors
from rlmesh._transport.socket import client as frames_client
from rlmesh._transport.socket import tcp as frames_tcp
from rlmesh._transport.socket import unix as frames_local
from rlmesh._transport.socket.transports import TRANSPORTS
from rlmesh._transport.target import Target
from rlmesh._wire.services import ENV_SERVICE
from rlmesh.specs import Capability, TransportKind
from tests.certificates import issued
from tests.inside import frame_socket_of, session_of
from tests.integration.envs import CounterEnv, SeenEnv
from tests.offers import offered, replace_offer, tcp_port

PORT = ServeOptions(frames=False, frames_port=0)
LASTING = {Capability.RESUME, *(row.capability for row in TRANSPORTS)}


@pytest.fixture(autouse=True)
def transport() -> str:
    """Named here."""
    return "frames"


def plays(remote: RemoteEnv, transport: str = "frames") -> None:
    with remote:
        assert remote.transport == transport
        assert remote.reset(seed=0) == (0, {})
        assert remote.step(1)[0] == 1


def test_both_ends_have_to_ask_for_them() -> None:
    with EnvServer(CounterEnv(), options=PORT) as server:
        plays(RemoteEnv(server.address, transport="frames"))
        plays(RemoteEnv(server.address), "grpc")
    with (
        EnvServer(CounterEnv(), options=ServeOptions(frames=False)) as server,
        pytest.raises(errors.UnsupportedError, match="frames_port"),
    ):
        RemoteEnv(server.address, transport="frames")


def test_a_system_without_the_others_offers_these_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_local, "SUPPORTED", False)
    for grace, expected in ((30.0, {Capability.RESUME, Capability.FRAMES_TCP}), (0.0, set())):
        port = 0 if grace else None
        options = ServeOptions(frames_port=port, grace_period=grace)
        with EnvServer(CounterEnv(), options=options) as server, RemoteEnv(server.address) as env:
            listed = session_of(env).server.capabilities
            assert expected <= listed and (grace or not listed & LASTING)
            assert Capability.FRAMES_UNIX not in listed
            assert not offered(server, TransportKind.FRAMES_UNIX)


def test_a_server_that_cannot_listen_on_all_transports_keeps_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listeners: list[socket.socket] = []
    listen_unix = frames_local.listen

    def listen() -> tuple[socket.socket, str]:
        listener, name = listen_unix()
        listeners.append(listener)
        return listener, name

    def refuse(where: Any, port: int) -> Any:
        raise OSError("no more sockets")

    monkeypatch.setattr(frames_local, "listen", listen)
    monkeypatch.setattr(frames_tcp, "listen", refuse)
    with pytest.raises(OSError, match="no more sockets"):
        EnvServer(CounterEnv(), options=ServeOptions(frames_port=0))
    assert [listener.fileno() for listener in listeners] == [-1]  # It was closed.


def test_logs_name_the_peer(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "rlmesh"), EnvServer(CounterEnv(), options=PORT) as server:
        plays(RemoteEnv(server.address, transport="frames"))
    (moved,) = (r.getMessage() for r in caplog.records if "moved to" in r.getMessage())
    assert re.search(r"moved to ipv4:127\.0\.0\.1:\d+$", moved)


def test_a_socket_of_this_host_is_better() -> None:
    with EnvServer(CounterEnv(), options=ServeOptions(frames_port=0)) as server:
        remote = RemoteEnv(server.address, transport="frames")
        assert frame_socket_of(remote)._socket.family == socket.AF_UNIX
        plays(remote)


def test_tls_and_the_token_hold_there_too(authority: Any, roots: bytes) -> None:
    tls = issued(authority)
    with EnvServer(CounterEnv(), "127.0.0.1:0", tls=tls, token="s3cret", options=PORT) as server:
        remote = RemoteEnv(
            server.address, tls=TLS(authority=roots), token="s3cret", transport="frames"
        )
        connected = frame_socket_of(remote)._socket
        assert isinstance(connected, ssl.SSLSocket)
        assert connected.version() in ("TLSv1.2", "TLSv1.3")
        plays(remote)


def test_large_frames_pass_through_tls(authority: Any, roots: bytes) -> None:
    class Large(SeenEnv):
        observation_space = rlmesh.spaces.Box(0, 255, (300_001,), "uint8")  # type: ignore[assignment]

        def _seen(self) -> rlmesh.Tensor:
            return rlmesh.Tensor(bytes([self.step_count]) * 300_001, "uint8", (300_001,))

    with (
        EnvServer(Large(), "127.0.0.1:0", tls=issued(authority), options=PORT) as server,
        RemoteEnv(server.address, tls=TLS(authority=roots), transport="frames") as remote,
    ):
        remote.reset()
        for count in range(1, 5):
            assert remote.step(0)[0].tobytes() == bytes([count]) * 300_001


def test_mutual_tls_asks_for_a_certificate(authority: Any, roots: bytes) -> None:
    own = issued(authority)
    both = TLS(certificate=own.certificate, key=own.key, authority=roots)
    client = issued(authority, "client")
    with EnvServer(CounterEnv(), "127.0.0.1:0", tls=both, options=PORT) as server:
        shown = TLS(certificate=client.certificate, key=client.key, authority=roots)
        plays(RemoteEnv(server.address, tls=shown, transport="frames"))
        context = ssl.create_default_context(cadata=roots.decode())
        with pytest.raises((ssl.SSLError, ConnectionError)):
            refused(context, tcp_port(server))


def refused(context: ssl.SSLContext, port: int) -> None:
    """Connect without a certificate; with TLS 1.3 only the first read fails."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connected,
        context.wrap_socket(connected, server_hostname="127.0.0.1") as secured,
    ):
        secured.sendall(struct.pack("<I", 0))
        if not secured.recv(1):
            raise ConnectionError("refused")


def test_a_certificate_of_another_host_is_refused(authority: Any, roots: bytes) -> None:
    from dataclasses import replace

    from rlmesh._transport.address import parse_address

    with EnvServer(CounterEnv(), "127.0.0.1:0", tls=issued(authority), options=PORT) as server:
        where = parse_address(server.address)
        other = replace(where, host="127.0.0.2")
        with pytest.raises(errors.ConnectError, match=r"127\.0\.0\.1"):  # The server's address.
            target = Target(where, ENV_SERVICE, "", TLS(authority=roots))
            frames_client.to_port(target, tcp_port(server), host=other)


def test_a_port_that_is_not_reached_is_told() -> None:
    with EnvServer(CounterEnv(), options=PORT) as server:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            replace_offer(server, TransportKind.FRAMES_TCP, f":{port}")
            with pytest.raises(errors.UnsupportedError):
                RemoteEnv(server.address, transport="frames")
        plays(RemoteEnv(server.address), "grpc")


def test_a_cut_is_not_noticed() -> None:
    with (
        EnvServer(CounterEnv(), options=PORT) as server,
        RemoteEnv(server.address, transport="frames") as remote,
    ):
        remote.reset()
        for count in range(1, 4):
            frames = frame_socket_of(remote)
            frames.cut()
            assert remote.step(1)[0] == count
            assert remote.transport == "frames"


def test_options_are_checked() -> None:
    for port in (-1, 65_536):
        with pytest.raises(ValueError, match="frames_port"):
            ServeOptions(frames_port=port)
    with pytest.raises(ValueError, match="grace_period"):
        ServeOptions(frames_port=0, grace_period=0)


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing() -> None:
    with socket.socket() as taken, warnings.catch_warnings():
        warnings.simplefilter("error")
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(errors.AddressError, match=str(port)):
            EnvServer(CounterEnv(), options=ServeOptions(frames_port=port))


def test_a_unix_address_has_no_port(tmp_path: Any) -> None:
    with pytest.raises(errors.AddressError, match="need a host"):
        EnvServer(CounterEnv(), f"unix://{tmp_path}/s", options=PORT)
