"""Lost connections and resume: §6."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from rlmesh._conformance.connection import QUIET_S, described_answer, refused_with
from rlmesh._conformance.dialects import code_number
from rlmesh._conformance.findings import NotOffered, Unanswered, expect
from rlmesh._conformance.probe import Probe, Session
from rlmesh._conformance.registry import Stage, check

BOTH = "env model"


@check("R-3", "RESUME", peers=BOTH, stage=Stage.STEP)
def session_outlives_its_connection(probe: Probe) -> None:
    """Let a session be resumed after its connection is lost."""
    session = probe.open()
    session.do()
    session.lose()
    time.sleep(QUIET_S)  # Otherwise the server might not know of the loss yet.
    session.must_resume(2)


@check("R-9", "RESUME", peers=BOTH, stage=Stage.STEP)
def session_goes_on_after_a_resume(probe: Probe) -> None:
    """Handle the next request after a resume."""
    session = probe.open()
    session.do()
    session.lose()
    session.resume(2)
    session.must(probe.dialect.plain)


@check("R-9", "RESUME", peers=BOTH, stage=Stage.STEP)
def another_request_may_take_the_number(probe: Probe) -> None:
    """Accept any request under the awaited number if it has received none with it."""
    session = probe.open()
    session.do()
    session.lose()
    session.resume(2)
    session.last = 2
    # One without a member is answered with an error of its own.
    answer = session.connection.exchange(probe.dialect.request(sequence=2))
    taken = answer.error.code != code_number("OUT_OF_SEQUENCE")
    expect(taken, "another error than OUT_OF_SEQUENCE", described_answer(answer))


@check("R-8", "RESUME", peers=BOTH, stage=Stage.STEP)
def resume_takes_over(probe: Probe) -> None:
    """Move a session to the connection that resumes it, and end the older one."""
    session = probe.open()
    session.do()
    older = session.connection
    session.must_resume(2)
    session.must(probe.dialect.plain)
    older.end()


@check("R-8", "RESUME", "grpc", peers=BOTH, stage=Stage.STEP)
def older_stream_is_aborted(probe: Probe) -> None:
    """End the stream that is taken over with ABORTED or CANCELLED."""
    session = probe.open()
    session.do()
    older = session.connection
    session.resume(2)
    status = older.end()
    expect(status in ("ABORTED", "CANCELLED"), "ABORTED or CANCELLED", status)


@check("R-8", "RESUME", peers=BOTH, stage=Stage.STEP)
def last_of_two_resumes_holds(probe: Probe) -> None:
    """Let the last one of two resumes at once hold the session."""
    session = probe.open()
    session.do()
    session.lose()
    session.resume(2)
    first = session.connection
    session.must_resume(2)
    first.end()
    session.must(probe.dialect.plain)


@check("R-7", "RESUME", peers=BOTH, stage=Stage.STEP)
def resume_reports_the_last_number(probe: Probe) -> None:
    """Send with a resume the highest number that it has received."""
    session = probe.open()
    for _ in range(3):
        session.do()
    session.lose()
    received = session.resume(4).header.received_sequence
    expect(received == 3, "received_sequence 3", received)


@check("R-7", "RESUME", peers=BOTH, stage=Stage.STEP)
def resume_has_the_session_but_no_contract(probe: Probe) -> None:
    """Send with a resume the session's id, a key and terms, and no contract."""
    session = probe.open()
    session.do()
    session.lose()
    opened = session.resume(2)
    header, name = opened.header, session.header.session_id
    expect(header.session_id == name, name, header.session_id)
    expect(header.resume_key, "a resume_key", "none")
    expect(header.HasField("terms"), "terms", "none")
    served = "contract" if probe.dialect.name == "env" else "spec"
    expect(not opened.HasField(served), f"no {served}", f"a {served}")


def _lost(probe: Probe) -> Session:
    session = probe.open()
    session.do()
    session.lose()
    return session


def _refused_resume(session: Session, code: str, *given: Any, **named: Any) -> Any:
    """Send a resume that has to be refused; return the Failure."""
    connection, answer = session.resume_with(*given, **named)
    failure = refused_with(answer, code, closed=True)
    expect(answer.sequence == 0, "sequence 0", described_answer(answer))
    connection.end()
    return failure


@check("R-5", "RESUME", peers=BOTH, stage=Stage.STEP)
def wrong_key_does_not_resume(probe: Probe) -> None:
    """Answer a resume with a wrong key with UNKNOWN_SESSION."""
    session = _lost(probe)
    for key in (bytes(len(session.key)), session.key[:-1], session.key + b"\0", b""):
        _refused_resume(session, "UNKNOWN_SESSION", 2, key)


@check("R-5", "RESUME", peers=BOTH, stage=Stage.STEP)
def unknown_id_does_not_resume(probe: Probe) -> None:
    """Answer a resume of a session that never was with UNKNOWN_SESSION."""
    session = _lost(probe)
    _refused_resume(session, "UNKNOWN_SESSION", 2, name="no-such-session")


