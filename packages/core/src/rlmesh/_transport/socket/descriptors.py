"""`has_room`: whether a process has descriptors left for one connection more."""

from __future__ import annotations

import socket

try:
    import resource
except ImportError:  # Not on Windows.
    resource = None  # type: ignore[assignment]

__all__ = ["has_room"]


def has_room(connected: socket.socket) -> bool:
    """Return whether at least half of the descriptors that this process may have are left.

    A session over frames takes three (the socket, and the two segments), one over gRPC a single
    one: the other half is for those sessions, and for what the process does itself.
    """
    if resource is None:
        return True
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A new one has the lowest number that is free.
    return limit == resource.RLIM_INFINITY or 2 * connected.fileno() < limit
