"""Sessions over a WebSocket (B-18), from their beginning to the end of their server."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2

import rlmesh
from rlmesh import EnvServer, ModelServer, RemoteEnv, ServeOptions, errors
from rlmesh._conformance import reference
from rlmesh._wire.services import ENV_SERVICE, MODEL_SERVICE
from tests.certificates import issued
from tests.integration.cli_processes import COMMAND
from tests.integration.envs import CounterEnv
from tests.integration.raw_frames import RESET
from tests.integration.raw_web_socket import (
    FIRST,
    OPTIONS,
    PAGE,
    TOKEN,
    ask,
    dial,
    hello,
    masked,
    plays,
    raw,
    response,
    serving_many,
)
from tests.processes import finished
from tests.size import only_long
from tests.web_bridge import bridge

exceptions = pytest.importorskip("websockets.exceptions")


@pytest.fixture(autouse=True)
def transport(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test chooses its own, without a proxy."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def server() -> Iterator[EnvServer]:
    with serving_many() as server:
        yield server


@pytest.mark.parametrize("origin", [None, PAGE])
def test_sessions_follow_each_other(server: EnvServer, origin: str | None) -> None:
    for _ in range(5):
        plays(server, origin=origin)


def test_sessions_of_both_addresses_share_the_environment() -> None:
    options = ServeOptions(websocket_port=0)
    with EnvServer(CounterEnv(), "127.0.0.1:0", options=options) as server, dial(server) as peer:
        peer.send(hello(""))
        ask(peer, FIRST)
        with pytest.raises(errors.BusyError):
            RemoteEnv(server.address)


def test_a_session_is_resumed_over_another_connection(server: EnvServer) -> None:
    with dial(server) as peer:
        peer.send(hello())
        opened = ask(peer, FIRST).open.header
        first = ask(peer, RESET.SerializeToString())
        peer.socket.shutdown(socket.SHUT_RDWR)
    resume = env_pb2.SessionRequest.FromString(FIRST)
    resume.open.resume.session_id = opened.session_id
    resume.open.resume.resume_key = opened.resume_key
    resume.open.resume.awaited_sequence = 1
    with dial(server) as peer:
        peer.send(hello())
        assert ask(peer, resume.SerializeToString()).open.header.received_sequence == 1
        assert ask(peer, RESET.SerializeToString()) == first


def test_the_log_has_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "rlmesh.server")
    with EnvServer(CounterEnv(), "127.0.0.1:0", options=OPTIONS) as server:
        assert f"browsers reach CounterEnv at {server.websocket_address}" in caplog.text


@only_long
@pytest.mark.timeout(400)
def test_the_kit_finds_no_broken_rule() -> None:
    options = ServeOptions(websocket_port=0, frames=False)
    count = EnvServer(
        factory=reference.Count, max_sessions=8, address="127.0.0.1:0", options=options
    )
    with count, bridge(str(count.websocket_address)) as where:
        done = finished([*COMMAND, "check", where], timeout=180)
    assert done.returncode == 0, done.stdout
    with (
        ModelServer(reference.new_model("sum"), "127.0.0.1:0", options=options) as model,
        bridge(str(model.websocket_address)) as where,
    ):
        done = finished([*COMMAND, "check", where, "--service", "model"], timeout=180)
    assert done.returncode == 0, done.stdout


def test_a_python_client_plays_behind_a_bridge() -> None:
    options = ServeOptions(websocket_port=0, frames=False)
    with (
        EnvServer(CounterEnv(), "127.0.0.1:0", options=options) as server,
        bridge(str(server.websocket_address)) as where,
        RemoteEnv(where) as remote,
    ):
        remote.reset(seed=0)
        assert [remote.step(0)[0] for _ in range(3)] == [1, 2, 3]


def test_sessions_need_no_grace_period() -> None:
    options = ServeOptions(websocket_port=0, grace_period=0)
    with EnvServer(CounterEnv(), "127.0.0.1:0", token=TOKEN, options=options) as server:
        plays(server)


def test_large_answers() -> None:
    class Wide(CounterEnv):
        def step(self, action: Any) -> Any:
            return (*super().step(action)[:4], {"large": bytes(range(256)) * 20_000})

    options = ServeOptions(websocket_port=0)
    with EnvServer(Wide(), "127.0.0.1:0", options=options) as server, dial(server) as peer:
        peer.send(hello(""))
        ask(peer, FIRST)
        ask(peer, RESET.SerializeToString())
        step = env_pb2.SessionRequest(sequence=2)
        step.step.action.slabs.append(struct.pack("<q", 0))
        answer = ask(peer, step.SerializeToString())
        assert bytes(range(256)) * 20_000 in answer.SerializeToString()


def test_with_certificates(authority: Any, roots: bytes) -> None:
    options = ServeOptions(websocket_port=0)
    certificates = issued(authority)
    with EnvServer(
        CounterEnv(), "127.0.0.1:0", token=TOKEN, tls=certificates, options=options
    ) as server:
        assert server.websocket_address is not None
        assert server.websocket_address.startswith("wss://")
        context = ssl.create_default_context(cadata=roots.decode())
        with raw(server, context) as peer:
            peer.sendall(masked(0x82, hello()) + masked(0x82, FIRST))
            header = peer.recv(4)
            assert header[:2] == b"\x82\x7e"
            size, data = int.from_bytes(header[2:], "big"), b""
            while len(data) < size:
                data += peer.recv(size - len(data))
            assert response(data).open.contract.id == "CounterEnv"
        with pytest.raises(ssl.SSLError), raw(server, ssl.create_default_context()):
            pass


def test_a_model_is_served_too() -> None:
    options = ServeOptions(websocket_port=0)
    model = rlmesh.Model(lambda observation: 0)
    with ModelServer(model, "127.0.0.1:0", options=options) as server, dial(server) as peer:
        peer.send(hello("", ENV_SERVICE))
        answer = response(peer.recv(20))
        assert [*answer.error.choices] == [MODEL_SERVICE]


def test_beside_frames_alone() -> None:
    options = ServeOptions(websocket_port=0)
    with EnvServer(CounterEnv(), "frames://127.0.0.1:0", token=TOKEN, options=options) as server:
        plays(server)


def test_a_unix_socket_has_no_host_for_it(tmp_path: Any) -> None:
    with pytest.raises(errors.AddressError, match="websocket_port needs a host"):
        EnvServer(CounterEnv(), f"unix://{tmp_path}/s", options=OPTIONS)


def test_a_server_that_stops_says_so(server: EnvServer) -> None:
    options = ServeOptions(websocket_port=0, drain_timeout=0.1)
    with EnvServer(CounterEnv(), "127.0.0.1:0", options=options) as other, dial(other) as peer:
        peer.send(hello(""))
        ask(peer, FIRST)
        other.shutdown()
        answer = response(peer.recv(20))
        assert answer.error.code == error_pb2.ERROR_CODE_SHUTTING_DOWN
        with pytest.raises(exceptions.ConnectionClosed):
            peer.recv(20)


def test_a_silent_client_is_asked_for_a_sign(
    server: EnvServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlmesh._transport.socket.tcp.PULSE_SECONDS", 0.2)
    with raw(server) as peer:
        peer.sendall(masked(0x82, hello()) + masked(0x82, FIRST))
        data = b""
        while b"\x89\x00" not in data:  # A Ping without data.
            more = peer.recv(4096)
            assert more
            data += more


def test_the_library_is_named_if_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets", None)
    with pytest.raises(ImportError, match=r'pip install "rlmesh-core\[web\]"'):
        EnvServer(CounterEnv(), "127.0.0.1:0", options=OPTIONS)


def test_a_server_without_the_port_does_not_import_the_library() -> None:
    script = "import sys, rlmesh; rlmesh.EnvServer; assert 'websockets' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
