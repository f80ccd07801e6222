"""The client's side of a session: numbers requests, resumes, and raises failures as exceptions."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from rlmesh._buffers import Frame
from rlmesh._logs import logger, warn
from rlmesh._messages import env as m
from rlmesh._messages.kinds import kind_of
from rlmesh._session.begun_request import BegunRequest
from rlmesh._session.client_connection import ClientConnection, drop
from rlmesh._session.client_log import ClientLog
from rlmesh._session.clock import SYSTEM_CLOCK, Clock
from rlmesh._session.close_request import CLOSE_TIMEOUT, end_after, end_deleted, send_close
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.losses import Losses
from rlmesh._session.open_sessions import OPEN_SESSIONS
from rlmesh._session.session_link import Move, SessionLink
from rlmesh._session.wire_codec import ClientWireCodec
from rlmesh._wire.failures import raise_failure
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
from rlmesh.specs import EnvContract, PeerInfo, Reconnect, TransportKind

__all__ = ["ClientSession"]

R = TypeVar("R")

_log = logger("rlmesh.client")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_CLOSE_PATIENCE = 2.0
"""Seconds for which `close` tries to reach a server again that has become unreachable."""

_EXIT_TIMEOUT = 1.0
"""Seconds that a session has to end when the interpreter exits."""

_CUT_TIMEOUT = 0.5
"""Seconds that a call has to return once its connection was cut."""

_ENDED_PATIENCE = 2.0
"""Seconds to retry if the server's process has ended, with which its sessions end (K-11)."""


