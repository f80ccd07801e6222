"""`SessionServer`: sessions of a right server, by the pseudo-code of CONTRACT.md, section 20."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from typing import Any

from google.protobuf.message import DecodeError
from rlmesh_proto import SPEC_DIGEST, SPEC_VERSION
from rlmesh_proto.session.v1 import handshake_pb2

from tests.conformance.broken.frames_server import MAX_BYTES, Connection, FramesServer, failure

__all__ = ["GRACE_MS", "Session", "SessionServer"]

GRACE_MS = 5_000
NEEDS = {
    "step_many": "STEP_MANY",
    "render": "RENDER",
    "call": "ATTRIBUTES",
    "get_attribute": "ATTRIBUTES",
    "set_attribute": "ATTRIBUTES",
}
"""Capability of each request that needs one (H-9)."""
RESUME = handshake_pb2.CAPABILITY_RESUME


class Session:
    """One session."""

    def __init__(self, connection: Connection, client: Any, resumable: bool) -> None:
        self.id = secrets.token_hex(8)
        self.key = secrets.token_bytes(16) if resumable else b""
        self.client = client
        self.connection: Connection | None = connection
        self.last = 0
        self.kept: Any = None
        self.over = False
        self.begun = time.monotonic()
        self.timer: threading.Timer | None = None
        self.idle_timer: threading.Timer | None = None
        self.play: Any = None


class SessionServer(FramesServer):
    """A right server of sessions; a subclass adds the service."""

    capabilities: tuple[str, ...] = ("RESUME", "QUEUE")
    instances = 1
    grace_ms = GRACE_MS
    idle_ms = 0

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.sessions: dict[str, Session] = {}
        self.line: list[object] = []

    # What the server is.

    def peer(self) -> Any:
        """Return the server's PeerInfo."""
        numbers = [handshake_pb2.Capability.Value(f"CAPABILITY_{n}") for n in self.capabilities]
        return handshake_pb2.PeerInfo(
            spec_version=SPEC_VERSION,
            spec_digest=SPEC_DIGEST,
            implementation="right/1",
            capabilities=numbers,
        )

    def terms(self, resumable: bool = True) -> Any:
        """Return the terms of a session."""
        grace = self.grace_ms if resumable and "RESUME" in self.capabilities else 0
        return handshake_pb2.SessionTerms(
            grace_period_ms=grace, max_message_bytes=MAX_BYTES, idle_timeout_ms=self.idle_ms
        )

    def served(self) -> dict[str, Any]:
        """Return the contract or the spec, under its name."""
        raise NotImplementedError

    def described(self, client: Any) -> Any:
        """Return the answer to `describe`, or a Failure."""
        return {"server": self.peer(), "terms": self.terms(), **self.served()}

    def describe(self, connection: Connection, request: Any) -> None:
        """Answer `describe` as the first request (H-1, B-15)."""
        connection.send(self.response(describe=self.described(request.describe.client)))
        connection.end()

    # The first request.

    MAX_FIRST_BYTES = 65_536

    def first_request(self, connection: Connection) -> None:
        """Answer the first request, and then the others."""
        data = connection.receive(self.MAX_FIRST_BYTES)
        try:
            request = self.request.FromString(data)
        except DecodeError:
            connection.refuse(failure("MALFORMED", "expected a request"))
            return
        member = request.WhichOneof("request")
        if member == "describe" and request.sequence == 0:
            self.describe(connection, request)
        elif member != "open":
            self.not_open(connection, request)
        elif request.sequence:
            self.numbered_open(connection, request)
        else:
            refused = self.open(connection, request.open)
            if refused is not None:
                self.refuse_open(connection, refused)
            else:
                self.loop(connection)

    def not_open(self, connection: Connection, request: Any) -> None:
        """Refuse another first request than `open` (H-2)."""
        connection.refuse(failure("WRONG_STATE", "expected an open"), request.sequence)

    def numbered_open(self, connection: Connection, request: Any) -> None:
        """Refuse an `open` with a number (H-2)."""
        connection.refuse(failure("MALFORMED", "expected sequence 0"), request.sequence)

    def refuse_open(self, connection: Connection, refused: Any) -> None:
        """Refuse an `open` (H-3)."""
        connection.refuse(refused)

    def header_of(self, opened: Any) -> Any:
        """Return the OpenHeader of an `open`."""
        return opened

    def open(self, connection: Connection, opened: Any) -> Any:
        """Open or resume a session (H-3); return a Failure if that is refused."""
        header = self.header_of(opened)
        if not header.HasField("client"):
            return failure("MALFORMED", "expected a client", path="client")
        if not self.talks(header.client.spec_version):
            return self.other_version(header.client.spec_version)
        if header.HasField("resume"):
            return self.resume(connection, header.resume)
        return self.new_session(connection, opened, header)

    def talks(self, version: str) -> bool:
        """Return whether the versions talk (E-2)."""
        return version == SPEC_VERSION

    def other_version(self, version: str) -> Any:
        """Return the error for a version that does not talk (H-4)."""
        words = f"this server has spec {SPEC_VERSION}, the client {version}"
        return failure("UNSUPPORTED_VERSION", words, choices=[SPEC_VERSION])

    def new_session(self, connection: Connection, opened: Any, header: Any) -> Any:
        """Open a session."""
        resumable = RESUME in header.client.capabilities and "RESUME" in self.capabilities
        wait = header.wait_ms / 1000 if "QUEUE" in self.capabilities else 0.0
        with self.lock:
            if not self.take_turn(connection, wait):
                return self.busy()
            session = Session(connection, header.client, resumable)
            self.sessions[session.id] = session
        refused = self.begin(session, opened)
        if refused is not None:
            self.end_session(session)
            return refused
        connection.session = session
        connection.send(self.response(open=self.opened(session)))
        return None

    def begin(self, session: Session, opened: Any) -> Any:
        """Make what the session plays with; return a Failure if that is refused."""
        return None

    def opened(self, session: Session) -> Any:
        """Return the OpenResponse of a new session (H-6)."""
        return {"header": self.opened_header(session), **self.served()}

    def opened_header(self, session: Session) -> Any:
        """Return the OpenedHeader of a new session (H-6)."""
        return {
            "server": self.peer(),
            "session_id": session.id,
            "resume_key": session.key,
            "terms": self.terms(bool(session.key)),
        }

    def take_turn(self, connection: Connection, wait: float) -> bool:
        """Wait for a free instance, first come first served (K-4, K-5)."""
        ticket = object()
        self.line.append(ticket)
        deadline = time.monotonic() + wait
        try:
            while True:
                first = self.line[0] is ticket
                if first and len(self.sessions) < self.instances:
                    return True
                left = deadline - time.monotonic()
                if left <= 0 or connection.has_ended():
                    return False
                self.changed.wait(min(left, 0.02))
        finally:
            self.line.remove(ticket)
            self.changed.notify_all()

    def busy(self) -> Any:
        """Return BUSY with the holder (K-4)."""
        held = min(self.sessions.values(), key=lambda s: s.begun, default=None)
        holder = {"client_name": held.client.name} if held else None
        return failure("BUSY", "every instance is held", holder=holder)

    # Resume.

    def resume(self, connection: Connection, resume: Any) -> Any:
        """Resume a session (R-5 to R-8)."""
        with self.lock:
            session = self.find(resume)
            if session is None:
                return self.unknown_session(resume)
            if not self.may_await(session, resume.awaited_sequence):
                return self.wrong_awaited(session)
            if session.timer is not None:
                session.timer.cancel()
            older, session.connection = session.connection, connection
            connection.session = session
            connection.send(self.response(open=self.resumed(session)))
        if older is not None:
            self.take_over(session, older)
        return None

    def find(self, resume: Any) -> Session | None:
        """Return the session that a client may resume (R-5)."""
        session = self.sessions.get(resume.session_id)
        key = session.key if session is not None else b""
        right = hmac.compare_digest(key or bytes(16), resume.resume_key)
        return session if session is not None and session.key and right else None

    def unknown_session(self, resume: Any) -> Any:
        """Return the error for a session that there is not (R-5)."""
        return failure("UNKNOWN_SESSION", "there is no such session")

    def may_await(self, session: Session, awaited: int) -> bool:
        """Return whether a client can await this number (R-6)."""
        return awaited >= 1 and awaited in (session.last, session.last + 1)

    def wrong_awaited(self, session: Session) -> Any:
        """Return the error for a number that a client cannot await (R-6)."""
        return failure("OUT_OF_SEQUENCE", f"the session is at request {session.last}")

    def resumed(self, session: Session) -> Any:
        """Return the OpenResponse of a resume (R-7)."""
        return {"header": self.resumed_header(session)}

    def resumed_header(self, session: Session) -> Any:
        """Return the OpenedHeader of a resume (R-7)."""
        return {
            **self.opened_header(session),
            "terms": self.terms(),
            "received_sequence": session.last,
        }

    def take_over(self, session: Session, older: Connection) -> None:
        """End the connection that a resume has replaced (R-8)."""
        older.cut()

    def lost(self, connection: Connection) -> None:
        """Keep a session for its grace period, or close it (R-3)."""
        session = connection.session
        with self.lock:
            if session is None or session.over or session.connection is not connection:
                return
            session.connection = None
            if not session.key:
                self.end_session(session)
                return
            session.timer = threading.Timer(self.grace_ms / 1000, self.expire, [session])
            session.timer.daemon = True
            session.timer.start()

    def expire(self, session: Session) -> None:
        """End a session after its grace period (R-3)."""
        with self.lock:
            if session.connection is None:
                self.end_session(session)

    def end_session(self, session: Session) -> None:
        """Free the instance of a session (K-1)."""
        with self.lock:
            session.over = True
            if session.timer is not None:
                session.timer.cancel()
            self.sessions.pop(session.id, None)
            self.changed.notify_all()

    # Numbered requests.

    def loop(self, connection: Connection) -> None:
        """Answer numbered requests until the connection ends."""
        while True:
            data = connection.receive()
            session = connection.session
            try:
                request = self.request.FromString(data)
            except DecodeError:
                self.unreadable(connection)
                return
            with self.lock:
                # One request at a time: the lock is the environment's thread.
                if session.connection is not connection:
                    return
                answer = self.answer(session, request)
                closes = answer.WhichOneof("response") == "close" or answer.error.session_closed
                closes = closes and answer.sequence == session.last
                if closes:
                    self.end_session(session)
                self.deliver(connection, answer)
                self.watch(session)
            if closes:
                self.end_closed(connection)
                return

    def watch(self, session: Session) -> None:
        """Begin to count the time without a request (R-14)."""
        if session.idle_timer is not None:
            session.idle_timer.cancel()
        if self.idle_ms and not session.over:
            session.idle_timer = threading.Timer(self.idle_ms / 1000, self.idle, [session])
            session.idle_timer.daemon = True
            session.idle_timer.start()

    def idle(self, session: Session) -> None:
        """End a session without requests (R-14)."""
        with self.lock:
            connection, over = session.connection, session.over
            self.end_session(session)
        if connection is not None and not over:
            connection.refuse(failure("TIMEOUT", "the session was idle"))

    def deliver(self, connection: Connection, answer: Any) -> None:
        """Send an answer."""
        connection.send(answer)

    def end_closed(self, connection: Connection) -> None:
        """End the stream of a session that has ended (K-1)."""
        connection.end()

    def unreadable(self, connection: Connection) -> None:
        """Answer a frame that is no message (Q-8)."""
        connection.refuse(failure("MALFORMED", "expected a request"))

    def answer(self, session: Session, request: Any) -> Any:
        """Return the answer to a request (Q-3 to Q-5)."""
        if request.sequence == session.last and session.last:
            return self.repeat(session, request)
        if request.sequence != session.last + 1:
            return self.out_of_sequence(session, request)
        session.last = request.sequence
        session.kept = self.handle(session, request)
        return session.kept

    def repeat(self, session: Session, request: Any) -> Any:
        """Return the kept answer (Q-4)."""
        return session.kept

    def out_of_sequence(self, session: Session, request: Any) -> Any:
        """Return the error for a wrong number (Q-5)."""
        words = f"expected request {session.last + 1}, got {request.sequence}"
        return self.response(sequence=request.sequence, error=failure("OUT_OF_SEQUENCE", words))

    def handle(self, session: Session, request: Any) -> Any:
        """Handle the next request once."""
        member = request.WhichOneof("request")
        if member == "open":
            answer = self.second_open()
        elif member == "close":
            answer = {}
        else:
            method = getattr(self, f"do_{member}", None)
            listed = NEEDS.get(member, "RESUME") in (*self.capabilities, "RESUME")
            answer = method(session, getattr(request, member)) if method and listed else None
        if answer is None:
            answer = self.unknown_request()
        if hasattr(answer, "session_closed"):
            return self.response(sequence=request.sequence, error=answer)
        return self.response(sequence=request.sequence, **{member: answer})

    def second_open(self) -> Any:
        """Return the error for a second `open` (N-3)."""
        return failure("WRONG_STATE", "the session is open")

    def unknown_request(self) -> Any:
        """Return the error for a request that the server does not have (H-10)."""
        return failure("UNSUPPORTED", "there is no such request here")
