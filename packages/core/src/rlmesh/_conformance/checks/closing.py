"""The end of sessions, and the holder of an instance: §7."""

from __future__ import annotations

import contextlib
import time

from rlmesh_proto.session.v1 import handshake_pb2

from rlmesh._conformance.connection import QUIET_S, Connection, described_answer, refused_with
from rlmesh._conformance.findings import Blocked, Failed, NotOffered, expect
from rlmesh._conformance.probe import Probe
from rlmesh._conformance.registry import Stage, check

BOTH = "env model"


@check("K-1", peers=BOTH, stage=Stage.STEP)
def close_is_answered(probe: Probe) -> None:
    """Answer `close` with CloseResponse, or with the exception of the environment's close."""
    session = probe.open()
    session.do()
    answer = session.ask("close")
    if answer.WhichOneof("response") != "close":
        refused_with(answer, "USER_EXCEPTION", closed=True)


@check("K-1", peers=BOTH, stage=Stage.STEP)
def close_ends_the_stream(probe: Probe) -> None:
    """End the stream after CloseResponse."""
    session = probe.open()
    session.do("close")
    session.connection.end()


@check("B-10", "grpc", peers=BOTH, stage=Stage.STEP)
def closed_stream_ends_with_ok(probe: Probe) -> None:
    """End the stream after CloseResponse with status OK."""
    session = probe.open()
    session.do("close")
    status = session.connection.end()
    expect(status == "OK", "OK", status)


@check("K-1", peers="env", stage=Stage.STEP)
def close_frees_the_instance(probe: Probe) -> None:
    """Let another session open as soon as `close` is answered."""
    session = probe.open()
    for _ in range(3):
        session.do("close")
        session.connection.stream.half_close()
        connection = probe.connect()
        answer = connection.exchange(probe.open_request())
        if answer.WhichOneof("response") != "open":
            raise Failed("open", described_answer(answer))
        session = probe.session(connection, answer.open)


def _full(probe: Probe) -> None:
    """Open sessions until the next one is refused as busy; that one is not taken.

    Raises:
        Blocked: If the server takes more than the kit tries.
    """
    for _ in range(_MANY):
        connection = probe.connect()
        answer = connection.exchange(probe.open_request())
        if answer.WhichOneof("response") != "open":
            refused_with(answer, "BUSY")
            return
        probe.session(connection, answer.open)
    raise Blocked(f"it opened {_MANY} sessions, and was not busy")


def _leave(connection: Connection) -> None:
    """Leave the queue; otherwise the client that is gone would get the next free instance."""
    connection.cut()
    time.sleep(_LEAVE_S)


_LEAVE_S = 0.5
"""Seconds in which a server should notice that a client has left the queue."""

_MANY = 8
"""Number of sessions that are opened at most to find a busy server."""


def _begin_full(probe: Probe) -> None:
    """Wait until the sessions of earlier checks have ended, and hold every instance."""
    probe.open()
    _full(probe)


@check("K-4", peers="env", stage=Stage.STEP)
def held_instance_is_busy(probe: Probe) -> None:
    """Answer a new session with BUSY while every instance is held."""
    _begin_full(probe)
    answer = probe.connect().exchange(probe.open_request())
    refused_with(answer, "BUSY", closed=True)
    expect(answer.sequence == 0, "sequence 0", described_answer(answer))


@check("K-4", peers="env", stage=Stage.STEP)
def busy_names_the_holder(probe: Probe) -> None:
    """Name the client that holds the instance in BUSY."""
    _begin_full(probe)
    failure = refused_with(probe.connect().exchange(probe.open_request()), "BUSY")
    expect(failure.HasField("holder"), "holder", "none")
    expect(failure.holder.client_name, "holder.client_name", "an empty one")


