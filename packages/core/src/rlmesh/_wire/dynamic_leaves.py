"""Python's own values without parts -> `DynamicValue`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._wire.dynamic_limits import BrokenRule, check_integer

__all__ = ["LEAF_WRITERS", "plain_leaf"]

_INT64 = range(-(2**63), 2**63)
_DynamicValue = value_pb2.DynamicValue


def plain_leaf(value: Any) -> Any:
    """Return the Python value that one of a subclass holds, such as of an IntEnum.

    Raises:
        BrokenRule: If it is of no type that the wire has.
    """
    # The class's own methods, since the subclass may have changed them.
    kind = type(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes):
        return b"".join((b"", value))
    if issubclass(kind, int):
        return int.__int__(value)
    if issubclass(kind, float):
        return float.__float__(value)
    raise BrokenRule(f"no wire type holds a {type(value).__name__}", "D-8")


def check_text(text: str) -> None:
    """Check that UTF-8 can carry a text."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BrokenRule("no wire type holds a str with a lone surrogate", "D-8") from None


def _write_text(text: str, out: _DynamicValue) -> None:
    check_text(text)
    out.string_value = text


def integer_bytes(value: int) -> int:
    """Return the fewest bytes of two's complement that hold an integer."""
    return (value if value >= 0 else ~value).bit_length() // 8 + 1


def _write_int(value: int, out: _DynamicValue) -> None:
    if value in _INT64:
        out.int_value = value
    else:
        size = integer_bytes(value)
        check_integer(size)
        out.big_int_value = value.to_bytes(size, "little", signed=True)


def _set(name: str) -> Callable[[Any, _DynamicValue], None]:
    def write(value: Any, out: _DynamicValue) -> None:
        setattr(out, name, value)

    return write


LEAF_WRITERS: dict[type, Callable[[Any, _DynamicValue], None]] = {
    type(None): lambda _, out: out.null_value.SetInParent(),
    bool: _set("bool_value"),
    int: _write_int,
    float: _set("float_value"),
    str: _write_text,
    bytes: _set("bytes_value"),
}
"""By the exact type of a value; what cannot be written is a BrokenRule."""
