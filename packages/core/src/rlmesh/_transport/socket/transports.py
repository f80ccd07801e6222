"""The listeners beside a server's address: one class for each kind, and two tables of them.

A session begins on the transport of the server's address, gRPC or frames. The server offers the
address of each other transport that it listens on, and the client moves to the first one in the
order of the table that it can use (CONTRACT.md, B-12 and B-13). On an entrance sessions
begin, as at the server's address; it is for clients that cannot use the latter (B-18).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rlmesh._transport.address import Address
from rlmesh._transport.socket import tcp, unix
from rlmesh._transport.socket.client import FramesConnection, to_port, to_socket
from rlmesh._transport.socket.listening import Listening
from rlmesh._transport.socket.web_socket import WebSocketFrames
from rlmesh._transport.target import Target
from rlmesh.options import TLS, ServeOptions
from rlmesh.specs import Capability, TransportKind

if TYPE_CHECKING:
    from rlmesh._transport.socket.doorkeeper import Doorkeeper

__all__ = ["ENTRANCES", "TRANSPORTS", "Entrance", "FrameTransport"]


class Entrance(Protocol):
    """One kind of listener beside that of the server's address."""

    def is_served(self, options: ServeOptions) -> bool:
        """Return whether a server with these options has the listener."""
        ...

    def listen(
        self, options: ServeOptions, where: Address, doorkeeper: Doorkeeper, tls: TLS | None
    ) -> Listening:
        """Bind a listener beside the one of the server's address.

        Args:
            options: Options of the server.
            where: Address of the server, resolved.
            doorkeeper: Admission of clients.
            tls: Certificates; None: plain text.

        Raises:
            AddressError: If the port cannot be bound.
            ImportError: If it needs a library that is not installed.
            OSError: If a certificate cannot be read, or the system has no such socket.
        """
        ...


class FrameTransport(Entrance, Protocol):
    """One kind of transport that a session may move to."""

    kind: TransportKind
    """Kind that a server offers."""

    capability: Capability
    """Capability that both ends list."""

    def is_tried(self, choice: str, where: Address) -> bool:
        """Return whether a client moves to the transport.

        Args:
            choice: "auto" or "frames".
            where: Address of the server.
        """
        ...

    def dial(self, target: Target, offered: str) -> FramesConnection | None:
        """Connect to an offered address; return None if no server of RLMesh offers such a one.

        Args:
            target: The service at its own address.
            offered: The offered address.

        Raises:
            ConnectError: If the connection cannot be made.
        """
        ...


class UnixFrames:
    """Frames on a Unix socket of the same host, with large ones in shared memory (B-12, B-14)."""

    kind = TransportKind.FRAMES_UNIX
    capability = Capability.FRAMES_UNIX

    def is_served(self, options: ServeOptions) -> bool:
        """See `FrameTransport`: unless switched off, if the system has abstract sockets."""
        return options.frames and unix.SUPPORTED

    def listen(
        self, options: ServeOptions, where: Address, doorkeeper: Doorkeeper, tls: TLS | None
    ) -> Listening:
        """See `FrameTransport`: the kernel proves the client's user, so no token is needed."""
        listener, name = unix.listen()
        return Listening(listener, unix.admit, name)

    def is_tried(self, choice: str, where: Address) -> bool:
        """See `FrameTransport`: for any server, because a remote one's socket is not found.

        A session that began on a Unix socket with frames alone has shared memory already.
        """
        return unix.SUPPORTED and where.scheme != "frames+unix"

    def dial(self, target: Target, offered: str) -> FramesConnection | None:
        """See `FrameTransport`."""
        return to_socket(target.where, offered) if unix.is_name(offered) else None


class TcpFrames:
    """Frames over TCP, with TLS and the token (B-13)."""

    kind = TransportKind.FRAMES_TCP
    capability = Capability.FRAMES_TCP

    def is_served(self, options: ServeOptions) -> bool:
        """See `FrameTransport`: if the options name a port."""
        return options.frames_port is not None

    def listen(
        self, options: ServeOptions, where: Address, doorkeeper: Doorkeeper, tls: TLS | None
    ) -> Listening:
        """See `FrameTransport`: on the host of the server's address."""
        admit = tcp.admission(doorkeeper, tls)
        listener = tcp.listen(where, options.frames_port or 0)
        return Listening(listener, admit, f":{listener.getsockname()[1]}")

    def is_tried(self, choice: str, where: Address) -> bool:
        """See `FrameTransport`: if the user asks for frames, and the server has a host."""
        return choice == "frames" and where.scheme in ("tcp", "grpcs")

    def dial(self, target: Target, offered: str) -> FramesConnection | None:
        """See `FrameTransport`."""
        port = offered.removeprefix(":")
        if not (offered.startswith(":") and port.isascii() and port.isdigit()):
            return None
        return to_port(target, int(port)) if 0 < int(port) <= 65_535 else None


TRANSPORTS: tuple[FrameTransport, ...] = (UnixFrames(), TcpFrames())
"""Every transport that a session may move to, the fastest first."""

ENTRANCES: tuple[Entrance, ...] = (WebSocketFrames(),)
"""Every listener on which sessions begin, beside that of the server's address."""
