"""Numbers of requests, repetitions, and frames that cannot be read: §5, and parts of §1."""

from __future__ import annotations

from rlmesh._conformance.connection import described_answer, refused_with
from rlmesh._conformance.dialects import code_name
from rlmesh._conformance.findings import Failed, Unanswered, expect
from rlmesh._conformance.probe import Probe, Session
from rlmesh._conformance.registry import Level, Stage, check
from rlmesh._conformance.streams import Ended

BOTH = "env model"

UNKNOWN_FIELD = b"\xa2\x38\x03abc"
"""Field 900 with three bytes, which no message has."""

UNREADABLE = b"\x08"
"""A tag without its content."""

TEXT, NO_TEXT = b"check-utf-8", b"check\xff\xfe-\xc3("
"""A text, and bytes of the same number that are no valid UTF-8."""


@check("Q-2", peers=BOTH, stage=Stage.STEP)
def answers_have_the_number_of_their_request(probe: Probe) -> None:
    """Answer each request with its own sequence number."""
    session = probe.open()
    for number in (1, 2, 3):
        answer = session.connection.exchange(probe.numbered(number))
        session.last = number
        expect(answer.sequence == number, f"sequence {number}", described_answer(answer))


@check("Q-2", peers=BOTH, stage=Stage.STEP)
def one_answer_for_a_request(probe: Probe) -> None:
    """Answer each request once."""
    session = probe.open()
    session.do()
    session.connection.expect_quiet("no second answer")


@check("Q-2", peers=BOTH, stage=Stage.STEP)
def early_requests_are_answered_in_order(probe: Probe) -> None:
    """Answer requests in order, also those that have come early."""
    session = probe.open()
    for _ in range(5):
        session.send()
    numbers = [session.connection.answer().sequence for _ in range(5)]
    expect(numbers == [1, 2, 3, 4, 5], "1, 2, 3, 4, 5", numbers)


@check("G-3", peers=BOTH, stage=Stage.STEP)
def unknown_fields_are_ignored(probe: Probe) -> None:
    """Ignore fields that it does not know."""
    session = probe.open()
    request = probe.numbered(1)
    getattr(request, probe.dialect.plain).MergeFromString(UNKNOWN_FIELD)
    answer = session.connection.exchange(request.SerializeToString() + UNKNOWN_FIELD)
    session.last = 1
    expect(
        answer.WhichOneof("response") == probe.dialect.plain, "an answer", described_answer(answer)
    )


@check("G-1", peers=BOTH, stage=Stage.STEP)
def every_encoding_is_accepted(probe: Probe) -> None:
    """Accept fields in any order, a field that comes twice, and long varints."""
    session = probe.open()
    member = probe.numbered(0).SerializeToString()
    # The last one of two counts; 1 may be written with more bytes than it needs.
    answer = session.connection.exchange(member + b"\x08\x63" + b"\x08\x81\x80\x80\x00")
    session.last = 1
    expect(answer.sequence == 1, "sequence 1", described_answer(answer))
    expect(
        answer.WhichOneof("response") == probe.dialect.plain, "an answer", described_answer(answer)
    )


@check("H-10", peers=BOTH, stage=Stage.STEP)
def request_without_a_member_is_unsupported(probe: Probe) -> None:
    """Answer a request without a member of the oneof with UNSUPPORTED, and go on."""
    session = probe.open()
    session.last = 1
    answer = session.connection.exchange(probe.dialect.request(sequence=1))
    refused_with(answer, "UNSUPPORTED", closed=False)
    session.must(probe.dialect.plain)


@check("H-10", peers=BOTH, stage=Stage.STEP)
def unknown_request_is_unsupported(probe: Probe) -> None:
    """Answer a member that it does not know, a private one included, with UNSUPPORTED."""
    session = probe.open()
    for member in (b"\xa2\x38\x00", b"\xe2\x5d\x00"):  # Members 900 and 1500.
        session.last += 1
        head = probe.dialect.request(sequence=session.last).SerializeToString()
        refused_with(session.connection.exchange(head + member), "UNSUPPORTED", closed=False)


@check("Q-5", peers=BOTH, stage=Stage.STEP)
def gap_is_out_of_sequence(probe: Probe) -> None:
    """Answer a number that is too high with OUT_OF_SEQUENCE."""
    session = probe.open()
    session.do()
    refused_with(session.connection.exchange(probe.numbered(5)), "OUT_OF_SEQUENCE", closed=False)


@check("Q-5", peers=BOTH, stage=Stage.STEP)
def out_of_sequence_has_the_number_of_the_request(probe: Probe) -> None:
    """Answer OUT_OF_SEQUENCE with the request's own number."""
    session = probe.open()
    session.do()
    answer = session.connection.exchange(probe.numbered(5))
    refused_with(answer, "OUT_OF_SEQUENCE")
    expect(answer.sequence == 5, "sequence 5", described_answer(answer))


@check("Q-5", peers=BOTH, stage=Stage.STEP)
def number_0_is_out_of_sequence(probe: Probe) -> None:
    """Answer sequence 0 after Open with OUT_OF_SEQUENCE."""
    session = probe.open()
    refused_with(session.connection.exchange(probe.numbered(0)), "OUT_OF_SEQUENCE", closed=False)


@check("Q-5", peers=BOTH, stage=Stage.STEP)
def old_number_is_out_of_sequence(probe: Probe) -> None:
    """Answer a number below the last one with OUT_OF_SEQUENCE."""
    session = probe.open()
    for _ in range(3):
        session.do()
    refused_with(session.connection.exchange(probe.numbered(1)), "OUT_OF_SEQUENCE", closed=False)


