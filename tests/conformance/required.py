"""Fields that the `.proto` files mark with *Required*, read from their comments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["Field", "fields_of"]

PROTO = Path(__file__).resolve().parents[2] / "spec" / "proto"

_MESSAGE = re.compile(r"message (\w+) \{")
_FIELD = re.compile(r"  (?:oneof (\w+) \{|(?:optional |repeated )?[\w.]+ (\w+) = \d+;)")


class Field(NamedTuple):
    """A field or oneof of a message.

    Attributes:
        name: Name of the field.
        mark: "Required", "Required if ..." or another condition; empty: it may be absent.
    """

    name: str
    mark: str


def fields_of(area: str) -> dict[str, list[Field]]:
    """Return the fields of each message of an area ("env"), by the message's full name."""
    found: dict[str, list[Field]] = {}
    for path in sorted((PROTO / "rlmesh" / "proto" / area / "v1").glob("*.proto")):
        comment: list[str] = []
        message = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip().startswith("//"):
                comment.append(line.strip(" /"))
                continue
            if opened := _MESSAGE.match(line):
                message = f"rlmesh.proto.{area}.v1.{opened[1]}"
                found[message] = []
            elif field := _FIELD.match(line):
                first = comment[0] if comment else ""
                mark = first.rstrip(".") if first.startswith("Required") else ""
                found[message].append(Field(field[1] or field[2], mark))
            comment = []
    return found
