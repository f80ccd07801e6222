"""Infos and metadata <-> plain JSON: what JSON has as it is, everything else as a message.

A text, a bool, null, a finite float, an integer that every reader of JSON keeps exactly, a list,
and a dict with text keys are the JSON of the same kind. Anything else, such as an array, a tuple or
NaN, is an object with the single key `MESSAGE_KEY`, and under it the message in protobuf's JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh.backends import ArrayBackend
from rlmesh.errors import CodecError

__all__ = ["MAX_EXACT", "MESSAGE_KEY", "info_from_json", "info_to_json"]

MAX_EXACT = 2**53 - 1
"""Largest magnitude of an integer that a reader with double precision keeps exactly."""

MESSAGE_KEY = "$rlmesh"
"""Key of an object that has a message instead of plain JSON."""


def info_to_json(info: Mapping[Any, Any], encoder: DynamicEncoder, path: str) -> dict[str, Any]:
    """Return an info as plain JSON.

    Args:
        info: The info.
        encoder: Encoder of its values; what no wire type holds is replaced by its repr.
        path: Name of the info in warnings ("metadata").
    """
    message = value_pb2.DynamicMap()
    encoder.map(info, message, path)
    return _map_to_json(message)


def _map_to_json(message: value_pb2.DynamicMap) -> dict[str, Any]:
    entries = message.entries
    if all(entry.WhichOneof("key") == "name" and entry.name != MESSAGE_KEY for entry in entries):
        return {entry.name: _value_to_json(entry.value) for entry in entries}
    return _as_message(message)


def _value_to_json(message: value_pb2.DynamicValue) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "null_value":
        return None
    if kind == "list_value":
        return [_value_to_json(part) for part in message.list_value.elements]
    if kind == "map_value":
        return _map_to_json(message.map_value)
    if kind in ("bool_value", "string_value"):
        return getattr(message, kind)
    if kind == "int_value" and abs(message.int_value) <= MAX_EXACT:
        return message.int_value
    if kind == "float_value" and math.isfinite(message.float_value):
        return message.float_value
    return _as_message(message)


def _as_message(message: Any) -> dict[str, Any]:
    return {MESSAGE_KEY: json_format.MessageToDict(message)}


def info_from_json(value: Any, backend: ArrayBackend, path: str) -> dict[Any, Any]:
    """Return the info of plain JSON that `info_to_json` wrote.

    Args:
        value: The JSON.
        backend: Backend that makes arrays and typed scalars.
        path: Path of the info, for errors.

    Raises:
        CodecError: If it is no object, or has a message that breaks a rule of the contract.
    """
    if not isinstance(value, dict):
        raise CodecError(f"expected an object, got {value!r:.60}", path=path)
    message = value_pb2.DynamicMap()
    try:
        _read_map(value, message)
    except (json_format.Error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CodecError(f"not an info: {error}", path=path) from None
    return map_from_wire(message, backend, path)


def _read_map(value: dict[str, Any], out: value_pb2.DynamicMap) -> None:
    out.SetInParent()
    if set(value) == {MESSAGE_KEY}:
        json_format.ParseDict(value[MESSAGE_KEY], out)
        return
    for name, part in value.items():
        entry = out.entries.add()
        entry.name = name
        _read_value(part, entry.value)


def _read_value(value: Any, out: value_pb2.DynamicValue) -> None:
    if value is None:
        out.null_value.SetInParent()
    elif isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, int):
        out.int_value = value
    elif isinstance(value, float):
        out.float_value = value
    elif isinstance(value, str):
        out.string_value = value
    elif isinstance(value, list):
        out.list_value.SetInParent()
        for part in value:
            _read_value(part, out.list_value.elements.add())
    elif set(value) == {MESSAGE_KEY} and not _has_entries(value[MESSAGE_KEY]):
        json_format.ParseDict(value[MESSAGE_KEY], out)
    else:
        _read_map(value, out.map_value)


def _has_entries(message: Any) -> bool:
    """Return whether protobuf's JSON is that of a map, and not of a value."""
    return isinstance(message, dict) and set(message) <= {"entries"}
