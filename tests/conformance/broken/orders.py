"""Servers that break rules of order, resume and framing: §5, §6 and B-12 to B-13."""

from __future__ import annotations

import threading
import time
from typing import Any

from google.protobuf.message import DecodeError

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.registry import broken

own = RightEnv


class OneAheadSteps(RightEnv):
    """Its answers to `reset` are right, so that it passes as far as Q-2."""

    def deliver(self, connection: Any, answer: Any) -> None:
        copy = type(answer).FromString(answer.SerializeToString())
        copy.sequence += answer.sequence >= 2
        super().deliver(connection, copy)


class Twice(RightEnv):
    def deliver(self, connection: Any, answer: Any) -> None:
        super().deliver(connection, answer)
        if answer.WhichOneof("response") == "reset" and answer.sequence == 1:
            threading.Timer(0.03, connection.send, [answer]).start()


class Backwards(RightEnv):
    """Answers requests that have come together in the wrong order."""

    def loop(self, connection: Any) -> None:
        session = connection.session
        while True:
            requests = [self.request.FromString(connection.receive())]
            if requests[0].sequence == 1:
                time.sleep(0.02)
                connection._peer.setblocking(False)
                try:
                    waiting = connection._peer.recv(4, 2)  # MSG_PEEK
                except BlockingIOError:
                    waiting = b""
                connection._peer.setblocking(True)
                if len(waiting) == 4:
                    requests.append(self.request.FromString(connection.receive()))
            answers = [self.answer(session, request) for request in requests]
            for answer in reversed(answers):
                connection.send(answer)
            if answers[-1].WhichOneof("response") == "close":
                self.end_session(session)
                connection.end()
                return


broken("Q-2", "answers with another number", base=OneAheadSteps)
broken("Q-2", "answers a reset twice", base=Twice, first="one-answer-for-a-request")
broken("Q-2", "answers the second of two requests first", base=Backwards)


class Strict(RightEnv):
    """Reads its own fields alone."""

    def answer(self, session: Any, request: Any) -> Any:
        if b"abc" in request.SerializeToString():
            return self.response(sequence=request.sequence, error=failure("MALFORMED", "a field"))
        return super().answer(session, request)


class Picky(RightEnv):
    def loop(self, connection: Any) -> None:
        receive = connection.receive

        def canonical(most: int = 1 << 24) -> bytes:
            data: bytes = receive(most)
            try:
                parsed = self.request.FromString(data)
            except DecodeError:
                return data
            if b"\x81\x80" in data:
                parsed.sequence += 1
            return bytes(parsed.SerializeToString())

        connection.receive = canonical
        super().loop(connection)


broken("G-3", "refuses fields that it does not know", base=Strict)
broken("G-1", "reads long varints wrongly", base=Picky, first="every-encoding-is-accepted")


def handled(member: Any, answered: Any) -> Any:
    """Return a `handle` that answers a kind of requests in its own way."""

    def made(self: Any, session: Any, request: Any) -> Any:
        if request.WhichOneof("request") == member:
            return self.response(sequence=request.sequence, error=answered())
        return own.handle(self, session, request)

    return made


broken(
    "H-10",
    "answers a request without a member with MALFORMED",
    handle=handled(None, lambda: failure("MALFORMED", "no member")),
    first="request-without-a-member-is-unsupported",
)


class UnknownAsNone(RightEnv):
    def handle(self, session: Any, request: Any) -> Any:
        if len(request.SerializeToString()) > 4 and request.WhichOneof("request") is None:
            error = failure("MALFORMED", "an unknown member")
            return self.response(sequence=request.sequence, error=error)
        return super().handle(session, request)


broken("H-10", "answers an unknown request with MALFORMED", base=UnknownAsNone)


def out_of(code: str = "OUT_OF_SEQUENCE", number: Any = None, closed: bool = False) -> Any:
    """Return an `out_of_sequence` that answers in another way."""

    def made(self: Any, session: Any, request: Any) -> Any:
        error = failure(code, "a wrong number", session_closed=closed)
        sequence = request.sequence if number is None else number
        return self.response(sequence=sequence, error=error)

    return made


broken("Q-5", "answers a gap with MALFORMED", out_of_sequence=out_of("MALFORMED"))
broken("Q-5", "answers a wrong number with sequence 0", out_of_sequence=out_of(number=0))
broken("Q-5", "closes the session after a wrong number", out_of_sequence=out_of(closed=True))


class Lenient(RightEnv):
    def answer(self, session: Any, request: Any) -> Any:
        if request.sequence == 0:
            request.sequence = session.last + 1
        return super().answer(session, request)


