"""How the frames of a client's sessions travel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from rlmesh._session.client import ClientSession
from rlmesh._session.exchange import Exchange
from rlmesh._transport.address import Address
from rlmesh._transport.frames_client import to_port, to_socket
from rlmesh._transport.frames_local import SUPPORTED, is_name
from rlmesh._wire import messages as m
from rlmesh.errors import UnsupportedError
from rlmesh.options import TLS
from rlmesh.specs import Capability

__all__ = ["Transport", "Ways"]

Transport = Literal["auto", "grpc", "frames"]

AUTO: Transport = "frames"
"""What "auto" tries; the tests run over both."""


class Ways:
    """Where sessions may go on that begin over gRPC.

    Args:
        transport: What the user asks for.
        where: The server's address.
        token: Bearer token; empty: none.
        tls: Certificates.

    Attributes:
        can: What the client says that it can do.
        moves: What makes connections to places that the server names, the best first; see
            `ClientSession`.

    Raises:
        ValueError: If there is no such transport.
    """

    def __init__(self, transport: Transport, where: Address, token: str, tls: TLS | None) -> None:
        if transport not in ("auto", "grpc", "frames"):
            raise ValueError(f"transport={transport!r} is not 'auto', 'grpc' or 'frames'")
        self._asked = transport
        self._where = where
        self.can = {Capability.RESUME}
        moves: list[Callable[[m.Opened], Exchange | None]] = []
        if SUPPORTED and (AUTO if transport == "auto" else transport) != "grpc":
            self.can.add(Capability.FRAMES_UNIX)
            moves.append(
                lambda o: to_socket(where, o.frames_unix) if is_name(o.frames_unix) else None
            )
        if transport == "frames" and where.scheme != "unix":
            self.can.add(Capability.FRAMES_TCP)
            moves.append(
                lambda o: to_port(where, o.frames_port, token, tls) if o.frames_port else None
            )
        self.moves: Sequence[Callable[[m.Opened], Exchange | None]] = moves

    def check(self, session: ClientSession) -> None:
        """Close a session that does not travel as it was asked for.

        Raises:
            UnsupportedError: If it does not.
        """
        if self._asked != "frames" or session.transport == "frames":
            return
        session.close()
        raise UnsupportedError(
            f"{self._where} is not reached over frames: they need Linux, the same host and user, "
            f"a server that offers them (ServeOptions.frames, grace_period) and half of the file "
            f"descriptors free on both ends (ulimit -n), or a server with a port for them "
            f"(ServeOptions.frames_port)"
        )
