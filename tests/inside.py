"""Parts of clients and servers that have no public name, which tests watch, break or count.

Only this module knows through which private attributes they are reached.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "admission_of",
    "asked_of",
    "connection_of",
    "frame_socket_of",
    "manager_of",
    "session_of",
    "sessions_of",
    "stream_of",
]


def session_of(client: Any) -> Any:
    """Return the `ClientSession` of a client, or of a stub."""
    return getattr(client, "_stub", client)._session


def connection_of(client: Any) -> Any:
    """Return the connection that a client's session is on."""
    return session_of(client)._transport


def frame_socket_of(client: Any) -> Any:
    """Return the `FrameSocket` of a client whose session is on one."""
    return connection_of(client)._frames


def manager_of(server: Any) -> Any:
    """Return the `SessionManager` of a server."""
    return server._manager


def sessions_of(server: Any) -> Any:
    """Return the sessions of a server, by their id."""
    return manager_of(server)._sessions


def admission_of(server: Any) -> Any:
    """Return the queue of the clients that wait for a server."""
    return manager_of(server)._admission


def asked_of(server: Any) -> Any:
    """Return the requests that the host of a model server has not answered yet."""
    return server._host._asked


def stream_of(server: Any) -> Any:
    """Return the stream that the thread of a server's one environment serves; None: no stream."""
    return server._env_host._thread._stream
