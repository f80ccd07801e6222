"""Self-describing values, for what no space describes: infos, options, attributes (§14)."""

import collections.abc
import reprlib
from typing import Any, Callable, Dict, List, Set

import numpy as np

from rlmesh_thin.dtypes import check_dtype, little_endian, number_of, raw_bytes
from rlmesh_thin.faults import (
    INVALID_RESULT,
    LIMIT_EXCEEDED,
    MALFORMED,
    MAX_KEY_BYTES,
    MAX_PARTS,
    Fault,
    check_extents,
    step_text,
)
from rlmesh_thin.wire import (
    BOOL,
    BYTES,
    DOUBLE,
    SINT,
    TEXT,
    UINT,
    field_blob,
    field_double,
    field_sint,
    field_uint,
    read_message,
    varint,
)

__all__ = ["DYNAMIC", "LIST", "MAP", "DynamicReader", "DynamicWriter"]

MAX_LEVELS = 24
MAX_AXES = 32
MAX_VALUES = 4194304
MAX_INTEGER_BYTES = 65536

DYNAMIC: Dict[int, Any] = {}
LIST = {1: ("elements", DYNAMIC, True)}
ENTRY = {
    1: ("name", TEXT, False, "key"),
    2: ("other", DYNAMIC, False, "key"),
    3: ("value", DYNAMIC, False),
}
MAP = {1: ("entries", ENTRY, True)}
TENSOR = {1: ("dtype", UINT, False), 2: ("shape", UINT, True), 3: ("data", BYTES, False)}
SCALAR = {1: TENSOR[1], 2: TENSOR[3]}
OBJECTS = {1: TENSOR[2], 2: LIST[1]}
DYNAMIC.update(
    {
        number: (name, type_, False, "kind")
        for number, (name, type_) in enumerate(
            (
                ("null", {}),
                ("bool", BOOL),
                ("int", SINT),
                ("big_int", BYTES),
                ("float", DOUBLE),
                ("string", TEXT),
                ("bytes", BYTES),
                ("scalar", SCALAR),
                ("tensor", TENSOR),
                ("object_array", OBJECTS),
                ("list", LIST),
                ("tuple", LIST),
                ("map", MAP),
            ),
            1,
        )
    }
)
_SHOWN = reprlib.Repr()
_SHOWN.maxother = _SHOWN.maxstring = 1000


def _is_key(key: Any, inner: bool = False) -> bool:
    """Return whether a value may be a key that is not a string, or a part of one (D-6)."""
    if type(key) is tuple:
        return all(_is_key(part, True) for part in key)
    return type(key) in (type(None), bool, int, float, bytes) or (inner and type(key) is str)


