"""Frames of steps and resets are the generated messages' own bytes, and are read as by these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rlmesh_proto.env.v1 import env_pb2

from rlmesh._messages import env as m
from rlmesh._wire import env_codec as frames_module
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.fast_path_reader import StepReader, read_reset_done, read_step
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError

FRAMES = EnvWireCodec(NATIVE)

numbers = st.one_of(
    st.integers(0, 300), st.integers(0, 2**63 - 1), st.sampled_from([127, 128, 16383, 16384])
)
# Sizes about the borders of one and two bytes of length, and of what is read as a view.
slabs = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([0, 1, 127, 128, 4095, 4096, 16383, 16384, 70000]).map(lambda n: b"\x0a" * n),
)
encoded = st.tuples(
    st.lists(slabs, max_size=4), st.none() | st.integers(0, 300) | st.just(2**32 - 1)
).map(lambda parts: m.Encoded(*parts))
infos = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers(), max_size=3)
outcomes = st.tuples(*[st.binary(max_size=20)] * 3).map(lambda slabs: m.LaneOutcomes(*slabs))
times = st.none() | st.floats(allow_nan=False)
singles = st.builds(
    lambda parts, seconds: m.StepDone(*parts, sim_time=seconds),
    st.tuples(encoded, st.floats(), st.booleans(), st.booleans(), infos),
    times,
)
vectors = st.builds(
    lambda observation, info, lanes, mask, final, seconds: m.StepDone(
        observation,
        info=info,
        lanes=lanes,
        final_mask=mask if final else b"",
        final=final,
        sim_time=seconds,
    ),
    encoded,
    infos,
    outcomes,
    st.binary(max_size=20),
    st.none() | encoded,
    times,
)
resets = st.builds(m.ResetDone, encoded, infos, times)


class Nothing(StepReader):
    """Leaves every frame to the messages."""

    def read(self, data: Any) -> None:
        return None


NOTHING = Nothing(FRAMES._read_info)


def read_step_done(*frames: bytes) -> tuple[int, m.StepDone] | None:
    """The reading of the last frame by a reader that has read the others."""
    reader = StepReader(FRAMES._read_info)
    for before in frames[:-1]:
        reader.read(before)
    return reader.read(frames[-1])


def plain(reply: Any) -> Any:
    """A reply with every buffer as bytes, and NaN comparable."""
    if isinstance(reply, memoryview):
        return bytes(reply)
    if isinstance(reply, float):
        return reply.hex()
    if isinstance(reply, dict) or hasattr(reply, "keys"):
        return dict(reply)
    if isinstance(reply, (tuple, list)):
        return [plain(x) for x in reply]
    return reply


def outcome(read: Callable[[], Any]) -> Any:
    """The result of reading, or the place of the refusal."""
    try:
        return plain(read())
    except CodecError as error:
        return CodecError, error.path


def by_messages(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: Any) -> Any:
    """What the generated messages make of a frame."""
    with monkeypatch.context() as patch:
        for read in ("read_step", "read_reset_done"):
            patch.setattr(frames_module, read, lambda *_: None)
        patch.setattr(FRAMES, "_steps", NOTHING)
        return getattr(FRAMES, name)(*arguments)


def request_message(sequence: int, step: m.Step) -> bytes:
    frame = env_pb2.SessionRequest(sequence=sequence)
    frame.step.action.SetInParent()
    put(step.action, frame.step.action)
    return frame.SerializeToString(deterministic=True)


def put(value: m.Encoded, out: Any) -> None:
    out.SetInParent()
    out.slabs.extend(value.slabs)
    if value.batch_size is not None:
        out.batch_size = value.batch_size


def reply_message(sequence: int, done: m.StepDone, call_us: int) -> bytes:
    frame = env_pb2.SessionResponse(sequence=sequence, call_us=call_us)
    put(done.observation, frame.step.observation)
    if done.info:
        FRAMES._encoder.map(done.info, frame.step.info, "info")
    if done.lanes is None:
        frame.step.reward = done.reward
        frame.step.terminated = done.terminated
        frame.step.truncated = done.truncated
    else:
        frame.step.lanes.SetInParent()
        frame.step.lanes.rewards = done.lanes.rewards
        frame.step.lanes.terminated = done.lanes.terminated
        frame.step.lanes.truncated = done.lanes.truncated
    if done.final is not None:
        frame.step.final_observations.mask = done.final_mask
        put(done.final, frame.step.final_observations.observations)
    if done.sim_time is not None:
        frame.step.sim_time = done.sim_time
    return frame.SerializeToString(deterministic=True)


def reset_message(sequence: int, done: m.ResetDone, call_us: int) -> bytes:
    frame = env_pb2.SessionResponse(sequence=sequence, call_us=call_us)
    put(done.observation, frame.reset.observation)
    if done.info:
        FRAMES._encoder.map(done.info, frame.reset.info, "info")
    if done.sim_time is not None:
        frame.reset.sim_time = done.sim_time
    return frame.SerializeToString(deterministic=True)


@given(numbers, encoded)
def test_a_request_is_written_as_its_message(sequence: int, action: m.Encoded) -> None:
    step = m.Step(action)
    frame = FRAMES.write_request(m.Request(sequence, step))
    assert frame == request_message(sequence, step)
    read = read_step(frame)
    assert read is not None, "the frame that is written is the form that is read"
    assert (read.sequence, plain(read.body)) == (sequence, plain(step))


@given(numbers, st.one_of(singles, vectors), numbers)
@example(0, m.StepDone(m.Encoded([])), 0)
@example(1, m.StepDone(m.Encoded([b""]), reward=-0.0), 0)
@example(1, m.StepDone(m.Encoded([b""]), sim_time=0.5), 0)
def test_a_reply_is_written_as_its_message(sequence: int, done: m.StepDone, call_us: int) -> None:
    frame = FRAMES.write_reply(sequence, done, call_us)
    assert frame == reply_message(sequence, done, call_us)
    read = read_step_done(frame)
    assert read is not None, "the frame that is written is the form that is read"
    assert (read[0], plain(read[1])) == (sequence, plain(done))


@given(numbers, resets, numbers)
@example(0, m.ResetDone(m.Encoded([])), 0)
def test_the_answer_of_a_reset_is_written_as_its_message(
    sequence: int, done: m.ResetDone, call_us: int
) -> None:
    frame = FRAMES.write_reply(sequence, done, call_us)
    assert frame == reset_message(sequence, done, call_us)
    read = read_reset_done(frame, FRAMES._read_info)
    assert read is not None, "the frame that is written is the form that is read"
    assert (read[0], plain(read[1])) == (sequence, plain(done))


def damaged(draw: st.DrawFn, frame: bytes) -> bytes:
    """The frame with bytes changed, cut off, doubled or put in."""
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(frame)))
        kind = draw(st.sampled_from(["change", "cut", "insert", "repeat"]))
        if kind == "change" and at < len(frame):
            frame = frame[:at] + bytes([draw(st.integers(0, 255))]) + frame[at + 1 :]
        elif kind == "cut":
            frame = frame[:at]
        elif kind == "insert":
            frame = frame[:at] + draw(st.binary(min_size=1, max_size=12)) + frame[at:]
        else:
            frame = frame + frame[at:]
    return frame


@st.composite
def damaged_requests(draw: st.DrawFn) -> bytes:
    action = m.Encoded(draw(st.lists(st.binary(max_size=5), max_size=2)))
    return damaged(draw, request_message(draw(st.integers(0, 200)), m.Step(action)))


@st.composite
def damaged_replies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """An answer, and the same or another one of the same observation's size, damaged."""
    done = draw(st.one_of(singles, vectors))
    first = reply_message(draw(st.integers(0, 200)), done, draw(numbers))
    if done.lanes is None and draw(st.booleans()):
        done = done._replace(
            reward=draw(st.floats()), terminated=draw(st.booleans()), info=draw(infos)
        )
    return first, damaged(draw, reply_message(draw(st.integers(0, 200)), done, draw(numbers)))


