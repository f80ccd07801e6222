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
    """Return the address, with the scheme of TLS if certificates are given.

    Args:
        address: The address.
        tls: The certificates; None: none are given.
        named: Whether the scheme was named by the caller, so that it is not replaced.

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
    """Return the credentials that a server listens with.

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
    """Return the credentials that a client connects with; raise OSError for an unreadable file."""
    tls = tls or TLS()
    return grpc.ssl_channel_credentials(
        root_certificates=pem(tls.authority),
        private_key=pem(tls.key),
        certificate_chain=pem(tls.certificate),
    )


def pem(source: Pem) -> bytes | None:
    """Return the bytes of a PEM; raises OSError if its file cannot be read."""
    return source if source is None or isinstance(source, bytes) else Path(source).read_bytes()
