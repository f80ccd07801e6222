"""The wire format of protobuf, written and read by hand."""

import struct
from typing import Any, Dict, Iterator, List, Optional, Tuple

__all__ = [
    "BOOL",
    "BYTES",
    "DOUBLE",
    "SINT",
    "TEXT",
    "UINT",
    "UINT32",
    "Unreadable",
    "check_message",
    "field_blob",
    "field_double",
    "field_message",
    "field_sint",
    "field_uint",
    "fields",
    "read_message",
    "read_varint",
    "unpack_varints",
    "varint",
]

UINT, UINT32, SINT, BOOL, DOUBLE, TEXT, BYTES = range(7)
MAX_FIELDS = 8388608
MAX_NESTED = 100
_DOUBLE = struct.Struct("<d")
_KINDS = {UINT: 0, UINT32: 0, SINT: 0, BOOL: 0, DOUBLE: 1, TEXT: 2, BYTES: 2}


class Unreadable(Exception):
    """Bytes that are no message of the schema (Q-8)."""


def varint(number: int) -> bytes:
    """Return the varint of an integer from 0 to 2**64 - 1."""
    if number < 128:
        return b"%c" % number
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return bytes(data)


def field_uint(number: int, value: int) -> bytes:
    """Return a field of an unsigned integer, bool or enum."""
    return varint(number << 3) + varint(value)


def field_sint(number: int, value: int) -> bytes:
    """Return a field of a zigzag integer."""
    return field_uint(number, value << 1 if value >= 0 else ~(value << 1))


def field_double(number: int, value: float) -> bytes:
    """Return a field of a binary64."""
    return varint(number << 3 | 1) + _DOUBLE.pack(value)


def field_blob(number: int, data: Any) -> bytes:
    """Return a field of bytes, text or an encoded message."""
    if isinstance(data, str):
        data = data.encode()
    return b"".join((varint(number << 3 | 2), varint(len(data)), data))


def field_message(number: int, parts: List[Any]) -> List[Any]:
    """Return the parts of a field that is a message, itself in parts, without a copy."""
    return [varint(number << 3 | 2) + varint(sum(map(len, parts)))] + parts


def read_varint(data: Any, at: int) -> Tuple[int, int]:
    """Return an integer and the position after it; the data's end raises IndexError."""
    value = data[at]
    if value < 128:
        return value, at + 1
    value &= 127
    shift = 7
    while True:
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at + 1
        shift += 7
        if shift > 63:
            raise Unreadable("a varint has more than ten bytes")


def fields(data: Any) -> Iterator[Tuple[int, int, Any]]:
    """Yield number, wire type and value of each field; those of groups have number 0.

    The values are integers (wire type 0), eight bytes (1), a part of `data` (2) or four bytes (5).

    Raises:
        Unreadable: If the data is no message.
    """
    at, end = 0, len(data)
    groups: List[int] = []
    try:
        while at < end or groups:
            tag, at = read_varint(data, at)
            number, kind = tag >> 3, tag & 7
            if not 0 < number < 1 << 29 or kind > 5 or len(groups) > MAX_NESTED:
                raise Unreadable("a field has the number %d and wire type %d" % (number, kind))
            value: Any = None
            if kind == 3:
                groups.append(number)
            elif kind == 4:
                if not groups or groups.pop() != number:
                    raise Unreadable("a group ends that has not begun")
                number = 0
            elif kind == 0:
                value, at = read_varint(data, at)
            else:
                size = 4 if kind == 5 else 8
                if kind == 2:
                    size, at = read_varint(data, at)
                if at + size > end:
                    raise IndexError
                value, at = data[at : at + size], at + size
            yield (0 if groups else number), kind, value
    except IndexError:
        raise Unreadable("a field is cut short") from None


def unpack_varints(data: Any) -> Iterator[int]:
    """Yield the integers of a packed field."""
    at = 0
    try:
        while at < len(data):
            value, at = read_varint(data, at)
            yield value
    except IndexError:
        raise Unreadable("a packed field is cut short") from None


def check_message(
    data: Any, schema: Dict[int, Any], depth: int = 1, count: Optional[List[int]] = None
) -> None:
    """Check that all of a message can be parsed, without making anything of it.

    Args:
        data: The encoded message.
        schema: For each field number its name, its type (a schema, for a message) and whether it is
            repeated.
        depth: How many messages it is nested in, and itself.
        count: List with the number of fields of the messages that it is nested in.

    Raises:
        Unreadable: If it cannot be parsed, or has too many fields.
    """
    count = count or [0]
    if depth > MAX_NESTED:
        raise Unreadable("messages are nested more than %d deep" % MAX_NESTED)
    for number, kind, value in fields(data):
        _count(count)
        field = schema.get(number)
        if field is None or kind != 2:
            continue
        if isinstance(field[1], dict):
            check_message(value, field[1], depth + 1, count)
        elif field[1] == TEXT:
            _text(value)
        elif field[2:3] == (True,) and field[1] != BYTES:
            for _ in unpack_varints(value):
                _count(count)


def _count(count: List[int]) -> None:
    count[0] += 1
    if count[0] > MAX_FIELDS:
        raise Unreadable("M-1: a message has over %d fields" % MAX_FIELDS)


def read_message(data: Any, schema: Dict[int, Any], most: int = MAX_NESTED) -> Dict[str, Any]:
    """Return the fields of a message that are present, by name.

    A message in it stays encoded; if it occurs several times, its parts are joined, which merges
    them. Of the members of a oneof, which have the group's name as the fourth entry of their
    schema, the last one is returned.

    Args:
        data: The encoded message.
        schema: See `check_message`.
        most: Max number of elements of a repeated field; further ones are dropped.

    Raises:
        Unreadable: If it cannot be parsed.
    """
    found: Dict[str, Any] = {}
    groups: Dict[str, str] = {}
    messages: Dict[str, List[Any]] = {}
    for number, kind, value in fields(data):
        field = schema.get(number)
        if field is None:
            continue
        name: str = field[0]
        type_, repeated = field[1], field[2:3] == (True,)
        expected = 2 if isinstance(type_, dict) else _KINDS[type_]
        if repeated and kind == 2 and expected == 0:
            target = found.setdefault(name, [])
            for part in unpack_varints(value):
                if len(target) < most:
                    target.append(part)
            continue
        if kind != expected:
            continue  # G-3: a known field with another wire type is unknown.
        if len(field) > 3:
            other = groups.get(field[3], name)
            if other != name:
                found.pop(other, None)
                messages.pop(other, None)
            groups[field[3]] = name
        if repeated:
            target = found.setdefault(name, [])
            if len(target) < most:
                target.append(_value(value, type_))
        elif isinstance(type_, dict):
            messages.setdefault(name, []).append(value)
        else:
            found[name] = _value(value, type_)
    for name, parts in messages.items():
        found[name] = parts[0] if len(parts) == 1 else b"".join(parts)
    return found


def _value(value: Any, type_: Any) -> Any:
    if isinstance(type_, dict):
        return value
    if type_ == UINT32:
        return value & 0xFFFFFFFF
    if type_ == SINT:
        return value >> 1 ^ -(value & 1)
    if type_ == BOOL:
        return value != 0
    if type_ == DOUBLE:
        return _DOUBLE.unpack(value)[0]
    return _text(value) if type_ == TEXT else value


def _text(data: Any) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise Unreadable("a text is not UTF-8") from None
