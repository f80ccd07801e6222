"""Connections to an address, and the check whether a server listens at one of this host."""

from __future__ import annotations

import socket

from rlmesh._transport.address import Address

__all__ = ["connect_to", "nobody_listens"]

_SECONDS = 1.0
"""Seconds that a probe may take."""


def nobody_listens(address: Address) -> bool:
    """Return whether this host's own kernel reports that no server listens there.

    It is never true for another host, because a refusal may come from a proxy in between.
    """
    if not address.is_local:
        return False
    try:
        connect_to(address, _SECONDS).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    except OSError:
        return False
    return False


def connect_to(address: Address, timeout: float) -> socket.socket:
    """Return a socket that is connected to an address.

    Args:
        address: The address.
        timeout: Seconds that connecting, and each later call on the socket, may take.

    Raises:
        OSError: If the connection cannot be made.
    """
    if not address.is_unix:
        return socket.create_connection((address.host, address.port), timeout)
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(timeout)
        connected.connect(address.path)
    except BaseException:  # An interrupt leaves no socket open either.
        connected.close()
        raise
    return connected
