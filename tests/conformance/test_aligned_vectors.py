"""The vectors of aligned slabs (B-17), read by our readers and compared with our writers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.model.v1 import model_pb2

from rlmesh._messages import env as m
from rlmesh._messages.model import Predict
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh.adapters import PredictForm
from rlmesh.backends import NATIVE
from tests.conformance.vectors import VECTORS

ENV, MODEL = EnvWireCodec(NATIVE), ModelWireCodec(NATIVE)


def cases() -> list[Any]:
    path = VECTORS / "sessions" / "aligned" / "all.json"
    return list(json.loads(path.read_text("ascii"))["cases"])


def encoded(body: Any) -> m.Encoded:
    """Return the one value of a request or reply."""
    found: m.Encoded = body.action if isinstance(body, m.Step) else body.observation
    return found


def without_padding(message: Any) -> Any:
    """Remove the padding of every value of a message, and return the message."""
    for field, part in message.ListFields():
        if field.message_type is None:
            continue
        for one in part if hasattr(part, "__len__") else (part,):
            if field.message_type.name == "Value":
                assert not b"".join(one.padding).strip(b"\0")
                one.ClearField("padding")
            else:
                without_padding(one)
    return message


def positions(frame: bytes, body: Any) -> list[int]:
    found = []
    at = 0
    for slab in encoded(body).slabs:
        at = frame.index(bytes(slab), at)
        found.append(at)
        at += len(slab)
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_a_frame_is_read_and_written_with_its_slabs_aligned(case: Any) -> None:
    frame = bytes.fromhex(case["hex"])
    codec: Any = ENV if ".env." in case["message"] else MODEL
    module: Any = env_pb2 if codec is ENV else model_pb2
    message = getattr(module, case["message"].rpartition(".")[2])
    plain = without_padding(message.FromString(frame))
    declared = [slab["offset"] for slab in case["slabs"]]
    if message.DESCRIPTOR.name == "SessionRequest":
        read, unpadded = (codec.read_request(data) for data in (frame, plain.SerializeToString()))
        written = codec.write_request(read, aligned=4096)
    else:
        # Twice, because a reader of steps remembers what is around the slab.
        answers = [codec.read_reply(data) for data in (frame, frame, plain.SerializeToString())]
        (sequence, reply), again, (_, other) = answers
        assert again == (sequence, reply)
        read, unpadded = m.Request(sequence, reply), m.Request(sequence, other)
        written = codec.write_reply(sequence, reply, plain.call_us, aligned=4096)
    assert [bytes(slab) for slab in encoded(read.body).slabs] == [
        bytes(slab) for slab in encoded(unpadded.body).slabs
    ]
    assert positions(frame, read.body) == declared
    assert bytes(written) == frame, "our writer has the padding that CONTRACT.md proposes"


sizes = st.lists(
    st.sampled_from([0, 1, 63, 64, 65, 100, 127, 128, 4000, 4096, 16_300, 16_384]), max_size=6
)


@given(sizes, sizes, st.integers(0, 2**40), st.integers(0, 2**20), st.booleans())
def test_slabs_are_aligned_wherever_a_value_stands(
    first: list[int], second: list[int], sequence: int, call_us: int, vector: bool
) -> None:
    value, other = (m.Encoded([bytes(n) for n in sizes], None) for sizes in (first, second))
    lanes = m.LaneOutcomes(bytes(8), b"\0", b"\1") if vector else None
    final = other._replace(batch_size=1) if vector else None
    done = m.StepDone(
        value._replace(batch_size=1) if vector else value,
        0.5,
        info={"a": 1},
        lanes=lanes,
        final_mask=b"\1" if vector else b"",
        final=final,
    )
    assert_aligned(
        bytes(ENV.write_reply(sequence, done, call_us, aligned=4096)),
        bytes(ENV.write_reply(sequence, done, call_us)),
        env_pb2.SessionResponse,
    )
    for codec, body, message in (
        (ENV, m.Step(value), env_pb2.SessionRequest),
        (
            MODEL,
            Predict(PredictForm.SINGLE, (0,), value, 1, (3,), (1,), other),
            model_pb2.SessionRequest,
        ),
    ):
        request = m.Request(sequence, body)
        aligned, plain = (
            bytes(codec.write_request(request, aligned=wanted))  # type: ignore[attr-defined]
            for wanted in (4096, 0)
        )
        assert_aligned(aligned, plain, message)
    reset = m.ResetDone(value, {"a": 1})
    assert_aligned(
        bytes(ENV.write_reply(sequence, reset, call_us, aligned=4096)),
        bytes(ENV.write_reply(sequence, reset, call_us)),
        env_pb2.SessionResponse,
    )


def assert_aligned(aligned: bytes, plain: bytes, message: Any) -> None:
    """Check that two frames are the same message, and that one has its slabs aligned."""
    assert without_padding(message.FromString(aligned)) == message.FromString(plain)
    for start, sizes in values_of(aligned, message.DESCRIPTOR):
        if sum(size for _, size in sizes) >= 4096:
            assert all(at % 64 == 0 for at, size in sizes if size >= 64), start


def values_of(data: bytes, descriptor: Any, at: int = 0) -> list[Any]:
    """Return, for each Value in a message, where it begins and position and size of its slabs."""
    end, found = at + len(data), []
    frame, slabs, begun = data, [], at
    position = 0
    while position < len(frame):
        tag, position = varint(frame, position)
        field = descriptor.fields_by_number[tag >> 3]
        if tag & 7 == 2:
            size, position = varint(frame, position)
            content = frame[position : position + size]
            if field.message_type is not None:
                found += values_of(content, field.message_type, at + position)
            elif descriptor.name == "Value" and field.name == "slabs":
                slabs.append((at + position, size))
            position += size
        elif tag & 7 == 0:
            _, position = varint(frame, position)
        else:
            position += 8
    assert at + position == end
    if descriptor.name == "Value":
        found.append((begun, slabs))
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return number, at
        shift += 7
