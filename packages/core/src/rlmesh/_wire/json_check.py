"""Checks a document of protobuf's JSON against its message, with the path of what is wrong.

protobuf's own parser refuses most of it too, but with a text of each version's own, and it reads
numbers for members of enums, those of a newer spec included.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from rlmesh.errors import CodecError

__all__ = ["parse_document"]

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
# The last three: errors that versions of protobuf raise for documents of other types.
_NOT_PARSED = (json_format.Error, ValueError, TypeError, AttributeError, RecursionError)


def parse_document(document: Any, message: Any) -> None:
    """Read a document into a message.

    Raises:
        CodecError: If a field or a member of an enum is unknown, or a value has another type.
    """
    try:
        _check_message(document, message.DESCRIPTOR, "")
        json_format.ParseDict(document, message)
    except CodecError:
        raise
    except _NOT_PARSED as error:
        name = message.DESCRIPTOR.name
        raise CodecError(f"expected a {name} in protobuf's JSON, got another: {error}") from None


def _wrong(path: str, expected: str, value: Any) -> CodecError:
    return CodecError.of_rule("", expected, f"{value!r:.60}", path=path)


def _check_message(value: Any, kind: Descriptor, path: str) -> None:
    if not isinstance(value, Mapping):
        raise _wrong(path, f"an object, a {kind.name}", value)
    fields = {name: field for field in kind.fields for name in (field.json_name, field.name)}
    seen: dict[str, str] = {}
    for name, part in value.items():
        field = fields.get(name)
        inner = f"{path}.{name}" if path else str(name)
        if field is None:
            known = ", ".join(field.json_name for field in kind.fields)
            raise _wrong(inner, f"a field of {kind.name}: {known}", name)
        group = field.name if field.containing_oneof is None else field.containing_oneof.name
        if part is not None and seen.setdefault(group, name) != name:
            raise _wrong(inner, f"one of {seen[group]} and {name}", "both")
        if part is not None:  # Null is the default, as if the field were absent.
            _check_field(part, field, inner)


def _check_field(value: Any, field: Any, path: str) -> None:
    # `label` is deprecated, and older versions have nothing else.
    repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == 3
    if not repeated:
        _check_value(value, field, path)
        return
    if not isinstance(value, (list, tuple)):
        raise _wrong(path, "a list", value)
    for i, part in enumerate(value):
        _check_value(part, field, f"{path}[{i}]")


def _check_value(value: Any, field: FieldDescriptor, path: str) -> None:
    kind = field.cpp_type
    if field.message_type is not None:
        _check_message(value, field.message_type, path)
    elif field.enum_type is not None:
        names = [member.name for member in field.enum_type.values]
        if not isinstance(value, str) or value not in names:
            raise _wrong(path, f"one of {', '.join(names)}", value)
    elif kind == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise _wrong(path, "true or false", value)
    elif kind in _INTEGERS:
        _check_integer(value, _INTEGERS[kind], path)
    elif kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        _check_number(value, path)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        _check_bytes(value, path)
    elif not isinstance(value, str) or not _is_text(value):
        raise _wrong(path, "a text", value)


def _check_integer(value: Any, limits: tuple[int, int], path: str) -> None:
    low, high = limits
    digits = isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit()
    number = int(value) if digits and len(value) <= 20 else value
    if type(number) is not int or not low <= number <= high:
        raise _wrong(path, f"an integer from {low} to {high}", value)


def _check_number(value: Any, path: str) -> None:
    expected = "a number, or one of NaN, Infinity and -Infinity as a text"
    if type(value) not in (int, float) and value not in _NOT_FINITE:
        raise _wrong(path, expected, value)
    try:
        float(value)
    except OverflowError:
        raise _wrong(path, "a number within the range of float64", value) from None


def _check_bytes(value: Any, path: str) -> None:
    try:
        base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(path, "bytes as base64 with padding", value) from None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