class Old(RightEnv):
    def out_of_sequence(self, session: Any, request: Any) -> Any:
        if 0 < request.sequence < session.last:
            return self.response(sequence=request.sequence, reset={})
        return super().out_of_sequence(session, request)


class Jump(RightEnv):
    def out_of_sequence(self, session: Any, request: Any) -> Any:
        session.last = max(session.last, request.sequence - 3)
        return super().out_of_sequence(session, request)


class KeepsWrong(RightEnv):
    def out_of_sequence(self, session: Any, request: Any) -> Any:
        session.kept = super().out_of_sequence(session, request)
        return session.kept


broken("Q-5", "handles sequence 0", base=Lenient, first="number-0-is-out-of-sequence")
broken("Q-5", "answers an old number", base=Old)
broken("Q-5", "moves on after a wrong number", base=Jump)
broken(
    "Q-5",
    "keeps the answer to a wrong number",
    base=KeepsWrong,
    first="out-of-sequence-is-not-kept",
)


class AgainHandled(RightEnv):
    def repeat(self, session: Any, request: Any) -> Any:
        again = self.handle(session, request)
        again.call_us = 77
        return again


class Rereads(RightEnv):
    def repeat(self, session: Any, request: Any) -> Any:
        if request.WhichOneof("request") == "close":
            error = failure("MALFORMED", "another request than before")
            return self.response(sequence=request.sequence, error=error)
        return super().repeat(session, request)


class ForgetsErrors(RightEnv):
    def repeat(self, session: Any, request: Any) -> Any:
        if session.kept.HasField("error"):
            error = failure("OUT_OF_SEQUENCE", "the error is gone")
            return self.response(sequence=request.sequence, error=error)
        return super().repeat(session, request)


broken(
    "Q-4", "handles a repetition again", base=AgainHandled, first="repetition-has-the-kept-answer"
)
broken("Q-4", "compares a repetition with the request", base=Rereads)
broken("Q-6", "keeps no errors", base=ForgetsErrors)


class NamelessEnd(RightEnv):
    def unreadable(self, connection: Any) -> None:
        connection.refuse(failure("INTERNAL", "cannot parse"))


class GoesOn(RightEnv):
    def loop(self, connection: Any) -> None:
        receive = connection.receive

        def parsed(most: int = 1 << 24) -> bytes:
            while True:
                data: bytes = receive(most)
                try:
                    self.request.FromString(data)
                    return data
                except DecodeError:
                    error = failure("MALFORMED", "cannot parse", session_closed=True)
                    connection.send(self.response(error=error))

        connection.receive = parsed
        super().loop(connection)


class EndsSession(RightEnv):
    def unreadable(self, connection: Any) -> None:
        self.end_session(connection.session)
        super().unreadable(connection)


broken("Q-8", "answers what it cannot parse with INTERNAL", base=NamelessEnd)
broken(
    "Q-8",
    "goes on after what it cannot parse",
    base=GoesOn,
    first="unreadable-frame-ends-the-stream",
)
broken("Q-9", "ends the session with a connection error", base=EndsSession)
broken(
    "N-3",
    "answers a second open with UNSUPPORTED",
    second_open=lambda self: failure("UNSUPPORTED", "the session is open"),
)

# Resume.


class Forgetful(RightEnv):
    def lost(self, connection: Any) -> None:
        if connection.session is not None and connection.session.connection is connection:
            self.end_session(connection.session)


# Q-4 is judged before §6, and a server that never resumes cannot be judged by it.
broken("R-3", "closes a session with its connection", base=Forgetful)


def resumed(**fields: Any) -> Any:
    """Return a `resumed` with other fields; None leaves one out."""

    def made(self: Any, session: Any) -> Any:
        found = {**own.resumed(self, session), **fields}
        return {name: value for name, value in found.items() if value is not None}

    return made


broken("R-7", "resumes with a wrong received_sequence", resumed=resumed(received_sequence=9))
broken(
    "R-7",
    "sends the contract with a resume",
    resumed=lambda self, session: {**own.resumed(self, session), **self.served()},
)
broken("R-7", "resumes without terms", resumed=resumed(terms=None))


class AnyKey(RightEnv):
    def find(self, resume: Any) -> Any:
        return self.sessions.get(resume.session_id)


class KeyPrefix(RightEnv):
    def find(self, resume: Any) -> Any:
        session = self.sessions.get(resume.session_id)
        if session is None or not resume.resume_key:
            return None
        return session if session.key.startswith(resume.resume_key) else None


broken("R-5", "resumes with any key", base=AnyKey, first="wrong-key-does-not-resume")
broken("R-5", "resumes with a part of the key", base=KeyPrefix, first="wrong-key-does-not-resume")


