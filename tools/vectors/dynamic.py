"""Self-describing values: conversion between tagged JSON and DynamicValue, and their rules."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError
from rlmesh_proto.spaces.v1 import value_pb2

from .elements import ELEMENTS, NAMES, Number, count, pack
from .rejected import Rejected, check_extents, step
from .spaces import enum
from .values import Tagged, b64, unb64

__all__ = ["DEPTH", "examine", "floating", "mapping", "message", "parse", "scalar", "tensor"]

DynamicValue = value_pb2.DynamicValue
DEPTH = 24
DIMENSIONS = 32


def floating(value: float | None = None, bits: int = 0) -> Tagged:
    """Return a 64-bit float, by value or by its bits."""
    data = struct.pack("<Q", bits) if value is None else struct.pack("<d", value)
    return {"float": b64(data)}


def scalar(dtype: str, element: Number) -> Tagged:
    """Return one number with a dtype."""
    return {"scalar": {"dtype": dtype, "data": b64(pack(dtype, [element]))}}


def tensor(dtype: str, shape: list[int], elements: Iterable[Number]) -> Tagged:
    """Return an array of numbers, its elements in C order."""
    return {"tensor": {"dtype": dtype, "shape": shape, "data": b64(pack(dtype, elements))}}


def mapping(*pairs: tuple[Any, Tagged]) -> Tagged:
    """Return a map; a key is a string or a tagged value."""
    return {"map": [[{"string": k} if isinstance(k, str) else k, v] for k, v in pairs]}


def message(value: Tagged) -> DynamicValue:
    """Return the DynamicValue of a tagged value."""
    made = DynamicValue()
    ((kind, body),) = value.items()
    if kind == "null":
        made.null_value.SetInParent()
    elif kind == "bool":
        made.bool_value = body
    elif kind == "int":
        _write_int(made, int(body))
    elif kind == "float":
        (made.float_value,) = struct.unpack("<d", unb64(body))
    elif kind == "string":
        made.string_value = body
    elif kind == "bytes":
        made.bytes_value = unb64(body)
    elif kind == "scalar":
        made.scalar_value.dtype = enum(body["dtype"])
        made.scalar_value.data = unb64(body["data"])
    elif kind == "tensor":
        made.tensor_value.dtype = enum(body["dtype"])
        made.tensor_value.shape.extend(body["shape"])
        made.tensor_value.data = unb64(body["data"])
    else:
        _write_container(made, kind, body)
    return made


def _write_int(made: DynamicValue, number: int) -> None:
    if -(2**63) <= number < 2**63:
        made.int_value = number
        return
    size = 1
    while not -(2 ** (8 * size - 1)) <= number < 2 ** (8 * size - 1):
        size += 1
    made.big_int_value = number.to_bytes(size, "little", signed=True)


def _write_container(made: DynamicValue, kind: str, body: Any) -> None:
    if kind == "object_array":
        made.object_array_value.shape.extend(body["shape"])
        made.object_array_value.elements.extend(message(x) for x in body["elements"])
        made.object_array_value.SetInParent()
    elif kind in ("list", "tuple"):
        target = made.list_value if kind == "list" else made.tuple_value
        target.elements.extend(message(x) for x in body)
        target.SetInParent()
    elif kind == "map":
        made.map_value.SetInParent()
        for key, value in body:
            entry = made.map_value.entries.add(value=message(value))
            if "string" in key:
                entry.name = key["string"]
            else:
                entry.other.CopyFrom(message(key))
    else:
        raise ValueError(f"no kind {kind!r}")


def parse(data: bytes) -> Tagged:
    """Return the tagged value of serialised bytes.

    Raises:
        Rejected: If the bytes are not a DynamicValue, or break a rule.
    """
    try:
        made = DynamicValue.FromString(data)
    except DecodeError as error:
        raise Rejected("MALFORMED", "", f"not a message: {error}") from None
    return examine(made)


def examine(value: DynamicValue, path: str = "", level: int = 1) -> Tagged:
    """Return the tagged value of a message, after checking every rule.

    Raises:
        Rejected: At the first rule that is broken.
    """
    if level > DEPTH:
        raise Rejected("MALFORMED", path, f"nested more than {DEPTH} levels")
    kind = value.WhichOneof("kind")
    if kind is None:
        raise Rejected("MALFORMED", path, "no kind")
    if kind == "null_value":
        return {"null": None}
    if kind == "int_value":
        return {"int": str(value.int_value)}
    if kind == "big_int_value":
        return {"int": str(_big_int(value.big_int_value, path))}
    if kind == "float_value":
        return floating(value.float_value)
    if kind == "bytes_value":
        return {"bytes": b64(value.bytes_value)}
    if kind in ("bool_value", "string_value"):
        return {kind[: -len("_value")]: getattr(value, kind)}
    if kind == "scalar_value":
        data = value.scalar_value.data
        return {"scalar": {"dtype": _sized(value.scalar_value, [], path), "data": b64(data)}}
    if kind == "tensor_value":
        shape, data = list(value.tensor_value.shape), value.tensor_value.data
        dtype = _sized(value.tensor_value, shape, path)
        return {"tensor": {"dtype": dtype, "shape": shape, "data": b64(data)}}
    return _examine_container(value, kind, path, level)


def _big_int(data: bytes, path: str) -> int:
    if not data:
        raise Rejected("MALFORMED", path, "a big integer without bytes")
    return int.from_bytes(data, "little", signed=True)


def _sized(body: value_pb2.Scalar | value_pb2.Tensor, shape: list[int], path: str) -> str:
    """Return the dtype's name, after checking the data's size and bools."""
    if body.dtype == 0:
        raise Rejected("MALFORMED", path, "no dtype")
    if body.dtype not in NAMES:
        raise Rejected("UNSUPPORTED", path, f"unknown dtype {body.dtype}")
    name = NAMES[body.dtype]
    check_extents(shape, ELEMENTS[name].size, DIMENSIONS, path)
    expected = count(shape) * ELEMENTS[name].size
    if len(body.data) != expected:
        raise Rejected("MALFORMED", path, f"expected {expected} bytes, got {len(body.data)}")
    if name == "bool" and any(byte > 1 for byte in body.data):
        raise Rejected("MALFORMED", path, "a bool that is neither 0 nor 1")
    return name


def _examine_container(value: DynamicValue, kind: str, path: str, level: int) -> Tagged:
    if kind == "object_array_value":
        body = value.object_array_value
        shape = list(body.shape)
        check_extents(shape, 1, DIMENSIONS, path)
        if count(shape) != len(body.elements):
            raise Rejected("MALFORMED", path, f"{len(body.elements)} elements for {shape}")
        elements = [examine(x, path + step(i), level + 1) for i, x in enumerate(body.elements)]
        return {"object_array": {"shape": shape, "elements": elements}}
    if kind == "map_value":
        return {"map": _examine_map(value.map_value, path, level)}
    many = value.list_value if kind == "list_value" else value.tuple_value
    found = [examine(x, path + step(i), level + 1) for i, x in enumerate(many.elements)]
    return {kind[: -len("_value")]: found}


def _examine_map(body: value_pb2.DynamicMap, path: str, level: int) -> list[list[Tagged]]:
    pairs: list[list[Tagged]] = []
    seen: list[Tagged] = []
    for entry in body.entries:
        which = entry.WhichOneof("key")
        if which is None:
            raise Rejected("MALFORMED", path, "an entry without a key")
        if which == "name":
            key: Tagged = {"string": entry.name}
        else:
            key = _examine_key(entry.other, path, level + 1)
        if key in seen:
            raise Rejected("MALFORMED", path, f"the key {key} twice")
        seen.append(key)
        at = path + step(entry.name) if which == "name" else path
        if not entry.HasField("value"):
            raise Rejected("MALFORMED", at, "an entry without a value")
        pairs.append([key, examine(entry.value, at, level + 1)])
    return pairs


def _examine_key(value: DynamicValue, path: str, level: int, top: bool = True) -> Tagged:
    kind = value.WhichOneof("kind") or "nothing"
    allowed = {"null_value", "bool_value", "int_value", "big_int_value", "float_value"}
    allowed |= {"bytes_value", "tuple_value"} | (set() if top else {"string_value"})
    if kind not in allowed:
        raise Rejected("MALFORMED", path, f"a key of kind {kind}")
    for part in value.tuple_value.elements if kind == "tuple_value" else ():
        _examine_key(part, path, level + 1, top=False)
    return examine(value, path, level)
