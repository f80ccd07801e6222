"""Rules of self-describing values (§14), checked on `info`, `metadata` and results."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rlmesh._conformance.elements import ITEM_BYTES

__all__ = ["dynamic_problems", "map_problems"]

MAX_DEPTH = 24


def map_problems(found: Any, path: str, depth: int = 1) -> Iterator[tuple[str, str, str]]:
    """Yield the rules that a DynamicMap breaks, with path and words."""
    keys = []
    for entry in found.entries:
        kind = entry.WhichOneof("key")
        key = entry.name if kind == "name" else entry.other.SerializeToString(deterministic=True)
        keys.append((kind, key))
        if kind is None or not entry.HasField("value"):
            yield "D-6", path, "an entry without key or value"
            continue
        step = f"{path}[{entry.name!r}]" if kind == "name" else f"{path}[…]"
        if kind == "other":
            yield from _key_problems(entry.other, step, depth)
        yield from dynamic_problems(entry.value, step, depth)
    if len(set(keys)) != len(keys):
        yield "D-6", path, "two equal keys"


def _key_problems(key: Any, path: str, depth: int) -> Iterator[tuple[str, str, str]]:
    kind = key.WhichOneof("kind")
    allowed = "null_value bool_value int_value big_int_value float_value bytes_value tuple_value"
    if kind not in allowed.split():
        yield "D-6", path, f"a key of {kind}"
    yield from dynamic_problems(key, path, depth)


def dynamic_problems(value: Any, path: str, depth: int = 1) -> Iterator[tuple[str, str, str]]:
    """Yield the rules that a DynamicValue breaks, with path and words."""
    if depth > MAX_DEPTH:
        yield "D-7", path, f"deeper than {MAX_DEPTH}"
        return
    kind = value.WhichOneof("kind")
    if kind is None:
        yield "D-1", path, "no kind"
        return
    part = getattr(value, kind)
    if kind == "big_int_value":
        yield from _big_int_problems(part, path)
    elif kind == "scalar_value":
        if part.dtype not in ITEM_BYTES or len(part.data) != ITEM_BYTES[part.dtype]:
            yield "D-4", path, f"{len(part.data)} bytes of dtype {part.dtype}"
    elif kind == "tensor_value":
        yield from _tensor_problems(part, path)
    elif kind == "object_array_value" and len(part.elements) != math.prod(part.shape):
        yield "D-5", path, f"{len(part.elements)} elements of shape {list(part.shape)}"
    if kind in ("list_value", "tuple_value", "object_array_value"):
        for position, element in enumerate(part.elements):
            yield from dynamic_problems(element, f"{path}[{position}]", depth + 1)
    elif kind == "map_value":
        yield from map_problems(part, path, depth + 1)


def _big_int_problems(data: bytes, path: str) -> Iterator[tuple[str, str, str]]:
    number = int.from_bytes(data, "little", signed=True)
    size = (number if number >= 0 else ~number).bit_length() // 8 + 1
    if not data or -(2**63) <= number < 2**63 or len(data) != size:
        yield "D-2", path, f"{number} in {len(data)} bytes of big_int_value"


def _tensor_problems(tensor: Any, path: str) -> Iterator[tuple[str, str, str]]:
    size = math.prod(tensor.shape) * ITEM_BYTES.get(tensor.dtype, -1)
    if tensor.dtype not in ITEM_BYTES or len(tensor.data) != size:
        yield "D-5", path, f"{len(tensor.data)} bytes of shape {list(tensor.shape)}"
    elif tensor.dtype == 1 and any(byte > 1 for byte in tensor.data):
        yield "D-5", path, "a byte of BOOL is neither 0 nor 1"
