"""The memory of a message's objects, estimated before the message is parsed (CONTRACT.md, M-9).

Two bytes can be a message within a message, which becomes a hundred bytes and more as an object.
Small messages are not counted: whatever they are, their objects fit into `SPARE_BYTES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from rlmesh.errors import LimitError

__all__ = ["MAX_FIELDS", "MULTIPLE", "SPARE_BYTES", "checked_frame", "too_many_parts"]

MULTIPLE = 8
"""Maximum memory of a message's objects, as a multiple of the message's size."""

SPARE_BYTES = 16 * 1024 * 1024
"""Bytes that the objects of any message may take in addition."""

MAX_FIELDS = 8_388_608
"""Maximum number of fields of a message and of those in it, whatever they are (M-1). Counting takes
about a microsecond a field, and a message has room for 128 million."""

_SMALL_BYTES = 24 * 1024
"""Size in bytes up to which a message is not counted."""

_MAX_NESTED = 100
"""Maximum nesting depth of messages, which is that of parsers (M-7)."""

_COSTS = {
    "DynamicList": 96,
    "DynamicMap": 112,
    "DynamicValue": 60,
    "MapEntry": 224,
    "Null": 16,
    "ObjectArray": 640,
    "Scalar": 112,
    "Space": 320,
    "Tensor": 640,
}
"""Bytes that the parsed message and the object made of it take, by the message's name. What codecs
make of a space is not among them: the number of spaces has a limit of its own."""

_OTHER_COST = 320
"""The same for messages of other names."""

_PART_OF_SPACE_COST = 48
"""The same for what stands in a `Space` and is none."""

_SPACES = "/space.proto"

_TEXT_COST = 64
"""The same for fields that are texts or bytes, without their length."""

_NUMBER_COSTS = {
    FieldDescriptor.TYPE_BOOL: 0,
    FieldDescriptor.TYPE_DOUBLE: 24,
    FieldDescriptor.TYPE_ENUM: 0,
}
"""The same for fields of numbers, if it is not 32."""

_ELEMENT_COST, _ELEMENT_BYTE_COST = 32, 8
"""The same for an element of a packed field, and for each of its bytes."""

_VARINT, _FIXED64, _LENGTH, _GROUP, _GROUP_END, _FIXED32 = range(6)
_HIGH = bytes(range(128, 256))

_FIXED = {
    FieldDescriptor.TYPE_DOUBLE: 8,
    FieldDescriptor.TYPE_FIXED64: 8,
    FieldDescriptor.TYPE_SFIXED64: 8,
    FieldDescriptor.TYPE_FLOAT: 4,
    FieldDescriptor.TYPE_FIXED32: 4,
    FieldDescriptor.TYPE_SFIXED32: 4,
}
_TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


class _Field(NamedTuple):
    """A field of a message, in one of its encodings.

    Attributes:
        cost: Bytes that it takes, without what is in it.
        inner: Descriptor of the field's messages; None: the field has no messages.
        packed: Bytes of an element of a packed field; 0: they vary, -1: it is not packed.
        repeated: Whether it is a repeated field of numbers.
    """

    cost: int
    inner: Descriptor | None = None
    packed: int = -1
    repeated: bool = False


def too_many_parts(data: bytes, descriptor: Any) -> str:
    """Return why a message is refused; empty if it is not, though it may be malformed.

    A message is refused if its objects would take more than `MULTIPLE` times its size and
    `SPARE_BYTES` besides, or if it has more than `MAX_FIELDS` fields.

    Args:
        data: The message.
        descriptor: Its descriptor.
    """
    size = len(data)
    if size <= _SMALL_BYTES:
        return ""
    try:
        fits = _fits(data, descriptor, MULTIPLE * size + SPARE_BYTES * 15 // 16)
    except IndexError:
        return ""  # It is malformed, as its parser will find at once.
    except _TooManyFields:
        return f"a message of {size} bytes has more than {MAX_FIELDS} fields"
    if fits:
        return ""
    return (
        f"a message of {size} bytes has more parts than the limit: they would take more than "
        f"{MULTIPLE} times its size and {SPARE_BYTES} bytes"
    )


def checked_frame(frame: Any) -> bytes:
    """Serialise a frame; raises LimitError if its receiver would refuse it."""
    data: bytes = frame.SerializeToString()
    if reason := too_many_parts(data, frame.DESCRIPTOR):
        raise LimitError(reason)
    return data


class _TooManyFields(Exception):
    """A message has more fields than `MAX_FIELDS`."""


def _fits(data: bytes, message: Descriptor, room: int) -> bool:
    fields, at, end = _fields(message), 0, len(data)
    outer: list[tuple[Mapping[int, _Field], int]] = []
    left = MAX_FIELDS
    while True:
        while at < end:
            left -= 1
            if left < 0:
                raise _TooManyFields
            tag, at = _tag(data, at)
            field = fields.get(tag)
            wire = tag & 7
            if wire == _LENGTH:
                size, at = _varint(data, at)
                if at + size > end:
                    raise IndexError
                if field is not None:
                    room -= field.cost
                    if field.inner is not None:
                        outer.append((fields, end))
                        fields, end = _fields(field.inner), at + size
                        size = 0
                    else:
                        room -= _content_cost(field, data, at, size)
                at += size
            elif wire == _VARINT:
                number, at = _varint(data, at)
                # Python has small numbers already.
                if field is not None and (number > 127 or field.repeated):
                    room -= field.cost
            elif wire in (_FIXED64, _FIXED32):
                at += 8 if wire == _FIXED64 else 4
                room -= 0 if field is None else field.cost
            elif wire == _GROUP:
                at, left = _after_group(data, at, left)
            else:
                raise IndexError
            if room < 0 or len(outer) > _MAX_NESTED:
                return False
        if not outer:
            return True
        fields, end = outer.pop()


def _content_cost(field: _Field, data: bytes, at: int, size: int) -> int:
    """Return the memory for the content of a field that is not a message."""
    if field.packed < 0:
        return size
    # Each number of varying size ends with a byte below 128.
    ends = b"" if field.packed else data[at : at + size].translate(None, _HIGH)
    count = size // field.packed if field.packed else len(ends)
    return _ELEMENT_COST * count + _ELEMENT_BYTE_COST * size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < 128:
        return byte, at
    total, shift = byte & 127, 7
    while byte > 127 and shift < 70:
        byte = data[at]
        at += 1
        total |= (byte & 127) << shift
        shift += 7
    if byte > 127:
        raise IndexError
    return total, at


def _tag(data: bytes, at: int) -> tuple[int, int]:
    """Return the tag of a field, which has a number above 0, and what is after it."""
    tag, at = _varint(data, at)
    if tag < 8:
        raise IndexError
    return tag, at


def _after_group(data: bytes, at: int, left: int) -> tuple[int, int]:
    """Return the end of an unknown group, which the parser drops, too, and the fields left."""
    open_groups = 1
    while open_groups:
        if open_groups > _MAX_NESTED:
            raise IndexError
        left -= 1
        if left < 0:
            raise _TooManyFields
        tag, at = _tag(data, at)
        wire = tag & 7
        if wire == _VARINT:
            _, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        elif wire == _LENGTH:
            size, at = _varint(data, at)
            at += size
        elif wire in (_GROUP, _GROUP_END):
            open_groups += 1 if wire == _GROUP else -1
        else:
            raise IndexError
    return at, left


@cache
def _fields(message: Descriptor) -> Mapping[int, _Field]:
    """Return the fields of a message by their tags, with each wire type that a tag occurs with."""
    fields: dict[int, _Field] = {}
    for field in message.fields:
        tag = field.number << 3
        if field.message_type is not None:
            other = _PART_OF_SPACE_COST if message.file.name.endswith(_SPACES) else _OTHER_COST
            cost = _COSTS.get(field.message_type.name, other)
            fields[tag | _LENGTH] = _Field(cost, field.message_type)
        elif field.type in _TEXTS:
            fields[tag | _LENGTH] = _Field(_TEXT_COST)
        else:
            size = _FIXED.get(field.type, 0)
            plain: Any = field  # The property is newer than the oldest protobuf here.
            repeated = plain.is_repeated if hasattr(plain, "is_repeated") else plain.label == 3
            cost = _NUMBER_COSTS.get(field.type, 32)
            wire = {0: _VARINT, 8: _FIXED64, 4: _FIXED32}[size]
            fields[tag | wire] = _Field(cost + _ELEMENT_COST * repeated, repeated=repeated)
            if repeated:
                fields[tag | _LENGTH] = _Field(0, packed=size)
    return fields
