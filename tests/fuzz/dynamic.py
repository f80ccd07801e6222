"""Target: bytes of a `DynamicValue`, in two backends, against the reference of tools/vectors."""

from __future__ import annotations

import base64
import struct
import warnings
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._wire.dynamic import DynamicEncoder, InexactValueWarning, dynamic_from_wire
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError
from tests.fuzz.messages import has_wide_nothing
from tests.fuzz.promises import check_refusal
from tests.fuzz.values import BACKENDS
from tools.vectors.dynamic import parse
from tools.vectors.rejected import Rejected

__all__ = ["has_equal_keys", "run"]

ROOT = "info"


def run(data: bytes) -> None:
    """Whatever the reference takes comes back the same; all else is a CodecError."""
    try:
        message = value_pb2.DynamicValue.FromString(data)
    except Exception:  # no message
        return
    broken = ""
    tagged: Any = None
    try:
        tagged = parse(data)
    except Rejected as rejected:
        broken = str(rejected)
    for backend in BACKENDS:
        _check(message, backend, tagged, broken)


def _check(message: Any, backend: ArrayBackend, tagged: Any, broken: str) -> None:
    try:
        value = dynamic_from_wire(message, backend, ROOT)
    except CodecError as error:
        check_refusal(error, ROOT)
        if broken or has_equal_keys(tagged) or has_wide_nothing(message):
            return
        raise
    assert not broken, f"{backend.name}: taken, although {broken}"
    repr(value)
    if backend is not NATIVE:
        assert parse(_written(value, backend)) == tagged
        return
    # Natively a typed scalar is a number, and an array of objects lists, which nest deeper.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InexactValueWarning)
        again = _written(value, backend)
        back = dynamic_from_wire(value_pb2.DynamicValue.FromString(again), backend, ROOT)
        assert _written(back, backend) == again


def _written(value: Any, backend: ArrayBackend) -> bytes:
    out = value_pb2.DynamicValue()
    DynamicEncoder(backend).value(value, out, ROOT)
    return out.SerializeToString(deterministic=True)


def has_equal_keys(tagged: Any) -> bool:
    """Whether a map in it has keys that Python holds equal, such as 1 and True (D-6)."""
    if not isinstance(tagged, dict):
        return False
    ((kind, body),) = tagged.items()
    if kind == "map":
        keys = [_key(key) for key, _ in body]
        return len(set(keys)) < len(keys) or any(has_equal_keys(value) for _, value in body)
    if kind in ("list", "tuple"):
        return any(map(has_equal_keys, body))
    return kind == "object_array" and any(map(has_equal_keys, body["elements"]))


def _key(tagged: dict[str, Any]) -> Any:
    ((kind, body),) = tagged.items()
    if kind == "tuple":
        return tuple(map(_key, body))
    if kind == "int":
        return int(body)
    if kind == "float":
        return struct.unpack("<d", base64.b64decode(body))[0]
    return base64.b64decode(body) if kind == "bytes" else body