@check("Q-5", peers=BOTH, stage=Stage.STEP)
def session_goes_on_after_out_of_sequence(probe: Probe) -> None:
    """Serve the next number after a wrong one."""
    session = probe.open()
    session.do()
    refused_with(session.connection.exchange(probe.numbered(9)), "OUT_OF_SEQUENCE")
    session.must(probe.dialect.plain)


def _repeated(probe: Probe, session: Session, request: object) -> object:
    """Lose the connection, resume for the last request, send one, and return the answer."""
    session.lose()
    session.resume(session.last)
    return session.connection.exchange(request)


@check("Q-4", "RESUME", peers=BOTH, stage=Stage.STEP)
def repetition_has_the_kept_answer(probe: Probe) -> None:
    """Answer a repetition with the kept answer, equal in every field."""
    session = probe.open()
    request = session.send()
    kept = session.take()
    answer = _repeated(probe, session, request)
    expect(answer == kept, f"the same {described_answer(kept)}", f"another answer: {answer}")


@check("Q-4", "RESUME", peers=BOTH, stage=Stage.STEP)
def content_of_a_repetition_is_not_read(probe: Probe) -> None:
    """Answer a repetition by its number alone, whatever it holds."""
    session = probe.open()
    session.do()
    kept = session.ask()
    answer = _repeated(probe, session, probe.numbered(2, "close"))
    expect(answer == kept, "the kept answer", described_answer(answer))


@check("Q-5", "RESUME", peers=BOTH, stage=Stage.STEP)
def out_of_sequence_is_not_kept(probe: Probe) -> None:
    """Keep the answer to the last request when a wrong number comes."""
    session = probe.open()
    request = session.send()
    kept = session.take()
    refused_with(session.connection.exchange(probe.numbered(7)), "OUT_OF_SEQUENCE")
    answer = _repeated(probe, session, request)
    expect(answer == kept, "the kept answer", described_answer(answer))


@check("Q-6", "RESUME", peers=BOTH, stage=Stage.STEP)
def errors_are_kept(probe: Probe) -> None:
    """Keep an error like any other answer."""
    session = probe.open()
    session.last = 1
    request = probe.dialect.request(sequence=1)
    kept = session.connection.exchange(request)
    refused_with(kept, "UNSUPPORTED")
    answer = _repeated(probe, session, request)
    expect(answer == kept, "the kept error", described_answer(answer))


@check("Q-8", "frames", peers=BOTH, stage=Stage.STEP)
def unreadable_frame_is_a_connection_error(probe: Probe) -> None:
    """Answer a frame that is no message with MALFORMED, sequence 0 and `session_closed`."""
    session = probe.open()
    answer = session.connection.exchange(UNREADABLE)
    session.lose()
    refused_with(answer, "MALFORMED", closed=True)
    expect(answer.sequence == 0, "sequence 0", described_answer(answer))


@check("Q-8", peers=BOTH, stage=Stage.STEP)
def unreadable_frame_ends_the_stream(probe: Probe) -> None:
    """End the stream after a frame that is no message."""
    session = probe.open()
    session.connection.send(UNREADABLE)
    session.lost = True
    try:
        answer = session.connection.answer()
    except Unanswered:
        return  # A gRPC library may refuse the message before the application sees it.
    refused_with(answer, "MALFORMED")
    session.connection.end()


@check("G-7", peers=BOTH, stage=Stage.STEP)
def text_that_is_no_utf_8_is_refused(probe: Probe) -> None:
    """Refuse a request with a string that is not valid UTF-8."""
    request = probe.open_request(traceparent=TEXT.decode())
    connection = probe.connect()
    connection.send(request.SerializeToString().replace(TEXT, NO_TEXT))
    try:
        answer = connection.answer()
    except Unanswered:
        return  # A gRPC library may refuse the message before the application sees it.
    if answer.WhichOneof("response") == "open":
        probe.session(connection, answer.open)
    refused_with(answer, "MALFORMED", closed=True)


@check("Q-9", "RESUME", peers=BOTH, stage=Stage.STEP)
def session_outlives_a_connection_error(probe: Probe) -> None:
    """Let a session be resumed after a connection error."""
    session = probe.open()
    session.do()
    session.connection.send(UNREADABLE)
    try:
        session.connection.answer()
        session.connection.end()
    except (Failed, Ended):
        pass  # What the server sends is the subject of Q-8.
    session.lose()
    session.must_resume(2)
    session.must(probe.dialect.plain)


@check("Q-1", peers=BOTH, level=Level.SHOULD, stage=Stage.STEP)
def early_requests_are_left_unread(probe: Probe) -> None:
    """Leave a request that comes early unread, and answer it later."""
    session = probe.open()
    session.send()
    session.send()
    first, second = session.connection.answer(), session.connection.answer()
    codes = [code_name(answer.error.code) for answer in (first, second) if answer.error.code]
    expect(not codes, "two answers", codes)


@check("N-3", stage=Stage.STEP)
def second_open_is_a_wrong_state(probe: Probe) -> None:
    """Answer a second `open` under the next number with WRONG_STATE, and go on."""
    session = probe.open()
    request = probe.open_request()
    request.sequence = session.last = 1
    refused_with(session.connection.exchange(request), "WRONG_STATE", closed=False)
    session.must("reset")
