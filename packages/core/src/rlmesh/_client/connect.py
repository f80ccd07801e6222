"""The start of a client: its name, its address, and its end if its constructor fails."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rlmesh._logs import warn
from rlmesh._transport.address import Address, parse_address, secured
from rlmesh.options import TLS

__all__ = ["client_name", "closed_on_failure", "destination", "whole_address"]


def client_name() -> str:
    """Return the name that a client sends, for messages to users: host name and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def destination(address: str | int, token: str, tls: TLS | None, *, stacklevel: int) -> Address:
    """Return the address to connect to; warn of a token that would be sent unencrypted.

    Args:
        address: The address.
        token: Bearer token; empty: none.
        tls: Certificates.
        stacklevel: Stack level of the warning; 2 is the caller.

    Raises:
        AddressError: If the text is not an address, or it is an address without TLS and `tls` is
            given.
    """
    where = secured(parse_address(address), tls, named="://" in str(address))
    if token and not where.is_tls and not where.is_local:
        warn(
            f"the token goes to {where} unencrypted; serve with tls= and connect to "
            f"{where.tls_scheme}://",
            RuntimeWarning,
            stacklevel=stacklevel,
        )
    return where


def whole_address(address: str | int) -> str:
    """Return an address with its scheme, as clients report theirs.

    Raises:
        AddressError: If the text is not an address.
    """
    return str(parse_address(address))


class _Closable(Protocol):
    """A client or session."""

    def close(self) -> None:
        """End the session."""
        ...


@contextmanager
def closed_on_failure(client: _Closable) -> Generator[None, None, None]:
    """Close a client if the rest of a constructor fails."""
    try:
        yield
    except BaseException:
        client.close()
        raise
