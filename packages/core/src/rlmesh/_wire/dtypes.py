"""`DType` <-> the enum of the schema."""

from __future__ import annotations

from rlmesh_proto.spaces.v1 import dtype_pb2

from rlmesh.dtypes import DTYPES, DType
from rlmesh.errors import CodecError, NewerSpecError

__all__ = ["dtype_from_wire", "dtype_to_wire", "known_dtype", "unknown_dtype"]

_TO_WIRE = {name: dtype_pb2.DType.Value(f"D_TYPE_{name.upper()}") for name in DTYPES}
_FROM_WIRE: dict[int, DType] = {number: DTYPES[name] for name, number in _TO_WIRE.items()}


def dtype_to_wire(element: DType) -> dtype_pb2.DType.ValueType:
    """Return the enum's number."""
    return _TO_WIRE[element.name]


def dtype_from_wire(number: int) -> DType:
    """Return the element type.

    Raises:
        CodecError: If the number is 0.
        NewerSpecError: If it is one of a newer spec.
    """
    element = known_dtype(number)
    if element is None:
        error = NewerSpecError if number else CodecError
        raise error(unknown_dtype(number), rule="S-3")
    return element


def known_dtype(number: int) -> DType | None:
    """Return the element type; None for a number that is 0 or one of a newer spec."""
    return _FROM_WIRE.get(number)


def unknown_dtype(number: int) -> str:
    """Return what is wrong with a number that is no known element type."""
    if number:
        return f"element type {number} is unknown to this spec version"
    return "an element type is missing"
