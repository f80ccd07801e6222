"""The server's side of sessions: who is admitted, who resumes, who waits, what ends.

Nothing here does I/O: a transport hands in frames and sends what comes back.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._logs import logger
from rlmesh._messages import env as m
from rlmesh._session.admission import AdmissionQueue
from rlmesh._session.answers import too_large, write_answer
from rlmesh._session.idle_timeout import IdleWatch
from rlmesh._session.server_connection import ServerConnection, unknown
from rlmesh._session.server_session import RequestRefused, ServerSession, Servicer, ServicerProvider
from rlmesh._session.versions import compatible
from rlmesh._session.wire_codec import ServerWireCodec
from rlmesh._wire.failures import failure_of_exception, text_of
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.backends import Buffer
from rlmesh.errors import ClosedError
from rlmesh.specs import Capability, PeerInfo, SessionTerms

__all__ = ["SessionManager"]

_log = logger("rlmesh.server")

_LOOK_SECONDS = 0.2
"""How long after a connection was lost it is known whether the client's process has ended."""

_MAX_END_REASONS = 256
"""Of how many sessions that were ended the reason is kept."""


class SessionManager:
    """Gives environments to sessions.

    Args:
        served: What is served: the environment's contract, or the model's spec.
        server: What this endpoint says of itself.
        terms: What it promises to sessions.
        servicers: Where sessions get their environments.
        frames: Reads and writes frames.
        expose_tracebacks: Whether clients see the tracebacks of exceptions.

    Attributes:
        frames_unix: Where sessions may go on over frames on this host; empty: nowhere.
        frames_port: Where, over TCP; 0: nowhere.
        farewell: The frame that ends a stream when the server is stopped.
        read: The request of a frame; raises CodecError.
        write: The frame of a reply.
    """

    def __init__(
        self,
        served: Any,
        server: PeerInfo,
        terms: SessionTerms,
        servicers: ServicerProvider,
        frames: ServerWireCodec,
        *,
        expose_tracebacks: bool,
    ) -> None:
        self._served = served
        self._server = server
        self._terms = terms
        self._servicers = servicers
        self._frames = frames
        self._expose_tracebacks = expose_tracebacks
        self.read = frames.read_request
        self.write = frames.write_reply
        self._admission = AdmissionQueue(servicers.capacity)
        self._lock = threading.Lock()
        self._sessions: dict[str, ServerSession] = {}
        self._idle = IdleWatch(terms.idle_timeout, self._sessions.values, self._expire_idle)
        # Why those ended that their clients may still ask for.
        self._end_reasons: OrderedDict[str, tuple[ServerSession, str]] = OrderedDict()
        self._draining = False
        self._stopping = False
        self.frames_unix = ""
        self.frames_port = 0
        self.farewell = frames.write_reply(0, self._shutting_down())

    @property
    def stopping(self) -> bool:
        """Whether each session ends with its next answer."""
        return self._stopping

    @property
    def description(self) -> bytes:
        """The answer of `Describe`."""
        return self._frames.write_description(self._server, self._served, self._terms)

    def offer(self, stream: Any) -> bool:
        """Have a thread lent to a new client's stream, or refuse."""
        return self._admission.reserve(stream, self._servicers.offer)

    def connect(
        self,
        peer: str,
        cut: Callable[[], object],
        alive: Callable[[], bool],
        allocate: FrameAllocator = join_parts,
        *,
        resumes: bool = False,
        ended: Callable[[], bool] = unknown,
        dismiss: Callable[[], object] | None = None,
    ) -> ServerConnection:
        """A new connection of a client.

        Args:
            peer: Its network peer.
            cut: Ends the stream, from another thread.
            alive: Whether the client is still there.
            allocate: Puts a large answer where the transport wants it.
            resumes: Whether it may do nothing but resume a session.
            ended: Whether the client's process is known to have ended.
            dismiss: Has the stream end with the farewell, from another thread; None: `cut` does.
        """
        return ServerConnection(
            self, peer, cut, alive, allocate, resumes=resumes, ended=ended, dismiss=dismiss
        )

    def drain(self) -> None:
        """Admit no new session; those in line are told, and open ones go on (K-9, K-12)."""
        with self._lock:
            self._draining = True
        self._admission.stop()

    def stop(self) -> None:
        """End the sessions, those with a call after its answer; each is told why (K-9)."""
        self.drain()
        with self._lock:
            self._stopping = True
            idle = [session for session in self._sessions.values() if not session.working]
        for session in idle:
            session.dismiss()

    def end(self) -> None:
        """Leave no thread behind, once no transport takes a client any more."""
        self._idle.stop()
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.wait_no_longer()

    def open(
        self, request: m.Open, connection: ServerConnection
    ) -> tuple[ServerSession | None, m.Reply]:
        """Admit a client, let it resume, or say why not."""
        version = request.client.spec_version
        if not compatible(SPEC_VERSION, version):
            return None, m.Failure(
                m.ErrorCode.UNSUPPORTED_VERSION,
                f"this server speaks spec {SPEC_VERSION}, the client {version or 'none'}; install "
                f"the same major version on both sides (release candidates must be equal)",
                session_closed=True,
                choices=(SPEC_VERSION,),
            )
        if self._stopping or (self._draining and request.resume is None):
            return None, self._shutting_down()
        if request.resume is not None:
            return self._resume(request.resume, connection)
        try:
            take = self._taker(request, connection.alive)
        except BaseException as error:  # A model's adapter may be a user's code.
            return None, self._cannot_open(error).ended()
        if not self._admission.take(request.wait, connection.alive):
            return None, self._shutting_down() if self._draining else self._busy()
        return self._admit(request.client, connection, take)

    def _taker(self, request: m.Open, alive: Callable[[], bool]) -> Callable[[], Servicer]:
        """What takes the instance of a new session; raises RequestRefused where it asks for none."""
        return lambda: self._servicers.take(alive)

    def _admit(
        self, client: PeerInfo, connection: ServerConnection, take: Callable[[], Servicer]
    ) -> tuple[ServerSession | None, m.Reply]:
        """Open a session in the place that was taken for it."""
        try:
            servicer = take()
        except BaseException as error:  # A factory's SystemExit must not keep the place.
            _log.exception("an environment for %s cannot be made", client.name)
            self._admission.give_back()
            return None, self._cannot_open(error).ended()
        resumable = self._terms.grace_period > 0 and Capability.RESUME in client.capabilities
        session = ServerSession(client, connection.peer, servicer, resumable=resumable)
        session.attach(connection)
        with self._lock:
            self._sessions[session.id] = session
        self._idle.opened()
        _log.info("session %s opened by %s (%s)", session.id, client.name, connection.peer)
        return session, m.Opened(
            self._server,
            session.id,
            self._served,
            self._terms if session.key else self._terms.without_grace(),
            resume_key=session.key,
            **self._admission_for(session),
        )

    def _admission_for(self, session: ServerSession) -> dict[str, Any]:
        """Where the session may go on over frames."""
        able = session.client.capabilities if session.key else frozenset()
        return {
            "frames_unix": self.frames_unix if Capability.FRAMES_UNIX in able else "",
            "frames_port": self.frames_port if Capability.FRAMES_TCP in able else 0,
        }

    def _cannot_open(self, error: BaseException) -> m.Failure:
        if isinstance(error, RequestRefused):
            return error.failure
        if isinstance(error, ClosedError):
            return m.Failure(m.ErrorCode.SHUTTING_DOWN, str(error))
        return failure_of_exception(error, "factory", expose_traceback=self._expose_tracebacks)

    def _resume(
        self, resume: m.Resume, connection: ServerConnection
    ) -> tuple[ServerSession | None, m.Reply]:
        with self._lock:
            session = self._sessions.get(resume.session_id)
            late, why = self._end_reasons.get(resume.session_id, (_NOBODY, ""))
        # An unknown id costs the same comparison.
        proven = (session or late).proves(resume.key)
        if session is None or not proven or session.ended:
            words = "its grace period may be over, or the server may have been restarted"
            return None, m.Failure(
                m.ErrorCode.UNKNOWN_SESSION,
                f"there is no such session to resume; {why if why and proven else words}",
                session_closed=True,
            )
        received = session.received
        if resume.awaited not in (received, received + 1):
            return None, m.Failure(
                m.ErrorCode.OUT_OF_SEQUENCE,
                f"the session has received {received}; the client awaits {resume.awaited}",
                session_closed=True,
            )
        older = session.attach(connection)
        if older is not None:
            older.cut()
        _log.info("session %s resumed by %s", session.id, connection.peer)
        return session, m.Opened(
            self._server,
            session.id,
            None,
            self._terms,
            resume_key=session.key,
            received=received,
            **self._admission_for(session),
        )

    def _shutting_down(self) -> m.Failure:
        return m.Failure(m.ErrorCode.SHUTTING_DOWN, "the server is shutting down").ended()

    def _busy(self) -> m.Failure:
        """What a client is told that finds every environment held."""
        with self._lock:
            holder = min(self._sessions.values(), key=lambda s: s.since, default=None)
        if holder is None:
            words = "another client is just getting the environment"
            return m.Failure(m.ErrorCode.BUSY, words, session_closed=True)
        now = time.monotonic()
        held = now - holder.since
        lost = ""
        if holder.lost_at is not None:
            left = max(0.0, self._terms.grace_period - (now - holder.lost_at))
            lost = f"; it has lost its connection and has {left:.1f} s to come back"
        count = self._servicers.capacity
        held_by = f"held by {holder.name} for {held:.1f} s (session {holder.id}){lost}"
        if count == 1:
            words = f"the environment is {held_by}; close that client, wait for it (wait=)"
        else:
            words = f"all {count} environments are held, the oldest is {held_by}; wait (wait=)"
        return m.Failure(
            m.ErrorCode.BUSY,
            f"{words}, or serve more (factory=, max_sessions=)",
            session_closed=True,
            holder=holder.name,
            held_seconds=held,
        )

    def play(
        self, session: ServerSession, request: m.Request, frame: Buffer, allocate: FrameAllocator
    ) -> tuple[Frame, m.Reply | None]:
        """Play one request on the session's environment, and place the answer.

        Returns:
            The frame of the answer, and the reply, unless another process has written that.
        """
        start = time.perf_counter_ns()
        reply = self._reply(session, request, frame)
        if isinstance(reply, bytes):
            return self._checked(request.sequence, reply), None
        call_us = (time.perf_counter_ns() - start) // 1000
        answer = write_answer(self._frames, request.sequence, reply, call_us, allocate)
        return self._checked(request.sequence, answer), reply

    def _checked(self, sequence: int, answer: Frame) -> Frame:
        """The answer, or a failure where it is larger than a message may be."""
        size, most = len(answer), self._terms.max_message_bytes
        if size <= most or not most:
            return answer
        return self.write(sequence, too_large(f"{size} bytes; the limit is {most}"))

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

    def lost(self, session: ServerSession, connection: ServerConnection) -> None:
        """A connection has ended; its session waits for another one, or ends (R-3, R-13)."""
        waits = bool(session.key) and session.received > 0 and not self._stopping
        grace = self._terms.grace_period if waits else 0.0
        look = min(grace, _LOOK_SECONDS)
        if session.detach(connection, look, lambda: self._wait(session, connection, grace - look)):
            if grace > 0:
                if not session.ended:
                    _log.info("session %s lost its connection; waits %g s", session.id, grace)
            else:
                self.close(session)

    def _wait(self, session: ServerSession, connection: ServerConnection, rest: float) -> None:
        """Wait for the rest of the grace period, unless nobody is left who could come back."""
        if connection.ended():
            _log.info("session %s: the client's process has ended", session.id)
            rest = 0.0
        if rest > 0:
            session.wait_longer(rest, lambda: self._expire(session))
        else:
            self._expire(session)

    def _expire(self, session: ServerSession) -> None:
        if session.end(unless_attached=True):
            _log.info("session %s did not come back", session.id)
            self._forget(session)

    def _expire_idle(self, session: ServerSession, limit: float) -> None:
        if session.end(unless_answered_after=limit):
            why = f"it got no request for {self._terms.idle_timeout:g} s (idle_timeout)"
            _log.info("session %s ended: %s", session.id, why)
            with self._lock:
                self._end_reasons[session.id] = session, why
                if len(self._end_reasons) > _MAX_END_REASONS:
                    self._end_reasons.popitem(last=False)
            session.cut()
            self._forget(session)

    def close(self, session: ServerSession) -> None:
        """The session is over; its environment is free for the next one."""
        if session.end():
            _log.info("session %s ended", session.id)
            self._forget(session)

    def _forget(self, session: ServerSession) -> None:
        try:
            session.servicer.release()
        except Exception:
            _log.exception("releasing the environment of session %s failed", session.id)
        with self._lock:
            self._sessions.pop(session.id, None)
        self._admission.give_back()


class _NoServicer:
    def answer(self, request: m.Request, frame: Buffer) -> m.Reply:
        raise ClosedError("there is no environment")

    def host(self, stream: object) -> bool:
        return False

    def end(self) -> m.Reply:
        return m.Closed()

    def release(self) -> None:
        pass


_NOBODY = ServerSession(PeerInfo(""), "", _NoServicer(), resumable=True)
"""Stands for a session that there is not."""
