"""Connections that send no request take no place that a client with a request needs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rlmesh import TLS, EnvServer, RemoteEnv, ServeOptions
from rlmesh._transport.address import parse_address
from rlmesh._transport.probe import connect_to
from rlmesh._transport.socket import descriptors
from rlmesh._transport.socket.unix import SUPPORTED
from tests.certificates import issued
from tests.inside import frames_server_of, session_of
from tests.integration.envs import CounterEnv
from tests.processes import until

TOKEN = "s3cret"
PLACES = 8


@pytest.fixture(autouse=True)
def transport() -> None:
    """Each test chooses its own."""


@pytest.fixture(params=["frames", "framess", *(["frames+unix"] if SUPPORTED else [])])
def serving(
    request: pytest.FixtureRequest, tmp_path: Path, authority: Any
) -> Iterator[tuple[EnvServer, RemoteEnv]]:
    """A server, and a client that plays."""
    address = f"{request.param}://localhost:0"
    if request.param == "frames+unix":
        address = f"frames+unix://{tmp_path}/s"
    tls = issued(authority) if request.param == "framess" else None
    options = ServeOptions(frames=False)
    trusting = None if tls is None else TLS(authority=authority.cert_pem.bytes())
    with (
        EnvServer(CounterEnv(), address, token=TOKEN, tls=tls, options=options) as server,
        RemoteEnv(server.address, token=TOKEN, tls=trusting) as remote,
    ):
        remote.reset(seed=0)
        yield server, remote


def strangers(server: EnvServer, stack: ExitStack, sent: bytes = b"") -> list[socket.socket]:
    """Connect so often that one place more is missing; each connection sends a few bytes."""
    where, made = parse_address(server.address), []
    frames = frames_server_of(server)
    for count in range(1, PLACES):
        made.append(stack.enter_context(connect_to(where, 20)))
        made[-1].sendall(sent)
        until(lambda n=count: len(frames._strangers) == n, 10)
    return made


def is_resumed(remote: RemoteEnv) -> bool:
    session = session_of(remote)
    session._transport.cut()
    return remote.step(0)[1] == 1.0


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["nothing", "a part"])
def test_the_oldest_one_makes_room_at_the_limit(
    serving: tuple[EnvServer, RemoteEnv], sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, remote = serving
    monkeypatch.setattr("rlmesh._transport.socket.server.MAX_STREAMS", PLACES)
    with ExitStack() as stack:
        idle = strangers(server, stack, sent)
        with connect_to(parse_address(server.address), 20):
            assert idle[0].recv(1) == b""
            assert is_resumed(remote)
        idle[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            idle[-1].recv(1)


def test_it_does_if_few_descriptors_are_left(
    serving: tuple[EnvServer, RemoteEnv], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, remote = serving
    with ExitStack() as stack:
        idle = strangers(server, stack)
        monkeypatch.setattr("rlmesh._transport.socket.server.has_room", lambda connected: False)
        assert is_resumed(remote)
        assert idle[0].recv(1) == b""


def test_few_are_left_once_half_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    resource: Any = pytest.importorskip("resource")
    with socket.socket() as connected:
        for most, has in [(2 * connected.fileno(), False), (2 * connected.fileno() + 1, True)]:
            monkeypatch.setattr(resource, "getrlimit", lambda _, n=most: (n, n))
            assert descriptors.has_room(connected) is has
