"""`SessionManager`: the server's side of sessions: admits, resumes and ends them.

Nothing here does I/O: a transport passes frames in and sends the answers.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rlmesh._buffers import Frame, FrameAllocator
from rlmesh._compatibility import compatible
from rlmesh._logs import logger
from rlmesh._messages import env as m
from rlmesh._session.admission import AdmissionQueue
from rlmesh._session.answers import too_large, write_answer
from rlmesh._session.clock import SYSTEM_CLOCK, Clock
from rlmesh._session.idle_timeout import IdleWatch
from rlmesh._session.server_session import (
    ClientLink,
    RequestRefused,
    ServerSession,
    Servicer,
    ServicerProvider,
    proves,
)
from rlmesh._session.session_log import SessionLog, log_refusal
from rlmesh._session.session_observer import SessionObserver
from rlmesh._session.wire_codec import ServerWireCodec
from rlmesh._wire.failures import failure_of_exception, text_of
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.backends import Buffer
from rlmesh.errors import ClosedError, LimitError
from rlmesh.specs import Capability, PeerInfo, SessionTerms, TransportOffer

__all__ = ["SessionManager"]

_log = logger("rlmesh.server")

_LOOK_SECONDS = 0.2
"""Seconds after the loss of a connection until the client's process is known to have ended."""

_MAX_END_REASONS = 256
"""Maximum number of ended sessions for which the reason is kept."""

_OPENED_BYTES = 4096
"""Maximum number of bytes that the answer to an open has more than the description."""

_NO_KEY = secrets.token_bytes(16)
"""Key to compare if the id of the request is unknown."""


