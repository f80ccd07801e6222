"""What every client does before it connects."""

from __future__ import annotations

import os
import socket

from rlmesh._logs import warn
from rlmesh._transport.address import Address, parse_address
from rlmesh._transport.grpc.tls import secured
from rlmesh.options import TLS

__all__ = ["client_name", "destination"]


def client_name() -> str:
    """What a client calls itself, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


def destination(address: str | int, token: str, tls: TLS | None, *, stacklevel: int) -> Address:
    """Where a client connects; warns of a token that others can read.

    Args:
        address: The address.
        token: Bearer token; empty: none.
        tls: Certificates.
        stacklevel: Of the warning: 2 is the caller.

    Raises:
        AddressError: If the address is none, or is plain text where certificates are given.
    """
    where = secured(parse_address(address), tls, named="://" in str(address))
    if token and where.scheme == "tcp" and not where.is_local:
        warn(
            f"the token goes to {where} unencrypted; serve with tls= and connect to grpcs://",
            RuntimeWarning,
            stacklevel=stacklevel,
        )
    return where