class DynamicReader:
    """Reads the values of one message, so that the limits hold for all of them together."""

    def __init__(self) -> None:
        self._values = 0

    def value(self, data: Any, path: str, depth: int = 1) -> Any:
        """Return the Python value of an encoded DynamicValue.

        Raises:
            Fault: If a rule of §14 is broken.
        """
        found = read_message(data, DYNAMIC)
        if depth > MAX_LEVELS or not found:
            text = "D-1, D-7: expected a value of a known kind at most %d levels deep" % MAX_LEVELS
            raise Fault(MALFORMED, text, path)
        ((kind, body),) = found.items()
        if kind == "null":
            return None
        if kind == "bytes":
            return bytes(body)
        if kind == "big_int":
            if not 0 < len(body) <= MAX_INTEGER_BYTES:
                code = LIMIT_EXCEEDED if len(body) else MALFORMED
                raise Fault(code, "D-2: an integer of %d bytes" % len(body), path)
            return int.from_bytes(body, "little", signed=True)
        if kind == "map":
            return self.map(body, path, depth)
        if kind in ("list", "tuple"):
            values = self.list(body, path, depth)
            return values if kind == "list" else tuple(values)
        if kind == "object_array":
            shape = read_message(body, OBJECTS).get("shape", ())
            values = self.list(body, path, depth, OBJECTS)
            if check_extents(shape, 1, MAX_AXES, path) != len(values):
                text = "D-5: %d elements for the shape %s" % (len(values), shape)
                raise Fault(MALFORMED, text, path)
            array = np.empty(len(values), object)
            for i, element in enumerate(values):
                array[i] = element
            return array.reshape(shape)
        return _array(body, kind, path) if kind in ("scalar", "tensor") else body

    def list(self, data: Any, path: str, depth: int = 0, schema: Any = LIST) -> List[Any]:
        """Return the values of an encoded List that is at `depth`; see `value`."""
        parts = self._counted(data, schema, "elements", path)
        return [self.value(part, path + step_text(i), depth + 1) for i, part in enumerate(parts)]

    def map(self, data: Any, path: str, depth: int = 0) -> Dict[Any, Any]:
        """Return the entries of an encoded Map that is at `depth`; see `value`."""
        made: Dict[Any, Any] = {}
        taken: Set[bytes] = set()
        for part in self._counted(data, MAP, "entries", path):
            entry = read_message(part, ENTRY)
            key, inner = entry.get("name"), path
            if key is not None:
                inner += step_text(key)
            elif "other" in entry:
                key = self.value(entry["other"], path, depth + 1)
            encoded = DynamicWriter(path).value(key)
            if ("name" not in entry and ("other" not in entry or not _is_key(key))) or (
                key in made or encoded in taken or "value" not in entry
            ):
                text = "D-6: expected an entry with a value, and with a key once, got %.60r"
                raise Fault(MALFORMED, text % (key,), inner)
            if len(encoded) > MAX_KEY_BYTES + 4:
                raise Fault(LIMIT_EXCEEDED, "M-1: a key over %d bytes" % MAX_KEY_BYTES, path)
            taken.add(encoded)
            made[key] = self.value(entry["value"], inner, depth + 1)
        return made

    def _counted(self, data: Any, schema: Any, name: str, path: str) -> List[Any]:
        parts: List[Any] = read_message(data, schema, MAX_PARTS + 1).get(name, [])
        self._values += len(parts)
        if len(parts) > MAX_PARTS or self._values > MAX_VALUES:
            text = "M-1: over %d elements in one value, or %d in all" % (MAX_PARTS, MAX_VALUES)
            raise Fault(LIMIT_EXCEEDED, text, path)
        return parts


def _array(data: Any, kind: str, path: str) -> Any:
    found = read_message(data, TENSOR if kind == "tensor" else SCALAR)
    dtype = check_dtype(found.get("dtype", 0), path)
    shape, raw = found.get("shape", ()), bytes(found.get("data", b""))
    size = check_extents(shape, dtype.itemsize, MAX_AXES, path) * dtype.itemsize
    if len(raw) != size or (dtype.kind == "b" and raw.translate(None, b"\0\1")):
        text = "D-5: expected %d bytes, and bools of 0 or 1, got %d bytes" % (size, len(raw))
        raise Fault(MALFORMED, text, path)
    array = np.frombuffer(raw, dtype).reshape(shape).copy() if raw else np.empty(shape, dtype)
    return array[()] if kind == "scalar" else array


class _CannotSendError(Exception):
    """No kind of self-describing values holds a value (D-8)."""


