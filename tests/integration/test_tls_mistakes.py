"""The usual mistakes with TLS: each message names the mistake and what to do."""

from __future__ import annotations

import datetime
import re
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rlmesh import TLS, EnvServer, ModelServer, RemoteEnv, RemoteModel, ServeOptions, errors
from rlmesh._transport.address import parse_address
from rlmesh._transport.socket import client as frames_client
from rlmesh._transport.target import Target
from rlmesh._wire.services import ENV_SERVICE
from tests.certificates import issued, new_authority
from tests.integration.cli_processes import COMMAND
from tests.integration.envs import CounterEnv
from tests.integration.serving import PLAIN, Echo
from tests.offers import tcp_port
from tests.processes import finished

PORT = ServeOptions(frames=False, frames_port=0)


@pytest.fixture(autouse=True)
def transport() -> str:
    """The transport is named by each test."""
    return "grpc"


class Mistake(NamedTuple):
    """Certificates of both ends, the scheme and host to connect to, and the message's parts."""

    server: TLS | None
    client: TLS | None
    said: tuple[str, ...]
    scheme: str = "grpcs"


def of_authority(authority: Any, *names: str, **options: Any) -> TLS:
    leaf = authority.issue_cert(*names, **options)
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    return TLS(certificate=chain, key=leaf.private_key_pem.bytes())


def expired(authority: Any) -> TLS:
    days = [datetime.datetime(2020, 1, day, tzinfo=datetime.timezone.utc) for day in (1, 2)]
    return of_authority(authority, "127.0.0.1", not_before=days[0], not_after=days[1])


def mistakes(authority: Any) -> dict[str, Mistake]:
    own, other = issued(authority), new_authority()
    trusted = TLS(authority=authority.cert_pem.bytes())
    stranger = issued(other, "client.example")
    mutual = TLS(own.certificate, own.key, trusted.authority)
    self_signed = TLS(other.cert_pem.bytes(), other.private_key_pem.bytes())
    return {
        "plain client": Mistake(own, None, ("speaks TLS", "grpcs://127.0.0.1:"), "tcp"),
        "plain server": Mistake(None, trusted, ("plain text", "tcp://127.0.0.1:", "tls=TLS(")),
        "self-signed": Mistake(self_signed, None, ("self-signed", "authority='cert.pem'")),
        "unknown authority": Mistake(own, None, ("not signed by", "authority='ca.pem'")),
        "other authority": Mistake(
            own, TLS(authority=other.cert_pem.bytes()), ("not signed by", "authority='ca.pem'")
        ),
        "no SAN": Mistake(
            of_authority(authority, common_name="a server"),
            trusted,
            ("has no names", "SAN", "subjectAltName=IP:127.0.0.1"),
        ),
        "wrong host": Mistake(
            of_authority(authority, "elsewhere.example"),
            trusted,
            ("is for elsewhere.example", "not for 127.0.0.1", "subjectAltName=IP:127.0.0.1"),
        ),
        "expired": Mistake(expired(authority), trusted, ("has expired", "make a new one")),
        "no client certificate": Mistake(
            mutual, trusted, ("mutual TLS", "TLS(certificate=..., key=..., authority=...)")
        ),
        "a stranger's certificate": Mistake(
            mutual,
            TLS(stranger.certificate, stranger.key, trusted.authority),
            ("refuses the client's certificate", "signed by the authority"),
        ),
    }


NAMES = [
    "plain client",
    "plain server",
    "self-signed",
    "unknown authority",
    "other authority",
    "no SAN",
    "wrong host",
    "expired",
    "no client certificate",
    "a stranger's certificate",
]


@pytest.fixture(params=NAMES)
def mistake(request: pytest.FixtureRequest, authority: Any) -> Mistake:
    return mistakes(authority)[request.param]


def address_of(server: Any, mistake: Mistake) -> str:
    return f"{mistake.scheme}://{server.address.partition('://')[2]}"


def is_said(message: str, mistake: Mistake) -> None:
    assert [part for part in mistake.said if part not in message] == [], message


@contextmanager
def refused(mistake: Mistake) -> Generator[None, None, None]:
    """Check the error of a client that makes the mistake."""
    with pytest.raises(errors.ConnectError) as told:
        yield
    is_said(told.value.message, mistake)


def test_every_mistake_is_tried(authority: Any) -> None:
    assert list(mistakes(authority)) == NAMES


