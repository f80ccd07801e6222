"""Credentials of gRPC for a `TLS`, and which addresses take one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import grpc

from rlmesh._transport.address import Address
from rlmesh.errors import AddressError
from rlmesh.options import TLS, Pem

__all__ = ["channel_credentials", "pem", "secured", "server_credentials"]


def secured(address: Address, tls: TLS | None, *, named: bool) -> Address:
    """The address, with the scheme of TLS where one is given.

    Args:
        address: The address.
        tls: The certificates; None: none are given.
        named: Whether the scheme was named by the caller, who then has to mean it.

    Raises:
        AddressError: If plain text was named and certificates are given: it never goes on in plain
            text in silence.
    """
    if tls is None or address.scheme == "grpcs":
        return address
    if named or address.scheme == "unix":
        raise AddressError(f"{address} is plain text, and tls= is given; write grpcs://host:port")
    return replace(address, scheme="grpcs")


def server_credentials(tls: TLS | None) -> grpc.ServerCredentials:
    """What a server listens with.

    Raises:
        AddressError: If it has no certificate.
        OSError: If a file cannot be read.
    """
    if tls is None or tls.certificate is None or tls.key is None:
        raise AddressError("a grpcs:// server needs tls=TLS(certificate=..., key=...)")
    authority = pem(tls.authority)
    return grpc.ssl_server_credentials(
        [(pem(tls.key) or b"", pem(tls.certificate) or b"")],
        root_certificates=authority,
        require_client_auth=authority is not None,
    )


def channel_credentials(tls: TLS | None) -> grpc.ChannelCredentials:
    """What a client connects with; raises OSError if a file cannot be read."""
    tls = tls or TLS()
    return grpc.ssl_channel_credentials(
        root_certificates=pem(tls.authority),
        private_key=pem(tls.key),
        certificate_chain=pem(tls.certificate),
    )


def pem(source: Pem) -> bytes | None:
    """The bytes of a PEM; raises OSError if its file cannot be read."""
    return source if source is None or isinstance(source, bytes) else Path(source).read_bytes()
