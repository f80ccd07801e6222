"""Frames over TLS stay in TLS when another thread ends the connection."""

from __future__ import annotations

import ast
import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rlmesh import TLS, EnvServer, RemoteEnv, ServeOptions, errors
from rlmesh._transport.address import Address
from rlmesh._transport.socket import tcp as frames_tcp
from rlmesh._transport.socket.client import FramesConnection
from rlmesh._transport.socket.framing import FramesEnded, FrameSocket
from tests.certificates import issued
from tests.inside import frame_socket_of, session_of
from tests.integration.envs import CounterEnv
from tests.integration.test_security import sources

MARK = b"plain text! " * 8
FRAME = MARK * 20_000
"""Larger than what the buffers of a socket take, so that it is sent in many records."""


@pytest.fixture(autouse=True)
def transport() -> str:
    """The transport is named by each test."""
    return "frames"


class Peer:
    """The other end of a TLS connection, which keeps the bytes that it receives after TLS began."""

    def __init__(self, tls: TLS) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = frames_tcp._server_context(tls)
        self.port = self._listener.getsockname()[1]
        self.received = bytearray()
        self.begun = threading.Event()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        connected, _ = self._listener.accept()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secured = self._context.wrap_bio(incoming, outgoing, server_side=True)
        with self._listener, connected, contextlib.suppress(OSError):
            connected.settimeout(30)
            while True:
                try:
                    secured.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    connected.sendall(outgoing.read())
                    incoming.write(connected.recv(65_536))
            connected.sendall(outgoing.read())
            while data := connected.recv(16_384):
                self.received += data
                if len(self.received) > 500_000:
                    self.begun.set()

    def join(self) -> bytes:
        """Return all bytes, once the connection has ended."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return bytes(self.received)


def slowly(call: Callable[[], Any]) -> None:
    """Call a function with a pause after each line of the ssl module's Python code."""

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.endswith("ssl.py"):
            return None
        if event == "line":
            time.sleep(0.05)
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)


def send_until_ended(frames: FrameSocket) -> None:
    with contextlib.suppress(OSError, FramesEnded, ValueError):
        while True:
            frames.send(FRAME)


def test_a_cut_sends_no_plain_text(authority: Any, roots: bytes) -> None:
    peer = Peer(issued(authority))
    where = Address("grpcs", "127.0.0.1", peer.port)
    frames = frames_tcp.dial(where, peer.port, b"", TLS(authority=roots), 10)
    sender = threading.Thread(target=send_until_ended, args=(frames,))
    sender.start()
    assert peer.begun.wait(30)
    cutter = threading.Thread(target=slowly, args=(frames.cut,))
    cutter.start()
    for thread in (cutter, sender):
        thread.join(30)
        assert not thread.is_alive()
    frames.close()
    assert MARK not in peer.join()


def test_a_client_that_is_closed_in_a_call_sends_no_plain_text(
    authority: Any,
    roots: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The session's `close` gives up waiting for the call, which is in the middle of a frame."""
    monkeypatch.setattr("rlmesh._session.client_session.CLOSE_TIMEOUT", 0.1)
    peer = Peer(issued(authority))
    where = Address("grpcs", "127.0.0.1", peer.port)
    options = ServeOptions(frames=False, frames_port=0)
    with EnvServer(CounterEnv(), options=options) as server:
        remote = RemoteEnv(server.address, transport="grpc")
        session = session_of(remote)
        session._transport.close()
        session._link.connection = FramesConnection(
            where, lambda: frames_tcp.dial(where, peer.port, b"", TLS(authority=roots), 10)
        )

        def call() -> None:
            with session._busy, contextlib.suppress(errors.RLMeshError):
                send_until_ended(frame_socket_of(remote))

        sender = threading.Thread(target=call)
        sender.start()
        assert peer.begun.wait(30)
        slowly(remote.close)
        sender.join(30)
        assert not sender.is_alive()
        assert MARK not in peer.join()


def test_a_cut_after_the_end_harms_no_other_connection() -> None:
    ours, theirs = socket.socketpair()
    frames = FrameSocket(ours)
    number = ours.fileno()
    frames.cut()
    assert ours.fileno() == number  # A thread that still uses it does not use another's.
    frames.close()
    theirs.close()
    one, other = socket.socketpair()
    with one, other:
        frames.cut()
        frames.close()
        one.sendall(b"x")
        assert other.recv(1) == b"x"


def test_nothing_ends_a_socket_of_tls_but_the_thread_that_uses_it() -> None:
    """All other places that shut sockets down have plain ones."""
    found = {
        f"{module}:{ast.unparse(node.func)}"
        for module, tree in sources("SHUT_")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("shutdown", "unwrap")
        and "SHUT_" in ast.unparse(node)
    }
    assert {name.split(":")[1] for name in found} == {
        "end.shutdown",  # Of a worker process.
        "self._writer.shutdown",  # Of a worker process.
        "self._socket.shutdown",  # Of the kit's own peer, in the thread that uses it.
        "socket.socket.shutdown",
        "self._listener.shutdown",
    }
