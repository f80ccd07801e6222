"""Limits of CONTRACT.md §15, and that what breaks them costs neither memory nor time."""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from rlmesh_proto.env.v1 import contract_pb2
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh._wire import dynamic_limits
from rlmesh._wire.contract import contract_from_wire
from rlmesh._wire.dynamic import dynamic_from_wire, map_from_wire
from rlmesh._wire.spaces import space_from_wire, space_to_wire
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError, SpaceError
from tests.size import LONG

LEAF = spaces.MultiBinary(1)
NOTHING = spaces.Tuple([])
ZERO_SIZE = spaces.Box(0, 1, (0,), "uint8")


@contextmanager
def cheap(megabytes: float = 40, seconds: float = 5) -> Generator[None, None, None]:
    """Measure memory and CPU time; the limit is for a slow machine that traces memory."""
    start = time.process_time()
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= megabytes * 2**20, f"{peak / 2**20:.0f} MiB"
    assert time.process_time() - start <= seconds


def message_of(space: spaces.Space[Any]) -> space_pb2.Space:
    message = space_pb2.Space()
    space_to_wire(space, message)
    return message


def lengths(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


# Spaces.


def test_a_space_has_at_most_4096_leaves() -> None:
    assert spaces.Tuple([LEAF] * 4096).depth == 2
    with pytest.raises(SpaceError, match="at most 4096 leaves, got 4097"):
        spaces.Tuple([LEAF] * 4097)


def test_a_space_has_at_most_16384_spaces() -> None:
    assert spaces.Tuple([NOTHING] * 16_383).depth == 2
    with pytest.raises(SpaceError, match="at most 16384 spaces, got 16385"):
        spaces.Tuple([NOTHING] * 16_384)


def test_a_space_that_stands_in_many_places_counts_in_each() -> None:
    space: spaces.Space[Any] = LEAF
    with pytest.raises(SpaceError, match="at most 4096 leaves"):
        for _ in range(20):
            space = spaces.Tuple([space] * 10)


@pytest.mark.parametrize(("child", "most"), [(LEAF, 4_096), (NOTHING, 16_383)])
def test_a_received_space_is_counted_before_it_is_made(child: spaces.Space[Any], most: int) -> None:
    message = message_of(spaces.Tuple([child] * most))
    assert len(space_from_wire(message).children) == most
    message.tuple.spaces.add().CopyFrom(message_of(child))
    with pytest.raises(CodecError, match="more than") as caught:
        space_from_wire(message, "observation_space")
    assert caught.value.path.startswith("observation_space[")
    message.tuple.spaces.extend([message_of(child)] * 200_000)
    with cheap(), pytest.raises(CodecError):
        space_from_wire(message)


def test_the_number_of_leaves_holds_over_all_levels() -> None:
    half = spaces.Tuple([LEAF] * 2_048)
    message = message_of(spaces.Dict({"a": half, "b": half}))
    assert space_from_wire(message).depth == 3
    message.dict.entries.add(name="c").space.CopyFrom(message_of(LEAF))
    with pytest.raises(CodecError) as caught:
        space_from_wire(message, "action_space")
    assert caught.value.path == "action_space['c']"


def test_a_key_of_a_dict_has_at_most_65536_bytes() -> None:
    message = message_of(spaces.Dict({"é" * 32_768: LEAF}))
    assert space_from_wire(message).depth == 2
    message.dict.entries[0].name += "a"
    with pytest.raises(CodecError, match="more than 65536 bytes"):
        space_from_wire(message)


def test_a_vector_has_at_most_65536_lanes() -> None:
    message = contract_pb2.EnvContract(id="a", vector=True, num_envs=65_536)
    for space in (message.observation_space, message.action_space):
        space.CopyFrom(message_of(LEAF))
    assert contract_from_wire(message, NATIVE).num_envs == 65_536
    message.num_envs += 1
    with pytest.raises(CodecError, match="the limit is 65536") as caught:
        contract_from_wire(message, NATIVE)
    assert caught.value.path == "num_envs"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_discrete_of_a_float_type_is_refused_whatever_its_start(number: float) -> None:
    message = message_of(spaces.Discrete(2))
    message.discrete.dtype = 12  # type: ignore[assignment]  # D_TYPE_FLOAT32
    message.discrete.start = struct.pack("<f", number)
    with pytest.raises(CodecError, match="float32, which is no integer type"):
        space_from_wire(message)


# Values.


@pytest.mark.parametrize(
    ("space", "slabs"),
    [
        (spaces.Sequence(spaces.Tuple([NOTHING] * 16_000)), [lengths(65_536)]),
        (spaces.Sequence(spaces.Dict({"a": spaces.Dict({})})), [lengths(65_536)]),
        (spaces.Sequence(spaces.Sequence(NOTHING)), [lengths(60_000), lengths(*[60_000] * 60_000)]),
        (
            spaces.Sequence(spaces.Sequence(spaces.Tuple([ZERO_SIZE] * 4_000), stack=True)),
            [lengths(9_999), lengths(*[0] * 9_999), *[b""] * 4_000],
        ),
        (
            spaces.Sequence(spaces.OneOf([NOTHING, spaces.Tuple([NOTHING] * 16_000)])),
            [lengths(9_999), lengths(*[1] * 9_999)],
        ),
        (spaces.Sequence(spaces.Dict({"a": spaces.Tuple([LEAF])})), [lengths(2**24), b"\1"]),
        (
            spaces.Sequence(spaces.Graph(ZERO_SIZE, ZERO_SIZE)),
            [lengths(2), b"\1\1", lengths(2**32 - 1, 1), lengths(2**31, 2**31), b"", b"", b""],
        ),
    ],
)
def test_values_without_bytes_are_not_made_without_end(
    space: spaces.Space[Any], slabs: list[bytes]
) -> None:
    codec = SpaceCodec(space, NATIVE)
    with cheap(), pytest.raises(CodecError) as caught:
        codec.decode(slabs)
    assert caught.value.path.startswith("value")


def test_as_many_values_without_bytes_are_read_as_there_may_be() -> None:
    """M-8; the golden vectors have one more."""
    plain = SpaceCodec(spaces.Sequence(NOTHING), NATIVE)
    assert len(plain.decode([lengths(65_552)])) == 65_552
    stacks = SpaceCodec(spaces.Sequence(spaces.Tuple([LEAF] * 100), stack=True), NATIVE)
    assert len(stacks.decode_values([bytes(4 * 771), *[b""] * 100], 771)) == 771


def test_a_place_has_at_most_16777216_values() -> None:
    codec = SpaceCodec(spaces.Sequence(spaces.Discrete(2, dtype="uint8")), NATIVE)
    slab = bytes(2**24 + 1)
    with pytest.raises(CodecError, match="at most 16777216 values at one place, got 16777217"):
        codec.decode([lengths(2**24 + 1), slab])
    with pytest.raises(CodecError, match="at most 16777216 values"):
        SpaceCodec(spaces.Discrete(2, dtype="uint8"), NATIVE).decode_batch([slab], 2**24 + 1)


def test_values_of_the_deepest_space_are_as_many_as_their_bytes() -> None:
    space: spaces.Space[Any] = spaces.Discrete(2, dtype="uint8")
    for _ in range(22):
        space = spaces.Tuple([space])
    codec = SpaceCodec(spaces.Sequence(space), NATIVE)
    slabs = [lengths(20_000), bytes(20_000)]
    assert codec.encode(codec.decode(slabs)) == slabs


def test_many_alternatives_cost_no_more_than_few() -> None:
    count = 100_000 if LONG else 30_000
    seconds = []
    for alternatives in (4, 4_000):
        codec = SpaceCodec(spaces.OneOf([LEAF] * alternatives), NATIVE)
        slabs = [lengths(*[i % alternatives for i in range(count)])]
        slabs += [bytes(len(range(i, count, alternatives))) for i in range(alternatives)]
        start = time.process_time()
        assert codec.encode_values(codec.decode_values(slabs, count)) == slabs
        seconds.append(time.process_time() - start)
    assert seconds[1] < 8 * seconds[0] + 1


# Self-describing values.


def nested(make: Callable[[Any], Any], count: int) -> value_pb2.DynamicValue:
    value = value_pb2.DynamicValue()
    for _ in range(count):
        make(value)
    return value


@pytest.mark.parametrize(
    ("limit", "make"),
    [
        ("MAX_PARTS", lambda v: v.list_value.elements.add(bool_value=True)),
        ("MAX_PARTS", lambda v: v.tuple_value.elements.add(bool_value=True)),
        ("MAX_VALUES", lambda v: v.list_value.elements.add(bool_value=True)),
        (
            "MAX_PARTS",
            lambda v: v.map_value.entries.add(name=str(len(v.map_value.entries))).value.CopyFrom(
                value_pb2.DynamicValue(bool_value=True)
            ),
        ),
    ],
)
def test_the_parts_of_a_value_are_counted(
    monkeypatch: pytest.MonkeyPatch, limit: str, make: Callable[[Any], Any]
) -> None:
    monkeypatch.setattr(dynamic_limits, limit, 3)
    assert len(dynamic_from_wire(nested(make, 3), NATIVE)) == 3
    with pytest.raises(CodecError, match=r"limit (of|is) 3") as caught:
        dynamic_from_wire(nested(make, 4), NATIVE, "info")
    assert caught.value.path == "info"


def test_values_are_counted_over_all_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic_limits, "MAX_VALUES", 5)
    message = value_pb2.DynamicMap()
    for name in "ab":
        elements = message.entries.add(name=name).value.list_value.elements
        elements.add(bool_value=True)
        elements.add(bool_value=True)
    with pytest.raises(CodecError, match="the limit of 5") as caught:
        map_from_wire(message, NATIVE, "info")
    assert caught.value.path == "info['b']"


