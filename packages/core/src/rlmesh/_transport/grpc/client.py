"""Frames over gRPC, the client's side: one bidirectional stream a session."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import grpc

from rlmesh._buffers import Frame
from rlmesh._logs import logger
from rlmesh._transport.address import Address
from rlmesh._transport.grpc.forks import use
from rlmesh._transport.grpc.options import client_options, target_of
from rlmesh._transport.grpc.status import exception_of_status
from rlmesh._transport.grpc.tls import channel_credentials
from rlmesh._transport.limits import joined
from rlmesh._transport.other_protocol import explain_protocol
from rlmesh._transport.probe import nobody_listens
from rlmesh._transport.tls_mistakes import explain
from rlmesh._transport.token import check_token
from rlmesh.backends import Buffer
from rlmesh.errors import (
    ClosedError,
    ConnectError,
    ConnectionLostError,
    RequestTimeoutError,
    RLMeshError,
)
from rlmesh.options import TLS

__all__ = ["GrpcConnection"]

_log = logger("rlmesh.client")

_NOBODY = "Connection refused"
_OTHER_NAME = "does not match SSL server name"
"""Parts of gRPC's own messages."""

_LOOK_SECONDS = 1.0
"""How long a server that was silent is given to show that it is there at all."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5
"""Seconds between two attempts to make the first call of a connection."""

_LEAST_SECONDS = 0.5
"""Seconds that an attempt has at least; in fewer, a busy server would only seem to be silent."""


class GrpcConnection:
    """A stream of frames to one endpoint.

    Args:
        address: The endpoint.
        service: Full name of its service ("rlmesh.proto.env.v1.EnvService").
        token: Bearer token; empty: none.
        tls: Certificates, for an address with TLS.

    Raises:
        OSError: If a certificate cannot be read.
        ConnectError: If gRPC cannot be used in this process; see `rlmesh._transport.grpc.forks`.
    """

    transport = "grpc"

    def __init__(
        self, address: Address, service: str, token: str = "", tls: TLS | None = None
    ) -> None:
        self.address = str(address)
        try:
            use()
        except RuntimeError as error:
            raise ConnectError(str(error), address=self.address) from None
        self._where = address
        self._tls = tls
        self._metadata = (("authorization", f"Bearer {check_token(token)}"),) if token else ()
        target, options = target_of(address), client_options(address)
        if address.scheme == "grpcs":
            self._channel = grpc.secure_channel(target, channel_credentials(tls), options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        self._service = service
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._sent: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._over = False
        self._incoming: Any = None
        self._timed_out = False
        self._answered = False
        self._refused = False

    def call(self, method: str, request: bytes, timeout: float) -> bytes:
        """Make one unary call.

        Raises:
            RLMeshError: For its status.
        """
        unary: Any = self._channel.unary_unary(f"/{self._service}/{method}")

        def call(timeout: float) -> bytes:
            try:
                answer: bytes = unary(request, timeout=timeout, metadata=self._metadata)
            except grpc.RpcError as error:
                raise self._exception(error, method) from None
            self._answered = True
            return answer

        return self._until_taken(call, timeout)

    def describe(self, request: bytes, timeout: float) -> bytes:
        """Return the answer to `Describe`, which is asked before anything else.

        Raises:
            ConnectError: If no server answers.
            RLMeshError: For another status of the call.
        """
        try:
            return self.call("Describe", request, timeout)
        except RequestTimeoutError:
            message = f"{self.address} does not answer within {timeout:g} s"
            raise ConnectError(message, address=self.address) from None
        except ConnectionLostError as error:
            raise ConnectError(error.message, address=self.address) from error

    def allocate(self, parts: Sequence[Buffer], size: int) -> bytes:
        """Return a frame made of pieces; raises LimitError if it is too large for the peer."""
        return joined(parts, size)

    def shares_memory(self) -> bool:
        """Return False: gRPC copies all frames."""
        return False

    def exchange(self, frame: Frame, timeout: float | None = None) -> bytes:
        """Send a frame and wait for the answer.

        Args:
            frame: The frame.
            timeout: Seconds after which the connection is given up; None: never.

        Raises:
            TransportError: If the connection fails, or the time is over.
            RemoteError: If the server ends the stream with a status; its code gives the reason.
        """
        if self._incoming is None:
            self._start()
        self._outgoing.put(frame if type(frame) is bytes else bytes(frame))
        if timeout is None:
            return self._receive()
        if self._answered:
            return self._within(timeout, self._receive)
        return self._until_taken(partial(self._first_exchange, frame), timeout)

    def _until_taken(self, call: Callable[[float], bytes], timeout: float) -> bytes:
        """Make the first call of the connection again, after pauses, until the server takes it.

        gRPC cancels calls at random if more come than the server can begin, as in a flood of calls.

        Args:
            call: Makes the call within a number of seconds.
            timeout: Seconds for all of them.
        """
        deadline = time.monotonic() + timeout
        left, pause = timeout, _FIRST_PAUSE
        while True:
            try:
                return call(left)
            except ConnectionLostError:
                left = deadline - time.monotonic() - pause
                if not self._refused or left < _LEAST_SECONDS:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _first_exchange(self, frame: Frame, timeout: float) -> bytes:
        """Return the answer to the first frame, for which a refused stream is begun again."""
        if self._refused:
            self._refused = False
            self._outgoing.put(None)
            self._outgoing, self._sent = queue.SimpleQueue(), queue.SimpleQueue()
            self._over = False
            self._start()
            self._outgoing.put(bytes(frame))
        return self._within(timeout, self._receive)

    def _within(self, timeout: float, receive: Callable[[], bytes]) -> bytes:
        watchdog = threading.Timer(timeout, self._give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            answer = receive()
            self._answered = True
            return answer
        except RLMeshError:
            if self._timed_out:
                words = self._why_silent(timeout)
                raise ConnectError(f"{self.address} {words}", address=self.address) from None
            raise
        finally:
            watchdog.cancel()

    def _why_silent(self, timeout: float) -> str:
        """Describe a silent server, which may still be opening the session."""
        silent = f"does not answer within {timeout:g} s"
        if self._answered:
            return silent
        try:
            self.call("Describe", b"", min(timeout, _LOOK_SECONDS))
        except (RLMeshError, ValueError):  # ValueError if the channel was closed meanwhile.
            return silent
        return (
            f"answers, but has opened no session within {timeout:g} s; it may still be making the "
            f"environment (factory=), or loading the model: raise connect_timeout if it needs that"
        )

    def begin(self, frame: Frame) -> None:
        """Return None, because only gRPC's own threads see an answer arrive."""

    def server_has_ended(self) -> bool:
        """See `ClientConnection`; over TCP it is not known, because a proxy may be in between."""
        return self._where.is_unix and nobody_listens(self._where)

    def cut(self) -> None:
        """End the connection while another thread is in `exchange`; gRPC's own locks allow that."""
        self.close()

    def close(self) -> None:
        """Drop the connection; may be called again."""
        self._outgoing.put(None)
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.cancel()
        self._channel.close()
        # The stream is freed here and not when the interpreter ends: by then a thread of gRPC may
        # have been killed while it held the stream's lock, and freeing would wait for ever. So no
        # other frame of this class, which an exception's traceback may keep, has the stream.
        del incoming

    def _start(self) -> None:
        stream: Any = self._channel.stream_stream(f"/{self._service}/Session")
        try:
            incoming = stream(self._requests(), metadata=self._metadata)
        except ValueError:
            raise ClosedError(f"the connection to {self.address} is closed") from None
        if not incoming.add_callback(self._end):
            self._end()
        self._incoming = incoming

    def _requests(self) -> Iterator[bytes]:
        """Yield the frames that gRPC's own thread sends, each once the one before is sent."""
        next_frame, sent = self._outgoing.get, self._sent.put
        while (frame := next_frame()) is not None:
            yield frame
            sent(None)

    def _end(self) -> None:
        """Mark the stream as over, perhaps with a frame that is never sent."""
        self._over = True
        self._sent.put(None)

    def _receive(self) -> bytes:
        # Preparing to receive takes the interpreter's lock, for which the thread that sends would
        # have to wait. (Measured: a tenth of a bare round trip.)
        if not self._over:
            self._sent.get()
        return self._next()

    def receive(self, timeout: float | None = None) -> bytes:
        """Return the next frame; see `ClientConnection.receive`."""
        return self._next() if timeout is None else self._within(timeout, self._next)

    def _next(self) -> bytes:
        incoming = self._incoming
        if incoming is None:
            raise ConnectionLostError(f"{self.address} is closed", address=self.address)
        failure: RLMeshError
        try:
            answer: bytes = next(incoming)
            return answer
        except StopIteration:
            failure = ConnectionLostError(
                f"{self.address} ended the session without an answer", address=self.address
            )
        except grpc.RpcError as error:
            failure = self._exception(error, "Session")
        # See `close`: gRPC's error is the stream itself, which would stay as the context.
        del incoming
        try:
            raise failure
        finally:
            del failure

    def _give_up(self) -> None:
        self._timed_out = True
        incoming = self._incoming
        if incoming is not None:
            incoming.cancel()

    def _exception(self, error: Any, method: str) -> RLMeshError:
        details = error.details() or ""
        if self._is_refused(error.code(), details):
            why = explain(self._where, self._tls, details) or explain_protocol(self._where)
            if why:
                _log.debug("%s: %s", self.address, details)
                return ConnectionLostError(f"{self.address}: {why}", address=self.address)
        name = f"/{self._service}/{method}"
        unanswered = not (self._answered or self._timed_out)
        self._refused = error.code() is grpc.StatusCode.CANCELLED and unanswered
        return exception_of_status(error.code(), details, self.address, name)

    def _is_refused(self, code: grpc.StatusCode, details: str) -> bool:
        """Return whether a server that has never answered listens, and TLS may be in the way."""
        if self._answered or self._timed_out:
            return False
        if code is grpc.StatusCode.UNAVAILABLE:
            return _NOBODY not in details
        return code is grpc.StatusCode.UNAUTHENTICATED and _OTHER_NAME in details
