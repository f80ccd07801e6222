"""Addresses of IPv6: servers and clients of each kind, over gRPC and frames over TCP."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from rlmesh import TLS, EnvServer, ModelServer, RemoteEnv, RemoteModel, ServeOptions, errors
from tests.certificates import issued
from tests.integration.cli_processes import COMMAND, COUNTER, serving
from tests.integration.envs import CounterEnv
from tests.integration.serving import PLAIN, Echo, seen
from tests.processes import finished, served

PORT = ServeOptions(frames=False, frames_port=0)

PLACES: list[dict[str, Any]] = [
    {"address": "[::1]:0"},
    {"address": "tcp://[::1]:0"},
    {"host": "::1"},
    {"host": "[::1]", "port": 0},
]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")


@pytest.fixture(autouse=True, params=["grpc", "frames"])
def transport(request: pytest.FixtureRequest) -> str:
    """Frames over TCP too, which the common fixture does not have."""
    return str(request.param)


def plays(remote: RemoteEnv, transport: str) -> None:
    with remote:
        assert remote.transport == transport
        assert remote.reset(seed=0) == (0, {})
        assert remote.step(1)[0] == 1


@pytest.mark.every_transport
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_session_with_an_environment(place: dict[str, Any], transport: Any) -> None:
    with EnvServer(CounterEnv(), options=PORT, **place) as server:
        assert server.address.startswith("tcp://[::1]:")
        for address in (server.address, server.address.removeprefix("tcp://")):
            remote = RemoteEnv(address, transport=transport)
            assert remote.address == server.address
            plays(remote, transport)


@pytest.mark.every_transport
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_session_with_a_model(place: dict[str, Any], transport: Any) -> None:
    with (
        ModelServer(Echo(), options=PORT, **place) as server,
        RemoteModel(server.address, PLAIN, transport=transport) as remote,
    ):
        assert server.address.startswith("tcp://[::1]:")
        assert remote.predict(seen(3)) == 3


@pytest.mark.every_transport
def test_a_session_over_tls(authority: Any, roots: bytes, transport: Any) -> None:
    own, other = issued(authority, "::1"), issued(authority, "localhost")
    with EnvServer(CounterEnv(), "grpcs://[::1]:0", tls=own, options=PORT) as server:
        assert server.address.startswith("grpcs://[::1]:")
        plays(RemoteEnv(server.address, tls=TLS(authority=roots), transport=transport), transport)
    with (
        EnvServer(CounterEnv(), host="::1", tls=other, options=PORT) as server,
        pytest.raises(errors.ConnectError, match=r"is for localhost and not for ::1; .*IP:::1"),
    ):
        RemoteEnv(server.address, tls=TLS(authority=roots), transport=transport)


@pytest.mark.every_transport
def test_every_address_of_the_host(transport: Any) -> None:
    with pytest.warns(RuntimeWarning, match=r"\[::\]:\d+ can be reached"):
        server = EnvServer(CounterEnv(), host="::", options=PORT)
    with server:
        port = server.address.rpartition(":")[2]
        for host in ("[::1]", "127.0.0.1"):
            plays(RemoteEnv(f"{host}:{port}", transport=transport), transport)


@pytest.mark.own_transport
def test_the_command_line() -> None:
    pytest.importorskip("rich")
    pytest.importorskip("typer")
    with serving(COUNTER, "--address", "[::1]:0") as (address, _):
        assert address.startswith("tcp://[::1]:")
        for name in (address, address.removeprefix("tcp://")):
            done = finished([*COMMAND, "inspect", name])
            assert done.returncode == 0, done.stderr
            assert address in done.stdout
    with served(COUNTER, "--address", "[::1]:0") as address:
        assert address.startswith("tcp://[::1]:")
        RemoteEnv(address).close()


@pytest.mark.own_transport
@pytest.mark.parametrize("host", ["::1:5555:", "[::1]:5555", "a host", "robot:5555"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(errors.AddressError, match="is not a host"):
        EnvServer(CounterEnv(), host=host)
