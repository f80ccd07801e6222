"""Differences between two descriptions of a run, as texts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any

__all__ = ["field_differences"]

MAX_CHARACTERS = 200
"""Largest number of characters of a value in a difference."""


def field_differences(expected: Any, actual: Any, ignored: Collection[str]) -> Iterator[str]:
    """Yield a text for each field in which two dataclasses differ: "episodes: expected 3, got 4".

    Args:
        expected: An instance of a dataclass.
        actual: Another instance of the same dataclass.
        ignored: Names of fields that are not compared.
    """
    for field in fields(expected):
        one, other = getattr(expected, field.name), getattr(actual, field.name)
        if field.name not in ignored and one != other:
            yield f"{field.name}: {_described(one, other)}"


def _described(expected: object, actual: object) -> str:
    """Return both values; of long tuples, texts and mappings, only their first difference."""
    if isinstance(expected, tuple) and isinstance(actual, tuple):
        if len(expected) != len(actual):
            return f"expected {len(expected)} of them, got {len(actual)}"
        return _first(expected, actual, "at place")
    if isinstance(expected, str) and isinstance(actual, str):
        lines = expected.splitlines(), actual.splitlines()
        if max(map(len, lines)) > 1 and len(lines[0]) == len(lines[1]):
            return _first(*lines, "in line")
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        named = sorted({*expected, *actual})
        key = next(k for k in named if expected.get(k) != actual.get(k))
        return f"{key!r}: {_pair(expected.get(key), actual.get(key))}"
    return _pair(expected, actual)


def _first(expected: Any, actual: Any, where: str) -> str:
    index, a, b = next((i, a, b) for i, (a, b) in enumerate(zip(expected, actual)) if a != b)
    return f"expected {_short(a)} {where} {index}, got {_short(b)}"


def _pair(expected: object, actual: object) -> str:
    return f"expected {_short(expected)}, got {_short(actual)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
