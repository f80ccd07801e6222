"""Target: slabs of a value, decoded in two backends, against the reference of tools/vectors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from unittest import mock

from google.protobuf.message import DecodeError
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh._wire.spaces import space_from_wire
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError, InvalidValueError
from tests.fuzz.parts import split
from tests.fuzz.promises import check_refusal
from tools.vectors import decode as reference
from tools.vectors.rejected import PLACE_VALUES, Rejected

try:
    import ml_dtypes  # noqa: F401  (of bfloat16)

    from rlmesh_numpy import BACKEND as NUMPY
except ImportError:
    NUMPY = None

__all__ = ["BACKENDS", "has_half_graph", "run"]

BACKENDS: tuple[ArrayBackend, ...] = (NATIVE,) if NUMPY is None else (NATIVE, NUMPY)

EMPTY_VALUES = 65_536
"""Values that may be made of nothing, such as empty dicts."""

ASKED_VALUES = 5_000
"""Values at one place that the reference is asked about; it is slow."""


def run(data: bytes) -> None:
    """Two parts, a `Space` and a `Value`: accepted if and only if the reference accepts them."""
    space_data, value_data, *_ = (*split(data), b"", b"")
    space = _space(space_data)
    try:
        value = value_pb2.Value.FromString(value_data)
    except DecodeError:
        return
    if space is None:
        return
    slabs = list(value.slabs)
    count = value.batch_size if value.HasField("batch_size") else None
    broken = _broken(space_pb2.Space.FromString(space_data), slabs, count)
    for backend in BACKENDS:
        _check(_codec(space_data, backend, "off"), slabs, count, broken)
        _check_strict(_codec(space_data, backend, "strict"), slabs, count)


@lru_cache(maxsize=256)
def _space(data: bytes) -> spaces.Space[Any] | None:
    try:
        return space_from_wire(space_pb2.Space.FromString(data), "observation_space")
    except (CodecError, DecodeError):
        return None


@lru_cache(maxsize=256)
def _codec(data: bytes, backend: ArrayBackend, level: Any) -> SpaceCodec:
    space = _space(data)
    assert space is not None
    return SpaceCodec(space, backend, validation=level)


def _broken(space: space_pb2.Space, slabs: list[bytes], count: int | None) -> str | None:
    """The fault of the value; None if the reference would take too long to find it."""
    try:
        with mock.patch.object(reference, "PLACE_VALUES", ASKED_VALUES):
            reference.decode(space, slabs, 1 if count is None else count)
    except Rejected as rejected:
        if rejected.code == "LIMIT_EXCEEDED" and int(rejected.reason.split()[0]) <= PLACE_VALUES:
            return None
        return str(rejected)
    return ""


def _check(codec: SpaceCodec, slabs: list[bytes], count: int | None, broken: str | None) -> None:
    value = _decoded(codec, slabs, count)
    if isinstance(value, Exception):
        # A limit of ours, of which the contract does not speak.
        allowed = broken != "" or "without a byte" in str(value)
        assert allowed, f"{codec.backend.name}: refused, although the reference takes it: {value}"
        return
    # A receiver that makes one array of a batch may count it as one value (M-8).
    counted_once = count is not None and "without a byte" in (broken or "")
    assert not broken or counted_once, f"{codec.backend.name}: taken, although {broken}"
    repr(value)
    if count is None:
        assert codec.encode(value) == slabs
        assert codec.encode(codec.decode(slabs, copy=False)) == slabs
        return
    assert codec.encode_batch(value, count) == slabs
    try:
        values = codec.decode_values(slabs, count)
    except CodecError:
        # A list of values has more parts than a batch: an empty dict for each of them.
        assert count * _size(codec.space) > EMPTY_VALUES
        return
    assert codec.encode_values(values) == slabs


def _decoded(codec: SpaceCodec, slabs: list[bytes], count: int | None) -> Any:
    """The value or batch; the error if it is refused."""
    try:
        if count is None:
            return codec.decode(slabs)
        return codec.decode_batch(slabs, count)
    except (CodecError, InvalidValueError) as error:
        check_refusal(error, "value")
        return error


def _check_strict(codec: SpaceCodec, slabs: list[bytes], count: int | None) -> None:
    """Check that a value that is accepted with bounds checked belongs to the space."""
    try:
        values = [codec.decode(slabs)] if count is None else codec.decode_values(slabs, count)
    except (CodecError, InvalidValueError):
        return
    for value in values:
        if not has_half_graph(value):
            assert codec.space.contains(value), f"{value!r} is not in {codec.space!r}"


def _size(space: spaces.Space[Any]) -> int:
    return 1 + sum(_size(child) for _, child in space.children)


def has_half_graph(value: Any) -> bool:
    """Whether a graph has edges without links or links without edges, which only the wire has."""
    if hasattr(value, "edge_links"):  # Ours or Gymnasium's.
        return (value.edges is None) != (value.edge_links is None)
    if isinstance(value, dict):
        return any(map(has_half_graph, value.values()))
    return isinstance(value, (tuple, list)) and any(map(has_half_graph, value))
