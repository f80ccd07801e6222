"""The client's side of a session: numbers requests, resumes, turns failures into exceptions."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rlmesh._buffers import Frame
from rlmesh._logs import logger
from rlmesh._messages import env as m
from rlmesh._session.client_connection import ClientConnection, drop
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.versions import check_version
from rlmesh._session.wire_codec import ClientWireCodec
from rlmesh._wire.failures import raise_failure
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.backends import Buffer
from rlmesh.errors import (
    ClosedError,
    CodecError,
    ConcurrentCallError,
    ConnectError,
    ConnectionLostError,
    EnvError,
    InvalidValueError,
    LimitError,
    RemoteError,
    SessionLostError,
    TransportError,
)
from rlmesh.specs import EnvContract, PeerInfo, Reconnect

__all__ = ["ClientSession", "Move"]

Move = Callable[[m.Opened], ClientConnection | None]
"""Makes a connection of another transport to the place that a server names; None: it names none."""

R = TypeVar("R")

_log = logger("rlmesh.client")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_CLOSE_PATIENCE = 2.0
"""Seconds that `close` tries to tell a server that has become unreachable."""

_CLOSE_TIMEOUT = 5.0
"""Seconds that `close` waits for its answer."""

_CUT_TIMEOUT = 1.0
"""Seconds that a call has to return once its connection was cut."""

_ATTEMPTS = 3
"""How often a session tries to move to another transport while connections to it break."""

_DESERTED_PATIENCE = 2.0
"""Seconds that an address may be deserted: no session survives its server's process (K-11)."""


