"""Any value of any space arrives bit for bit, in every array library and between any two."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._codec import SpaceCodec
from rlmesh._codec.split_batch import split_batch
from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh.backends import NATIVE, DynamicArray
from rlmesh.errors import CodecError
from tests.backends.libraries import Library, open_library
from tests.conformance.native_values import values_equal
from tests.property.strategies import dynamic_arrays, info_trees, leaves_of, spaces_and_values


def codec_of(space: Any, library: Library) -> SpaceCodec:
    return SpaceCodec(space, library.backend, validation="off")


@given(drawn=spaces_and_values())
def test_native_values_come_back(drawn: tuple[Any, list[Any]]) -> None:
    space, values = drawn
    codec = SpaceCodec(space, NATIVE, validation="off")
    slabs = codec.encode_values(values)
    assert values_equal(codec.decode_values(slabs, len(values)), values)
    for value in values:
        assert values_equal(codec.decode(codec.encode(value)), value)


@given(drawn=spaces_and_values(), data=st.data())
def test_a_batch_is_cut_into_its_parts(drawn: tuple[Any, list[Any]], data: st.DataObject) -> None:
    space, values = drawn
    codec = SpaceCodec(space, NATIVE, validation="off")
    ends = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    runs = list(zip([0, *ends], [*ends, len(values)]))
    parts = split_batch(space, codec.encode_values(values), [end - start for start, end in runs])
    assert parts == [codec.encode_values(values[start:end]) for start, end in runs]


@given(drawn=spaces_and_values())
def test_every_pair_of_libraries(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]]
) -> None:
    """What one has decoded, each encodes to the bytes that it was: so does any chain of them."""
    space, values = drawn
    count = len(values)
    slabs = SpaceCodec(space, NATIVE, validation="off").encode_values(values)
    codecs = {name: codec_of(space, library) for name, library in libraries.items()}
    for name, codec in codecs.items():
        batch = codec.decode_batch(slabs, count)
        listed = codec.decode_values(slabs, count)
        for other, encoder in codecs.items():
            if (name, other) != ("torch", "native"):  # A tensor has no interface that it knows.
                assert encoder.encode_batch(batch, count) == slabs, (name, other)
                assert encoder.encode_values(listed) == slabs, (name, other)


@given(drawn=spaces_and_values(most=1))
def test_one_value_in_every_library(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]]
) -> None:
    space, values = drawn
    for value in values:
        slabs = SpaceCodec(space, NATIVE, validation="off").encode(value)
        for library in libraries.values():
            codec = codec_of(space, library)
            for copy in (True, False):
                assert codec.encode(codec.decode(slabs, copy=copy)) == slabs


@given(drawn=spaces_and_values())
def test_jax_without_x64_changes_nothing(drawn: tuple[Any, list[Any]]) -> None:
    """A leaf that it would change is refused, by path; all others arrive bit for bit."""
    pytest.importorskip("rlmesh_jax")
    space, values = drawn
    count = len(values)
    native = SpaceCodec(space, NATIVE, validation="off")
    slabs = native.encode_values(values)
    wide = {path for path, leaf in leaves_of(space) if getattr(leaf.dtype, "itemsize", 0) == 8}
    with open_library("jax") as library:
        codec = codec_of(space, library)
        for encode, decode in (
            (codec.encode_batch, codec.decode_batch),
            (lambda listed, _: codec.encode_values(listed), codec.decode_values),
        ):
            refused, decoded = decoded_or_refused(lambda decode=decode: decode(slabs, count))
            if refused is None:
                assert encode(decoded, count) == slabs
            else:
                event("refused")
                assert refused.path in wide and "jax_enable_x64" in str(refused)
        # Values of other libraries on their way to the wire are not touched by that.
        assert codec.encode_batch(native.decode_batch(slabs, count), count) == slabs


def decoded_or_refused(decode: Callable[[], Any]) -> tuple[CodecError | None, Any]:
    try:
        return None, decode()
    except CodecError as error:
        return error, None


@given(info=info_trees())
def test_a_plain_info_comes_back_in_every_library(
    libraries: dict[str, Library], info: dict[Any, Any]
) -> None:
    for library in libraries.values():
        message = message_of(info, library)
        assert values_equal(map_from_wire(message, library.backend), info)


def message_of(info: dict[Any, Any], library: Library) -> value_pb2.DynamicMap:
    message = value_pb2.DynamicMap()
    DynamicEncoder(library.backend).map(info, message, "info")
    return value_pb2.DynamicMap.FromString(message.SerializeToString())


@functools.cache
def numpys_own() -> Any:
    return dynamic_arrays().map(lambda array: numpy_backend().from_dynamic(array))


def numpy_backend() -> Any:
    return importlib.import_module("rlmesh_numpy").BACKEND


@given(data=st.data())
def test_an_info_with_arrays_comes_back_between_any_two(
    libraries: dict[str, Library], data: st.DataObject
) -> None:
    if "numpy" not in libraries:
        pytest.skip("the infos are NumPy's")
    info = data.draw(info_trees(numpys_own()))
    message = message_of(info, libraries["numpy"])
    sameness = importlib.import_module("tests.property.sameness")
    assert sameness.identical(map_from_wire(message, numpy_backend()), info)
    for name, library in libraries.items():
        # Native values have no types for scalars and arrays of any values.
        again = message_of(map_from_wire(message, library.backend), library)
        # By their bytes, because some versions of protobuf find no NaN equal.
        assert name == "native" or again.SerializeToString() == message.SerializeToString()


@given(drawn=dynamic_arrays().filter(lambda array: None not in (array.dtype, array.shape)))
def test_arrays_of_infos_keep_their_bits(
    libraries: dict[str, Library], drawn: DynamicArray
) -> None:
    for one in libraries.values():
        value = one.backend.from_dynamic(drawn)
        for other in libraries.values():
            if (one.name, other.name) != ("torch", "native"):
                back = other.backend.dynamic(value)
                assert back is not None and back.dtype is drawn.dtype
                assert (back.shape, bytes(back.data or b"")) == (drawn.shape, drawn.data)
