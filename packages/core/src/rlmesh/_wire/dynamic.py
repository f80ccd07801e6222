"""Self-describing values (info, options, metadata, frames) <-> `DynamicValue`.

Python's own types map one to one; arrays and typed scalars go through the backend.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._wire.dtypes import dtype_to_wire
from rlmesh._wire.dynamic_reader import MAX_DEPTH, dynamic_from_wire, map_from_wire
from rlmesh.backends import ArrayBackend, DynamicArray
from rlmesh.errors import InvalidValueError

__all__ = ["DynamicEncoder", "InexactValueWarning", "dynamic_from_wire", "map_from_wire"]

_INT64 = range(-(2**63), 2**63)
_DynamicValue = value_pb2.DynamicValue


class InexactValueWarning(UserWarning):
    """A value that no wire type holds was replaced by its repr."""


class DynamicEncoder:
    """Writes dynamic values for one endpoint.

    Args:
        backend: Who knows the arrays and typed scalars.
        exact: What cannot be written exactly is an InvalidValueError; else its repr is written,
            with one warning a key.
    """

    def __init__(self, backend: ArrayBackend, *, exact: bool = False) -> None:
        self._backend = backend
        self._exact = exact
        self._warned: set[str] = set()

    def map(self, values: Mapping[Any, Any], out: value_pb2.Map, root: str) -> None:
        """Write entries into `out`; `root` names the map in warnings ("info")."""
        for key, value in values.items():
            entry = out.entries.add()
            path = f"{root}[{key!r}]"
            self._key(key, entry, path)
            self._write(value, entry.value, path, 1)

    def value(self, value: object, out: _DynamicValue, root: str) -> None:
        """Write one value into `out`."""
        self._write(value, out, root, 1)

    def _key(self, key: object, entry: value_pb2.MapEntry, path: str) -> None:
        if isinstance(key, str):
            entry.name = _clean(key)
        elif key is None or isinstance(key, (bool, int, float, bytes, tuple)):
            self._write(key, entry.other, path, 1)
        else:
            entry.name = self._replaced(key, path)

    def _write(self, value: Any, out: _DynamicValue, path: str, depth: int) -> None:
        writer = _WRITERS.get(type(value))
        if writer is not None:
            writer(value, out)
        elif depth >= MAX_DEPTH and isinstance(value, (Mapping, list, tuple)) and value:
            out.string_value = self._replaced(value, path)
        elif isinstance(value, Mapping):
            self._write_map(value, out, path, depth)
        elif isinstance(value, (list, tuple)):
            items = out.list_value if isinstance(value, list) else out.tuple_value
            items.SetInParent()
            self._write_all(value, items.elements.add, path, depth)
        elif (array := self._backend.dynamic(value)) is not None:
            self._write_array(array, out, path, depth)
        elif isinstance(value, str):
            out.string_value = _clean(str(value))
        elif isinstance(value, (int, float)):
            _WRITERS[int if isinstance(value, int) else float](value.real, out)
        else:
            out.string_value = self._replaced(value, path)

    def _write_map(
        self, values: Mapping[Any, Any], out: _DynamicValue, path: str, depth: int
    ) -> None:
        out.map_value.SetInParent()
        for key, value in values.items():
            entry = out.map_value.entries.add()
            inner = f"{path}[{key!r}]"
            self._key(key, entry, inner)
            self._write(value, entry.value, inner, depth + 1)

    def _write_all(
        self, values: Iterable[object], add: Callable[[], _DynamicValue], path: str, depth: int
    ) -> None:
        for i, value in enumerate(values):
            self._write(value, add(), f"{path}[{i}]", depth + 1)

    def _write_array(self, array: DynamicArray, out: _DynamicValue, path: str, depth: int) -> None:
        if array.dtype is None:
            if depth >= MAX_DEPTH and array.elements:
                out.string_value = self._replaced(list(array.elements), path)
                return
            objects = out.object_array_value
            objects.SetInParent()
            objects.shape.extend(array.shape or ())
            self._write_all(array.elements, objects.elements.add, path, depth)
            return
        message = out.scalar_value if array.shape is None else out.tensor_value
        message.dtype = dtype_to_wire(array.dtype)
        message.data = bytes(array.data or b"")
        if array.shape is not None:
            out.tensor_value.shape.extend(array.shape)

    def _replaced(self, value: object, path: str) -> str:
        if self._exact:
            raise InvalidValueError(path, "a value of a wire type", f"a {type(value).__name__}")
        if path not in self._warned:
            self._warned.add(path)
            warnings.warn(
                f"{path}: no wire type holds a {type(value).__name__}; its repr was sent instead",
                InexactValueWarning,
                stacklevel=2,
            )
        return _clean(repr(value))


def _clean(text: str) -> str:
    """`text` without what UTF-8 cannot carry."""
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text


def _write_int(value: int, out: _DynamicValue) -> None:
    if value in _INT64:
        out.int_value = value
    else:
        size = value.bit_length() // 8 + 1
        if value < 0 and (-(1 << (8 * size - 9)) <= value):
            size -= 1  # -2**(8k-1) fits k bytes although its bit length is 8k.
        out.big_int_value = value.to_bytes(size, "little", signed=True)


def _set(name: str) -> Callable[[Any, _DynamicValue], None]:
    def write(value: Any, out: _DynamicValue) -> None:
        setattr(out, name, value)

    return write


_WRITERS: dict[type, Callable[[Any, _DynamicValue], None]] = {
    type(None): lambda _, out: out.null_value.SetInParent(),
    bool: _set("bool_value"),
    int: _write_int,
    float: _set("float_value"),
    str: lambda text, out: setattr(out, "string_value", _clean(text)),
    bytes: _set("bytes_value"),
}
