"""`Terse`: a `repr` without the fields that have their defaults."""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import Enum
from typing import Any

__all__ = ["Terse"]


class Terse:
    """The `repr` of a dataclass, which is the call that makes it, with the fields that matter.

    The first field is written without its name.
    """

    def __repr__(self) -> str:
        parts: list[str] = []
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            default = field.default
            if field.default_factory is not MISSING:
                default = field.default_factory()
            if default is MISSING or not _same(value, default):
                first = not parts and field is fields(self)[0]  # type: ignore[arg-type]
                parts.append(_text(value) if first else f"{field.name}={_text(value)}")
        return f"{type(self).__name__}({', '.join(parts)})"


def _same(value: Any, default: Any) -> bool:
    # An array, which has no one truth value, may stand for a tuple.
    return type(value) is type(default) and bool(value == default)


def _text(value: Any) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if type(value) is tuple:
        inner = ", ".join(map(_text, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)