class SessionManager:
    """Opens, resumes and ends the sessions of a server, and answers their requests.

    Args:
        served: What is served: the environment's contract, or the model's spec.
        server: What this endpoint sends of itself in the handshake.
        terms: What the server promises to sessions.
        servicers: Provider of the sessions' servicers.
        codec: Wire codec of the frames.
        expose_tracebacks: Whether clients see the tracebacks of exceptions.
        clock: Source of time and timers.

    Attributes:
        offers: Transports that sessions may move to, each with the capability that a client must
            list to be offered it.
        farewell: Frame that ends a stream when the server is stopped.
        observer: Receives what happens in the sessions; None: nothing does.
        unasked_seconds: Maximum grace period of a session that has received no request. Its first
            request may have been lost with the connection, and comes again at once if it was. A
            client that never learnt of its session does not come back, and must not hold an
            environment long.
        read: Returns the request of a frame; raises CodecError.
        write: Returns the frame of a reply.
    """

    def __init__(
        self,
        served: Any,
        server: PeerInfo,
        terms: SessionTerms,
        servicers: ServicerProvider,
        codec: ServerWireCodec,
        *,
        expose_tracebacks: bool,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._served = served
        self._server = server
        self._terms = terms
        self._servicers = servicers
        self._codec = codec
        self._expose_tracebacks = expose_tracebacks
        self._log = SessionLog()
        self.read = codec.read_request
        self.write = codec.write_reply
        self._admission = AdmissionQueue(servicers.capacity)
        self._lock = threading.Lock()
        self._sessions: dict[str, ServerSession] = {}
        self._idle = IdleWatch(terms.idle_timeout, self._sessions.values, self._expire_idle)
        # Keys of sessions that their clients may still try to resume, and why they ended. Not the
        # sessions, which have the last answer and the environment.
        self._end_reasons: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        self.observer: SessionObserver | None = None
        self.unasked_seconds = 2.0
        self._draining = False
        self._stopping = False
        self.offers: Sequence[tuple[Capability, TransportOffer]] = ()
        self.farewell = codec.write_reply(0, self._shutting_down())

    @property
    def stopping(self) -> bool:
        """Whether each session ends with its next answer."""
        return self._stopping

    @property
    def count(self) -> int:
        """Number of open sessions."""
        return len(self._sessions)

    @property
    def sessions(self) -> list[ServerSession]:
        """The open sessions, the oldest first."""
        with self._lock:
            return list(self._sessions.values())

    @property
    def waiting(self) -> int:
        """Number of clients that wait for a session."""
        return self._admission.waiting

    @property
    def description(self) -> bytes:
        """Answer to `Describe`."""
        return self._codec.write_description(self._server, self._served, self._terms)

    def aligns(self, client: PeerInfo) -> bool:
        """Return whether a client and the server list that they align slabs (B-17)."""
        able = client.capabilities & self._server.capabilities
        return Capability.ALIGNED_SLABS in able

    def check_description(self) -> None:
        """Raise LimitError if the answers that describe what is served are over a limit (M-1)."""
        size, limit = len(self.description) + _OPENED_BYTES, self._terms.max_message_bytes
        if size > limit > 0:
            raise LimitError(
                f"what is served cannot be described to clients: {size} bytes, and a message has "
                f"at most {limit}; look for large metadata, tags, or bounds of single elements"
            )

    def offer(self, stream: Any) -> bool:
        """Assign a thread to a new client's stream; return False if none is free."""
        return self._admission.reserve(stream, self._servicers.offer)

    def drain(self) -> None:
        """Admit no new session and refuse those that wait; open ones continue (K-9, K-12)."""
        with self._lock:
            self._draining = True
        self._admission.stop()

    def stop(self) -> None:
        """End each session after its running call, and send its client the reason (K-9)."""
        self.drain()
        with self._lock:
            self._stopping = True
            idle = [session for session in self._sessions.values() if not session.working]
        for session in idle:
            session.dismiss()

    def end(self) -> None:
        """Stop all threads and timers; call it after every transport has stopped."""
        self._idle.stop()
        for session in self.sessions:
            session.wait_no_longer()

    def open(self, request: m.Open, connection: ClientLink) -> tuple[ServerSession | None, m.Reply]:
        """Admit a client or resume its session; return the session and the reply.

        If the client is refused, the session is None and the reply is a failure.
        """
        session, reply = self._open(request, connection)
        if isinstance(reply, m.Failure):
            self.refuse_client(request.client.name, connection.peer, reply)
        return session, reply

    def refuse_client(self, client: str, peer: str, failure: m.Failure) -> None:
        """Log and report that a client gets no session.

        Args:
            client: Name of the client; empty: unknown.
            peer: Its network peer.
            failure: The reason.
        """
        log_refusal(client, peer, failure)
        self.report(failure)

    def report_wrong_token(self) -> None:
        """Report that a client was refused because of its token."""
        self.report(m.Failure(m.ErrorCode.UNAUTHENTICATED, "no token, or a wrong one"))

    def report(self, failure: m.Failure) -> None:
        """Report a failure that answers a request which is not applied."""
        if self.observer is not None:
            self.observer.refused(failure)

    def _open(
        self, request: m.Open, connection: ClientLink
    ) -> tuple[ServerSession | None, m.Reply]:
        version = request.client.spec_version
        if not compatible(SPEC_VERSION, version):
            return None, m.Failure(
                m.ErrorCode.UNSUPPORTED_VERSION,
                f"H-4: this server has spec {SPEC_VERSION}, the client {version or 'none'}; "
                f"install the same major version on both sides (release candidates must be equal)",
                session_closed=True,
                choices=(SPEC_VERSION,),
            )
        if self._stopping or (self._draining and request.resume is None):
            return None, self._shutting_down()
        if request.resume is not None:
            return self._resume(request.resume, connection)
        try:
            take = self._servicers.prepare(request, connection.alive)
        except BaseException as error:  # A model's adapter may contain code of a user.
            return None, self._cannot_open(error).ended()
        if not self._admission.take(request.wait, connection.alive):
            return None, self._shutting_down() if self._draining else self._busy()
        return self._admit(request, connection, take)

    def _admit(
        self, request: m.Open, connection: ClientLink, take: Callable[[], Servicer]
    ) -> tuple[ServerSession | None, m.Reply]:
        """Open a session in the slot that was taken for it."""
        client = request.client
        try:
            servicer = take()
        except BaseException as error:  # A factory's SystemExit must not keep the slot.
            if not isinstance(error, (RequestRefused, ClosedError)):
                _log.exception("an environment for %s cannot be made", client.name)
            self._admission.give_back()
            return None, self._cannot_open(error).ended()
        resumable = self._terms.grace_period > 0 and Capability.RESUME in client.capabilities
        session = ServerSession(
            client,
            connection.peer,
            servicer,
            resumable=resumable,
            clock=self._clock,
            traceparent=request.traceparent,
        )
        session.attach(connection)
        with self._lock:
            self._sessions[session.id] = session
        try:
            self._idle.opened()
        except RuntimeError as error:  # The system has no thread for the watch.
            self.close(session, f"it cannot be watched: {error}")
            return None, self._cannot_open(error).ended()
        self._log.opened(session)
        if self.observer is not None:
            self.observer.opened(session)
        return session, m.Opened(
            self._server,
            session.id,
            self._served,
            self._terms if session.key else self._terms.without_grace(),
            resume_key=session.key,
            offers=self._offers_for(session),
        )

    def _offers_for(self, session: ServerSession) -> tuple[TransportOffer, ...]:
        """Return the transports that a session may move to: none if it cannot be resumed."""
        able = session.client.capabilities if session.key else frozenset()
        return tuple(offer for capability, offer in self.offers if capability in able)

    def _cannot_open(self, error: BaseException) -> m.Failure:
        if isinstance(error, RequestRefused):
            return error.failure
        if isinstance(error, ClosedError):
            return m.Failure(m.ErrorCode.SHUTTING_DOWN, str(error))
        return failure_of_exception(error, "factory", expose_traceback=self._expose_tracebacks)

    def _resume(
        self, resume: m.Resume, connection: ClientLink
    ) -> tuple[ServerSession | None, m.Reply]:
        with self._lock:
            session = self._sessions.get(resume.session_id)
            key, why = self._end_reasons.get(resume.session_id, (_NO_KEY, ""))
        # The comparison is also made for an unknown id, so that the time reveals nothing.
        proven = proves(key if session is None else session.key, resume.key)
        if session is None or not proven or session.ended:
            message = "its grace period may be over, or the server may have been restarted"
            return None, m.Failure(
                m.ErrorCode.UNKNOWN_SESSION,
                f"R-5: there is no such session to resume; {why if why and proven else message}",
                session_closed=True,
            )
        received = session.received
        if resume.awaited < 1 or resume.awaited not in (received, received + 1):
            return None, m.Failure(
                m.ErrorCode.OUT_OF_SEQUENCE,
                f"R-6: the session has received {received}; the client awaits {resume.awaited}",
                session_closed=True,
            )
        away = session.lost_seconds
        older = session.attach(connection)
        if older is not None:
            older.cut()
        if older is not None and connection.moves:
            self._log.moved(session, connection.peer)
        else:
            if older is not None:
                self._log.lost(session, self._grace_of(session))
            self._log.resumed(session, connection.peer, away)
        return session, m.Opened(
            self._server,
            session.id,
            None,
            self._terms,
            resume_key=session.key,
            received=received,
            offers=self._offers_for(session),
        )

    def _shutting_down(self) -> m.Failure:
        return m.Failure(m.ErrorCode.SHUTTING_DOWN, "the server is shutting down").ended()

    def _busy(self) -> m.Failure:
        return self._servicers.busy(self.sessions)

    def play(
        self,
        session: ServerSession,
        request: m.Request,
        frame: Buffer,
        allocate: FrameAllocator,
        aligned: int,
    ) -> tuple[Frame, m.Reply | None]:
        """Apply one request of a session, and allocate the answer.

        The slabs of a value of `aligned` bytes or more are aligned; 0: none are.

        Returns:
            Frame of the answer, and the reply, or None if another process has written the frame.
        """
        if isinstance(request.body, m.Reset):
            session.episode_id = request.body.episode_id
        start = time.perf_counter_ns()
        reply = self._reply(session, request, frame)
        if session.fault or isinstance(reply, m.Failure):
            self._log.crashed(session, reply)
        spent = time.perf_counter_ns() - start
        if self.observer is not None:
            self.observer.answered(session, request.body, reply, spent / 1e9)
        if isinstance(reply, bytes):
            return self._checked(request.sequence, reply), None
        called = not isinstance(reply, m.Failure) or reply.code in m.OF_USER_CODE
        call_us = spent // 1000 if called else 0
        answer = write_answer(
            self._codec, request.sequence, reply, call_us, allocate, aligned=aligned
        )
        return self._checked(request.sequence, answer), reply

    def _checked(self, sequence: int, answer: Frame) -> Frame:
        """Return the answer, or a failure if it is larger than a message may be."""
        size, limit = len(answer), self._terms.max_message_bytes
        if size <= limit or not limit:
            return answer
        return self.write(sequence, too_large(f"{size} bytes; the limit is {limit}"))

    def _reply(self, session: ServerSession, request: m.Request, frame: Buffer) -> m.Reply | bytes:
        try:
            if isinstance(request.body, m.Close):
                return session.servicer.end()
            return session.servicer.answer(request, frame)
        except ClosedError as error:
            return m.Failure(m.ErrorCode.SHUTTING_DOWN, str(error), session_closed=True)
        except Exception as error:
            _log.exception("a request of session %s failed", session.id)
            return m.Failure(m.ErrorCode.INTERNAL, f"the server failed: {text_of(error)}")

    def lost(self, session: ServerSession, connection: ClientLink) -> None:
        """Detach an ended connection; its session waits for another, or ends (R-3, R-13)."""
        grace = session.grace = self._grace_of(session)
        look = min(grace, _LOOK_SECONDS)
        wait = partial(self._wait, session, connection, grace, look)
        try:
            is_current = session.detach(connection, look, wait)
        except RuntimeError as error:  # The system has no thread for a timer.
            self._expire(session, f"its client cannot be waited for: {error}")
            return
        if is_current:
            if grace > 0:
                if not session.ended:
                    self._log.lost(session, grace)
            else:
                stopped = "the server was stopped" if self._stopping else ""
                self.close(session, stopped or "its connection has ended")

    def _grace_of(self, session: ServerSession) -> float:
        """Return the seconds that a session without a connection waits for another one."""
        if self._stopping or not session.key:
            return 0.0
        grace = self._terms.grace_period
        return grace if session.received else min(grace, self.unasked_seconds)

    def _wait(
        self, session: ServerSession, connection: ClientLink, grace: float, waited: float
    ) -> None:
        """Wait for the rest of the grace period, unless the client's process has ended."""
        if connection.ended():
            self._expire(session, "its client's process has ended")
            return
        limit = "grace_period" if grace == self._terms.grace_period else "it has sent no request"
        why = f"its client did not come back within {grace:g} s ({limit})"
        try:
            if grace > waited:
                session.wait_longer(connection, grace - waited, partial(self._expire, session, why))
                return
        except RuntimeError as error:  # See `lost`.
            why = f"its client cannot be waited for longer: {error}"
        self._expire(session, why)

    def _expire(self, session: ServerSession, why: str) -> None:
        if session.end(unless_attached=True):
            self._ended(session, why)
            self._remember(session, why)
            self._forget(session)

    def _expire_idle(self, session: ServerSession, limit: float) -> None:
        if session.end(unless_answered_after=limit):
            why = f"it got no request for {self._terms.idle_timeout:g} s (idle_timeout)"
            self._ended(session, why)
            self._remember(session, why)
            session.cut()
            self._forget(session)

    def _ended(self, session: ServerSession, why: str) -> None:
        """Log and report the end of a session."""
        self._log.ended(session, why)
        if self.observer is not None:
            self.observer.ended(session, why)

    def _remember(self, session: ServerSession, why: str) -> None:
        """Keep the reason for the end of a session for its client, which may try to resume it."""
        with self._lock:
            self._end_reasons[session.id] = session.key, why
            if len(self._end_reasons) > _MAX_END_REASONS:
                self._end_reasons.popitem(last=False)

    def close(self, session: ServerSession, why: str) -> None:
        """End a session, so that its servicer is free for the next one.

        Args:
            session: The session.
            why: The reason, for the log.
        """
        if session.end():
            self._ended(session, why)
            self._forget(session)

    def _forget(self, session: ServerSession) -> None:
        try:
            session.servicer.release()
        except Exception:
            _log.exception("releasing the environment of session %s failed", session.id)
        with self._lock:
            self._sessions.pop(session.id, None)
        self._admission.give_back()