class ClientSession:
    """One session on an environment, over one connection after another.

    A request whose connection breaks is sent again over a new one, under its number, so that the
    server applies it once (CONTRACT.md, 5 and 6).

    Args:
        connect: Makes a connection; called again when one is lost.
        frames: Reads and writes frames.
        client: What this client says of itself.
        terms: How to open.
        moves: Where the session may go on, the best first.
        contract: What the model of the session is to be used with; None: it is an environment's.
        raise_failure: Raises what stands for a failure of the server at an address.

    Attributes:
        served: What is served: the environment's contract, or the model's spec.

    Raises:
        RemoteError: If the server refuses the session.
        TransportError: If nobody answers.
    """

    def __init__(
        self,
        connect: Callable[[], ClientConnection],
        frames: ClientWireCodec,
        client: PeerInfo,
        terms: ConnectOptions,
        moves: Sequence[Move] = (),
        *,
        contract: EnvContract | None = None,
        raise_failure: Callable[[m.Failure, str], None] = raise_failure,
    ) -> None:
        self._connect = connect
        self._moves = moves
        self._transport = connect()
        self._frames = frames
        self._client = client
        self._open_terms = terms
        self._contract = contract
        self._raise = raise_failure
        self._sequence = 0
        # The request whose answer has not been read, where the caller was interrupted; with its
        # number, so that no interrupt parts them.
        self._unanswered: tuple[int, Frame] | None = None
        self._busy = threading.Lock()
        self._process = os.getpid()
        self._closed = ""
        opened = self._open()
        self.id = opened.session_id
        self.server = opened.server
        self.terms = opened.terms
        self._key = opened.resume_key
        if opened.served is None:
            raise self._ended(CodecError("the server has not said what it serves"))
        self.served: Any = opened.served
        self._go_on(opened)
        _open_sessions.add(self)

    @property
    def address(self) -> str:
        """The peer's address."""
        return self._transport.address

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return bool(self._closed)

    def _open(self) -> m.Opened:
        wait = self._open_terms.wait
        try:
            body = m.Open(self._client, wait=wait, contract=self._contract)
            return self._handshake(body, self._open_terms.timeout + wait)
        except ConnectionLostError as error:
            raise self._ended(ConnectError(error.message, address=self.address)) from error
        except Exception as error:
            raise self._ended(error)  # noqa: B904  (the same exception)

    def _handshake(
        self, body: m.Open, timeout: float, over: ClientConnection | None = None
    ) -> m.Opened:
        frame = self._frames.write_request(m.Request(0, body))
        _, reply = self._frames.read_reply((over or self._transport).exchange(frame, timeout))
        if isinstance(reply, m.Failure):
            self._raise(reply, self.address)
        if not isinstance(reply, m.Opened):
            raise CodecError(f"the handshake was answered with {type(reply).__name__}")
        check_version(SPEC_VERSION, reply.server.spec_version, self.address)
        return reply

    def request(self, body: m.RequestBody, expected: type[R]) -> R:
        """Send a request and return its reply.

        Args:
            body: What is asked.
            expected: Class of the reply.

        Raises:
            RLMeshError: The failure that came instead; see `rlmesh.errors`.
        """
        if self._busy.locked():
            self._check_usable()
            raise ConcurrentCallError(
                f"another call is running on the client of {self.address}; one client takes one "
                f"caller at a time"
            )
        # Not acquire() and try: an interrupt between the two would leave it locked for ever. Two
        # callers that come here at the very same time are served one after the other.
        with self._busy:
            self._check_usable()
            return self._ask(body, expected)

    def _ask(self, body: m.RequestBody, expected: type[R]) -> R:
        if self._unanswered is not None:
            self._collect(*self._unanswered)
        return self._exchange(body, expected)

    def close(self) -> None:
        """End the session and drop the connection; may be called again.

        A call that is running has 5 s to end; then it is left alone, and is a ClosedError.

        Raises:
            EnvError: If the environment's own close fails; the session has ended all the same.
        """
        if self._closed or os.getpid() != self._process:
            return
        try:
            if not self._busy.acquire(timeout=_CLOSE_TIMEOUT):
                self._end_running()
                return
            try:
                self._ask(m.Close(), m.Closed)
            finally:
                self._busy.release()
        except EnvError:
            raise
        except (CodecError, InvalidValueError, RemoteError, TransportError):
            pass  # The server ends the session when its grace period is over.
        finally:
            # Of an interrupt, too: it may have left the lock, and nothing may wait for that.
            self._end("the client was closed")

    def _end_running(self) -> None:
        """End the session while another thread is in a call, which then raises."""
        self._closed = "the client was closed while a call was running"
        self._transport.cut()
        # Only now may the connection be closed; a call that does not notice keeps the connection.
        if self._busy.acquire(timeout=_CUT_TIMEOUT):
            self._busy.release()
            drop(self._transport)

    def abandon(self) -> None:
        """End the session without coming back for it; the process is about to end."""
        self._key = b""
        with contextlib.suppress(Exception):
            self.close()

    def _exchange(self, body: m.RequestBody, expected: type[R]) -> R:
        sequence = self._sequence + 1
        frame = self._frames.write_request(m.Request(sequence, body), self._transport.allocate)
        most = self.terms.max_message_bytes
        if len(frame) > most > 0:
            raise LimitError(f"a request of {len(frame)} bytes; the server takes {most}")
        self._unanswered = sequence, frame
        self._sequence = sequence
        try:
            timeout = _CLOSE_TIMEOUT if isinstance(body, m.Close) else None
            data = self._transport.exchange(frame, timeout)
        except SessionLostError as error:
            raise self._ended(error) from error.__cause__
        except ConnectionLostError as error:
            self._check_usable()  # It may have been closed meanwhile.
            data = self._resume(frame, error, closing=isinstance(body, m.Close))
        except (TransportError, RemoteError) as error:
            raise self._ended(error) from error.__cause__
        self._unanswered = None
        answered, reply = self._read(data)
        failure = reply.failure if isinstance(reply, m.StepManyDone) else reply
        if isinstance(failure, m.Failure) and failure.session_closed:
            self._end(f"the server ended the session: {failure.message}")
        if isinstance(reply, m.Failure):
            self._raise(reply, self.address)
        if answered != sequence or not isinstance(reply, expected):
            kind = type(reply).__name__
            raise self._ended(
                CodecError(f"request {sequence} was answered with {kind} to request {answered}")
            )
        return reply

    def _read(self, data: Buffer) -> tuple[int, m.Reply]:
        try:
            return self._frames.read_reply(data)
        except CodecError as error:
            self._let_go()
            raise self._ended(error) from error.__cause__

    def _let_go(self) -> None:
        """Tell the server that the session is over, so that the next one need not wait for it."""
        with contextlib.suppress(Exception):
            frame = self._frames.write_request(m.Request(self._sequence + 1, m.Close()))
            self._transport.exchange(frame, _CLOSE_PATIENCE)

    def _collect(self, sequence: int, frame: Frame) -> None:
        """Read the answer to a request whose caller was interrupted; nobody wants it any more."""
        self._sequence = sequence
        interrupted = ConnectionLostError("a call was interrupted", address=self.address)
        self._resume(frame, interrupted, closing=False)
        self._unanswered = None

    def _resume(self, frame: Frame, lost: ConnectionLostError, *, closing: bool) -> Buffer:
        """Connect again, until the grace period is over, and get the answer to `frame`.

        Raises:
            ConnectionLostError: If the session cannot be resumed.
        """
        begun = time.monotonic()
        grace = min(self.terms.grace_period, _CLOSE_PATIENCE if closing else float("inf"))
        pause, attempts, cause = 0.0, 0, lost
        if self._key:
            _log.warning("%s: %s; resuming, for %g s at most", self.address, lost.message, grace)
        while self._key and time.monotonic() - begun + pause <= grace:
            self._check_usable()
            time.sleep(pause)
            pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
            attempts += 1
            try:
                return self._resumed(frame, begun, attempts)
            except (CodecError, RemoteError, SessionLostError) as error:
                raise self._ended(error) from lost
            except TransportError as error:
                cause = ConnectionLostError(error.message, address=self.address)
            if time.monotonic() - begun > _DESERTED_PATIENCE and self._transport.nobody_listens():
                break
        tried = f" (tried {attempts} times in {time.monotonic() - begun:.1f} s)" if attempts else ""
        words = f"{cause.message}{tried}"
        raise self._ended(ConnectionLostError(words, address=self.address)) from lost

    def _resumed(self, frame: Frame, begun: float, attempts: int) -> Buffer:
        before = self.transport
        drop(self._transport)
        self._transport = self._connect()
        resume = m.Resume(self.id, self._key, self._sequence)
        opened = self._handshake(m.Open(self._client, resume), self._open_terms.timeout)
        if opened.received not in (self._sequence, self._sequence - 1):
            raise CodecError(f"the server has received {opened.received}, which was not sent")
        self._key = opened.resume_key or self._key
        seconds = time.monotonic() - begun
        _log.info("session %s resumed after %.2f s, attempt %d", self.id, seconds, attempts)
        self._notify(Reconnect(self.address, self.id, attempts, seconds))
        answer = self._transport.exchange(frame)
        self._go_on(opened)
        if before == "frames" != self.transport:
            _log.warning("%s: frames are not reached again; steps go on over gRPC", self.address)
        return answer

    def _go_on(self, opened: m.Opened) -> None:
        """Move the session to another transport, if the server names a place for it."""
        for move in self._moves:
            for _ in range(_ATTEMPTS):
                try:
                    other = move(opened)
                    if other is None:
                        break
                    self._go_to(other)
                    return
                except ConnectionLostError as error:
                    _log.debug("session %s tries again to move: %s", self.id, error)
                except (CodecError, RemoteError, TransportError) as error:
                    _log.debug("session %s does not move: %s", self.id, error)
                    break

    def _go_to(self, other: ClientConnection) -> None:
        """Resume the session over another connection; raises, and closes that, where it fails."""
        try:
            resume = m.Resume(self.id, self._key, self._sequence)
            moved = self._handshake(m.Open(self._client, resume), self._open_terms.timeout, other)
        except BaseException:
            other.close()
            raise
        self._key = moved.resume_key or self._key
        left, self._transport = self._transport, other
        left.close()

    @property
    def transport(self) -> str:
        """How frames travel: "grpc" or "frames"."""
        return self._transport.transport

    def _notify(self, event: Reconnect) -> None:
        if self._open_terms.on_reconnect is None:
            return
        try:
            self._open_terms.on_reconnect(event)
        except Exception:
            _log.exception("on_reconnect failed")  # The answer that is waited for is worth more.

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
            if self._unanswered is None:
                self._transport.close()
            else:
                drop(self._transport)


_open_sessions: weakref.WeakSet[ClientSession] = weakref.WeakSet()


@atexit.register
def _abandon_all() -> None:
    """A process that ends in order frees its environments at once, not after a grace period."""
    for session in list(_open_sessions):
        session.abandon()
