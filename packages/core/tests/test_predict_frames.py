"""Frames of predictions are the generated messages' own bytes, and are read as they read them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rlmesh_proto.model.v1 import model_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._messages import env as m
from rlmesh._messages.model import Predict
from rlmesh._wire import model_codec as frames_module
from rlmesh._wire.fast_path_predict import read_predict, write_predict
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.model_spec import predict_form_to_wire
from rlmesh.adapters import PredictForm
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError

FRAMES = ModelWireCodec(NATIVE)

numbers = st.one_of(
    st.integers(0, 300), st.integers(0, 2**63 - 1), st.sampled_from([127, 128, 16383, 16384])
)
small = st.one_of(st.integers(0, 300), st.sampled_from([127, 128, 2**31, 2**32 - 1]))
slabs = st.one_of(
    st.binary(max_size=40), st.sampled_from([127, 128, 4096, 70_000]).map(lambda n: b"\x0a" * n)
)
encoded = st.tuples(st.lists(slabs, max_size=4), st.none() | small).map(
    lambda parts: m.Encoded(*parts)
)
predictions = st.builds(
    Predict,
    st.none() | st.sampled_from(PredictForm),
    st.lists(small, max_size=5).map(tuple),
    encoded,
    small,
    st.lists(numbers, max_size=5).map(tuple),
    st.lists(small, max_size=5).map(tuple),
    st.none() | encoded,
    st.lists(small, max_size=5).map(tuple),
    st.none() | encoded,
    st.lists(small, max_size=5).map(tuple),
)


def message_of(sequence: int, body: Predict) -> bytes:
    frame = model_pb2.SessionRequest(sequence=sequence)
    out = frame.predict
    if body.form is not None:
        out.form = predict_form_to_wire(body.form)
    out.lanes.extend(body.lanes)
    _fill(out.observation, body.observation)
    out.max_chunk_length = body.max_chunk_length
    out.steps.extend(body.steps)
    out.observed_counts.extend(body.observed_counts)
    if body.observed is not None:
        _fill(out.observed, body.observed)
    out.prefix_counts.extend(body.prefix_counts)
    if body.prefix is not None:
        _fill(out.prefix, body.prefix)
    out.committed_counts.extend(body.committed_counts)
    return frame.SerializeToString(deterministic=True)


def _fill(out: value_pb2.Value, value: m.Encoded) -> None:
    out.SetInParent()
    out.slabs.extend(value.slabs)
    if value.batch_size is not None:
        out.batch_size = value.batch_size


def plain(request: m.Request) -> Any:
    """A request with every buffer as bytes."""
    body = request.body
    if not isinstance(body, Predict):
        return request.sequence, body
    values = [
        value and ([bytes(slab) for slab in value.slabs], value.batch_size)
        for value in (body.observation, body.observed, body.prefix)
    ]
    counts = (
        body.max_chunk_length,
        body.steps,
        body.observed_counts,
        body.prefix_counts,
        body.committed_counts,
    )
    return request.sequence, body.form, body.lanes, values, counts


def by_messages(frame: bytes) -> Any:
    """The generated messages' reading of a frame; None if they refuse it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames_module, "read_predict", lambda _: None)
        try:
            return plain(FRAMES.read_request(frame))
        except CodecError:
            return None


@given(numbers, predictions)
@example(0, Predict(None, (), m.Encoded([])))
def test_a_request_is_written_as_its_message(sequence: int, body: Predict) -> None:
    frame = FRAMES.write_request(m.Request(sequence, body))
    assert frame == message_of(sequence, body)
    read = read_predict(bytes(frame))
    assert read is not None, "the frame that is written is the form that is read"
    assert plain(read) == plain(m.Request(sequence, body))


