"""Credentials of gRPC for a `TLS`."""

from __future__ import annotations

import os
import ssl

import grpc

from rlmesh._transport.certificates import load_own, pem, with_certificate
from rlmesh.options import TLS

__all__ = ["channel_credentials", "server_credentials"]


def server_credentials(tls: TLS | None) -> grpc.ServerCredentials:
    """Return the credentials that a server listens with.

    Raises:
        AddressError: If it has no certificate.
        OSError: If a file cannot be read.
    """
    tls = with_certificate(tls, "grpcs")
    authority = pem(tls.authority)
    _check(tls)
    return grpc.ssl_server_credentials(
        [(pem(tls.key) or b"", pem(tls.certificate) or b"")],
        root_certificates=authority,
        require_client_auth=authority is not None,
    )


def channel_credentials(tls: TLS | None) -> grpc.ChannelCredentials:
    """Return the credentials that a client connects with; raise OSError for an unreadable file."""
    tls = tls or TLS()
    _check(tls)
    return grpc.ssl_channel_credentials(
        root_certificates=pem(tls.authority),
        private_key=pem(tls.key),
        certificate_chain=pem(tls.certificate),
    )


def _check(tls: TLS) -> None:
    """Raise an OSError that describes what is wrong with certificates; gRPC reports nothing.

    It would find that a server cannot listen, and that a client's handshake fails.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if hasattr(os, "memfd_create"):  # Elsewhere it would write the key to a file.
            load_own(context, tls)
    except ssl.SSLError as error:
        raise OSError(f"certificate and key of tls= cannot be used: {error}") from None
    authority = pem(tls.authority)
    try:
        if authority is not None:
            context.load_verify_locations(cadata=authority.decode())
    except (ssl.SSLError, ValueError) as error:
        raise OSError(f"authority of tls= is no certificate: {error}") from None