@check("R-5", "-RESUME", peers=BOTH, stage=Stage.STEP)
def resume_without_resume_is_unknown(probe: Probe) -> None:
    """Answer a resume with UNKNOWN_SESSION although it does not list RESUME."""
    session = _lost(probe)
    _refused_resume(session, "UNKNOWN_SESSION", 2, bytes(16))


@check("R-5", "RESUME", peers=BOTH, stage=Stage.STEP)
def closed_session_does_not_resume(probe: Probe) -> None:
    """Answer a resume of a session that has been closed with UNKNOWN_SESSION."""
    session = probe.open()
    session.do()
    session.finish()
    _refused_resume(session, "UNKNOWN_SESSION", session.last + 1)


@check("R-5", "RESUME", peers=BOTH, stage=Stage.STEP)
def refused_resumes_look_alike(probe: Probe) -> None:
    """Send the same error for a wrong key as for an unknown session."""
    session = _lost(probe)
    wrong = _refused_resume(session, "UNKNOWN_SESSION", 2, bytes(len(session.key)))
    unknown = _refused_resume(session, "UNKNOWN_SESSION", 2, name="no-such-session")
    # The id is the client's own text, so that a message may have it.
    wrong.message = wrong.message.replace(session.header.session_id, "no-such-session")
    expect(wrong == unknown, f"the same error as {unknown.message!r}", repr(wrong.message))


@check("R-6", "RESUME", peers=BOTH, stage=Stage.STEP)
def impossible_awaited_is_out_of_sequence(probe: Probe) -> None:
    """Answer a resume for a request that it cannot await with OUT_OF_SEQUENCE."""
    session = probe.open()
    for _ in range(3):
        session.do()
    session.lose()
    for awaited in (0, 1, 2, 5):
        _refused_resume(session, "OUT_OF_SEQUENCE", awaited)


@check("R-6", "RESUME", peers=BOTH, stage=Stage.STEP)
def awaited_0_is_refused_at_the_start(probe: Probe) -> None:
    """Refuse a resume for request 0 of a session without a numbered request."""
    session = probe.open()
    # The connection stays, because a server may drop such a session with it.
    connection, answer = session.resume_with(0)
    refused_with(answer, "OUT_OF_SEQUENCE")
    connection.cut()


@check("R-6", "RESUME", peers=BOTH, stage=Stage.STEP)
def refused_resume_leaves_the_session(probe: Probe) -> None:
    """Leave a session as it was after a resume that is refused."""
    session = _lost(probe)
    _refused_resume(session, "OUT_OF_SEQUENCE", 9)
    session.must_resume(2)


@check("R-6", "RESUME", peers=BOTH, stage=Stage.STEP)
def refused_resume_leaves_the_connection(probe: Probe) -> None:
    """Leave a session on its connection after a resume that is refused."""
    session = probe.open()
    session.do()
    own = session.connection
    _refused_resume(session, "OUT_OF_SEQUENCE", 9)
    session.connection = own
    session.must(probe.dialect.plain)


@check("R-1", "RESUME", "frames", "plain", peers=BOTH, stage=Stage.STEP)
def half_closed_stream_is_lost(probe: Probe) -> None:
    """Keep a session if the client half-closes its stream before Close."""
    session = probe.open()
    session.do()
    session.connection.stream.half_close()
    session.connection.end()
    session.must_resume(2)


@check("R-3", peers="env", stage=Stage.STEP)
def session_without_resume_ends_with_its_connection(probe: Probe) -> None:
    """Close a session at once if its connection is lost and RESUME was not agreed."""
    session = probe.open(capabilities=())
    session.do()
    session.over = True
    session.connection.cut()
    probe.try_open(capabilities=())


@check("R-14", peers=BOTH, stage=Stage.STEP)
def silent_session_ends(probe: Probe) -> None:
    """Close a session without a request after `idle_timeout_ms`."""
    idle = probe.described.terms.idle_timeout_ms / 1000
    if not 0 < idle <= 2:
        raise NotOffered("no idle_timeout_ms of at most 2 s")
    session = probe.open()
    session.do()
    with contextlib.suppress(Unanswered):
        refused_with(session.connection.answer(idle + probe.target.timeout), "TIMEOUT")
    session.over = True


@check("R-3", "RESUME", peers=BOTH, stage=Stage.STEP)
def grace_period_ends(probe: Probe) -> None:
    """Close a lost session when its grace period is over."""
    session = probe.open()
    grace = session.header.terms.grace_period_ms / 1000
    if not 0 < grace <= 2:
        raise NotOffered("no grace period of at most 2 s")
    session.do()
    session.lose()
    time.sleep(grace + 0.5)
    _refused_resume(session, "UNKNOWN_SESSION", 2)
