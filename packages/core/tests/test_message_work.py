"""The work of counting the parts of a message has a limit, whatever the parts are (M-1, M-9)."""

from __future__ import annotations

from typing import Any

import pytest
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.spaces.v1 import dtype_pb2, space_pb2, value_pb2

from rlmesh._wire import parts
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.parts import too_many_parts
from rlmesh._wire.spaces import space_from_wire
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError, LimitError, SpaceError
from rlmesh.spaces import Box, MultiDiscrete, Tuple

REQUEST = env_pb2.SessionRequest.DESCRIPTOR
LIMIT = 1000
COUNT = 20_000

SMALL_NUMBERS = b"\x08\x01"
"""A sequence number again and again, which takes no memory."""

UNKNOWN_TEXT = b"\xa2\x06\x00"
UNKNOWN_NUMBER = b"\xa0\x06\x01"
UNKNOWN_FIXED = b"\xa5\x06\0\0\0\0"


def field(tag: bytes, content: bytes) -> bytes:
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return tag + bytes([*length, size]) + content


CASES = {
    "known": SMALL_NUMBERS * COUNT,
    "unknown texts": UNKNOWN_TEXT * COUNT,
    "unknown numbers": UNKNOWN_NUMBER * COUNT,
    "unknown fixed": UNKNOWN_FIXED * COUNT,
    "in a message": field(b"\x32", b"\x18\x01" * COUNT),
    "in several messages": field(b"\x32", b"\x18\x01" * (LIMIT // 2)) * (2 * COUNT // LIMIT),
    "in a group": b"\xa3\x06" + SMALL_NUMBERS * COUNT + b"\xa4\x06",
    "in groups": (b"\xa3\x06" * 9 + b"\xa4\x06" * 9) * (COUNT // 9),
}


class CountedBytes(bytes):
    """Counts how often a part of it is read."""

    reads = 0

    def __getitem__(self, index: Any) -> Any:
        self.reads += 1
        return super().__getitem__(index)


@pytest.mark.parametrize("name", CASES)
def test_no_more_fields_are_read_than_a_message_may_have(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MAX_FIELDS", LIMIT)
    data = CountedBytes(CASES[name])
    assert len(data) > 24 * 1024
    assert "has more than 1000 fields" in too_many_parts(data, REQUEST)
    assert data.reads <= 4 * LIMIT, "reads of bytes: tag, size, and those of two bytes"


def test_a_message_with_as_many_fields_as_it_may_have_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "MAX_FIELDS", COUNT)
    assert not too_many_parts(SMALL_NUMBERS * COUNT, REQUEST)
    assert too_many_parts(SMALL_NUMBERS * (COUNT + 1), REQUEST)


def test_a_request_with_too_many_fields_is_malformed_and_its_session_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "MAX_FIELDS", LIMIT)
    codec = EnvWireCodec(NATIVE)
    request = codec.read_request(b"\x08\x07" + UNKNOWN_TEXT * COUNT)
    assert request.sequence == 7
    assert "M-9: a message of 60002 bytes has more than 1000 fields" in str(request.body)
    with pytest.raises(CodecError, match="has more than 1000 fields"):
        codec.read_reply(UNKNOWN_TEXT * COUNT)


def test_what_a_receiver_would_refuse_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MAX_FIELDS", LIMIT)
    frame = env_pb2.SessionRequest()
    frame.call.args.elements.extend([value_pb2.DynamicValue(bool_value=True)] * COUNT)
    with pytest.raises(LimitError, match="fields"):
        parts.checked_frame(frame)


def choices(count: int) -> space_pb2.Space:
    space = space_pb2.Space()
    space.multi_discrete.dtype = dtype_pb2.D_TYPE_UINT8
    space.multi_discrete.shape.append(count)
    space.multi_discrete.nvec = b"\2" * count
    return space


def bounded(count: int) -> space_pb2.Space:
    space = space_pb2.Space()
    space.box.dtype = dtype_pb2.D_TYPE_INT16
    space.box.shape.append(count)
    space.box.low.elementwise = bytes(2 * (count - 1)) + b"\1\0"
    space.box.high.uniform = b"\1\0"
    return space


def nested(*parts: space_pb2.Space) -> space_pb2.Space:
    space = space_pb2.Space()
    space.tuple.spaces.extend(parts)
    return space


@pytest.mark.parametrize(
    "space",
    [
        choices(101),
        bounded(101),
        nested(choices(50), choices(51)),
        nested(bounded(60), choices(41)),
    ],
    ids=["choices", "bounds", "sum", "both"],
)
def test_elements_are_counted_before_one_is_checked(
    space: space_pb2.Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlmesh._wire.spaces.MAX_ELEMENTS", 100)
    made: list[int] = []
    for family in (Box, MultiDiscrete):
        make = family.__init__

        def counted(self: Any, *args: Any, make: Any = make, **kwargs: Any) -> None:
            make(self, *args, **kwargs)
            made.append(self._elements_within)

        monkeypatch.setattr(family, "__init__", counted)
    with pytest.raises(CodecError, match="more than 100 elements that are checked one by one"):
        space_from_wire(space)
    assert sum(made) <= 100


def test_no_space_has_more_elements_than_a_reader_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh.spaces._base.MAX_ELEMENTS", 100)
    fits = [MultiDiscrete([2] * 60), Box([0] * 19 + [1], [1] * 20, (20,), "int16")]
    Tuple(fits)
    Box(0, 1, (1000,), "int16")
    for many in ([fits[0], fits[0]], [*fits, fits[1], fits[1]]):
        with pytest.raises(SpaceError, match="expected at most 100 elements of MultiDiscretes"):
            Tuple(many)
    with pytest.raises(SpaceError, match="expected at most 100 elements of MultiDiscretes"):
        MultiDiscrete([2] * 101)
