"""Clients that take places of others: connections without a request, long lines, empty sessions."""

from __future__ import annotations

import collections
import socket
import ssl
import threading
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from rlmesh_proto.session.v1 import error_pb2

from rlmesh import RemoteEnv
from rlmesh._transport.address import parse_address
from rlmesh._transport.probe import connect_to
from rlmesh_thin.host import Host
from tests.certificates import new_authority
from tests.integration.raw_frames import hello, read_all
from tests.processes import until

from .test_thin_host import opened, serving

BUSY = error_pb2.ERROR_CODE_BUSY
WRONG_TOKEN = error_pb2.ERROR_CODE_UNAUTHENTICATED


def test_connections_without_a_request_make_room_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rlmesh_thin.host.MAX_CONNECTIONS", 8)
    with serving(token="s3cret") as (address, host), ExitStack() as stack:
        idle = [stack.enter_context(connect_to(parse_address(address), 20)) for _ in range(8)]
        until(lambda: len(host._strangers) == 8, 10)
        with RemoteEnv(address, token="s3cret", connect_timeout=5) as remote:
            remote.reset(seed=0)
        assert idle[0].recv(1) == b"", "the oldest one"
        idle[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            idle[-1].recv(1)


def test_so_do_those_with_a_wrong_token_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their bytes are read for a second after the refusal (B-16)."""
    monkeypatch.setattr("rlmesh_thin.host.MAX_CONNECTIONS", 8)
    monkeypatch.setattr("rlmesh_thin.connection.LINGER_SECONDS", 60.0)
    with serving(token="s3cret") as (address, host), ExitStack() as stack:
        for _ in range(8):
            refused = stack.enter_context(connect_to(parse_address(address), 20))
            refused.sendall(hello("another"))
            assert read_all(refused)[0].error.code == WRONG_TOKEN
        assert host._open == 8
        with RemoteEnv(address, token="s3cret", connect_timeout=5) as remote:
            remote.reset(seed=0)


def test_so_do_those_that_do_not_begin_tls() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issue = new_authority().issue_cert("localhost")
    issue.configure_cert(context)
    ours, theirs = socket.socketpair()
    listener: Any = None
    host = Host(listener, [], b"", False, "", context)
    welcome = threading.Thread(target=host._welcome, args=(theirs,))
    welcome.start()
    until(lambda: host._strangers, 10)
    assert host._cut_stranger()
    assert not host._cut_stranger()
    welcome.join(5)
    assert not welcome.is_alive()
    assert ours.recv(1) == b""
    ours.close()


def has_line(host: Host, count: int) -> bool:
    """Return whether a client has the instance, and so many wait."""
    return host.instances[0].session is not None and len(host._line) == count


def test_the_line_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh_thin.host.MAX_LINE", 2)
    with serving() as (address, host), ExitStack() as stack:
        for count in range(3):
            stack.enter_context(opened(address, 20_000))
            until(lambda n=count: has_line(host, n), 10)
        with opened(address, 20_000) as refused:
            error = read_all(refused)[0].error
        assert (error.code, error.message) == (BUSY, "2 clients wait already")
        assert error.HasField("holder")


def test_a_client_that_only_opens_a_session_holds_nothing() -> None:
    with serving() as (address, host):
        with opened(address):
            until(lambda: host.instances[0].session and host.instances[0].session.ready, 10)
        until(lambda: host.instances[0].session is None, 10)


def test_no_pulse_is_sent_to_a_client_that_has_its_answer_by_then() -> None:
    """The thread of its session receives again, and TLS allows only one thread at a time."""
    pulsed: list[str] = []
    listener: Any = None
    host = Host(listener, [], b"", False)

    def session(name: str) -> Any:
        made = SimpleNamespace(running=True)
        made.connection = SimpleNamespace(pulse=lambda: answered(name))
        return made

    def answered(name: str) -> None:
        pulsed.append(name)
        for other in instances:
            other.session.running = False
        host._line.clear()

    instances: list[Any] = [SimpleNamespace(session=session(n)) for n in "ab"]
    host.instances = instances
    host._line = collections.deque([session("c").connection])
    host.pulse()
    assert pulsed == ["a"]
