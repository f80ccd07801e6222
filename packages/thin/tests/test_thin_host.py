"""Admission to the thin host: hello, describe, queue, resume and shutdown, on loopback sockets."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2

from rlmesh import RemoteEnv, errors
from rlmesh._transport.address import parse_address
from rlmesh._transport.probe import connect_to
from rlmesh._wire.services import ENV_SERVICE
from rlmesh_thin.address import UNIX, is_local, listen
from rlmesh_thin.environment import Environment
from rlmesh_thin.faults import Fault
from rlmesh_thin.host import Host
from rlmesh_thin.main import _warn_if_open
from rlmesh_thin.servicer import Servicer
from tests.integration.raw_frames import OPEN, exchange, framed, hello
from tests.processes import until

from .thin_envs import Walk
from .thin_hosts import request, step_of

Code = error_pb2.ErrorCode
TOKEN = "s3cret"


@contextlib.contextmanager
def serving(
    address: str = "frames://127.0.0.1:0",
    token: str = "",
    instances: int = 1,
    delay: float = 0.0,
    make: Any = Walk,
) -> Generator[tuple[str, Host], None, None]:
    """Yield the address and the host of environments on threads of this process."""
    envs = [Environment(make(delay)) for _ in range(instances)]
    listener, found = listen(address)
    host = Host(listener, [Servicer(env) for env in envs], envs[0].contract([]), False, token)
    host.start()
    threads = [threading.Thread(target=instance.run) for instance in host.instances]
    for thread in threads:
        thread.start()
    try:
        yield found, host
    finally:
        host.stop()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("sent", "code", "sequence"),
    [
        (framed(b""), Code.ERROR_CODE_UNAUTHENTICATED, 0),
        (hello("wrong"), Code.ERROR_CODE_UNAUTHENTICATED, 0),
        (hello("", "no.Service"), Code.ERROR_CODE_UNAUTHENTICATED, 0),
        (hello(TOKEN, "no.Service"), Code.ERROR_CODE_UNSUPPORTED, 0),
        (framed(b"\xff" * 40), Code.ERROR_CODE_MALFORMED, 0),
        (hello("s" * 8193), Code.ERROR_CODE_MALFORMED, 0),
        (struct.pack("<I", 2**32 - 1), Code.ERROR_CODE_MALFORMED, 0),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", Code.ERROR_CODE_MALFORMED, 0),
        (hello(TOKEN) + framed(b"\xff" * 5), Code.ERROR_CODE_MALFORMED, 0),
        (hello(TOKEN) + struct.pack("<I", 65_537), Code.ERROR_CODE_MALFORMED, 0),
        (hello(TOKEN) + framed(b"\x08\x03\x22\x00"), Code.ERROR_CODE_WRONG_STATE, 3),
        (hello(TOKEN) + framed(b"\x08\x03\x1a\x00"), Code.ERROR_CODE_MALFORMED, 3),
        (hello(TOKEN) + framed(b"\x1a\x00"), Code.ERROR_CODE_MALFORMED, 0),
        (hello(TOKEN) + framed(b"\x1a\x02\x0a\x00"), Code.ERROR_CODE_UNSUPPORTED_VERSION, 0),
    ],
)
@pytest.mark.parametrize("scheme", ["frames", "frames+unix"])
def test_a_client_that_is_not_admitted_gets_the_reason(
    scheme: str, sent: bytes, code: Any, sequence: int, tmp_path: Path
) -> None:
    address = f"{UNIX}{tmp_path}/s" if scheme == "frames+unix" else "frames://127.0.0.1:0"
    with serving(address, TOKEN) as (found, _):
        (error,) = exchange(parse_address(found), sent)
        assert error.sequence == sequence and error.error.session_closed
        assert error.error.code == code
        assert re.match(r"[A-Z]-[0-9]+: ", error.error.message)
        with RemoteEnv(found, token=TOKEN) as remote:  # It goes on with others.
            remote.reset(seed=0)


def test_choices_and_texts_of_refusals() -> None:
    with serving(token=TOKEN) as (address, _):
        texts = set()
        for token in ("", "wrong"):
            (answer,) = exchange(parse_address(address), hello(token))
            texts.add(answer.error.message)
        assert len(texts) == 1
        (answer,) = exchange(parse_address(address), hello(TOKEN, "other"))
        error = answer.error
        assert error.path == "service" and list(error.choices) == [ENV_SERVICE]


def test_an_instance_that_is_held_is_busy_and_the_queue_is_served_in_turn() -> None:
    with serving() as (address, host):
        holder = RemoteEnv(address)
        with pytest.raises(errors.BusyError, match="held"):
            RemoteEnv(address)
        opened: list[int] = []

        def wait(number: int) -> None:
            with RemoteEnv(address, wait=30.0) as remote:
                opened.append(number)
                remote.reset(seed=0)

        threads = []
        for number in range(3):
            threads.append(threading.Thread(target=wait, args=(number,)))
            threads[-1].start()
            until(lambda size=number: len(host._line) > size, 10)  # type: ignore[misc]
        assert not opened
        holder.close()
        for thread in threads:
            thread.join(20)
        assert opened == [0, 1, 2]


def test_sessions_have_an_instance_each() -> None:
    with serving(instances=2) as (address, _), RemoteEnv(address) as one, RemoteEnv(address) as two:
        assert one.reset(seed=1) == two.reset(seed=1)
        assert one.step(3) == two.step(3)
        with pytest.raises(errors.BusyError):
            RemoteEnv(address)


def test_a_client_that_leaves_the_line_is_forgotten() -> None:
    with serving() as (address, host), RemoteEnv(address):
        waits = env_pb2.SessionRequest()
        waits.open.client.CopyFrom(OPEN.open.client)
        waits.open.wait_ms = 60_000
        waiting = connect_to(parse_address(address), 5)
        waiting.sendall(hello() + framed(waits.SerializeToString()))
        until(lambda: host._line, 10)
        waiting.close()
        until(lambda: not host._line, 10)


def test_a_lost_session_is_resumed_and_its_grace_period_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving() as (address, host):
        remote = RemoteEnv(address)
        remote.reset(seed=0)
        (instance,) = host.instances
        session = instance.session
        assert session is not None
        session.connection.shut()
        remote.step(1)
        assert instance.session is session and session.received == 2
        session.grace = 0.05
        session.connection.shut()
        until(lambda: instance.session is None, 10)
        with pytest.raises(errors.SessionLostError):
            remote.step(1)
        remote.close()


def test_a_connection_may_break_before_the_first_request() -> None:
    with serving() as (address, host), RemoteEnv(address) as remote:
        (instance,) = host.instances
        session = until(lambda: instance.session, 10)
        session.connection.shut()
        until(lambda: session.connection is None, 10)
        remote.reset(seed=0)
        assert instance.session is session and session.received == 1


def test_a_shutdown_answers_the_running_call(tmp_path: Path) -> None:
    with serving(delay=0.3) as (address, host):
        remote = RemoteEnv(address)
        remote.reset(seed=0)
        stop = threading.Thread(target=lambda: (until(is_running, 10), host.stop()))

        def is_running() -> bool:
            session = host.instances[0].session
            return session is not None and session.running

        stop.start()
        assert remote.step(1)[4] == {"applied": 1}
        stop.join(10)
        with pytest.raises(
            (errors.ShuttingDownError, errors.SessionLostError, errors.ConnectError)
        ):
            remote.step(1)
        with contextlib.suppress(errors.RLMeshError):
            remote.close()


def test_a_descriptor_that_comes_with_the_first_message_is_closed(tmp_path: Path) -> None:
    with serving(f"{UNIX}{tmp_path}/s") as (address, _):
        reader, writer = os.pipe()
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(address.removeprefix(UNIX))
        with connected:
            socket.send_fds(connected, [hello()], [writer])
            os.close(writer)
            connected.sendall(framed(b"\x7a\x00"))
            while connected.recv(65_536):
                pass
        assert os.read(reader, 1) == b""  # Nobody else has the other end.
        os.close(reader)


def test_a_socket_is_private_and_taken_over_only_from_a_server_that_is_gone(tmp_path: Path) -> None:
    address = f"{UNIX}{tmp_path}/s"
    listener, _ = listen(address)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Fault, match="another server listens there"):
        listen(address)
    listener.close()
    listen(address)[0].close()
    (tmp_path / "s").unlink()
    (tmp_path / "s").write_text("")
    with pytest.raises(Fault, match="no socket"):
        listen(address)


def test_a_socket_of_a_server_with_a_full_queue_is_not_taken(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as waiting:
        other.bind(f"{tmp_path}/s")
        other.listen(0)
        waiting.connect(f"{tmp_path}/s")
        with pytest.raises(Fault, match="with a full queue"):
            listen(f"{UNIX}{tmp_path}/s")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "frames://", "frames://h:x", "frames+unix://s"])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(Fault, match="expected"):
        listen(address)


def test_bytes_that_come_too_slowly_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh_thin.host.FIRST_SECONDS", 0.3)
    with serving() as (address, _), connect_to(parse_address(address), 20) as slow:
        slow.sendall(struct.pack("<I", 8000))
        with pytest.raises(ConnectionError):
            for _ in range(500):
                slow.sendall(b"x")
                threading.Event().wait(0.02)
        with RemoteEnv(address) as remote:
            remote.reset(seed=0)


def opened(address: str, wait_ms: int = 0) -> socket.socket:
    """A connection that has sent its first messages."""
    request = env_pb2.SessionRequest()
    request.open.client.CopyFrom(OPEN.open.client)
    request.open.wait_ms = wait_ms
    connected = connect_to(parse_address(address), 20)
    connected.sendall(hello() + framed(request.SerializeToString()))
    return connected


def test_pulses_come_while_a_call_runs_and_in_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh_thin.host.PULSE_SECONDS", 0.02)
    with serving(delay=0.3) as (address, host), opened(address) as first:
        while not host.instances[0].session:
            pass
        with opened(address, 20_000) as second:
            assert second.recv(4, socket.MSG_WAITALL) == bytes(4)
            size = struct.unpack("<I", first.recv(4, socket.MSG_WAITALL))[0]
            assert size and len(first.recv(size, socket.MSG_WAITALL)) == size
            first.sendall(framed(request(1, "reset")) + bytes(4))
            size = struct.unpack("<I", first.recv(4, socket.MSG_WAITALL))[0]
            first.recv(size, socket.MSG_WAITALL)
            first.sendall(bytes(4) + framed(step_of(2, 1)))
            assert first.recv(4, socket.MSG_WAITALL) == bytes(4)


def test_a_client_that_is_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh_thin.connection.SILENT_SECONDS", 1)
    with serving() as (address, host), opened(address) as silent:
        silent.recv(4)
        session = until(lambda: host.instances[0].session, 10)
        until(lambda: session.connection is None, 10)


def test_a_connection_that_is_resumed_elsewhere_ends() -> None:
    with serving() as (address, host), opened(address) as older:
        size = struct.unpack("<I", older.recv(4, socket.MSG_WAITALL))[0]
        first = env_pb2.SessionResponse.FromString(older.recv(size, socket.MSG_WAITALL)).open.header
        for key, awaited, code in (
            (b"x" * 16, 1, Code.ERROR_CODE_UNKNOWN_SESSION),
            (first.resume_key, 2, Code.ERROR_CODE_OUT_OF_SEQUENCE),
            (first.resume_key, 0, Code.ERROR_CODE_OUT_OF_SEQUENCE),
            (first.resume_key, 1, None),
        ):
            resume = env_pb2.SessionRequest()
            resume.open.client.CopyFrom(OPEN.open.client)
            resume.open.resume.session_id = first.session_id
            resume.open.resume.resume_key = key
            resume.open.resume.awaited_sequence = awaited
            with connect_to(parse_address(address), 20) as newer:
                newer.sendall(hello() + framed(resume.SerializeToString()))
                size = struct.unpack("<I", newer.recv(4, socket.MSG_WAITALL))[0]
                answer = env_pb2.SessionResponse.FromString(newer.recv(size, socket.MSG_WAITALL))
                if code is not None:
                    assert answer.error.code == code and answer.error.session_closed
                    continue
                assert answer.open.header.received_sequence == 0
                assert not answer.open.HasField("contract")
                assert older.recv(1) == b""
                newer.sendall(framed(request(1, "reset", seed=0)))
                assert newer.recv(4)
        assert host.instances[0].session is not None


class Large(Walk):
    """The same walk, with observations that no socket's buffers hold."""

    observation_space = gymnasium.spaces.Box(0, 255, (2**25,), np.uint8)

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        return np.zeros(2**25, np.uint8), {}


