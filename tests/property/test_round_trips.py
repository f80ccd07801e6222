"""What crosses the contract arrives as it left."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh._codec import SpaceCodec
from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh._wire.spaces import space_from_wire, space_to_wire
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError
from tests.conformance.native_values import values_equal
from tests.property.strategies import info_trees, spaces_and_values, spaces_of

BACKENDS: list[ArrayBackend] = [NATIVE]
try:
    from rlmesh_numpy import BACKEND

    BACKENDS.append(BACKEND)
except ImportError:
    pass


@given(spaces_of())
def test_a_space_comes_back_equal(space: Any) -> None:
    message = space_pb2.Space()
    space_to_wire(space, message)
    again = space_pb2.Space.FromString(message.SerializeToString())
    assert space_from_wire(again) == space


@given(spaces_and_values())
def test_values_come_back_bit_for_bit(drawn: tuple[Any, list[Any]]) -> None:
    space, values = drawn
    codec = SpaceCodec(space, NATIVE, validation="off")
    slabs = codec.encode_values(values)
    assert values_equal(codec.decode_values(slabs, len(values)), values)
    for value in values:
        assert values_equal(codec.decode(codec.encode(value)), value)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
@given(drawn=spaces_and_values())
def test_a_batch_has_the_bytes_of_its_values(
    backend: ArrayBackend, drawn: tuple[Any, list[Any]]
) -> None:
    space, values = drawn
    slabs = SpaceCodec(space, NATIVE, validation="off").encode_values(values)
    codec = SpaceCodec(space, backend, validation="off")
    batch = codec.decode_batch(slabs, len(values))
    assert codec.encode_batch(batch, len(values)) == slabs
    assert codec.encode_values(codec.decode_values(slabs, len(values))) == slabs


@given(spaces_and_values(), st.data())
def test_damaged_slabs_are_refused_or_are_another_value(
    drawn: tuple[Any, list[Any]], data: st.DataObject
) -> None:
    space, values = drawn
    codec = SpaceCodec(space, NATIVE, validation="off")
    slabs = [bytearray(slab) for slab in codec.encode_values(values)]
    if slabs:
        slab = slabs[data.draw(st.integers(0, len(slabs) - 1))]
        if slab and data.draw(st.booleans()):
            slab[data.draw(st.integers(0, len(slab) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del slab[data.draw(st.integers(0, len(slab))) :]
    damaged = [bytes(slab) for slab in slabs]
    refused = None
    try:
        decoded = codec.decode_values(damaged, len(values))
    except CodecError as error:
        refused = error
    if refused is None:
        assert codec.encode_values(decoded) == damaged
    else:
        assert refused.path.startswith("value")


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
@given(info=info_trees())
def test_an_info_comes_back_as_it_was(backend: ArrayBackend, info: dict[Any, Any]) -> None:
    message = value_pb2.Map()
    DynamicEncoder(backend).map(info, message, "info")
    again = value_pb2.Map.FromString(message.SerializeToString())
    assert values_equal(map_from_wire(again, backend), info)


@given(st.binary(max_size=200))
def test_noise_is_no_frame_or_a_request(noise: bytes) -> None:
    from rlmesh._wire.frames import EnvFrames

    with contextlib.suppress(CodecError):
        EnvFrames(NATIVE).read_request(noise)
