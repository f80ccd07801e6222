"""A peer that sends one byte at a time has no more time than one that sends none."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import struct
import threading
import time
from typing import Any

import pytest

from rlmesh import TLS, EnvServer, ServeOptions, errors
from rlmesh._transport.address import Address
from rlmesh._transport.socket import client as frames_client
from rlmesh._transport.target import Target
from rlmesh._wire.services import ENV_SERVICE
from rlmesh.specs import TransportKind
from tests.certificates import issued
from tests.integration.envs import CounterEnv
from tests.integration.raw_frames import hello
from tests.offers import offered, tcp_port
from tests.processes import until

PORT = ServeOptions(frames_port=0)
BYTES = 60
PAUSE = 0.1
"""Between two bytes: each comes long before the time of one receive is over."""

WHOLE = 1.0
"""Seconds that a stranger has in all, in these tests."""


@pytest.fixture(autouse=True)
def transport(monkeypatch: pytest.MonkeyPatch) -> str:
    """Sockets are the tests' own."""
    monkeypatch.setattr("rlmesh._transport.socket.server._FIRST_SECONDS", WHOLE)
    return "frames"


def bytes_taken(connected: socket.socket, data: bytes) -> int:
    """How many bytes of `data`, sent one by one, a peer takes before it ends the connection."""
    connected.setblocking(False)
    for count, byte in enumerate(data):
        with contextlib.suppress(BlockingIOError):
            try:
                connected.sendall(bytes([byte]))
                if not connected.recv(4096):
                    return count
            except OSError as error:
                if isinstance(error, BlockingIOError):
                    raise
                return count
        time.sleep(PAUSE)
    return len(data)


def dial(server: EnvServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", tcp_port(server)), timeout=20)


def slow(size: int) -> bytes:
    return struct.pack("<I", size) + bytes(BYTES)


def test_the_token() -> None:
    with EnvServer(CounterEnv(), token="t", options=PORT) as server, dial(server) as peer:
        assert bytes_taken(peer, slow(4000)) < BYTES


def test_the_first_request() -> None:
    with EnvServer(CounterEnv(), token="t", options=PORT) as server, dial(server) as peer:
        peer.sendall(hello("t"))
        assert bytes_taken(peer, slow(4000)) < BYTES


def test_the_handshake_of_tls(authority: Any) -> None:
    client_hello = b"\x16\x03\x01\x0f\xff" + bytes(BYTES)
    with (
        EnvServer(CounterEnv(), "127.0.0.1:0", tls=issued(authority), options=PORT) as server,
        dial(server) as peer,
    ):
        assert bytes_taken(peer, client_hello) < BYTES


def test_all_of_them_together(authority: Any, roots: bytes) -> None:
    """Half of the time for each is too much in all."""
    context = ssl.create_default_context(cadata=roots.decode())
    with (
        EnvServer(CounterEnv(), "127.0.0.1:0", tls=issued(authority), options=PORT) as server,
        dial(server) as plain,
    ):
        time.sleep(0.6 * WHOLE)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as peer:
            time.sleep(0.2 * WHOLE)
            peer.sendall(hello())
            peer.settimeout(20)
            time.sleep(0.6 * WHOLE)
            with pytest.raises((OSError, EOFError)):
                peer.sendall(struct.pack("<I", 5) + b"noise")
                if not peer.recv(1):
                    raise EOFError


def test_the_first_request_on_a_unix_socket() -> None:
    with EnvServer(CounterEnv()) as server, socket.socket(socket.AF_UNIX) as peer:
        peer.connect(f"\0{offered(server, TransportKind.FRAMES_UNIX)}")
        assert bytes_taken(peer, slow(4000)) < BYTES


def test_places_are_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._transport.socket.server.MAX_STREAMS", 8)
    with EnvServer(CounterEnv(), token="t", options=PORT) as server:
        frames = server._frames[-1]
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(dial(server)) for _ in range(8)]
            until(lambda: frames._welcoming == 8, 20)
            ending = threading.Event()

            def trickle() -> None:
                for byte in itertools.cycle(slow(4000)):
                    for peer in peers:
                        with contextlib.suppress(OSError):
                            peer.sendall(bytes([byte]))
                    if ending.wait(PAUSE):
                        return

            thread = threading.Thread(target=trickle)
            thread.start()
            try:
                until(lambda: not frames._welcoming, 20)
            finally:
                ending.set()
                thread.join()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_an_answer_that_a_client_waits_for(kind: str) -> None:
    name = f"rlmesh-{'0' * 31}{kind[0]}"
    if kind == "tcp":
        listener = socket.create_server(("127.0.0.1", 0))
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"\0{name}")
        listener.listen()
    counts: list[int] = []

    def answer() -> None:
        peer, _ = listener.accept()
        with peer:
            counts.append(bytes_taken(peer, slow(4000)))

    thread = threading.Thread(target=answer)
    with listener:
        thread.start()
        where = Address("tcp", "127.0.0.1", 1)
        if kind == "tcp":
            target = Target(where, ENV_SERVICE, "", TLS())
            client = frames_client.to_port(target, listener.getsockname()[1])
        else:
            client = frames_client.to_socket(where, name)
        with pytest.raises(errors.ConnectError, match="does not answer within"):
            client.exchange(b"x", WHOLE)
        client.close()
        thread.join(20)
    assert counts[0] < BYTES