@st.composite
def damaged_resets(draw: st.DrawFn) -> bytes:
    done = m.ResetDone(draw(encoded), draw(infos))
    return damaged(draw, reset_message(draw(st.integers(0, 200)), done, draw(numbers)))


@given(damaged_requests())
@example(b"\x08\x01\x10\x05\x2a\x04\x0a\x02\x0a\x00")  # With a timeout.
@example(b"\x08\x01\x2a\x08\x0a\x02\x0a\x00\x0a\x02\x0a\x00")  # The action twice: merged.
@example(b"\x88\x80\x00\x01\x2a\x04\x0a\x02\x0a\x00")  # A tag of more bytes than it needs.
def test_a_request_is_read_as_its_message_or_left_to_it(frame: bytes) -> None:
    read = read_step(frame)
    if read is None:
        return
    with pytest.MonkeyPatch.context() as patch:
        assert plain(read) == plain(by_messages(patch, "read_request", frame))


PLAIN = b"\x08\x01\x32\x06\x0a\x02\x0a\x00\x18\x01"


@given(damaged_replies())
@example((PLAIN, b"\x08\x01\x32\x06\x0a\x02\x0a\x00\x18\x02"))  # A bool that is 2: true.
@example((b"", b"\x08\x01\x32\x08\x0a\x02\x0a\x00\x18\x01\x18\x00"))  # A flag twice: the last.
@example((PLAIN, PLAIN[:-1]))
@example((b"", b"\x10\x18"))  # Nothing but how long a call took.
@example((PLAIN, PLAIN + b"\x18\x01"))
@example((PLAIN, b"\x08\x01\x32\x06\x0a\x04\x0a\x00\x18\x01"))  # The same size, cut elsewhere.
def test_a_reply_is_read_as_its_message_or_left_to_it(frames: tuple[bytes, bytes]) -> None:
    read = outcome(lambda: read_step_done(*frames))
    if read is not None:
        with pytest.MonkeyPatch.context() as patch:
            assert read == outcome(lambda: by_messages(patch, "read_reply", frames[1]))


