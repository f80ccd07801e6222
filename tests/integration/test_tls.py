"""TLS and mutual TLS: which clients are admitted, and that plain text is never used silently."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from rlmesh import TLS, EnvServer, RemoteEnv, errors
from tests.certificates import issued, new_authority
from tests.integration.envs import CounterEnv


def plays(remote: RemoteEnv) -> None:
    with remote:
        assert remote.reset(seed=0) == (0, {})
        assert remote.step(1)[0] == 1


@pytest.mark.every_transport
def test_a_session_over_tls(authority: Any, roots: bytes) -> None:
    with EnvServer(CounterEnv(), "127.0.0.1:0", tls=issued(authority)) as server:
        assert server.address.startswith(("grpcs://127.0.0.1:", "framess://127.0.0.1:"))
        plays(RemoteEnv(server.address, tls=TLS(authority=roots)))
        # Without a scheme, certificates mean TLS.
        plays(RemoteEnv(server.address.removeprefix("grpcs://"), tls=TLS(authority=roots)))


def test_certificates_come_from_files_too(authority: Any, roots: bytes, tmp_path: Path) -> None:
    own = issued(authority)
    for name, data in (("cert", own.certificate), ("key", own.key), ("roots", roots)):
        assert isinstance(data, bytes)
        (tmp_path / f"{name}.pem").write_bytes(data)
    tls = TLS(certificate=tmp_path / "cert.pem", key=str(tmp_path / "key.pem"))
    with EnvServer(CounterEnv(), "grpcs://127.0.0.1:0", tls=tls) as server:
        remote = RemoteEnv(server.address, tls=TLS(authority=tmp_path / "roots.pem"))
        again = pickle.dumps(remote)
        plays(remote)
        plays(pickle.loads(again))
    with pytest.raises(FileNotFoundError):
        RemoteEnv("grpcs://127.0.0.1:1", tls=TLS(authority=tmp_path / "none.pem"))


def test_an_unknown_authority_is_refused(authority: Any) -> None:
    with EnvServer(CounterEnv(), "grpcs://127.0.0.1:0", tls=issued(authority)) as server:
        strange = new_authority().cert_pem.bytes()
        for tls in (TLS(authority=strange), None):
            with pytest.raises(errors.ConnectError):
                RemoteEnv(server.address, tls=tls, connect_timeout=5)


def test_a_certificate_of_another_host_is_refused(authority: Any, roots: bytes) -> None:
    tls = issued(authority, "elsewhere.example")
    with (
        EnvServer(CounterEnv(), "grpcs://127.0.0.1:0", tls=tls) as server,
        pytest.raises(errors.ConnectError),
    ):
        RemoteEnv(server.address, tls=TLS(authority=roots), connect_timeout=5)


@pytest.mark.every_transport
def test_mutual_tls_lets_in_only_those_with_a_certificate(authority: Any, roots: bytes) -> None:
    own = issued(authority)
    tls = TLS(certificate=own.certificate, key=own.key, authority=roots)
    with EnvServer(CounterEnv(), "grpcs://127.0.0.1:0", tls=tls) as server:
        with pytest.raises(errors.ConnectError):
            RemoteEnv(server.address, tls=TLS(authority=roots), connect_timeout=5)
        strange = issued(new_authority(), "client.example")
        with pytest.raises(errors.ConnectError):
            shown = TLS(strange.certificate, strange.key, roots)
            RemoteEnv(server.address, tls=shown, connect_timeout=5)
        client = issued(authority, "client.example")
        plays(RemoteEnv(server.address, tls=TLS(client.certificate, client.key, roots)))


def test_nothing_goes_on_in_plain_text(authority: Any, roots: bytes, tmp_path: Path) -> None:
    tls = issued(authority)
    with pytest.raises(errors.AddressError, match="plain text"):
        EnvServer(CounterEnv(), "tcp://127.0.0.1:0", tls=tls)
    with pytest.raises(errors.AddressError, match="plain text"):
        EnvServer(CounterEnv(), path=str(tmp_path / "s"), tls=tls)
    with pytest.raises(errors.AddressError, match="plain text"):
        RemoteEnv("tcp://127.0.0.1:1", tls=TLS(authority=roots))
    with pytest.raises(errors.AddressError, match="certificate"):
        EnvServer(CounterEnv(), "grpcs://127.0.0.1:0")
    with EnvServer(CounterEnv(), "grpcs://127.0.0.1:0", tls=tls) as server:
        plain = server.address.replace("grpcs", "tcp")
        with pytest.raises(errors.ConnectError):
            RemoteEnv(plain, connect_timeout=3)


@pytest.mark.own_transport
def test_a_key_is_not_shown(authority: Any) -> None:
    tls = issued(authority)
    assert repr(tls) == "TLS(certificate=..., key=...)"
    with pytest.raises(ValueError, match="needs its key"):
        TLS(certificate=b"x")
