"""`FramesConnection`: a client's end of frames, on a Unix socket or over TCP."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence

from rlmesh._buffers import Frame
from rlmesh._transport.address import Address
from rlmesh._transport.probe import nobody_listens
from rlmesh._transport.socket import tcp as frames_tcp
from rlmesh._transport.socket.framing import FramesEnded, FrameSocket
from rlmesh._transport.socket.unix import LocalFrameSocket, has_room, peer_is_same_user
from rlmesh._transport.tls_mistakes import explain_refusal
from rlmesh.backends import Buffer
from rlmesh.errors import ConnectError, ConnectionLostError
from rlmesh.options import TLS

__all__ = ["FramesConnection", "to_port", "to_socket"]

_LOCAL_SECONDS = 1.0
_REMOTE_SECONDS = 10.0


def to_socket(where: Address, name: str) -> FramesConnection:
    """Return a connection to a Unix socket of the abstract namespace of this host.

    Raises:
        ConnectError: If there is no such socket here, it is another user's, or few descriptors
            are left.
    """

    def dial() -> FrameSocket:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if not has_room(connected):
                raise OSError("half of this process's descriptors are in use")
            connected.settimeout(_LOCAL_SECONDS)
            connected.connect(f"\0{name}")
            if not peer_is_same_user(connected):
                raise PermissionError("the server is another user's")
            return LocalFrameSocket(connected)
        except BaseException:  # An interrupt leaves no socket open either.
            connected.close()
            raise

    return FramesConnection(where, dial)


def to_port(
    where: Address, port: int, token: str, tls: TLS | None, *, host: Address | None = None
) -> FramesConnection:
    """Return a connection over TCP.

    Args:
        where: Address of the server over gRPC, which messages and `address` have.
        port: Port to connect to.
        token: Bearer token to send; empty: none.
        tls: Certificates.
        host: Address with the host to connect to, and with TLS if its scheme is "grpcs"; None: that
            of `where`.

    Raises:
        ConnectError: If it cannot be reached, or does not prove to be that host.
    """
    to = where if host is None else host
    return FramesConnection(
        where, lambda: frames_tcp.dial(to, port, token, tls, _REMOTE_SECONDS), tls
    )


class FramesConnection:
    """See `rlmesh._session.client_connection.ClientConnection`.

    Args:
        where: Address of the server over gRPC, for messages.
        dial: Connects; raises OSError.
        tls: Certificates, for messages.

    Raises:
        ConnectError: If that fails.
    """

    transport = "frames"

    def __init__(
        self, where: Address, dial: Callable[[], FrameSocket], tls: TLS | None = None
    ) -> None:
        self.address = str(where)
        self._tls = tls
        self._where = where
        try:
            self._frames = dial()
        except OSError as error:
            message = f"{self.address} is not reached by frames: {error}"
            raise ConnectError(message, address=self.address) from None
        self._begun = False
        self._welcomed = False

    def allocate(self, parts: Sequence[Buffer], size: int) -> Buffer:
        """See `FrameSocket.allocate`."""
        return self._frames.allocate(parts, size)

    def exchange(self, frame: Frame, timeout: float | None = None) -> Buffer:
        """Send a frame and wait for the answer; see `GrpcConnection.exchange`."""
        if timeout is not None:
            return self._exchange_within(frame, timeout)
        try:
            self._send(frame)
            return self._frames.receive()
        except (FramesEnded, OSError) as error:
            raise self._lost(error) from None

    def _send(self, frame: Frame) -> None:
        # If the server has ended the connection, its reason may still be there to read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._frames.send(frame)

    def _exchange_within(self, frame: Frame, timeout: float) -> Buffer:
        # A timeout of the socket would begin anew with each byte that comes.
        late = threading.Event()
        watchdog = threading.Timer(timeout, self._give_up, (late,))
        watchdog.daemon = True
        watchdog.start()
        try:
            return self._exchange(frame)
        except (FramesEnded, OSError) as error:
            if late.is_set():
                words = f"{self.address} does not answer within {timeout:g} s"
                raise ConnectError(words, address=self.address) from None
            raise self._lost(error) from None
        finally:
            watchdog.cancel()

    def _give_up(self, late: threading.Event) -> None:
        late.set()
        self._frames.cut()

    def _exchange(self, frame: Frame) -> Buffer:
        if self._begun:
            self._send(frame)
            return self._frames.receive()
        self._begun = True
        answer = self._frames.offer(frame)
        self._frames.welcomed()
        self._welcomed = True
        return answer

    def _lost(self, error: Exception) -> ConnectionLostError:
        why = ""
        if isinstance(error, ssl.SSLError) and not self._welcomed:
            why = explain_refusal(error, self._where, self._tls)
        return ConnectionLostError(f"{self.address}: {why or error}", address=self.address)

    def nobody_listens(self) -> bool:
        """Return whether certainly no server listens at the address."""
        return nobody_listens(self._where)

    def cut(self) -> None:
        """End the connection while another thread is in `exchange`."""
        self._frames.cut()

    def close(self) -> None:
        """Drop the connection, while no thread is in `exchange`; may be called again."""
        self._frames.close()