def test_integers_and_keys_have_at_most_65536_bytes() -> None:
    message = value_pb2.DynamicValue(big_int_value=b"\1" * 65_536)
    assert dynamic_from_wire(message, NATIVE).bit_length() == 8 * 65_536 - 7
    message.big_int_value += b"\1"
    with pytest.raises(CodecError, match="65537 bytes"):
        dynamic_from_wire(message, NATIVE)
    entry = message.map_value.entries.add(name="é" * 32_768)
    entry.value.bool_value = True
    assert len(dynamic_from_wire(message, NATIVE)) == 1
    entry.name += "a"
    with pytest.raises(CodecError, match="the limit is 65536"):
        dynamic_from_wire(message, NATIVE)
    entry.other.bytes_value = bytes(65_537)
    with pytest.raises(CodecError, match="the limit is 65536"):
        dynamic_from_wire(message, NATIVE)


def test_an_array_without_elements_does_not_become_lists_without_end() -> None:
    message = value_pb2.DynamicValue()
    for _ in range(3):
        message.list_value.elements.add().object_array_value.shape.extend([30_000, 0])
    with cheap(20), pytest.raises(CodecError) as caught:
        dynamic_from_wire(message, NATIVE, "info")
    assert caught.value.path == "info[2]"


def test_the_text_of_a_tensor_without_elements_is_short() -> None:
    message = value_pb2.DynamicValue()
    message.tensor_value.dtype = 6  # type: ignore[assignment]
    message.tensor_value.shape.extend([2**28, 0])
    with cheap():
        assert repr(dynamic_from_wire(message, NATIVE)) == (
            "Tensor(shape=(268435456, 0), dtype=uint8)"
        )
    shape = (2**20, 0)
    many = spaces.MultiDiscrete(spaces.Box(0, 1, shape, "int64").low, "int64")
    with cheap():
        assert "shape=(1048576, 0)" in repr(many)