@pytest.mark.parametrize("choice", ["grpc", "frames"])
def test_a_client_of_an_environment_is_told(mistake: Mistake, choice: Any) -> None:
    with (
        EnvServer(CounterEnv(), "127.0.0.1:0", tls=mistake.server, options=PORT) as server,
        refused(mistake),
    ):
        address = address_of(server, mistake)
        RemoteEnv(address, tls=mistake.client, transport=choice, connect_timeout=10)


def test_a_client_of_a_model_is_told(mistake: Mistake) -> None:
    with ModelServer(Echo(), "127.0.0.1:0", tls=mistake.server) as server, refused(mistake):
        address = address_of(server, mistake)
        RemoteModel(address, PLAIN, tls=mistake.client, connect_timeout=10)


def test_frames_over_tcp_tell_as_well(mistake: Mistake) -> None:
    if mistake.scheme == "tcp" or mistake.server is None:
        pytest.skip("the port of frames expects what its own server told over gRPC")
    with EnvServer(CounterEnv(), "127.0.0.1:0", tls=mistake.server, options=PORT) as server:
        where, port = parse_address(address_of(server, mistake)), tcp_port(server)
        with (
            pytest.raises(errors.TransportError) as told,
            closing(
                frames_client.to_port(Target(where, ENV_SERVICE, "", mistake.client), port)
            ) as connection,
        ):
            connection.exchange(b"a frame", 10)
    is_said(told.value.message, mistake)


def test_the_command_line_tells(mistake: Mistake, tmp_path: Path) -> None:
    pytest.importorskip("rich")
    pytest.importorskip("typer")
    options = []
    for name in ("certificate", "key", "authority"):
        data = getattr(mistake.client, name, None)
        if data is not None:
            (tmp_path / name).write_bytes(data)
            options += [f"--tls-{name}", str(tmp_path / name)]
    with EnvServer(CounterEnv(), "127.0.0.1:0", tls=mistake.server) as server:
        done = finished([*COMMAND, "inspect", address_of(server, mistake), *options])
    assert done.returncode == 1
    is_said(done.stderr, mistake)


@pytest.mark.parametrize(
    ("text", "better"), [("http://h:1", "tcp://"), ("https://h:1", "grpcs://")]
)
def test_schemes_of_other_libraries_are_translated(text: str, better: str) -> None:
    with pytest.raises(errors.AddressError, match=re.escape(f"write {better}host:port")):
        RemoteEnv(text)


def test_a_certificate_in_the_middle_of_a_chain_is_trusted_by_both(authority: Any) -> None:
    own = issued(authority)
    tls = TLS(authority=own.certificate)
    with EnvServer(CounterEnv(), "127.0.0.1:0", tls=own, options=PORT) as server:
        for choice in ("grpc", "frames"):
            with RemoteEnv(server.address, tls=tls, transport=choice) as remote:  # type: ignore[arg-type]
                assert remote.transport == choice


def test_frames_that_are_not_reached_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def dial(*_: Any) -> Any:
        raise OSError("a firewall is in the way")

    monkeypatch.setattr(frames_client.frames_tcp, "dial", dial)
    with (
        EnvServer(CounterEnv(), options=PORT) as server,
        pytest.raises(errors.UnsupportedError, match="a firewall is in the way"),
    ):
        RemoteEnv(server.address, transport="frames")


def test_an_authority_that_only_the_system_trusts_is_told(
    authority: Any, roots: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "system.pem").write_bytes(roots)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    with (
        EnvServer(CounterEnv(), "127.0.0.1:0", tls=issued(authority)) as server,
        pytest.raises(errors.ConnectError, match="gRPC has a list of its own"),
    ):
        RemoteEnv(server.address, connect_timeout=10)


def test_a_wrong_token_is_no_mistake_of_tls(authority: Any, roots: bytes) -> None:
    with (
        EnvServer(CounterEnv(), "127.0.0.1:0", tls=issued(authority), token="secret") as server,
        pytest.raises(errors.AuthenticationError, match="token"),
    ):
        RemoteEnv(server.address, tls=TLS(authority=roots), token="other")


@pytest.mark.parametrize("scheme", ["tcp", "grpcs"])
def test_a_server_that_is_not_there_is_no_mistake_of_tls(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explain(*_: Any) -> str:
        raise AssertionError("nothing was to be explained")

    monkeypatch.setattr("rlmesh._transport.grpc.client.explain", explain)
    with pytest.raises(errors.ConnectError, match="refused"):
        RemoteEnv(f"{scheme}://127.0.0.1:1", connect_timeout=5)