def test_a_client_that_does_not_read_delays_a_shutdown_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rlmesh_thin.host.PULSE_SECONDS", 0.1)
    with serving(make=Large) as (address, host), opened(address) as stuck:
        stuck.sendall(framed(request(1, "reset")))
        session = until(lambda: host.instances[0].session, 10)
        until(lambda: session.kept and not session.running, 10)
        host.stop()
        until(lambda: session.connection is None, 10)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("frames://127.0.0.1:1", True),
        ("framess://localhost:1", True),
        ("frames://[::1]:1", True),
        ("frames+unix:///s", True),
        ("frames://0.0.0.0:1", False),
        ("framess://example.org:1", False),
    ],
)
def test_tracebacks_leave_only_for_clients_of_this_host(address: str, local: bool) -> None:
    assert is_local(address) is local


@pytest.mark.parametrize(
    ("address", "token", "authority", "warns"),
    [
        ("frames://127.0.0.1:1", "", "", False),
        ("frames://0.0.0.0:1", "", "", True),
        ("framess://0.0.0.0:1", "s3cret", "", False),
        ("framess://0.0.0.0:1", "", "ca.pem", False),
    ],
)
def test_a_host_that_others_reach_warns(
    address: str, token: str, authority: str, warns: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    _warn_if_open(address, token, authority)
    assert ("is open to every host" in capsys.readouterr().err) is warns
