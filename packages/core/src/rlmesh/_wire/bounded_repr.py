"""The repr of any object, of a bounded length, in a time that its length bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

__all__ = ["MAX_CHARACTERS", "bounded_repr", "clean"]

MAX_CHARACTERS = 2**14
"""Longest text of a value: as long as the contract lets messages be."""

_MAX_NESTING = 30
_MAX_INTEGER_BITS = 14_000
"""Longest integer that Python makes decimal digits of by default."""

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}


def bounded_repr(value: object, max_length: int = MAX_CHARACTERS) -> str:
    """Return the repr of `value`, up to `max_length` characters; marks replace unreadable parts.

    Python's own would walk an object graph along each of its paths.
    """
    text = _Text(max_length)
    text.add(value)
    whole = "".join(text.pieces)
    return clean(whole if len(whole) <= max_length else whole[: max(max_length - 3, 0)] + "...")


def clean(text: str) -> str:
    """Return `text` without characters that UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class _Text:
    """Collects the pieces of a text until there is no more room."""

    def __init__(self, room: int) -> None:
        self.pieces: list[str] = []
        self._room = room
        self._above: set[int] = set()

    def add(self, value: object) -> None:
        """Add the repr of a value."""
        is_map = isinstance(value, Mapping)
        family = next((f for f in _BRACKETS if isinstance(value, f)), dict if is_map else None)
        if family is None:
            self._put(_leaf(value, self._room))
        elif id(value) in self._above or len(self._above) >= _MAX_NESTING:
            self._put("...")
        else:
            self._above.add(id(value))
            self._add_parts(value, family)
            self._above.discard(id(value))

    def _add_parts(self, value: Any, family: type) -> None:
        parts = _read(value.items if family is dict else lambda: value, self._room)
        name = "" if type(value) is family else f"{type(value).__name__}("
        left, right = _BRACKETS.get(family, ("{", "}"))
        if family in (set, frozenset) and not parts:
            left, right = f"{family.__name__}(", ")"
        self._put(name + left)
        for i, part in enumerate(parts):
            if self._room < 0:
                return
            if i:
                self._put(", ")
            if family is dict:
                self._add_entry(part)
            else:
                self.add(part)
        self._put("," * (family is tuple and len(parts) == 1) + right + ")" * bool(name))

    def _add_entry(self, entry: Any) -> None:
        key, value = entry
        self.add(key)
        self._put(": ")
        self.add(value)

    def _put(self, piece: str) -> None:
        self.pieces.append(piece)
        self._room -= len(piece)


def _read(parts: Any, room: int) -> list[Any]:
    """Add as many parts as there is room for, and none that cannot be read."""
    try:
        found: Iterable[Any] = parts()
        return list(islice(found, max(room, 0) + 1))
    except Exception:  # the object is someone else's
        return []


def _leaf(value: object, room: int) -> str:
    max_length = max(room, 0) + 1
    if type(value) is int and value.bit_length() > _MAX_INTEGER_BITS:
        return f"<an int of {value.bit_length()} bits>"
    if type(value) is str or type(value) is bytes:
        return repr(value[:max_length])
    try:
        found: Any = value
        if type(found).__name__ == "ndarray" and found.dtype.hasobject:
            return f"<an array of objects of shape {found.shape}>"
        return str(repr(value)[:max_length])
    except Exception as error:  # the object's own repr, whatever it raises
        return f"<a {type(value).__name__} whose repr raises {type(error).__name__}>"
