"""Changes inputs as messages, so that most of what the fuzzer tries gets past the parser."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from tests.fuzz.messages import is_repeated, walk
from tests.fuzz.parts import join, split
from tests.fuzz.targets import Target

__all__ = ["Mutator"]

Raw = Callable[[bytes, int], bytes]
_RAW_CHANCE = 0.2
_NUMBERS = [0, 1, 2, 3, 7, 23, 24, 25, 31, 32, 33, 255, 256, 4096, 65535, 65536, 2**24, 2**24 + 1]
_NUMBERS += [2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
_FLOATS = [0.0, -0.0, 1.0, float("inf"), float("-inf"), float("nan"), 5e-324]


class Mutator:
    """Changes the inputs of one target.

    Args:
        target: The target.
        raw: The fuzzer's own mutation of bytes, which knows what it has seen being compared.
    """

    def __init__(self, target: Target, raw: Raw) -> None:
        self._target = target
        self._raw = raw

    def __call__(self, data: bytes, most: int, seed: int) -> bytes:
        """A changed input of at most `most` bytes."""
        rng = random.Random(seed)
        target = self._target
        if rng.random() < _RAW_CHANCE:
            return self._raw(data, most)
        if not target.parts:
            return self._message(data, target.messages[0], rng)[:most]
        head, parts = data[: target.head], split(data[target.head :])
        if target.head and rng.random() < 0.05:
            head = bytes([rng.randrange(16)])
        if len(target.messages) == 1 and rng.random() < 0.2:
            _rearrange(parts, rng)
        else:
            at = rng.randrange(len(parts)) if parts else 0
            kind = target.messages[min(at, len(target.messages) - 1)]
            parts = parts or [b""]
            parts[at] = self._message(parts[at], kind, rng)
        return (head + join(parts))[:most]

    def _message(self, data: bytes, kind: type, rng: random.Random) -> bytes:
        message: Any = kind()
        try:
            message.ParseFromString(data)
        except DecodeError:
            return self._raw(data, 2 * len(data) + 64)
        for _ in range(1 + rng.randrange(3)):
            self._change(rng.choice(list(walk(message))), message, rng)
        result: bytes = message.SerializeToString()
        return result

    def _change(self, message: Any, root: Any, rng: random.Random) -> None:
        fields = list(message.DESCRIPTOR.fields)
        if not fields:
            return
        present = [field for field, _ in message.ListFields()]
        field = rng.choice(present if present and rng.random() < 0.7 else fields)
        if rng.random() < 0.1:
            message.ClearField(field.name)
        elif is_repeated(field):
            self._change_repeated(getattr(message, field.name), field, root, rng)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            self._change_child(getattr(message, field.name), root, rng)
        else:
            _assign(message, field, self._scalar(getattr(message, field.name), field, rng))

    def _change_child(self, child: Any, root: Any, rng: random.Random) -> None:
        child.SetInParent()
        alike = [m for m in walk(root) if m.DESCRIPTOR is child.DESCRIPTOR and m is not child]
        if alike and rng.random() < 0.4:
            child.CopyFrom(_copy(rng.choice(alike)))

    def _change_repeated(self, items: Any, field: Any, root: Any, rng: random.Random) -> None:
        action = rng.randrange(4)
        if items and action == 0:
            del items[rng.randrange(len(items))]
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            alike = [m for m in walk(root) if m.DESCRIPTOR is field.message_type]
            new = _copy(rng.choice(alike)) if alike and action != 1 else None
            added = items.add()
            if new is not None:
                added.CopyFrom(new)
        elif items and action < 3:
            at = rng.randrange(len(items))
            self._set_item(items, at, self._scalar(items[at], field, rng))
        else:
            old = rng.choice(list(items)) if items else _zero(field)
            self._set_item(items, None, self._scalar(old, field, rng))

    @staticmethod
    def _set_item(items: Any, at: int | None, value: Any) -> None:
        try:
            if at is None:
                items.append(value)
            else:
                items[at] = value
        except ValueError:
            pass

    def _scalar(self, old: Any, field: Any, rng: random.Random) -> Any:
        if isinstance(old, bool):
            return not old
        if isinstance(old, float):
            return rng.choice([*_FLOATS, old + 1, -old])
        if isinstance(old, bytes):
            return self._bytes(old, rng)
        if isinstance(old, str):
            return self._bytes(old.encode(), rng).decode("utf-8", "replace")
        if field.type == FieldDescriptor.TYPE_ENUM:
            return rng.randrange(16)
        new = rng.choice([old + 1, old - 1, old ^ (1 << rng.randrange(32)), rng.choice(_NUMBERS)])
        low, high = _RANGES[field.cpp_type]
        return min(max(-new if low < 0 and rng.random() < 0.2 else new, low), high)

    def _bytes(self, old: bytes, rng: random.Random) -> bytes:
        action = rng.randrange(4)
        if action == 0:  # of another size
            size = rng.choice([0, 1, 2, 4, 8, max(len(old) - 1, 0), len(old) + 1, 2 * len(old)])
            return (old * 2 + bytes(size))[:size]
        if action == 1 and len(old) >= 4:  # a length or an index
            at = 4 * rng.randrange(len(old) // 4)
            number = rng.choice([*_NUMBERS, rng.randrange(8)]) & 0xFFFFFFFF
            return old[:at] + number.to_bytes(4, "little") + old[at + 4 :]
        new = self._raw(old, len(old) + 64)
        return new[: len(old)].ljust(len(old), b"\0") if action == 2 else new


_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def _zero(field: Any) -> Any:
    """What a new element of a repeated field starts as."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b""
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return 0.0
    return "" if field.type == FieldDescriptor.TYPE_STRING else 0


def _rearrange(parts: list[bytes], rng: random.Random) -> None:
    """Drop, repeat or move a part."""
    if not parts:
        return
    part = rng.choice([*parts, b"", b"\0"])  # Those are no frames, but events of a session.
    if part in parts and rng.random() < 0.4:
        parts.remove(part)
    parts.insert(rng.randrange(len(parts) + 1), part)
    if rng.random() < 0.3:
        parts.pop(rng.randrange(len(parts)))


def _assign(message: Any, field: Any, value: Any) -> None:
    with contextlib.suppress(ValueError):  # such as a string of half a surrogate
        setattr(message, field.name, value)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