ENTRY = b"\x0a\x07\x0a\x01k\x1a\x02\x10\x01"  # "k": True
RESET = b"\x08\x01\x2a\x04\x0a\x02\x0a\x00"


@given(damaged_resets())
@example(RESET[:-2] + b"\x12\x00")  # An observation that ends behind its field.
@example(b"\x08\x01\x2a\x08\x0a\x02\x0a\x00\x12\x02\x0a\x00")  # An entry without a key.
@example(b"\x2a\x0c\x0a\x02\x0a\x00\x12\x06\x0a\x04\x0a\x01k\x1a\x00")  # One without a value.
@example(b"\x08\x01\x2a\x06\x12\x00\x0a\x02\x0a\x00")  # The info first.
@example(b"\x2a\x11\x0a\x02\x0a\x00\x12\x00\x12\x09" + ENTRY)  # Two infos: merged.
@example(RESET + RESET[2:])  # The answer twice: merged.
@example(b"\x08\x01\x2a\x02\x12\x00")  # No observation.
def test_the_answer_of_a_reset_is_read_as_its_message_or_left_to_it(frame: bytes) -> None:
    read = outcome(lambda: read_reset_done(frame, FRAMES._read_info))
    if read is not None:
        with pytest.MonkeyPatch.context() as patch:
            assert read == outcome(lambda: by_messages(patch, "read_reply", frame))


def test_large_slabs_are_not_copied_out_of_the_frame() -> None:
    frame = FRAMES.write_reply(1, m.StepDone(m.Encoded([b"x" * 100_000])))
    read = read_step_done(frame)
    assert read is not None
    (slab,) = read[1].observation.slabs
    assert isinstance(slab, memoryview) and slab.obj is frame


def test_answers_of_any_sizes_are_read_after_one_another() -> None:
    reader = StepReader(FRAMES._read_info)
    replies = [
        m.StepDone(
            m.Encoded([bytes([n]) * size]), float(n), n % 2 == 0, False, {"n": n} if n else {}
        )
        for n, size in enumerate([16, 16, 16, 70_000, 70_000, 16, 0, 0, 4096, 16])
    ] * 2
    for sequence, done in enumerate(replies):
        frame = FRAMES.write_reply(sequence, done, call_us=sequence * 40)
        for data in (frame, memoryview(frame)):
            read = reader.read(data)
            assert read is not None and plain(read) == plain((sequence, done))
