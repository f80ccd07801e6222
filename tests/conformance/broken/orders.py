"""Servers that break rules of order, resume and framing: §5, §6 and B-12 to B-13."""

from __future__ import annotations

import threading
from typing import Any

from google.protobuf.message import DecodeError

from rlmesh._conformance.checks.order import NO_TEXT, TEXT
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
            # A busy machine may hold the client up between two requests, so that each of the
            # first four waits for the next one: one pair out of order is enough.
            if requests[0].sequence <= 4 and connection.has_more(0.03):
                requests.append(self.request.FromString(connection.receive()))
            answers = [self.answer(session, request) for request in requests]
            ends = answers[-1].WhichOneof("response") == "close"
            if ends:
                # A client may resume as soon as it has the answer.
                self.end_session(session)
            for answer in reversed(answers):
                connection.send(answer)
            if ends:
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


class AnyText(RightEnv):
    def first_request(self, connection: Any) -> None:
        receive = connection.receive
        connection.receive = lambda *limit: receive(*limit).replace(NO_TEXT, TEXT)
        super().first_request(connection)


broken("G-7", "takes text that is no UTF-8", base=AnyText)
broken(
    "N-3",
    "answers a second open with UNSUPPORTED",
    second_open=lambda self: failure("UNSUPPORTED", "the session is open"),
)
