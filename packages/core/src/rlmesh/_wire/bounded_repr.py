"""The repr of any object, of a bounded length, in a time that its length bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

__all__ = ["bounded_repr", "clean"]

MAX_CHARACTERS = 2**14
"""Longest text of a value: as long as the contract lets messages be."""

_MAX_NESTING = 50
_MAX_INTEGER_BITS = 14_000
"""Longest integer that Python makes decimal digits of by default."""

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}


def bounded_repr(value: object, most: int = MAX_CHARACTERS) -> str:
    """The repr of `value`, cut off after `most` characters; what cannot be told is told as such.

    Python's own would walk an object graph along each of its paths.
    """
    text = ""
    for piece in _pieces(value, most, 0):
        text += piece
        if len(text) > most:
            return clean(text[: max(most - 3, 0)] + "...")
    return clean(text)


def clean(text: str) -> str:
    """`text` without what UTF-8 cannot carry."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _pieces(value: object, most: int, depth: int) -> Iterator[str]:
    if depth > _MAX_NESTING:
        yield "..."
    elif isinstance(value, Mapping):
        yield from _named(value, dict, ("{", "}"), _mapping_pieces(value, most, depth))
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        family = next(f for f in _BRACKETS if isinstance(value, f))
        parts = _parts_pieces(value, most, depth)
        if not value and family in (set, frozenset):
            yield f"{type(value).__name__}()"
        else:
            yield from _named(value, family, _BRACKETS[family], parts)
    else:
        yield _leaf(value, most)


def _named(
    value: object, family: type, brackets: tuple[str, str], parts: Iterator[str]
) -> Iterator[str]:
    name = "" if type(value) is family else f"{type(value).__name__}("
    yield name + brackets[0]
    yield from parts
    yield brackets[1] + (")" if name else "")


def _mapping_pieces(values: Mapping[Any, Any], most: int, depth: int) -> Iterator[str]:
    for i, (key, value) in enumerate(_read(values.items, most)):
        yield ", " if i else ""
        yield from _pieces(key, most, depth + 1)
        yield ": "
        yield from _pieces(value, most, depth + 1)


def _parts_pieces(values: Iterable[Any], most: int, depth: int) -> Iterator[str]:
    parts = _read(lambda: values, most)
    for i, value in enumerate(parts):
        yield ", " if i else ""
        yield from _pieces(value, most, depth + 1)
    if len(parts) == 1 and isinstance(values, tuple):
        yield ","


def _read(values: Any, most: int) -> list[Any]:
    """So many parts as there is room for; none of what cannot be read."""
    try:
        return list(islice(values(), most))
    except Exception:  # the object is someone else's
        return []


def _leaf(value: object, most: int) -> str:
    if type(value) is int and value.bit_length() > _MAX_INTEGER_BITS:
        return f"<an int of {value.bit_length()} bits>"
    if type(value) is str or type(value) is bytes:
        return repr(value[:most])
    try:
        if type(value).__name__ == "ndarray" and value.dtype.hasobject:  # type: ignore[attr-defined]
            return f"<an array of objects of shape {value.shape}>"  # type: ignore[attr-defined]
        return str(repr(value)[: most + 1])
    except Exception as error:  # the object's own repr, whatever it raises
        return f"<a {type(value).__name__} whose repr raises {type(error).__name__}>"
