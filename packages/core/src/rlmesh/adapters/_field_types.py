"""Checks that the fields of tags and specs have the types that they are declared with.

Dataclasses check nothing, and a wrong type would else be an error of protobuf without a path, or of
the comparison that meets it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from rlmesh._problem import Problem
from rlmesh.dtypes import DType

__all__ = ["type_problems"]


def type_problems(declaration: Any, path: str, fix: str) -> Iterator[Problem]:
    """Yield a problem for each field of another type than the declared one.

    Numbers of NumPy are numbers, and any sequence but a text is a tuple.

    Args:
        declaration: A dataclass of tags or of a spec.
        path: Its path; empty: fields are named alone.
        fix: What to do.
    """
    made_of: Any = type(declaration)
    for name, kind in _fields_of(made_of):
        value = getattr(declaration, name)
        if not kind.is_plain(value):
            yield from _wrong(value, kind, f"{path}.{name}" if path else name, fix)


@dataclass(frozen=True)
class _Kind:
    """A type of a field.

    Attributes:
        expected: The type in words.
        plain: Class of the values that are right without a further look; None: there is none.
        fits: Whether a value is of the type, whatever its parts are.
        part: Type of the elements of a sequence.
        optional: Whether it may be None.
        opened: Whether values have fields of their own.
    """

    expected: str
    plain: type | None
    fits: Callable[[Any], bool]
    part: _Kind | None = None
    optional: bool = False
    opened: bool = False

    def is_plain(self, value: Any) -> bool:
        """Return whether a value is right without a further look."""
        return type(value) is self.plain or (value is None and self.optional)


class _Field(NamedTuple):
    name: str
    kind: _Kind


@cache
def _fields_of(kind: Any) -> tuple[_Field, ...]:
    found = ((name, _kind_of(hint)) for name, hint in get_type_hints(kind).items())
    return tuple(_Field(name, one) for name, one in found if one is not None)


def _kind_of(hint: Any) -> _Kind | None:
    """Return the type of a field; None if any value is right, or another module checks it."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        part = _kind_of(arguments[0])
        count = None if arguments[-1] is Ellipsis else len(arguments)
        words = "a sequence" if count is None else f"{count} values in a sequence"
        return _Kind(words, None, lambda value: _is_sequence(value, count), part)
    if origin is Union or type(hint).__name__ == "UnionType":
        return _union(arguments)
    if hint is DType or (isinstance(hint, type) and (issubclass(hint, Enum) or is_dataclass(hint))):
        opened = hint is not DType and is_dataclass(hint)
        plain = None if opened else hint
        return _Kind(_an(hint.__name__), plain, lambda v: isinstance(v, hint), opened=opened)
    return None


def _union(arguments: tuple[Any, ...]) -> _Kind | None:
    kinds = [_kind_of(one) for one in arguments if one is not type(None)]
    if None in kinds:
        return None
    known = [kind for kind in kinds if kind is not None]
    return _Kind(
        " or ".join(kind.expected for kind in known),
        known[0].plain,
        lambda value: any(kind.fits(value) for kind in known),
        known[0].part,
        type(None) in arguments,
        known[0].opened,
    )


def _wrong(value: Any, kind: _Kind, path: str, fix: str) -> Iterator[Problem]:
    if not kind.fits(value):
        yield Problem(path, kind.expected, f"{value!r:.100}", fix)
    elif kind.opened:
        yield from type_problems(value, path, fix)
    elif kind.part is not None:
        for i, part in enumerate(value):
            if not kind.part.is_plain(part):
                yield from _wrong(part, kind.part, f"{path}[{i}]", fix)


def _is_sequence(value: Any, count: int | None) -> bool:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        return False
    return hasattr(value, "__len__") and count in (None, len(value))


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not hasattr(value, "__len__") and not _is_bool(value)


def _is_whole(value: Any) -> bool:
    return hasattr(value, "__index__") and not hasattr(value, "__len__") and not _is_bool(value)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _an(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"


_SCALARS = {
    str: _Kind("a text", str, lambda value: isinstance(value, str)),
    int: _Kind("a whole number", int, _is_whole),
    float: _Kind("a number", float, _is_number),
    bool: _Kind("True or False", bool, _is_bool),
}
