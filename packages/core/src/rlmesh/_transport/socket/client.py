"""`FramesConnection`: a client's end of frames, on a Unix socket or over TCP."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial

from rlmesh._arrival import Arrival
from rlmesh._buffers import Frame
from rlmesh._transport.address import Address
from rlmesh._transport.other_protocol import explain_protocol
from rlmesh._transport.probe import connect_to, connect_unix, nobody_listens
from rlmesh._transport.socket import tcp as frames_tcp
from rlmesh._transport.socket.descriptors import has_room
from rlmesh._transport.socket.framing import FramesEnded, FrameSocket
from rlmesh._transport.socket.unix import (
    SUPPORTED,
    LocalFrameSocket,
    peer_is_same_user,
)
from rlmesh._transport.target import Target
from rlmesh._transport.token import check_token
from rlmesh._wire.frames_alone import describe_frame, read_description_frame, write_hello
from rlmesh.backends import Buffer
from rlmesh.errors import ConnectError, ConnectionLostError
from rlmesh.options import TLS

__all__ = ["FramesConnection", "to_port", "to_server", "to_socket"]

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
            connect_unix(connected, f"\0{name}", _LOCAL_SECONDS)
            if not peer_is_same_user(connected):
                raise PermissionError("the server is another user's")
            return LocalFrameSocket(connected)
        except BaseException:  # An interrupt leaves no socket open either.
            connected.close()
            raise

    return FramesConnection(where, dial)


def to_port(target: Target, port: int, *, host: Address | None = None) -> FramesConnection:
    """Return a connection over TCP to a port that a server offers.

    Args:
        target: The service at the server's own address, which messages and `address` have.
        port: Port to connect to.
        host: Address with the host to connect to, and with TLS or without; None: that of `target`.

    Raises:
        ConnectError: If it cannot be reached, or does not prove to be that host.
    """
    to = target.where if host is None else host
    hello = write_hello(target.service, check_token(target.token))
    timeout = min(target.timeout, _REMOTE_SECONDS)
    return FramesConnection(
        target.where,
        lambda: frames_tcp.dial(to, port, hello, target.tls, timeout),
        target.tls,
        target.service,
    )


def to_server(target: Target) -> FramesConnection:
    """Return a connection to a server of frames alone, at its own address (B-15).

    Raises:
        ConnectError: If it cannot be reached, or does not prove to be that host.
    """
    where = target.where
    if not where.is_unix:
        return to_port(target, where.port)
    hello = write_hello(target.service, check_token(target.token))

    def dial() -> FrameSocket:
        if not SUPPORTED:
            raise OSError("frames on a Unix socket need Linux; connect to frames://host:port")
        connected = connect_to(where, min(target.timeout, _REMOTE_SECONDS))
        try:
            frames = LocalFrameSocket(connected)
            frames.send(hello)
        except BaseException:  # An interrupt leaves no socket open either.
            connected.close()
            raise
        return frames

    return FramesConnection(where, dial, service=target.service)


class FramesConnection:
    """See `rlmesh._session.client_connection.ClientConnection`.

    Args:
        where: Address of the server, for messages.
        dial: Connects, and sends what comes before the first request; raises OSError.
        tls: Certificates, for messages.
        service: Full name of the service, to describe it; empty: the connection resumes a session.

    Raises:
        ConnectError: If that fails.
    """

    transport = "frames"

    def __init__(
        self,
        where: Address,
        dial: Callable[[], FrameSocket],
        tls: TLS | None = None,
        service: str = "",
    ) -> None:
        self.address = str(where)
        self._tls = tls
        self._where = where
        self._service = service
        try:
            self._frames = dial()
        except OSError as error:
            message = f"{self.address} is not reached by frames: {error}"
            raise ConnectError(message, address=self.address) from None
        self._begun = False
        self._welcomed = False

    def describe(self, request: bytes, timeout: float) -> bytes:
        """Return the answer to `Describe`, as the connection's only request (B-15).

        Raises:
            ConnectError: If no server answers.
            RLMeshError: If the server refuses.
        """
        try:
            answer = self.exchange(describe_frame(request), timeout)
        except ConnectionLostError as error:
            raise ConnectError(error.message, address=self.address) from error
        return read_description_frame(answer, self._service, self.address)

    def allocate(self, parts: Sequence[Buffer], size: int) -> Buffer:
        """See `FrameSocket.allocate`."""
        return self._frames.allocate(parts, size)

    def shares_memory(self) -> bool:
        """See `FrameSocket.shares_memory`."""
        return self._frames.shares_memory()

    def exchange(self, frame: Frame, timeout: float | None = None) -> Buffer:
        """Send a frame and wait for the answer; see `GrpcConnection.exchange`."""
        if timeout is not None:
            return self._within(timeout, partial(self._exchange, frame))
        try:
            self._send(frame)
        except (FramesEnded, OSError) as error:
            raise self._lost(error) from None
        return self.receive()

    def receive(self, timeout: float | None = None) -> Buffer:
        """Return the next frame; see `ClientConnection.receive`."""
        if timeout is not None:
            return self._within(timeout, self._frames.receive)
        try:
            return self._frames.receive()
        except (FramesEnded, OSError) as error:
            raise self._lost(error) from None

    def begin(self, frame: Frame) -> FramesConnection | None:
        """Send a small frame, and return the answer to come; see `ClientConnection.begin`."""
        frames = self._frames
        if not (self._begun and frames.descriptor >= 0 and frames.takes_at_once(len(frame))):
            return None
        try:
            self._send(frame)
        except (FramesEnded, OSError) as error:
            raise self._lost(error) from None
        return self

    @property
    def descriptor(self) -> int:
        """See `PendingAnswer`."""
        return self._frames.descriptor

    def look(self) -> Arrival:
        """See `PendingAnswer`."""
        try:
            return self._frames.look()
        except (FramesEnded, OSError) as error:
            raise self._lost(error) from None

    def _send(self, frame: Frame) -> None:
        # If the server has ended the connection, its reason may still be there to read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._frames.send(frame)

    def _within(self, timeout: float, receive: Callable[[], Buffer]) -> Buffer:
        # A timeout of the socket would begin anew with each byte that comes.
        late = threading.Event()
        watchdog = threading.Timer(timeout, self._give_up, (late,))
        watchdog.daemon = True
        watchdog.start()
        try:
            return receive()
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
        import ssl

        from rlmesh._transport.tls_mistakes import explain, explain_refusal

        why = ""
        if isinstance(error, ssl.SSLError) and not self._welcomed:
            why = explain_refusal(error, self._where, self._tls)
        elif not self._welcomed and self._where.is_frames:
            why = explain(self._where, self._tls, "") or explain_protocol(self._where)
        words = why or str(error) or type(error).__name__
        return ConnectionLostError(f"{self.address}: {words}", address=self.address)

    def server_has_ended(self) -> bool:
        """See `ClientConnection`; over TCP it is not known, because a proxy may be in between."""
        if self._frames.peer_has_ended():
            return True
        return self._where.is_unix and nobody_listens(self._where)

    def cut(self) -> None:
        """End the connection while another thread is in `exchange`."""
        self._frames.cut()

    def close(self) -> None:
        """Drop the connection, while no thread is in `exchange`; may be called again."""
        self._frames.close()
