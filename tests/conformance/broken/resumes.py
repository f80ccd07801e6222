"""Servers that break rules of lost connections and resume: §6."""

from __future__ import annotations

from typing import Any

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.registry import broken

own = RightEnv


class Forgetful(RightEnv):
    def lost(self, connection: Any) -> None:
        if connection.session is not None and connection.session.connection is connection:
            self.end_session(connection.session)


# Q-4 is judged before §6, and a server that never resumes cannot be judged by it.
broken("R-3", "closes a session with its connection", base=Forgetful)


def resumed_header(**fields: Any) -> Any:
    """Return a `resumed_header` with other fields; None leaves one out."""

    def made(self: Any, session: Any) -> Any:
        found = {**own.resumed_header(self, session), **fields}
        return {name: value for name, value in found.items() if value is not None}

    return made


broken(
    "R-7",
    "resumes with a wrong received_sequence",
    resumed_header=resumed_header(received_sequence=9),
)
broken(
    "R-7",
    "sends the contract with a resume",
    resumed=lambda self, session: {**own.resumed(self, session), **self.served()},
)
broken("R-7", "resumes without terms", resumed_header=resumed_header(terms=None))


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
        connection = session.connection
        lost = connection is None or connection.has_ended()
        if awaited > session.last + 5 and lost:
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
        older = None if session is None else session.connection
        if older is not None and not older.has_ended():
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
        if session is not None and session.last == 1:
            session.resumed_at_1 = True
        return super().resume(connection, resume)


broken(
    "R-8",
    "resumes a session once for a request",
    base=ResumesOnce,
    first="last-of-two-resumes-holds",
)


class RefusesEarly(RightEnv):
    """Refuses a request that has come before the answer to the one before it."""

    def handle(self, session: Any, request: Any) -> Any:
        early = getattr(session, "early", False)
        session.early = False
        if early:
            error = failure("WRONG_STATE", "the request before was not answered yet")
            return self.response(sequence=request.sequence, error=error)
        answer = super().handle(session, request)
        # Any of the first four may have the next one behind it: see Backwards.
        session.early = request.sequence <= 4 and session.connection.has_more(0.03)
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
