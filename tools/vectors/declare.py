"""Declarations of cases, before they become JSON."""

from __future__ import annotations

from dataclasses import dataclass

from rlmesh_proto.spaces.v1 import space_pb2

from .values import Tagged

__all__ = [
    "BadDynamic",
    "BadSpace",
    "BadValue",
    "ValidDynamic",
    "ValidSpace",
    "ValidValue",
    "sizes",
]

Space = space_pb2.Space


@dataclass(frozen=True)
class ValidSpace:
    """A space that is accepted.

    Attributes:
        name: Unique name.
        space: The message that is read.
        canonical: The message that a writer sends for the same space, if it differs.
    """

    name: str
    space: Space
    canonical: Space | None = None


@dataclass(frozen=True)
class ValidValue:
    """A value, or a batch, that is accepted."""

    name: str
    space: Space
    values: tuple[Tagged, ...]
    batch: bool = False


@dataclass(frozen=True)
class ValidDynamic:
    """A self-describing value that is accepted.

    Attributes:
        name: Unique name.
        value: The value.
        data: The bytes that are read, if they are not those that a writer sends.
    """

    name: str
    value: Tagged
    data: bytes | None = None


@dataclass(frozen=True)
class BadSpace:
    """A space that is refused.

    Attributes:
        name: Unique name.
        space: The message.
        rule: The rule that it breaks, a key of `cases.rules.RULES`.
    """

    name: str
    space: Space
    rule: str


@dataclass(frozen=True)
class BadValue:
    """Slabs that are refused for a (valid) space."""

    name: str
    space: Space
    slabs: tuple[bytes, ...]
    rule: str
    batch_size: int | None = None


@dataclass(frozen=True)
class BadDynamic:
    """A self-describing value that is refused, as serialised bytes."""

    name: str
    data: bytes
    rule: str


def sizes(name: str, space: Space, *values: Tagged) -> list[ValidValue]:
    """Return the first value alone, and batches of 0, of 1 and of all the values."""
    batches = {0: (), 1: values[:1], len(values): values}
    return [
        ValidValue(name, space, values[:1]),
        *(ValidValue(f"{name}/batch-{n}", space, some, batch=True) for n, some in batches.items()),
    ]
