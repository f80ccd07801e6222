"""The start of a client: its name, its address, and its end if its constructor fails."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rlmesh._logs import warn
from rlmesh._telemetry import current_traceparent
from rlmesh._transport.address import Address, parse_address, secured
from rlmesh._wire.trace_context import is_traceparent
from rlmesh.options import TLS

__all__ = ["client_name", "closed_on_failure", "destination", "trace_context", "whole_address"]

_TRACEPARENT_VARIABLE = "TRACEPARENT"
"""Variable that has the trace context of a process, by OpenTelemetry's convention."""


def client_name() -> str:
    """Return the name that a client sends, for messages to users: host name and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def trace_context(given: str) -> str:
    """Return the trace context that a client sends (H-13).

    Args:
        given: A W3C `traceparent`; empty: the current span of OpenTelemetry if there is one, else
            the process's variable TRACEPARENT if that has the right form.

    Raises:
        ValueError: If `given` is not a `traceparent`.
    """
    if given:
        if not (isinstance(given, str) and is_traceparent(given)):
            raise ValueError(
                f"traceparent={given!r}; expected 00-, 32 lower-case hexadecimal digits, -, "
                f"16 digits, - and 2 digits"
            )
        return given
    current = current_traceparent()
    if current:
        return current
    inherited = os.environ.get(_TRACEPARENT_VARIABLE, "")
    return inherited if is_traceparent(inherited) else ""


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
