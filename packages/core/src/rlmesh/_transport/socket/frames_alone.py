"""`FramesAloneServer`: serves sessions over frames from their beginning, without gRPC (B-15)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rlmesh._buffers import Frame
from rlmesh._transport.address import Address
from rlmesh._transport.certificates import with_certificate
from rlmesh._transport.socket import tcp, unix
from rlmesh._transport.socket.doorkeeper import Doorkeeper
from rlmesh._transport.socket.framing import FrameSocket, peer_name
from rlmesh._transport.socket.server import BACKLOG, Admit, FramesServer
from rlmesh._transport.unix_socket import OwnedSocket
from rlmesh.errors import AddressError
from rlmesh.options import TLS

__all__ = ["FramesAloneServer"]


class FramesAloneServer:
    """Serves one service at an address of frames; it accepts once `start` is called.

    Args:
        where: Address to listen on; port 0 picks a free one.
        doorkeeper: Admission of clients.
        tls: Certificates, for an address with TLS.
        connect: Makes the connection of a new client; see `FramesServer`.
        farewell: Frame for a client that connects while the server stops.

    Attributes:
        address: The address, with the port that was picked.

    Raises:
        AddressError: If the address cannot be bound, or has TLS and there is no certificate.
        OSError: If a certificate cannot be read.
    """

    def __init__(
        self,
        where: Address,
        doorkeeper: Doorkeeper,
        tls: TLS | None,
        connect: Callable[..., Any],
        farewell: Frame,
    ) -> None:
        self._socket: OwnedSocket | None = None
        admit = _admission(where, doorkeeper, tls)
        listener = self._listen_on_path(where) if where.is_unix else _listen_on_port(where)
        port = 0 if where.is_unix else listener.getsockname()[1]
        self.address = replace(where, port=port)
        self._server = FramesServer(listener, admit, connect, farewell)

    def start(self) -> None:
        """Accept connections."""
        self._server.start()

    def drain(self) -> None:
        """Do nothing: a client that opens a session is refused by the sessions' manager."""

    def stop(self, grace: float) -> None:
        """Refuse new connections, and end open ones after `grace` seconds."""
        self._server.stop(grace)
        if self._socket is not None:
            self._socket.remove()

    def _listen_on_path(self, where: Address) -> socket.socket:
        if not unix.SUPPORTED:
            raise AddressError(f"{where} needs Linux; serve on frames://host:port")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

        def listen(path: str) -> None:
            listener.bind(path)
            # A socket that nothing listens on would be taken for that of a server that is gone.
            listener.listen(BACKLOG)

        try:
            self._socket = OwnedSocket(where, listen)
        except BaseException as error:
            listener.close()
            if not isinstance(error, OSError):
                raise
            raise AddressError(f"cannot listen on {where}: {error}") from error
        return listener


def _listen_on_port(where: Address) -> socket.socket:
    listener = tcp.listen(where, where.port)
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressError(f"cannot listen on {where}: {error}") from error
    return listener


def _admission(where: Address, doorkeeper: Doorkeeper, tls: TLS | None) -> Admit:
    """Return the function that admits connections."""
    if where.is_unix:
        return partial(_admit_on_path, doorkeeper)
    own = with_certificate(tls, where.scheme) if where.is_tls else None
    return tcp.admission(doorkeeper, own)


def _admit_on_path(
    doorkeeper: Doorkeeper,
    connected: socket.socket,
    deadline: float,
    begun: Callable[[FrameSocket], object],
) -> FrameSocket:
    """Return the frames of a client of a Unix socket, which only its owner reaches."""
    frames = unix.LocalFrameSocket(connected, deadline)
    begun(frames)
    doorkeeper.admit(frames, peer_name(connected))
    return frames
