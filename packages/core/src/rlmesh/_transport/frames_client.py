"""`FramesConnection`: a client's end of frames on a Unix socket."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence

from rlmesh._transport.address import Address
from rlmesh._transport.frames import FramesEnded, FrameSocket, peer_is_same_user
from rlmesh._transport.probe import is_deserted
from rlmesh.backends import Buffer
from rlmesh.errors import ConnectError, ConnectionLostError

__all__ = ["FramesConnection"]

_CONNECT_SECONDS = 1.0


class FramesConnection:
    """See `rlmesh._session.client.Exchange`.

    Args:
        where: The server's address over gRPC, for messages.
        name: The socket's name.

    Raises:
        ConnectError: If there is no such socket here, or it is another user's.
    """

    transport = "frames"

    def __init__(self, where: Address, name: str) -> None:
        self.address = str(where)
        self._where = where
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.settimeout(_CONNECT_SECONDS)
            connected.connect(f"\0{name}")
            if not peer_is_same_user(connected):
                raise PermissionError("the server is another user's")
        except OSError as error:
            connected.close()
            words = f"{self.address} is not reached by frames: {error}"
            raise ConnectError(words, address=self.address) from None
        self._frames = FrameSocket(connected)
        self._begun = False

    def place(self, parts: Sequence[Buffer], size: int) -> Buffer:
        """See `FrameSocket.place`."""
        return self._frames.place(parts, size)

    def exchange(self, frame: Buffer, timeout: float | None = None) -> Buffer:
        """Send a frame and wait for the answer; see `GrpcConnection.exchange`."""
        if timeout is not None or not self._begun:
            return self._exchange_within(frame, timeout)
        try:
            self._send(frame)
            return self._frames.receive()
        except (FramesEnded, OSError) as error:
            raise self._lost(error) from None

    def _send(self, frame: Buffer) -> None:
        # Where the server has ended it, it may have said why before.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._frames.send(frame)

    def _exchange_within(self, frame: Buffer, timeout: float | None) -> Buffer:
        try:
            self._frames.limit(timeout)
            answer = self._exchange(frame)
            self._frames.limit(None)
        except TimeoutError:
            raise ConnectError(
                f"{self.address} does not answer within {timeout:g} s", address=self.address
            ) from None
        except (FramesEnded, OSError) as error:
            raise self._lost(error) from None
        return answer

    def _exchange(self, frame: Buffer) -> Buffer:
        if self._begun:
            self._send(frame)
            return self._frames.receive()
        self._begun = True
        return self._frames.offer(frame)

    def _lost(self, error: Exception) -> ConnectionLostError:
        return ConnectionLostError(f"{self.address}: {error}", address=self.address)

    def deserted(self) -> bool:
        """Whether nobody listens at the address, for sure."""
        return is_deserted(self._where)

    def close(self) -> None:
        """Drop the connection; may be called again."""
        self._frames.close()
