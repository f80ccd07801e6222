"""Parts of clients and servers that have no public name, which tests watch, break or count.

Only this module knows through which private attributes they are reached.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "admission_of",
    "asked_of",
    "call_handler_of",
    "connection_of",
    "first_requests_of",
    "frame_socket_of",
    "frames_server_of",
    "kept_by",
    "link_of",
    "manager_of",
    "session_calls_of",
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


def link_of(session: Any) -> Any:
    """Return the link of a `ClientSession`, which has its connection."""
    return session._link


def frames_server_of(server: Any) -> Any:
    """Return the `FramesServer` of a server of frames alone."""
    return server._transport._server


def first_requests_of(server: Any) -> dict[Any, int]:
    """Return how many bytes of first requests a server of frames alone is receiving."""
    receiving: dict[Any, int] = frames_server_of(server)._first_requests._receiving
    return receiving


def session_calls_of(server: Any) -> Any:
    """Return the `Session` calls of a server over gRPC that have not ended."""
    return server._transport._handler._sessions


def call_handler_of(server: Any) -> Any:
    """Return what gRPC asks for the handler of each call of a server."""
    return server._transport._server._state.generic_handlers[0]


def kept_by(buffers: Any) -> Any:
    """Return the memory that a `ReceiveBuffers` keeps."""
    return buffers._kept._kept