@check("K-5", "QUEUE", peers="env", stage=Stage.STEP)
def queue_waits(probe: Probe) -> None:
    """Leave an `open` with `wait_ms` unanswered while every instance is held."""
    holder = probe.open()
    _full(probe)
    connection = probe.connect()
    connection.send(probe.open_request(wait_ms=30_000))
    connection.expect_quiet("no answer while the instance is held")
    holder.finish()
    with contextlib.suppress(Failed):  # What it is answered then is the subject of a later check.
        answer = connection.answer()
        if answer.WhichOneof("response") == "open":
            probe.session(connection, answer.open)


@check("K-5", "QUEUE", peers="env", stage=Stage.STEP)
def queue_ends_with_busy(probe: Probe) -> None:
    """Answer BUSY when `wait_ms` has passed."""
    _begin_full(probe)
    began = time.monotonic()
    answer = probe.connect().exchange(probe.open_request(wait_ms=250))
    refused_with(answer, "BUSY")
    # A peer's clock may run a little faster than the kit's.
    waited = time.monotonic() - began
    expect(waited > 0.2, "BUSY after 250 ms", f"BUSY after {1000 * waited:.0f} ms")


@check("K-5", "QUEUE", peers="env", stage=Stage.STEP)
def queue_gives_a_free_instance(probe: Probe) -> None:
    """Open the session of a client that waits as soon as an instance is free."""
    holder = probe.open()
    _full(probe)
    connection = probe.connect()
    connection.send(probe.open_request(wait_ms=30_000))
    time.sleep(QUIET_S)
    holder.finish()
    answer = connection.answer()
    if answer.WhichOneof("response") != "open":
        raise Failed("open", described_answer(answer))
    probe.session(connection, answer.open)


@check("K-5", "QUEUE", peers="env", stage=Stage.STEP)
def client_leaves_the_queue(probe: Probe) -> None:
    """Drop a client from the queue that has ended its stream."""
    holder = probe.open()
    _full(probe)
    for _ in range(3):
        left = probe.connect()
        left.send(probe.open_request(wait_ms=60_000))
        time.sleep(0.02)
        left.cut()
    time.sleep(_LEAVE_S)
    holder.finish()
    probe.try_open()


@check("K-6", "QUEUE", "RESUME", peers="env", stage=Stage.STEP)
def resume_does_not_wait(probe: Probe) -> None:
    """Answer a resume at once while others wait in the queue."""
    session = probe.open()
    session.do()
    _full(probe)
    waiting = probe.connect()
    waiting.send(probe.open_request(wait_ms=20_000))
    time.sleep(QUIET_S)
    session.lose()
    resume = handshake_pb2.Resume(
        session_id=session.header.session_id, resume_key=session.key, awaited_sequence=2
    )
    connection = probe.connect()
    answer = connection.exchange(probe.open_request(resume=resume, wait_ms=20_000))
    if answer.WhichOneof("response") != "open":
        raise Failed("open", described_answer(answer))
    session.connection, session.lost = connection, False
    _leave(waiting)


@check("K-3", "RESUME", peers="env", stage=Stage.STEP)
def lost_session_holds_its_instance(probe: Probe) -> None:
    """Keep the instance of a session in its grace period from other sessions."""
    session = probe.open()
    session.do()
    if session.header.terms.grace_period_ms < 3000:
        raise NotOffered("no grace period of 3 s or more")
    _full(probe)
    session.lose()
    time.sleep(QUIET_S)
    refused_with(probe.connect().exchange(probe.open_request()), "BUSY")


@check("K-8", "grpc", peers=BOTH, stage=Stage.STEP)
def shutdown_is_off(probe: Probe) -> None:
    """Answer `Shutdown` with PERMISSION_DENIED or UNIMPLEMENTED unless it is switched on."""
    status, _, _ = probe.target.call(probe.dialect.service, "Shutdown", b"\x08\xc0\x84\x3d")
    allowed = ("PERMISSION_DENIED", "UNIMPLEMENTED")
    expect(status in allowed, "PERMISSION_DENIED or UNIMPLEMENTED", status)
