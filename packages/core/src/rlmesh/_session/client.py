"""The client's side of a session: numbers requests and turns failures into exceptions."""

from __future__ import annotations

import os
import threading
from typing import Protocol, TypeVar

from rlmesh._session.versions import compatible
from rlmesh._wire import messages as m
from rlmesh._wire.failures import raise_failure
from rlmesh._wire.frames import EnvFrames
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.errors import (
    ClosedError,
    CodecError,
    ConcurrentCallError,
    ConnectError,
    ConnectionLostError,
    InvalidValueError,
    RemoteError,
    TransportError,
    UnsupportedVersionError,
)
from rlmesh.specs import EnvContract, PeerInfo

__all__ = ["ClientSession", "Exchange"]

R = TypeVar("R")


class Exchange(Protocol):
    """A connection that carries frames."""

    address: str
    """The peer's address."""

    def exchange(self, frame: bytes, timeout: float | None = None) -> bytes:
        """Send a frame and return the answer; raises a TransportError."""
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...


class ClientSession:
    """One session on an environment, over one connection.

    Args:
        transport: The connection.
        frames: Reads and writes frames.
        client: What this client says of itself.
        timeout: Seconds that the handshake may take.

    Raises:
        RemoteError: If the server refuses the session.
        TransportError: If nobody answers.
    """

    def __init__(
        self, transport: Exchange, frames: EnvFrames, client: PeerInfo, timeout: float
    ) -> None:
        self._transport = transport
        self._frames = frames
        self._sequence = 0
        self._busy = threading.Lock()
        self._process = os.getpid()
        self._closed = ""
        opened = self._open(client, timeout)
        self.id = opened.session_id
        self.server = opened.server
        self.terms = opened.terms
        if opened.contract is None:
            raise self._ended(CodecError("the server has sent no contract"))
        self.contract: EnvContract = opened.contract

    @property
    def address(self) -> str:
        """The peer's address."""
        return self._transport.address

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return bool(self._closed)

    def _open(self, client: PeerInfo, timeout: float) -> m.Opened:
        try:
            frame = self._frames.write_request(m.Request(0, m.Open(client)))
            _, reply = self._frames.read_reply(self._transport.exchange(frame, timeout))
            if isinstance(reply, m.Failure):
                raise_failure(reply, self.address)
            if not isinstance(reply, m.Opened):
                raise CodecError(f"the handshake was answered with {type(reply).__name__}")
            theirs = reply.server.spec_version
            if not compatible(SPEC_VERSION, theirs):
                error = UnsupportedVersionError(
                    f"{self.address} speaks spec {theirs}, this client {SPEC_VERSION}"
                )
                error.choices = (theirs,)
                raise error
        except ConnectionLostError as error:
            raise self._ended(ConnectError(error.message, address=self.address)) from error
        except Exception as error:
            raise self._ended(error)  # noqa: B904  (the same exception)
        return reply

    def request(self, body: m.RequestBody, expected: type[R]) -> R:
        """Send a request and return its reply.

        Args:
            body: What is asked.
            expected: Class of the reply.

        Raises:
            RLMeshError: The failure that came instead; see `rlmesh.errors`.
        """
        if not self._busy.acquire(blocking=False):
            raise ConcurrentCallError(
                f"another thread is in a call on the client of {self.address}; one client takes "
                f"one caller at a time"
            )
        try:
            self._check_usable()
            return self._exchange(body, expected)
        finally:
            self._busy.release()

    def close(self) -> None:
        """End the session and drop the connection; may be called again."""
        if self._closed or os.getpid() != self._process:
            return
        try:
            self.request(m.Close(), m.Closed)
        except (CodecError, InvalidValueError, RemoteError, TransportError):
            pass  # The server ends the session when the connection goes.
        finally:
            self._end("the client was closed")

    def _exchange(self, body: m.RequestBody, expected: type[R]) -> R:
        sequence = self._sequence + 1
        frame = self._frames.write_request(m.Request(sequence, body))
        self._sequence = sequence
        try:
            answered, reply = self._frames.read_reply(self._transport.exchange(frame))
        except (TransportError, RemoteError) as error:
            raise self._ended(error) from error.__cause__
        if isinstance(reply, m.Failure):
            if reply.session_closed:
                self._end(f"the server ended the session: {reply.message}")
            raise_failure(reply, self.address)
        if answered != sequence or not isinstance(reply, expected):
            kind = type(reply).__name__
            raise self._ended(
                CodecError(f"request {sequence} was answered with {kind} to request {answered}")
            )
        return reply

    def _check_usable(self) -> None:
        if self._closed:
            raise ClosedError(f"{self.address}: {self._closed}")
        if os.getpid() != self._process:
            raise ClosedError(
                f"the client of {self.address} belongs to the process that it was made in; connect "
                f"again after a fork"
            )

    def _ended(self, error: Exception) -> Exception:
        self._end(f"the session ended: {error}")
        return error

    def _end(self, reason: str) -> None:
        if not self._closed:
            self._closed = reason
            self._transport.close()