@given(numbers, predictions, st.data())
@example(1, Predict(PredictForm.SINGLE, (0,), m.Encoded([b"x"])), None)
def test_a_damaged_request_is_read_as_its_message_or_left_to_it(
    sequence: int, body: Predict, data: Any
) -> None:
    frame = message_of(sequence, body)
    for _ in range(data.draw(st.integers(1, 3)) if data else 0):
        at = data.draw(st.integers(0, min(len(frame), 60)) | st.integers(0, len(frame)))
        inserted = data.draw(st.binary(max_size=6))
        frame = frame[:at] + inserted + frame[at + data.draw(st.integers(0, 3)) :]
    read = read_predict(frame)
    assert read is None or plain(read) == by_messages(frame)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x2a\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x1a\x00",  # A form of 63 bits.
        b"\x2a\x0a\x12\x06\x80\x80\x80\x80\x80\x01\x1a\x00",  # A lane of more than 32.
        b"\x2a\x05\x12\x01\x80\x1a\x00",  # One that ends after its field.
        b"\x2a\x02\x08\x01",  # No observation.
        b"\x2a\x04\x1a\x00\x1a\x00",  # Two: merged.
        b"\x10\x05\x2a\x02\x1a\x00",  # With a timeout.
        b"\x2a\x06\x08\x01\x10\x00\x1a\x00",  # A lane that is not packed.
        b"\x2a\x04\x1a\x00\x28\x01",  # A step that is not packed.
        b"\x2a\x0e\x1a\x00\x2a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # One of 64 bits.
        b"\x2a\x0a\x1a\x00\x32\x06\x80\x80\x80\x80\x80\x01",  # A count of more than 32.
        b"\x2a\x06\x1a\x00\x3a\x00\x3a\x00",  # Two values of earlier observations: merged.
        b"\x2a\x07\x1a\x00\x3a\x00\x2a\x01\x01",  # Steps after them.
        b"\x2a\x06\x1a\x00\x4a\x00\x4a\x00",  # Two prefixes: merged.
        b"\x2a\x07\x1a\x00\x52\x01\x01\x4a\x00",  # A prefix after its committed counts.
        b"\x2a\x0a\x1a\x00\x52\x06\x80\x80\x80\x80\x80\x01",  # A count of more than 32.
    ],
)
def test_another_form_is_left_to_the_messages(frame: bytes) -> None:
    assert read_predict(frame) is None


@pytest.mark.parametrize("number", [-1, 2**32])
def test_a_number_that_does_not_fit_is_refused(number: int) -> None:
    value = m.Encoded([b"x"])
    with pytest.raises(ValueError, match=f"^a lane of {number}; expected 0 to"):
        write_predict(1, Predict(PredictForm.SINGLE, (number,), value))
    with pytest.raises(ValueError, match=f"^max_chunk_length of {number}; expected 0 to"):
        write_predict(1, Predict(PredictForm.CHUNK, (0,), value, number))
    with pytest.raises(ValueError, match=f"^a count of observations of {number}; expected 0 to"):
        write_predict(1, Predict(PredictForm.CHUNK, (0,), value, 0, (), (number,)))
    for counts in ({"prefix_counts": (number,)}, {"committed_counts": (number,)}):
        with pytest.raises(ValueError, match=f"^a count of actions of {number}; expected 0 to"):
            write_predict(1, Predict(PredictForm.CHUNK, (0,), value, **counts))


@pytest.mark.parametrize("step", [-1, 2**64])
def test_a_step_that_does_not_fit_is_refused(step: int) -> None:
    body = Predict(PredictForm.SINGLE, (0,), m.Encoded([b"x"]), 0, (step,))
    with pytest.raises(ValueError, match=rf"^a step of {step}; expected 0 to 2\*\*64 - 1"):
        write_predict(1, body)


def test_large_observations_are_not_copied_out_of_the_frame() -> None:
    value = m.Encoded([b"x" * 100_000])
    frame = bytes(write_predict(1, Predict(PredictForm.SINGLE, (3,), value, 0, (1,), (1,), value)))
    read = read_predict(frame)
    assert read is not None and isinstance(read.body, Predict) and read.body.observed is not None
    for (slab,) in (read.body.observation.slabs, read.body.observed.slabs):
        assert isinstance(slab, memoryview) and slab.obj is frame


@pytest.mark.parametrize(
    "body",
    [
        Predict(PredictForm.BATCH, (1,) * 200_000, m.Encoded([b"x"])),
        Predict(PredictForm.BATCH, (1,), m.Encoded([b""] * 5_000)),
    ],
    ids=["lanes", "slabs"],
)
def test_what_would_take_long_one_by_one_is_left_to_the_messages(body: Predict) -> None:
    frame = bytes(write_predict(1, body))
    assert read_predict(memoryview(frame)) is None
    assert plain(FRAMES.read_request(frame)) == plain(m.Request(1, body))


def test_as_many_lanes_as_a_session_may_have_are_read() -> None:
    body = Predict(PredictForm.BATCH, tuple(range(65_536)), m.Encoded([b"x"]))
    read = read_predict(bytes(write_predict(1, body)))
    assert read is not None and plain(read) == plain(m.Request(1, body))