class AnyId(RightEnv):
    def find(self, resume: Any) -> Any:
        return next((s for s in self.sessions.values() if s.key == resume.resume_key), None)


broken("R-5", "finds a session by its key alone", base=AnyId, first="unknown-id-does-not-resume")


class Undead(RightEnv):
    ended: dict[str, Any]

    def end_session(self, session: Any) -> None:
        self.__dict__.setdefault("ended", {})[session.id] = session
        super().end_session(session)

    def find(self, resume: Any) -> Any:
        found = super().find(resume)
        ended = self.__dict__.get("ended", {}).get(resume.session_id)
        return found or (ended if ended and ended.key == resume.resume_key else None)


broken(
    "R-5", "resumes a session that was closed", base=Undead, first="closed-session-does-not-resume"
)


class Talkative(RightEnv):
    def unknown_session(self, resume: Any) -> Any:
        if resume.session_id in self.sessions:
            return failure("UNKNOWN_SESSION", "the key is wrong")
        return failure("UNKNOWN_SESSION", "there is no such session")


broken("R-5", "tells a wrong key from an unknown session", base=Talkative)


class OpensInstead(RightEnv):
    capabilities = ("QUEUE",)

    def resume(self, connection: Any, resume: Any) -> Any:
        header = self.request(open={"client": self.peer()}).open
        return self.new_session(connection, header, header)


broken("R-5", "opens a new session in place of one that cannot be resumed", base=OpensInstead)
broken(
    "R-6",
    "resumes for any request",
    may_await=lambda self, session, awaited: awaited >= 1,
    first="impossible-awaited-is-out-of-sequence",
)
broken(
    "R-6",
    "resumes for request 0",
    may_await=lambda self, s, awaited: awaited in (s.last, s.last + 1),
    first="awaited-0-is-refused-at-the-start",
)


class EndsRefused(RightEnv):
    def may_await(self, session: Any, awaited: int) -> bool:
        if awaited > session.last + 5 and session.connection is None:
            self.end_session(session)
        return super().may_await(session, awaited)


class CutsRefused(RightEnv):
    def wrong_awaited(self, session: Any) -> Any:
        if session.connection is not None:
            session.connection.cut()
        return super().wrong_awaited(session)


broken("R-6", "ends a session that it does not resume", base=EndsRefused)
broken(
    "R-6",
    "ends the connection of a session that it does not resume",
    base=CutsRefused,
    first="refused-resume-leaves-the-connection",
)


class KeepsBoth(RightEnv):
    def take_over(self, session: Any, older: Any) -> None:
        pass


broken("R-8", "leaves the older connection open", base=KeepsBoth)


class FirstHolds(RightEnv):
    def resume(self, connection: Any, resume: Any) -> Any:
        session = self.find(resume)
        if session is not None and session.connection is not None:
            return failure("WRONG_STATE", "the session has a connection")
        return super().resume(connection, resume)


broken("R-8", "refuses to resume a session that has a connection", base=FirstHolds)


class Closing(RightEnv):
    """Takes the end of the client's half as its Close."""

    def loop(self, connection: Any) -> None:
        try:
            super().loop(connection)
        except ConnectionResetError:
            raise
        except ConnectionError:
            self.end_session(connection.session)
            connection.end()


broken(
    "R-1", "closes a session that is half-closed", base=Closing, first="half-closed-stream-is-lost"
)


class Stale(RightEnv):
    """Keeps a session without a key after its connection is lost."""

    def lost(self, connection: Any) -> None:
        session = connection.session
        if session is None or session.key:
            super().lost(connection)


broken(
    "R-3",
    "keeps a session that cannot be resumed",
    base=Stale,
    first="session-without-resume-ends-with-its-connection",
)


class Renumbers(RightEnv):
    def answer(self, session: Any, request: Any) -> Any:
        if session.__dict__.pop("renumbered", False) and request.sequence == session.last + 1:
            return self.out_of_sequence(session, request)
        return super().answer(session, request)

    def resumed(self, session: Any) -> Any:
        session.renumbered = True
        return super().resumed(session)


broken(
    "R-9",
    "refuses the next request after a resume",
    base=Renumbers,
    first="session-goes-on-after-a-resume",
)


class Remembers(RightEnv):
    def resumed(self, session: Any) -> Any:
        session.awaits_reset = True
        return super().resumed(session)

    def answer(self, session: Any, request: Any) -> Any:
        awaits = session.__dict__.pop("awaits_reset", False)
        fresh = request.sequence == session.last + 1
        if awaits and fresh and not request.WhichOneof("request") and session.last == 1:
            return self.out_of_sequence(session, request)
        return super().answer(session, request)