class ClientSession:
    """One session on an environment, over one connection after another.

    If the connection breaks during a request, the request is sent again over a new one with the
    same number, so that the server applies it once (CONTRACT.md, 5 and 6).

    Args:
        connect: Returns a new connection; called again after one is lost.
        codec: Wire codec of the frames.
        client: What this client sends of itself in the handshake.
        terms: Options of the handshake.
        moves: Function that connects, for each kind of transport that the session may move to; the
            preferred kind first.
        contract: Environment that the model of the session is to be used with; None if the session
            is with an environment.
        raise_failure: Raises the exception for a failure of the server at an address.
        clock: Source of time.

    Attributes:
        served: What is served: the environment's contract, or the model's spec.

    Raises:
        RemoteError: If the server refuses the session.
        TransportError: If no server answers.
    """

    def __init__(
        self,
        connect: Callable[[], ClientConnection],
        codec: ClientWireCodec,
        client: PeerInfo,
        terms: ConnectOptions,
        moves: Mapping[TransportKind, Move] = MappingProxyType({}),
        *,
        contract: EnvContract | None = None,
        raise_failure: Callable[[m.Failure, str], None] = raise_failure,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._link = SessionLink(connect, codec, client, terms, moves, raise_failure)
        self._codec = codec
        self._open_terms = terms
        self._raise = raise_failure
        self._sequence = 0
        self._events = ClientLog(Losses(clock, logging.WARNING))
        # The number and frame of a request, if the caller was interrupted before it read the
        # answer. They are one tuple, so that no interrupt can separate them.
        self._unanswered: tuple[int, Frame] | None = None
        # The request with a reply to come; None: there is none.
        self._begun: BegunRequest[Any] | None = None
        self._busy = threading.Lock()
        self._process = os.getpid()
        self._closed = ""
        # Thread that is in a call; 0: none is.
        self._caller = 0
        self._is_closing = False
        # Ends the session if it is closed in the callback that is running; None: none is.
        self._finish: Callable[[], object] | None = None
        # Set when the session is closed while a call is running.
        self._closed_elsewhere = False
        opened = self._open(contract)
        self.id = self._events.session = opened.session_id
        self.server = opened.server
        self.terms = opened.terms
        self.served: Any = opened.served
        self._link.move(opened, self._sequence + 1)
        OPEN_SESSIONS.add(self)

    @property
    def address(self) -> str:
        """The peer's address."""
        return self._transport.address

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return bool(self._closed)

    @property
    def not_moved(self) -> str:
        """Why the session did not move to the last transport that was tried; empty if it did."""
        return self._link.not_moved

    @property
    def _transport(self) -> ClientConnection:
        return self._link.connection

    def _open(self, contract: EnvContract | None) -> m.Opened:
        try:
            return self._link.open(contract)
        except ConnectionLostError as error:
            raise self._ended(ConnectError(error.message, address=self.address)) from error
        except Exception as error:
            raise self._ended(error)  # noqa: B904  (the same exception)

    def request(self, body: m.RequestBody, expected: type[R]) -> R:
        """Send a request and return its reply.

        Args:
            body: Body of the request.
            expected: Class of the reply.

        Raises:
            RLMeshError: If the request fails; see `rlmesh.errors` for the classes.
        """
        if self._busy.locked():
            self._refuse_call()
        # `with` instead of acquire() and try, because an interrupt between the two would leave the
        # lock held for ever. Two threads that arrive at the same time run one after the other.
        with self._busy:
            return self._ask(partial(self._exchange, body, expected))

    def begin(self, body: m.RequestBody, expected: type[R]) -> BegunRequest[R] | None:
        """Send a request, and return it with its reply to come.

        The caller makes no other call until it has read the reply; another call would first collect
        the answer, as after an interrupt, and discard it.

        Args:
            body: Body of the request.
            expected: Class of the reply.

        Returns:
            The request; None, with nothing sent, if only `request` can make it.

        Raises:
            RLMeshError: If the request cannot be made; see `request`.
        """
        if self._busy.locked():
            self._refuse_call()
        with self._busy:
            self._check_usable()
            # The callback of a report belongs to the thread that waits for the reply.
            if self._unanswered is not None or self._open_terms.on_progress is not None:
                return None
            sequence, frame = self._written(body)
            receive = partial(self._receive_begun, expected)
            begun: BegunRequest[R] = BegunRequest(sequence, frame, receive)
            self._begun = begun
            # If the connection is lost, the thread that finishes the request resumes the session.
            with contextlib.suppress(ConnectionLostError):
                begun.answer = self._transport.begin(frame)
            return begun

    def _receive_begun(self, expected: type[R], begun: BegunRequest[R]) -> None:
        """Wait for the reply to a request that was begun, and set it."""
        sequence, frame = begun.sequence, begun.frame
        first: Callable[[], Buffer] | None = None
        if begun.answer is not None:
            first = self._transport.receive
        if begun.is_torn:
            first = partial(self._resume, frame, self._interrupted(), None)
        with self._busy:
            if self._begun is not begun:
                self._check_usable()
                raise ConcurrentCallError(f"{self.address}: another call was made meanwhile")
            begun.is_torn = True
            reply = self._ask(partial(self._replied, sequence, frame, expected, first=first))
            begun.reply = (reply,)

    def _refuse_call(self) -> None:
        """Raise the error of a call that comes during another one."""
        self._check_usable()
        raise ConcurrentCallError(
            f"another call is running on the client of {self.address}; one client takes one "
            f"caller at a time"
        )

    def _ask(self, call: Callable[[], R]) -> R:
        """Make a call; the session may be closed while it runs."""
        self._check_usable()
        self._caller = threading.get_ident()
        try:
            return call()
        finally:
            self._caller = 0
            if self._closed_elsewhere:
                self._drop_closed()
            self._finish = None

    def close(self, pending: concurrent.futures.Future[Any] | None = None) -> None:
        """End the session and drop the connection; may be called again.

        A running call of another thread has 5 s to end. After that, the connection is dropped
        regardless, and the call raises ClosedError. A call of this thread, which is in a callback
        or a signal handler, raises it at once.

        Args:
            pending: Call of another thread, which may not have begun yet; None: there is none.

        Raises:
            EnvError: If the environment's own close fails; the session has ended all the same.
        """
        self._close(CLOSE_TIMEOUT, pending)

    def _close(self, timeout: float, pending: concurrent.futures.Future[Any] | None = None) -> None:
        """End the session within about `timeout` seconds; see `close`."""
        if self._closed or os.getpid() != self._process:
            return
        if self._caller == threading.get_ident():
            self._end_own_call()
            return
        deadline = self._clock.monotonic() + timeout
        try:
            if pending is not None:
                concurrent.futures.wait([pending], timeout)
            if not self._busy.acquire(timeout=max(deadline - self._clock.monotonic(), 0.0)):
                self._end_running()
                return
            self._caller, self._is_closing = threading.get_ident(), True
            try:
                if self._closed:
                    return  # Another thread has closed the client meanwhile.
                self._exchange(m.Close(), m.Closed, deadline)
            finally:
                self._caller, self._is_closing = 0, False
                self._busy.release()
        except EnvError:
            raise
        except (ClosedError, CodecError, InvalidValueError, RemoteError, TransportError):
            pass  # The server ends the session when its grace period is over.
        finally:
            # Also after an interrupt, which may have left the lock held.
            self._end("the client was closed")

    def _end_own_call(self) -> None:
        """End the session while this thread is in a call, which raises once it goes on."""
        if self._is_closing:
            return  # The callback of a report that comes before the answer to Close.
        self._closed_elsewhere = True
        self._closed = "the client was closed in a callback or signal handler of the running call"
        if self._finish is None:
            self._transport.cut()

    def _drop_closed(self) -> None:
        """Drop the connection of a call that the session was closed in."""
        self._link.release()
        if self._finish is None:
            drop(self._transport)
        else:
            threading.Thread(target=self._finish, name="rlmesh-drop", daemon=True).start()

    def _end_running(self) -> None:
        """End the session while another thread is in a call, which then raises."""
        self._closed_elsewhere = True
        self._closed = "the client was closed while a call was running"
        self._transport.cut()
        # Only now may the connection be closed. A call that takes longer to return closes it.
        if self._busy.acquire(timeout=_CUT_TIMEOUT):
            self._busy.release()
            drop(self._link.release())

    def abandon(self) -> None:
        """End the session without resuming it, because the process is about to exit."""
        self._link.key = b""
        with contextlib.suppress(Exception):
            if self._unanswered is not None:
                self._end_running()  # A call hangs, perhaps in a thread that is ending.
            else:
                self._close(_EXIT_TIMEOUT)

    def __del__(self) -> None:
        if self.__dict__.get("_closed", "not opened"):
            return
        connection = self._link.release()
        if os.getpid() == self._process:
            self._closed = "the client was deleted"
            # Not by this thread, which may be in the middle of anything when garbage is collected.
            close = None if self._unanswered is not None else self._sequence + 1
            arguments = connection, self._codec, close, CLOSE_TIMEOUT
            threading.Thread(
                target=end_deleted, args=arguments, name="rlmesh-drop", daemon=True
            ).start()
            message = f"unclosed session on {self.address}: call close(), or use a with statement"
            warn(message, ResourceWarning, stacklevel=2)

    def _exchange(self, body: m.RequestBody, expected: type[R], deadline: float | None = None) -> R:
        """Make a request.

        Args:
            body: Body of the request.
            expected: Class of the reply.
            deadline: When to give up (seconds of the clock), for Close; None: never.
        """
        if self._unanswered is not None:
            self._begun = None
            self._collect(*self._unanswered, deadline)
        sequence, frame = self._written(body)
        return self._replied(sequence, frame, expected, deadline)

    def _written(self, body: m.RequestBody) -> tuple[int, Frame]:
        """Return the number and frame of the next request, which is unanswered from now on."""
        sequence = self._sequence + 1
        frame = self._codec.write_request(
            m.Request(sequence, body), self._transport.allocate, aligned=self._link.aligned
        )
        max_bytes = self.terms.max_message_bytes
        if len(frame) > max_bytes > 0:
            raise LimitError(f"a request of {len(frame)} bytes; the server takes {max_bytes}")
        self._unanswered = sequence, frame
        self._sequence = sequence
        return sequence, frame

    def _replied(
        self,
        sequence: int,
        frame: Frame,
        expected: type[R],
        deadline: float | None = None,
        first: Callable[[], Buffer] | None = None,
    ) -> R:
        """Return the reply to a request; see `_received`."""
        data = self._received(frame, deadline, first)
        self._unanswered = None
        answered, reply = self._read(data)
        failure = reply.failure if isinstance(reply, m.StepManyDone) else reply
        if isinstance(failure, m.Failure) and failure.session_closed:
            self._end(f"the server ended the session: {failure.message}")
        if isinstance(reply, m.Failure):
            self._raise(reply, self.address)
        if answered != sequence or not isinstance(reply, expected):
            kind = kind_of(reply)
            raise self._ended(
                CodecError(
                    f"request {sequence} was answered with {kind} to request {answered}",
                    rule="Q-2",
                )
            )
        return reply

    def _received(
        self, frame: Frame, deadline: float | None, first: Callable[[], Buffer] | None
    ) -> Buffer:
        """Send a request and return its answer, from a new connection if the first one is lost.

        Args:
            frame: The request.
            deadline: See `_exchange`.
            first: Function that returns the answer to a request that is sent already; None: it is
                not sent yet.
        """
        try:
            return self._answer(frame, deadline) if first is None else first()
        except SessionLostError as error:
            raise self._ended(error) from error.__cause__
        except ConnectionLostError as error:
            self._check_usable()  # Another thread may have closed the client meanwhile.
            return self._resume(frame, error, deadline)
        except (TransportError, RemoteError) as error:
            raise self._ended(error) from error.__cause__

    def _answer(self, frame: Frame, deadline: float | None) -> Buffer:
        """Send a request over the present connection, and return its answer.

        Reports of progress, which come before the answer, go to the caller's callback.
        """
        data = self._transport.exchange(frame, self._time_left(deadline))
        on_progress = self._open_terms.on_progress
        while on_progress is not None and (report := self._report_in(data)) is not None:
            if deadline is not None and self._clock.monotonic() > deadline:
                message = f"{self.address} reports progress and does not answer"
                raise ConnectError(message, address=self.address)
            finish = partial(end_after, self._transport, self._codec, None, self._sequence + 1)
            self._notify(on_progress, report, finish)
            data = self._transport.receive(self._time_left(deadline))
        return data

    def _report_in(self, data: Buffer) -> m.Progress | None:
        """Return the report of progress that a frame has; None if it has something else."""
        try:
            reply = self._codec.read_reply(data)[1]
        except CodecError:
            return None  # The answer is refused where it is read.
        return reply if isinstance(reply, m.Progress) else None

    def _read(self, data: Buffer) -> tuple[int, m.Reply]:
        try:
            return self._codec.read_reply(data)
        except CodecError as error:
            # Otherwise the next client would have to wait for the end of the grace period.
            with contextlib.suppress(Exception):
                send_close(self._transport, self._codec, self._sequence + 1, _CLOSE_PATIENCE)
            raise self._ended(error) from error.__cause__

    def _time_left(self, deadline: float | None) -> float | None:
        """Return the seconds until a deadline, at least a little; None if there is none."""
        return None if deadline is None else max(deadline - self._clock.monotonic(), 0.01)

    def _collect(self, sequence: int, frame: Frame, deadline: float | None = None) -> None:
        """Read and discard the answer to a request that was interrupted."""
        self._sequence = sequence
        self._resume(frame, self._interrupted(), deadline)
        self._unanswered = None

    def _interrupted(self) -> ConnectionLostError:
        message = f"{self.address}: a call was interrupted"
        return ConnectionLostError(message, address=self.address)

    def _resume(self, frame: Frame, lost: ConnectionLostError, deadline: float | None) -> Buffer:
        """Reconnect until the grace period is over, and return the answer to `frame`.

        Args:
            frame: The frame of the request.
            lost: How the connection was lost.
            deadline: When to give up (seconds of the clock), to close; None: after the grace
                period.

        Raises:
            ConnectionLostError: If the session cannot be resumed.
        """
        begun = self._clock.monotonic()
        former = self._transport
        grace = self.terms.grace_period
        if deadline is not None:
            grace = min(grace, _CLOSE_PATIENCE, deadline - begun)
        pause, attempts, cause = 0.0, 0, lost
        if self._link.key:
            self._events.lost(self.address, lost.message, grace)
        while self._link.key and self._clock.monotonic() - begun + pause <= grace:
            self._check_usable()
            self._clock.sleep(pause)
            pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
            attempts += 1
            try:
                return self._resumed(frame, begun, attempts, deadline)
            except (CodecError, RemoteError, SessionLostError) as error:
                raise self._ended(error) from lost
            except TransportError as error:
                cause = ConnectionLostError(error.message, address=self.address)
            seconds = self._clock.monotonic() - begun
            if seconds > _ENDED_PATIENCE and former.server_has_ended():
                break
        seconds = self._clock.monotonic() - begun
        tried = f" (tried {attempts} times in {seconds:.1f} s)" if attempts else ""
        message = f"{cause.message}{tried}"
        raise self._ended(ConnectionLostError(message, address=self.address)) from lost

    def _resumed(self, frame: Frame, begun: float, attempts: int, deadline: float | None) -> Buffer:
        before = self.transport
        opened = self._link.resume(self._sequence, self._time_left(deadline))
        self._check_usable()  # Another thread may have cut the former connection meanwhile.
        seconds = self._clock.monotonic() - begun
        self._events.resumed(self.address, seconds, attempts)
        event = Reconnect(self.address, self.id, attempts, seconds)
        has_come = opened.received == self._sequence
        finish = partial(
            end_after,
            self._transport,
            self._codec,
            frame if has_come else b"",
            opened.received + 1,
        )
        self._notify(self._open_terms.on_reconnect, event, finish)
        answer = self._answer(frame, deadline)
        if deadline is None:
            self._link.move(opened, self._sequence + 1)
        if before == "frames" != self.transport:
            _log.warning("%s: frames are not reached again; steps go on over gRPC", self.address)
        return answer

    @property
    def transport(self) -> str:
        """What carries the frames: "grpc" or "frames"."""
        return self._transport.transport

    def _notify(
        self,
        callback: Callable[[Any], object] | None,
        event: object,
        finish: Callable[[], object],
    ) -> None:
        """Call a callback; `finish` ends the session on another thread if the callback closes it.

        Raises:
            ClosedError: If the callback closes the client.
        """
        if callback is None:
            return
        self._finish = finish
        try:
            callback(event)
        except Exception:
            # The caller waits for an answer, which matters more than a callback.
            _log.exception("the callback for a %s failed", type(event).__name__)
        self._check_usable()
        self._finish = None

    def _check_usable(self) -> None:
        if self._closed:
            raise ClosedError(f"{self.address}: {self._closed}")
        if os.getpid() != self._process:
            raise ClosedError(
                f"the client of {self.address} belongs to the process that it was made in; connect "
                f"again after a fork"
            )

    def _ended(self, error: Exception) -> Exception:
        reason = str(error).removeprefix(f"{self.address}: ")  # `_check_usable` has the address.
        self._end(f"the session ended: {reason}")
        return error

    def _end(self, reason: str) -> None:
        if not self._closed:
            self._closed = reason
            self._events.ended(self.address)
            connection = self._link.release()
            if self._unanswered is None:
                connection.close()
            else:
                drop(connection)
