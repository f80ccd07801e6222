"""The production codec against the golden vectors, in native values and in NumPy's."""

from __future__ import annotations

import warnings
from operator import attrgetter
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh._codec import SpaceCodec
from rlmesh._wire.dynamic import DynamicEncoder, dynamic_from_wire
from rlmesh._wire.spaces import space_from_wire, space_to_wire
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError, InvalidValueError, NewerSpecError
from rlmesh.spaces import Space
from tests.cases import for_each
from tests.conformance import vectors
from tests.conformance.native_values import (
    dynamic_from_json,
    value_from_json,
    values_equal,
)

try:
    from rlmesh_numpy import BACKEND as NUMPY
except ImportError:
    NUMPY = None

BACKENDS: list[ArrayBackend] = [NATIVE] if NUMPY is None else [NATIVE, NUMPY]


def read_space(proto: bytes) -> Space[Any]:
    return space_from_wire(space_pb2.Space.FromString(proto))


def assert_rule(error: Exception, broken: vectors.Broken) -> None:
    """Check that the refusal has the id of the rule, once; protobuf itself checks those of §1."""
    if isinstance(error, CodecError):
        assert error.rule == broken.contract
        assert str(error).count(f"{error.rule}: ") == 1
    else:
        assert broken.contract.startswith("G-")


def assert_path(error: Exception, root: str, broken: vectors.Broken) -> None:
    if isinstance(error, DecodeError):
        return  # The parser reports no path.
    assert isinstance(error, CodecError)
    # The space of a Sequence's elements is a step for us and none in the vectors.
    found, place = (path.replace("[0]", "") for path in (error.path, root + broken.error_path))
    assert found.startswith(place)


def codec_of(proto: bytes, backend: ArrayBackend, level: Any = "off") -> SpaceCodec:
    return SpaceCodec(read_space(proto), backend, validation=level)


@for_each("case", vectors.space_cases(), ids=attrgetter("name"))
def test_a_space_comes_back_as_its_writer_sends_it(case: vectors.SpaceCase) -> None:
    out = space_pb2.Space()
    space_to_wire(read_space(case.space_proto), out)
    assert out == space_pb2.Space.FromString(case.canonical_proto)


@for_each("case", vectors.invalid_space_cases(), ids=attrgetter("name"))
def test_a_space_that_breaks_a_rule_is_refused_with_its_path(
    case: vectors.InvalidSpaceCase,
) -> None:
    with pytest.raises((CodecError, DecodeError)) as caught:
        read_space(case.space_proto)
    assert_path(caught.value, "space", case.broken)
    assert_rule(caught.value, case.broken)
    unsupported = case.broken.code == "ERROR_CODE_UNSUPPORTED"
    assert isinstance(caught.value, NewerSpecError) == unsupported


@for_each("case", vectors.value_cases(), ids=attrgetter("name"))
def test_native_values_have_the_vectors_bytes(case: vectors.ValueCase) -> None:
    codec = codec_of(case.space_proto, NATIVE)
    values = [value_from_json(codec.space, tagged) for tagged in case.values]
    if case.batch_size is None:
        assert tuple(codec.encode(values[0])) == case.slabs
        assert values_equal(codec.decode(case.slabs), values[0])
    else:
        assert tuple(codec.encode_values(values)) == case.slabs
        assert values_equal(codec.decode_values(case.slabs, case.batch_size), values)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
@for_each("case", vectors.value_cases(), ids=attrgetter("name"))
def test_decoding_and_encoding_again_gives_the_same_bytes(
    case: vectors.ValueCase, backend: ArrayBackend
) -> None:
    codec = codec_of(case.space_proto, backend)
    if case.batch_size is None:
        assert tuple(codec.encode(codec.decode(case.slabs))) == case.slabs
        return
    batch = codec.decode_batch(case.slabs, case.batch_size)
    assert tuple(codec.encode_batch(batch, case.batch_size)) == case.slabs
    values = codec.decode_values(case.slabs, case.batch_size)
    assert tuple(codec.encode_values(values)) == case.slabs


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
@for_each("case", [c for c in vectors.value_cases() if not c.conforms], ids=attrgetter("name"))
def test_a_value_outside_its_space_is_refused_by_strict_and_reported_by_warn(
    case: vectors.ValueCase, backend: ArrayBackend
) -> None:
    lenient = codec_of(case.space_proto, backend)
    values = lenient.decode_values(case.slabs, case.batch_size or 1)
    with pytest.raises(InvalidValueError):
        codec_of(case.space_proto, backend, "strict").encode_values(values)
    with pytest.raises((CodecError, InvalidValueError)):
        codec_of(case.space_proto, backend, "strict").decode_values(
            case.slabs, case.batch_size or 1
        )
    warned = codec_of(case.space_proto, backend, "warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert tuple(warned.encode_values(values)) == case.slabs
        assert tuple(warned.encode_values(values)) == case.slabs
    reports = warned.take_reports()
    assert reports and len(caught) == len(reports)
    assert warned.take_reports() == {}


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
@for_each("case", vectors.invalid_value_cases(), ids=attrgetter("name"))
def test_slabs_that_break_a_rule_are_refused_with_their_path(
    case: vectors.InvalidValueCase, backend: ArrayBackend
) -> None:
    codec = codec_of(case.space_proto, backend)
    with pytest.raises(CodecError) as caught:
        if case.batch_size is None:
            codec.decode(case.slabs)
        else:
            codec.decode_batch(case.slabs, case.batch_size)
    error = caught.value
    assert error.path.startswith("value" + case.broken.error_path)
    # Two rules state the limit on values at one place, and the sizes of a graph's slabs.
    allowed = {"M-4": ("M-1",), "V-10": ("V-10", "V-4")}.get(case.broken.contract)
    assert error.rule in (allowed or (case.broken.contract,))
    assert error.expected and error.actual and f"{error.rule}: expected " in str(error)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
@for_each("case", vectors.dynamic_cases(), ids=attrgetter("name"))
def test_a_dynamic_value_comes_back_as_its_writer_sends_it(
    case: vectors.DynamicCase, backend: ArrayBackend
) -> None:
    if backend is NATIVE and any(word in str(case.value) for word in ("scalar", "object_array")):
        pytest.skip("natively a typed scalar is a Python number, an object array a list")
    value = dynamic_from_wire(value_pb2.DynamicValue.FromString(case.proto), backend)
    out = value_pb2.DynamicValue()
    DynamicEncoder(backend).value(value, out, "value")
    expected = value_pb2.DynamicValue.FromString(case.canonical_proto)
    assert out.SerializeToString(deterministic=True) == expected.SerializeToString(
        deterministic=True
    )


@for_each(
    "case",
    [
        c
        for c in vectors.dynamic_cases()
        if not any(w in str(c.value) for w in ("scalar", "tensor", "object_array"))
    ],
    ids=attrgetter("name"),
)
def test_a_dynamic_value_is_the_python_value_that_it_describes(case: vectors.DynamicCase) -> None:
    value = dynamic_from_wire(value_pb2.DynamicValue.FromString(case.proto), NATIVE)
    assert values_equal(value, dynamic_from_json(case.value))


@for_each("case", vectors.invalid_dynamic_cases(), ids=attrgetter("name"))
def test_a_dynamic_value_that_breaks_a_rule_is_refused_with_its_path(
    case: vectors.InvalidDynamicCase,
) -> None:
    with pytest.raises((CodecError, DecodeError)) as caught:
        dynamic_from_wire(value_pb2.DynamicValue.FromString(case.proto), NATIVE, "info")
    assert_path(caught.value, "info", case.broken)
    assert_rule(caught.value, case.broken)
