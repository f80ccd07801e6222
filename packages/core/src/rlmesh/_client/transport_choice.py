"""`TransportChoice`: how the frames of a client's sessions travel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rlmesh._session.client_session import ClientSession, Move
from rlmesh._transport.address import Address
from rlmesh._transport.grpc.client import GrpcConnection
from rlmesh._transport.socket.client import to_port, to_socket
from rlmesh._transport.socket.unix import SUPPORTED, is_name
from rlmesh.errors import UnsupportedError
from rlmesh.options import TLS
from rlmesh.specs import Capability

__all__ = ["Transport", "TransportChoice"]

Transport = Literal["auto", "grpc", "frames"]

AUTO: Transport = "frames"
"""What "auto" tries; the tests run over both."""


class TransportChoice:
    """How a server is reached: over gRPC, where sessions begin, and where they may go on.

    Args:
        transport: What the user asks for.
        where: The server's address.
        token: Bearer token; empty: none.
        tls: Certificates.

    Attributes:
        where: The server's address.
        can: What the client says that it can do.
        moves: To places that the server names, the best first.

    Raises:
        ValueError: If there is no such transport.
    """

    def __init__(self, transport: Transport, where: Address, token: str, tls: TLS | None) -> None:
        if transport not in ("auto", "grpc", "frames"):
            raise ValueError(f"transport={transport!r} is not 'auto', 'grpc' or 'frames'")
        self._asked = transport
        self._token = token
        self._tls = tls
        self.where = where
        can = {Capability.RESUME}
        moves: list[Move] = []
        if SUPPORTED and (AUTO if transport == "auto" else transport) != "grpc":
            can.add(Capability.FRAMES_UNIX)
            moves.append(
                lambda o: to_socket(where, o.frames_unix) if is_name(o.frames_unix) else None
            )
        if transport == "frames" and where.scheme != "unix":
            can.add(Capability.FRAMES_TCP)
            moves.append(
                lambda o: to_port(where, o.frames_port, token, tls) if o.frames_port else None
            )
        self.can = frozenset(can)
        self.moves: Sequence[Move] = moves

    def connect(self, service: str) -> GrpcConnection:
        """A new connection to a gRPC service; raises OSError if a certificate cannot be read."""
        return GrpcConnection(self.where, service, self._token, self._tls)

    def check(self, session: ClientSession) -> None:
        """Close a session that does not travel as it was asked for.

        Raises:
            UnsupportedError: If it does not.
        """
        if self._asked != "frames" or session.transport == "frames":
            return
        session.close()
        raise UnsupportedError(
            f"{self.where} is not reached over frames: they need Linux, the same host and user, "
            f"a server that offers them (ServeOptions.frames, grace_period) and half of the file "
            f"descriptors free on both ends (ulimit -n), or a server with a port for them "
            f"(ServeOptions.frames_port)"
        )
