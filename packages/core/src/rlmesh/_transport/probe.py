"""Connections to an address, and the check whether a server listens at one of this host."""

from __future__ import annotations

import socket
import time

from rlmesh._transport.address import Address

__all__ = ["connect_to", "connect_unix", "nobody_listens"]

_SECONDS = 1.0
"""Seconds that a probe may take."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
"""Seconds between attempts to connect to a listener with a full queue."""


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
        connect_unix(connected, address.path, timeout)
    except BaseException:  # An interrupt leaves no socket open either.
        connected.close()
        raise
    return connected


def connect_unix(connected: socket.socket, path: str, timeout: float) -> None:
    """Connect a Unix socket, and wait for a place in the queue of the listener.

    The kernel does not wait if a socket has a timeout, so that of many clients that begin at the
    same time some would fail.

    Args:
        connected: The socket.
        path: Path of the listener; of an abstract one, its name after a zero byte.
        timeout: Seconds that connecting, and each later call on the socket, may take.

    Raises:
        OSError: If the connection cannot be made; a TimeoutError if the queue stays full.
    """
    connected.settimeout(timeout)
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while True:
        try:
            connected.connect(path)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError("the server's queue of connections is full") from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
