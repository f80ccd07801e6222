"""Frames alone: B-12, B-13, B-15, B-16, and the limits of frames."""

from __future__ import annotations

import contextlib
import struct
import time

from rlmesh_proto.session.v1 import frames_pb2

from rlmesh._conformance.connection import QUIET_S, Connection, refused_with
from rlmesh._conformance.findings import Failed, expect
from rlmesh._conformance.probe import Probe
from rlmesh._conformance.registry import Level, Stage, check
from rlmesh._conformance.streams import Ended, Silent

BOTH = "env model"


def _raw(probe: Probe) -> Connection:
    """Return a connection of frames before its first message."""
    return probe.adopt(probe.target.connect_frames())


def _refused_hello(probe: Probe, hello: bytes, code: str) -> object:
    connection = _raw(probe)
    connection.send(hello)
    answer = connection.answer()
    failure = refused_with(answer, code, closed=True)
    expect(answer.sequence == 0, "sequence 0", answer.sequence)
    connection.end()
    return failure


@check("B-16", "frames", peers=BOTH, stage=Stage.OPEN)
def long_hello_is_malformed(probe: Probe) -> None:
    """Answer a FramesHello of more than 8,192 bytes with MALFORMED."""
    hello = frames_pb2.FramesHello(service=probe.dialect.service, token="x" * 9000)
    _refused_hello(probe, hello.SerializeToString(), "MALFORMED")


@check("B-16", "frames", peers=BOTH, stage=Stage.OPEN)
def other_hello_is_malformed(probe: Probe) -> None:
    """Answer a first message that is no FramesHello with MALFORMED."""
    _refused_hello(probe, b"\x0a\xffGET / HTTP/1.1", "MALFORMED")


@check("B-16", "frames", peers=BOTH, stage=Stage.OPEN)
def other_service_is_unsupported(probe: Probe) -> None:
    """Answer a service that it does not have with UNSUPPORTED."""
    hello = frames_pb2.FramesHello(service="rlmesh.proto.other.v1.X", token=probe.target.token)
    _refused_hello(probe, hello.SerializeToString(), "UNSUPPORTED")


@check("B-16", "frames", peers=BOTH, stage=Stage.OPEN)
def refused_service_names_the_right_one(probe: Probe) -> None:
    """Name in UNSUPPORTED the path `service`, and its services in `choices`."""
    hello = frames_pb2.FramesHello(service="x", token=probe.target.token)
    failure = _refused_hello(probe, hello.SerializeToString(), "UNSUPPORTED")
    path, choices = failure.path, list(failure.choices)  # type: ignore[attr-defined]
    expect(path == "service", "path service", path)
    expect(probe.dialect.service in choices, probe.dialect.service, choices)


@check("B-16", "frames", "token", peers=BOTH, stage=Stage.OPEN)
def token_is_checked_before_the_service(probe: Probe) -> None:
    """Check the token before the service."""
    hello = frames_pb2.FramesHello(service="x", token="wrong")
    _refused_hello(probe, hello.SerializeToString(), "UNAUTHENTICATED")


@check("B-15", "frames", peers=BOTH, stage=Stage.OPEN)
def described_connection_ends(probe: Probe) -> None:
    """End the connection after the answer to `describe`."""
    connection = probe.connect()
    answer = connection.exchange(probe.dialect.request(describe={}))
    expect(answer.WhichOneof("response") == "describe", "describe", answer.WhichOneof("response"))
    connection.end()


@check("B-12", "frames", peers=BOTH, stage=Stage.STEP)
def pieces_are_joined(probe: Probe) -> None:
    """Read a frame that comes byte by byte."""
    session = probe.open()
    message = probe.numbered(1).SerializeToString()
    for byte in struct.pack("<I", len(message)) + message:
        session.connection.frames.send_raw(bytes([byte]))
        time.sleep(0.001)
    session.last = 1
    answer = session.connection.answer()
    member = answer.WhichOneof("response")
    expect(member == probe.dialect.plain, probe.dialect.plain, member)


@check("B-12", "frames", peers=BOTH, stage=Stage.STEP)
def long_frame_is_refused_by_its_length(probe: Probe) -> None:
    """Close a connection that announces a frame over the limit, before its content comes."""
    session = probe.open()
    limit = session.header.terms.max_message_bytes or 1 << 28
    session.connection.frames.send_raw(struct.pack("<I", min(limit + 1, 2**31 - 1)))
    session.lost = True
    with contextlib.suppress(Failed):
        session.connection.answer()  # It may say why.
    try:
        session.connection.stream.receive(probe.target.timeout)
    except Ended:
        return
    raise Failed("a closed connection", "an open one")


@check("Y-8", "frames", peers=BOTH, stage=Stage.STEP)
def others_survive_a_hostile_client(probe: Probe) -> None:
    """Serve a session while other connections send nonsense, half frames, and long lengths."""
    session = probe.open()
    session.do()
    hello = frames_pb2.FramesHello(service=probe.dialect.service, token=probe.target.token)
    greeted = struct.pack("<I", hello.ByteSize()) + hello.SerializeToString()
    for data in (b"\xff" * 64, b"\x10", greeted + b"\xff\xff\xff\x7f", greeted + b"\4\0\0\0\xff"):
        other = _raw(probe)
        with contextlib.suppress(Failed, Ended, Silent):
            other.frames.send_raw(data)
            deadline = time.monotonic() + probe.target.timeout
            while time.monotonic() < deadline:  # Until the server has read it.
                other.frames.receive(QUIET_S)
        other.cut()
    session.must(probe.dialect.plain)


@check("B-13", "frames", "tcp", peers=BOTH, stage=Stage.STEP)
def pulses_are_ignored(probe: Probe) -> None:
    """Ignore empty frames."""
    session = probe.open()
    for _ in range(3):
        session.connection.frames.send_raw(bytes(4))
        session.must(probe.dialect.plain)


@check("B-13", "frames", "tcp", peers=BOTH, stage=Stage.STEP)
def pulses_are_not_answered(probe: Probe) -> None:
    """Answer no empty frame."""
    session = probe.open()
    session.do()
    session.connection.frames.send_raw(bytes(4))
    session.connection.expect_quiet("no answer to a pulse")


@check("R-1", "frames", "plain", "RESUME", peers=BOTH, stage=Stage.STEP)
def half_a_frame_is_no_request(probe: Probe) -> None:
    """Handle no request of which the end never comes."""
    session = probe.open()
    session.do()
    message = probe.numbered(2).SerializeToString()
    data = struct.pack("<I", len(message) + 5) + message
    session.connection.frames.send_raw(data)
    session.connection.stream.half_close()
    session.lost = True
    received = session.resume(2).header.received_sequence
    expect(received == 1, "received_sequence 1", received)


@check("B-16", "frames", peers=BOTH, level=Level.SHOULD, stage=Stage.STEP)
def many_connections_are_taken(probe: Probe) -> None:
    """Take 64 connections at once, and serve the last one."""
    for _ in range(63):
        probe.connect()
    probe.describe()


@check("B-16", "frames", peers="env", stage=Stage.OPEN)
def long_first_request_is_refused(probe: Probe) -> None:
    """Serve no first request of more than 65,536 bytes."""
    connection = probe.connect()
    request = probe.open_request()
    request.open.client.name = "x" * 70_000
    try:
        connection.send(request)
        answer = connection.answer()
    except Failed:
        return  # A closed connection is an answer too.
    if answer.WhichOneof("response") == "open":
        probe.session(connection, answer.open)
        raise Failed("no session", "an open one")
