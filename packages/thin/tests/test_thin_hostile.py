"""Bytes that no client would send: the thin host refuses what the whole server refuses."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._codec import SpaceCodec
from rlmesh._wire.dynamic import dynamic_from_wire
from rlmesh.errors import CodecError
from rlmesh.spaces import from_gymnasium
from rlmesh_numpy import BACKEND
from rlmesh_thin.convert import convert_space
from rlmesh_thin.dynamic import DYNAMIC, DynamicReader, DynamicWriter
from rlmesh_thin.faults import Fault
from rlmesh_thin.messages import REQUEST, read_request
from rlmesh_thin.spaces import encode_values
from rlmesh_thin.wire import Unreadable, check_message
from tests.fuzz import corpus
from tests.fuzz.parts import split

from .thin_envs import Old, Walk
from .thin_hosts import Bench, request, response, step_of

FRAMES = [request(1, "reset", seed=3), step_of(2, 1), request(3, "render", lanes=[1, 2])]


def inputs(target: str) -> list[Any]:
    return [
        pytest.param(data, id=f"{kind}-{name}")
        for kind in corpus.KINDS
        for name, data in corpus.read(corpus.path_of(target, kind)).items()
    ]


def is_parsed(message: Any, data: bytes) -> bool:
    try:
        message.FromString(data)
    except DecodeError:
        return False
    return True


def is_checked(data: bytes, schema: Any) -> bool:
    try:
        check_message(data, schema)
    except Unreadable:
        return False
    return True


@pytest.mark.parametrize("data", inputs("dynamic"))
def test_a_dynamic_value_is_read_if_the_whole_server_reads_it(data: bytes) -> None:
    try:
        expected = dynamic_from_wire(value_pb2.DynamicValue.FromString(data), BACKEND)
    except (CodecError, DecodeError):
        with pytest.raises((Fault, Unreadable)):
            check_message(data, DYNAMIC)
            read = DynamicReader().value(data, "info")
            # A limit of those backends that make lists of it; an array of no elements has no cost.
            if isinstance(read, np.ndarray) and read.dtype == object and not read.size:
                raise Unreadable from None
        return
    check_message(data, DYNAMIC)
    read = DynamicReader().value(data, "info")
    if "bfloat16" not in repr(read):  # Another type stands for it there.
        assert repr(read) == repr(expected)


@pytest.mark.parametrize("data", inputs("sessions"))
def test_no_frame_is_a_fault_of_the_host(data: bytes) -> None:
    bench = Bench(Walk())
    for frame in split(data[1:]):
        answer = bench.instance.exchange(bench.connection, frame)[0]
        if answer:
            error = response(answer).error
            assert error.code != error_pb2.ERROR_CODE_INTERNAL, error
        if bench.instance.session is None:
            return


@given(st.binary(max_size=40))
def test_bytes_are_a_request_if_protobuf_says_so(data: bytes) -> None:
    assert is_checked(data, REQUEST) == is_parsed(env_pb2.SessionRequest, data)


@given(st.sampled_from(FRAMES), st.data())
def test_a_damaged_request_is_one_if_protobuf_says_so(frame: bytes, data: st.DataObject) -> None:
    changed = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    parsed = is_parsed(env_pb2.SessionRequest, bytes(changed))
    assert is_checked(bytes(changed), REQUEST) == parsed
    if parsed:
        message = env_pb2.SessionRequest.FromString(bytes(changed))
        found = read_request(bytes(changed))
        assert found.sequence == message.sequence
        assert found.kind == (message.WhichOneof("request") or "")
        answer = Bench(Old()).instance.exchange(object(), bytes(changed))
        assert answer == (b"", True)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.floats(width=32).map(np.float32)
    | st.integers(0, 255).map(np.uint8)
    | st.lists(st.integers(-9, 9), max_size=4).map(lambda x: np.array(x, np.int16)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.tuples(st.text(max_size=2)), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_a_dynamic_value_is_what_the_whole_server_reads(value: Any) -> None:
    written = DynamicWriter("info").value(value)
    assert repr(DynamicReader().value(written, "info")) == repr(value)
    read = dynamic_from_wire(value_pb2.DynamicValue.FromString(written), BACKEND)
    assert repr(read) == repr(value)


@given(VALUES, VALUES)
def test_two_values_are_merged_as_protobuf_merges_them(first: Any, second: Any) -> None:
    joined = DynamicWriter("info").value(first) + DynamicWriter("info").value(second)
    try:
        message = value_pb2.DynamicValue.FromString(joined)
        expected = dynamic_from_wire(message, BACKEND)
    except CodecError:  # Two maps with one key, or two arrays.
        with pytest.raises(Fault):
            DynamicReader().value(joined, "info")
        return
    assert repr(DynamicReader().value(joined, "info")) == repr(expected)


ENCODED: list[Any] = [
    gymnasium.spaces.Box(-1, 1, (2,), np.float32),
    gymnasium.spaces.Box(-128, 127, (), np.int8),
    gymnasium.spaces.Box(0, 1, (2,), np.bool_),
    gymnasium.spaces.Discrete(5, start=-2),
    gymnasium.spaces.MultiDiscrete([3, 200]),
]
NUMBERS = st.one_of(
    st.integers(-300, 300),
    st.floats(),
    st.booleans(),
    st.sampled_from([np.float64(1e39), np.uint64(2**63), np.float32(2.0), "1", None, 1j, b"1"]),
)


@given(st.sampled_from(ENCODED), st.lists(NUMBERS, min_size=2, max_size=2), st.booleans())
def test_numbers_are_converted_as_the_whole_server_converts_them(
    space: Any, numbers: list[Any], as_array: bool
) -> None:
    value: Any = numbers if space.shape else numbers[0]
    if as_array and all(isinstance(x, (int, float)) for x in numbers):
        value = np.array(value)
    codec = SpaceCodec(from_gymnasium(space), BACKEND, root="observation", validation="off")
    try:
        expected = [bytes(slab) for slab in codec.encode(value)]
    except ValueError:
        with pytest.raises(Fault):
            encode_values(convert_space(space, "observation"), [value])
        return
    found = encode_values(convert_space(space, "observation"), [value])
    assert list(map(bytes, found)) == expected


FIELDS = {
    "known": b"\x08\x01" * 2000,
    "unknown": b"\xa2\x06\x00" * 2000,
    "nested": b"\x32\x80\x10" + b"\x18\x01" * 1024 + b"\x32\x80\x10" + b"\x18\x01" * 1024,
    "packed": b"\x3a\xd3\x0f\x0a\xd0\x0f" + b"\x01" * 2000,
    "group": b"\xa3\x06" + b"\x08\x01" * 2000 + b"\xa4\x06",
    "groups": b"\xa3\x06\xa4\x06" * 2000,
}


@pytest.mark.parametrize("frame", FIELDS.values(), ids=list(FIELDS))
def test_a_request_with_too_many_fields_is_refused(
    frame: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-1: each field takes about a microsecond, and a message has room for 128 million."""
    assert is_checked(frame, REQUEST)
    monkeypatch.setattr("rlmesh_thin.wire.MAX_FIELDS", 1500)
    with pytest.raises(Unreadable, match="M-1: a message has over 1500 fields"):
        read_request(frame)
