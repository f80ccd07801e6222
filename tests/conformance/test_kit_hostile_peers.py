"""What the conformance kit does with peers that attack it: it ends in time, with little memory."""

from __future__ import annotations

import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import grpc
import pytest
from rlmesh_proto.env.v1 import env_pb2

from rlmesh import TLS
from rlmesh._conformance import grpc_streams
from rlmesh._conformance.connection import Connection
from rlmesh._conformance.dialects import ENV
from rlmesh._conformance.findings import Failed
from rlmesh._conformance.grpc_streams import MAX_UNREAD, GrpcStream, open_channel
from rlmesh._conformance.runner import run_checks
from rlmesh._conformance.streams import FramesStream
from rlmesh._conformance.target import read_target
from tests.certificates import issued, new_authority
from tests.processes import until

PROGRESS = env_pb2.SessionResponse(sequence=1)
PROGRESS.progress.message = "loading"
REPORT = PROGRESS.SerializeToString()


def framed(message: bytes) -> bytes:
    return struct.pack("<I", len(message)) + message


@contextmanager
def peer(data: Callable[[], bytes]) -> Generator[Connection, None, None]:
    """Yield a connection to a peer that sends the same without end."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        with suppress(OSError):
            while more := data():
                theirs.sendall(more)

    sending = threading.Thread(target=send)
    sending.start()
    connection = Connection(FramesStream(ours), ENV, 0.5, [], 1)
    try:
        yield connection
    finally:
        connection.cut()
        theirs.close()
        sending.join(20)


def slowly() -> bytes:
    time.sleep(0.05)
    return framed(REPORT)


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (slowly, "reports of progress alone for 0.5 s"),
        (lambda: framed(REPORT) * 1000, "bytes of reports of progress"),
        (lambda: bytes(60_000), "nothing for 0.5 s"),
        (lambda: struct.pack("<I", (1 << 28) + 1), "268435457 bytes"),
    ],
    ids=["reports", "flood of reports", "pulses", "length"],
)
def test_an_answer_is_waited_for_until_one_deadline(data: Any, seen: str) -> None:
    with peer(data) as connection:
        begun = time.monotonic()
        with pytest.raises(Failed, match=seen):
            connection.answer()
        assert time.monotonic() - begun < 10
        assert len(connection.progress) < 200_000


def test_a_large_message_is_read_in_time() -> None:
    size = 100_000_000
    answer = env_pb2.SessionResponse(sequence=1)
    answer.error.message = "x" * size
    parts = iter([framed(answer.SerializeToString())])
    with peer(lambda: next(parts, b"")) as connection:
        assert len(connection.answer(20.0).error.message) == size


def test_a_message_that_becomes_much_larger_is_not_parsed() -> None:
    pair = b"\x0a\0"  # An entry of an info, two bytes that become hundreds.
    info = b"\x12" + _length(len(pair) * 10_000_000) + pair * 10_000_000
    parts = iter([framed(b"\x2a" + _length(len(info)) + info)])
    with (
        peer(lambda: next(parts, b"")) as connection,
        pytest.raises(Failed, match="more parts than the limit"),
    ):
        connection.answer(60.0)


def _length(size: int) -> bytes:
    data = bytearray()
    while size > 127:
        data.append(size & 127 | 128)
        size >>= 7
    return bytes([*data, size])


def test_messages_without_end_over_grpc_are_left_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine gRPC lets a window of its own grow, which is not what is tested.
    options = (*grpc_streams._OPTIONS, ("grpc.http2.bdp_probe", 0))
    monkeypatch.setattr(grpc_streams, "_OPTIONS", options)
    sent = 0

    def session(requests: Any, context: Any) -> Any:
        nonlocal sent
        while context.is_active():
            sent += 1
            yield bytes(100_000)

    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.stream_stream_rpc_method_handler(session)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a", {"B": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        stream = GrpcStream(open_channel(f"127.0.0.1:{port}", None, False), "/a/B", [])
        until(lambda: sent > MAX_UNREAD, 20)
        time.sleep(0.5)
        assert sent < 200
        assert len(stream.receive(20)) == 100_000
        begun = time.monotonic()
        stream.cut()
        assert time.monotonic() - begun < 10
    finally:
        server.stop(0).wait(10)


def test_the_key_of_mutual_tls_is_in_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a file was made for the key")

    authority = new_authority()
    own = issued(authority)
    roots = bytes(authority.cert_pem.bytes())
    for name in ("NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, made)
    target = read_target("framess://127.0.0.1:1", "", TLS(own.certificate, own.key, roots))
    assert target._context.cert_store_stats()["x509_ca"] == 1


def test_a_server_that_accepts_and_says_nothing_costs_few_timeouts() -> None:
    """All checks of later stages are blocked by the first ones."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = read_target(f"frames://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2)
        begun = time.monotonic()
        report = run_checks(target, ENV)
    assert report.failures
    assert time.monotonic() - begun < 60