class DynamicWriter:
    """Writes values of one message.

    Args:
        root: Root of the paths of errors.
        replace: Called with path and reason if a value cannot be sent, which is replaced by its
            text then; None: it is an error.
    """

    def __init__(self, root: str, replace: Any = None) -> None:
        self._root = root
        self._replace: Callable[[str, str], None] = replace
        self._above: Set[int] = set()
        self._values = 0

    def value(self, value: Any, path: str = "", depth: int = 1) -> bytes:
        """Return the encoded DynamicValue of a Python value.

        Raises:
            Fault: With ERROR_CODE_INVALID_RESULT, if it cannot be sent and is not replaced.
        """
        path = path or self._root
        try:
            if depth > MAX_LEVELS:
                raise _CannotSendError("it is nested deeper than %d levels" % MAX_LEVELS)
            return self._value(value, path, depth)
        except _CannotSendError as error:
            if self._replace is None:
                text = "D-8: %s: %s" % (path, error)
                raise Fault(
                    INVALID_RESULT,
                    text,
                    path,
                    expected="a value of a kind of §14",
                    actual="a %s" % type(value).__name__,
                ) from None
            self._replace(path, str(error))
            return field_blob(6, _shown(value))

    def map(self, values: Any, path: str = "", depth: int = 0) -> bytes:
        """Return the encoded Map of a mapping; see `value`."""
        path = path or self._root
        entries = []
        for key, value in list(values.items())[:MAX_PARTS]:
            try:
                if isinstance(key, str):
                    head = field_blob(1, _utf8(key))
                elif _is_key(key):
                    head = field_blob(2, self._value(key, path, depth + 1))
                else:
                    raise _CannotSendError("a key is a %s" % type(key).__name__)
                if len(head) > MAX_KEY_BYTES:
                    raise _CannotSendError("a key has over %d bytes" % MAX_KEY_BYTES)
            except _CannotSendError as error:
                if self._replace is None:
                    raise
                self._replace(path, str(error))
                key = _shown(key)
                if key in values:
                    continue
                head = field_blob(1, key)
            body = self.value(value, path + step_text(key), depth + 1)
            entries.append(field_blob(1, head + field_blob(3, body)))
        return b"".join(entries)

    def _value(self, value: Any, path: str, depth: int) -> bytes:
        if value is None:
            return b"\x0a\0"
        if value is True or value is False:
            return field_uint(2, value)
        if isinstance(value, (np.generic, np.ndarray)) and not isinstance(value, (str, bytes)):
            if value.dtype.kind != "O":
                return _numbers(value)
        elif isinstance(value, int):
            return _integer(int(value))
        elif isinstance(value, float):
            return field_double(5, value)
        elif isinstance(value, str):
            return field_blob(6, _utf8(value))
        elif isinstance(value, (bytes, bytearray)):
            return field_blob(7, bytes(value))
        elif not isinstance(value, (list, tuple, collections.abc.Mapping)):
            raise _CannotSendError("no kind of values holds a %s" % type(value).__name__)
        container: Any = value
        count = value.size if isinstance(value, np.ndarray) else len(container)
        self._values += count
        if id(value) in self._above or count > MAX_PARTS or self._values > MAX_VALUES:
            raise _CannotSendError("it is part of itself, or has too many elements")
        self._above.add(id(value))
        try:
            if isinstance(value, collections.abc.Mapping):
                return field_blob(13, self.map(value, path, depth))
            if not isinstance(value, np.ndarray):
                body = self._list(value, path, depth, 1)
                return field_blob(11 if isinstance(value, list) else 12, body)
            body = self._list(value.reshape(-1).tolist(), path, depth, 2)
            return field_blob(10, _shape(1, value) + body)
        finally:
            self._above.discard(id(value))

    def _list(self, values: Any, path: str, depth: int, number: int) -> bytes:
        parts = (self.value(v, path + step_text(i), depth + 1) for i, v in enumerate(values))
        return b"".join(field_blob(number, part) for part in parts)


def _shape(number: int, array: Any) -> bytes:
    return field_blob(number, b"".join(map(varint, array.shape))) if array.ndim else b""


def _numbers(array: Any) -> bytes:
    number, scalar = number_of(array.dtype), isinstance(array, np.generic)
    if not number or np.ma.is_masked(array):
        raise _CannotSendError("no kind of values holds an array of %s" % array.dtype)
    data = raw_bytes(little_endian(np.asarray(array), number))
    if scalar:
        return field_blob(8, field_uint(1, number) + field_blob(2, data))
    data = field_blob(3, data) if len(data) else b""
    return field_blob(9, field_uint(1, number) + _shape(2, array) + data)


def _integer(value: int) -> bytes:
    if -(2**63) <= value < 2**63:
        return field_sint(3, value)
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    if size > MAX_INTEGER_BYTES:
        raise _CannotSendError("an integer has over %d bytes" % MAX_INTEGER_BYTES)
    return field_blob(4, value.to_bytes(size, "little", signed=True))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _CannotSendError("a text has a lone surrogate") from None


def _shown(value: Any) -> str:
    """Return a short text in place of a value."""
    try:
        text = value if isinstance(value, str) else _SHOWN.repr(value)
    except Exception as error:
        text = "<%s: %s>" % (type(value).__name__, type(error).__name__)
    return text[:1000].encode("utf-8", "replace").decode()