broken(
    "R-9",
    "wants the same kind of request after a resume",
    base=Remembers,
    first="another-request-may-take-the-number",
)


class ResumesOnce(RightEnv):
    def resume(self, connection: Any, resume: Any) -> Any:
        session = self.find(resume)
        if session is not None and session.last == 1 and getattr(session, "resumed_at_1", False):
            return failure("UNKNOWN_SESSION", "it has been resumed before")
        refused = super().resume(connection, resume)
        if session is not None and session.last == 1:
            session.resumed_at_1 = True
        return refused


broken(
    "R-8",
    "resumes a session once for a request",
    base=ResumesOnce,
    first="last-of-two-resumes-holds",
)


class RefusesEarly(RightEnv):
    """Refuses a request that has come before the answer to the one before it."""

    def handle(self, session: Any, request: Any) -> Any:
        answer = super().handle(session, request)
        if request.WhichOneof("request") == "reset" and request.sequence == 1:
            time.sleep(0.01)
            session.connection._peer.setblocking(False)
            try:
                session.early = bool(session.connection._peer.recv(1, 2))  # MSG_PEEK
            except BlockingIOError:
                session.early = False
            session.connection._peer.setblocking(True)
        elif request.sequence == 2 and getattr(session, "early", False):
            error = failure("WRONG_STATE", "request 1 was not answered yet")
            return self.response(sequence=request.sequence, error=error)
        return answer


broken("Q-1", "refuses a request that comes early", base=RefusesEarly)


class Immortal(RightEnv):
    grace_ms = 300

    def expire(self, session: Any) -> None:
        """Keep the session for ever."""


broken("R-3", "keeps a session after its grace period", base=Immortal, first="grace-period-ends")


class Patient(RightEnv):
    idle_ms = 800

    def idle(self, session: Any) -> None:
        """Keep the session for ever."""


broken("R-14", "keeps a session that is idle", base=Patient)

# Frames.


class Impatient(RightEnv):
    """Reads a frame in one piece."""

    def loop(self, connection: Any) -> None:
        def exactly(size: int) -> bytes:
            data: bytes = connection._peer.recv(size)
            if len(data) < size:
                raise ConnectionError
            return data

        connection.exactly = exactly
        super().loop(connection)


broken("B-12", "reads a frame in one piece", base=Impatient)


class WaitsForAll(RightEnv):
    def check_length(self, size: int, most: int) -> None:
        if most <= self.MAX_FIRST_BYTES:
            super().check_length(size, most)


broken(
    "B-12",
    "waits for the content of a frame of any length",
    base=WaitsForAll,
    first="long-frame-is-refused-by-its-length",
)


class EndsAtPulses(RightEnv):
    def on_pulse(self, connection: Any) -> None:
        raise ConnectionError


broken(
    "B-13", "ends the connection at an empty frame", base=EndsAtPulses, first="pulses-are-ignored"
)


class AnswersLate(RightEnv):
    pulses = 0

    def on_pulse(self, connection: Any) -> None:
        self.pulses += 1
        if self.pulses == 4:
            error = failure("MALFORMED", "an empty request")
            connection.send(self.response(error=error))


broken("B-13", "answers an empty frame", base=AnswersLate, first="pulses-are-not-answered")


class ReadsHalf(RightEnv):
    """Handles the beginning of a frame that never ends."""

    def loop(self, connection: Any) -> None:
        def exactly(size: int) -> bytes:
            data = b""
            while len(data) < size:
                more = connection._peer.recv(size - len(data))
                if not more:
                    break
                data += more
            if not data:
                raise ConnectionError
            return data

        connection.exactly = exactly
        super().loop(connection)


broken(
    "R-1",
    "handles the beginning of a frame that never ends",
    base=ReadsHalf,
    first="half-a-frame-is-no-request",
)


class Few(RightEnv):
    held = 0

    def greet(self, connection: Any) -> bool:
        self.held += 1
        if self.held > 32:
            raise ConnectionError
        return super().greet(connection)

    def lost(self, connection: Any) -> None:
        self.held -= 1
        super().lost(connection)


broken("B-16", "takes 32 connections", base=Few, first="many-connections-are-taken")


class Shared(RightEnv):
    """Ends every connection if one of them sends what it cannot read."""

    def check_length(self, size: int, most: int) -> None:
        if size > most and size > 1 << 30:
            for session in list(self.sessions.values()):
                self.end_session(session)
                if session.connection is not None:
                    session.connection.cut()
        super().check_length(size, most)


broken("Y-8", "ends its sessions if a stranger sends a long length", base=Shared)