# Keys of maps.


def nan_key(entry: Any) -> None:
    entry.other.tuple_value.elements.add(float_value=float("nan"))


@pytest.mark.parametrize(
    "set_key",
    [
        lambda entry: setattr(entry.other, "float_value", float("nan")),
        nan_key,
        lambda entry: entry.other.null_value.SetInParent(),
    ],
)
def test_a_key_that_is_equal_to_nothing_comes_once(set_key: Callable[[Any], None]) -> None:
    message = value_pb2.DynamicMap()
    for _ in range(2):
        entry = message.entries.add()
        set_key(entry)
        entry.value.bool_value = True
    with pytest.raises(CodecError, match="twice"):
        map_from_wire(message, NATIVE)
    del message.entries[1]
    assert len(map_from_wire(message, NATIVE)) == 1


@pytest.mark.parametrize("kind", ["scalar_value", "tensor_value"])
def test_a_number_with_a_dtype_is_no_part_of_a_key(kind: str) -> None:
    message = value_pb2.DynamicMap()
    entry = message.entries.add()
    inner = entry.other.tuple_value.elements.add().tuple_value.elements.add()
    getattr(inner, kind).dtype = 6
    getattr(inner, kind).data = b"\1"
    entry.value.bool_value = True
    with pytest.raises(CodecError, match=f"written as a {kind}"):
        map_from_wire(message, NATIVE)
