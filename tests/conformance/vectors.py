"""Reads the golden vectors of spec/vectors; see spec/vectors/README.md for the format."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "VECTORS",
    "Broken",
    "DynamicCase",
    "InvalidDynamicCase",
    "InvalidSpaceCase",
    "InvalidValueCase",
    "SpaceCase",
    "ValueCase",
    "dynamic_cases",
    "invalid_dynamic_cases",
    "invalid_space_cases",
    "invalid_value_cases",
    "space_cases",
    "value_cases",
]

VECTORS = Path(__file__).resolve().parents[2] / "spec" / "vectors"
Tagged = dict[str, Any]
Case = TypeVar("Case")


@dataclass(frozen=True)
class SpaceCase:
    """A space that is accepted.

    Attributes:
        name: Unique name, to be used as the test's id.
        space_proto: Serialised Space to read.
        canonical_proto: What a writer sends for the space; mostly the same bytes.
        space: The space as JSON.
    """

    name: str
    space_proto: bytes
    canonical_proto: bytes
    space: Tagged

    @property
    def is_canonical(self) -> bool:
        """Whether a writer sends exactly `space_proto`."""
        return self.space_proto == self.canonical_proto


@dataclass(frozen=True)
class ValueCase:
    """A value, or a batch, of a space.

    Attributes:
        name: Unique name.
        space_proto: Serialised Space.
        space: The space as JSON.
        batch_size: None for a single value.
        slabs: The slabs.
        conforms: Whether it keeps F-1 (bounds without NaN, texts); it is decoded all the same.
        value: The tagged value; {"batch": [...]} for a batch.
    """

    name: str
    space_proto: bytes
    space: Tagged
    batch_size: int | None
    slabs: tuple[bytes, ...]
    conforms: bool
    value: Tagged

    @property
    def values(self) -> list[Tagged]:
        """The tagged values: one, or those of the batch."""
        return [self.value] if self.batch_size is None else list(self.value["batch"])


@dataclass(frozen=True)
class DynamicCase:
    """A self-describing value.

    Attributes:
        name: Unique name.
        proto: Serialised DynamicValue to read.
        canonical_proto: What a writer sends for the value; mostly the same bytes.
        value: The tagged value.
    """

    name: str
    proto: bytes
    canonical_proto: bytes
    value: Tagged


@dataclass(frozen=True)
class Broken:
    """The expectations for every invalid case.

    Attributes:
        contract: Id of the broken rule in CONTRACT.md ("V-4").
        rule: The rule in words.
        code: Name of the ErrorCode ("ERROR_CODE_MALFORMED").
        error_path: Steps from the root (X-6); the reported path begins with them.
    """

    contract: str
    rule: str
    code: str
    error_path: str


@dataclass(frozen=True)
class InvalidSpaceCase:
    """A space that is refused."""

    name: str
    space_proto: bytes
    broken: Broken


@dataclass(frozen=True)
class InvalidValueCase:
    """Slabs that are refused for a valid space."""

    name: str
    space_proto: bytes
    space: Tagged
    batch_size: int | None
    slabs: tuple[bytes, ...]
    broken: Broken


@dataclass(frozen=True)
class InvalidDynamicCase:
    """Bytes that are refused as a DynamicValue; some are no protobuf message at all."""

    name: str
    proto: bytes
    broken: Broken


def space_cases() -> list[SpaceCase]:
    """Every valid space."""
    return _load("valid/spaces", _space)


def value_cases() -> list[ValueCase]:
    """Every valid value and batch."""
    return _load("valid/values", _value)


def dynamic_cases() -> list[DynamicCase]:
    """Every valid self-describing value."""
    return _load("valid/dynamic", _dynamic)


def invalid_space_cases() -> list[InvalidSpaceCase]:
    """Every space that is refused."""
    return _load("invalid/spaces", _invalid_space)


def invalid_value_cases() -> list[InvalidValueCase]:
    """Every value that is refused."""
    return _load("invalid/values", _invalid_value)


def invalid_dynamic_cases() -> list[InvalidDynamicCase]:
    """Every self-describing value that is refused."""
    return _load("invalid/dynamic", _invalid_dynamic)


def _load(folder: str, make: Callable[[Tagged], Case]) -> list[Case]:
    cases: list[Case] = []
    for path in sorted((VECTORS / folder).glob("*.json")):
        document = json.loads(path.read_text(encoding="ascii"))
        if document["format"] != 1:
            raise ValueError(f"{path}: expected format 1, got {document['format']!r}")
        cases += [make(case) for case in document["cases"]]
    return cases


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _slabs(case: Tagged) -> tuple[bytes, ...]:
    return tuple(_bytes(slab) for slab in case["slabs"])


def _space(case: Tagged) -> SpaceCase:
    proto: str = case["space_proto"]
    canonical: str = case.get("canonical_proto", proto)
    return SpaceCase(case["name"], _bytes(proto), _bytes(canonical), case["space"])


def _value(case: Tagged) -> ValueCase:
    return ValueCase(
        name=case["name"],
        space_proto=_bytes(case["space_proto"]),
        space=case["space"],
        batch_size=case["batch_size"],
        slabs=_slabs(case),
        conforms=case["conforms"],
        value=case["value"],
    )


def _dynamic(case: Tagged) -> DynamicCase:
    proto: str = case["proto"]
    canonical: str = case.get("canonical_proto", proto)
    return DynamicCase(case["name"], _bytes(proto), _bytes(canonical), case["value"])


def _broken(case: Tagged) -> Broken:
    return Broken(case["contract"], case["rule"], case["code"], case["error_path"])


def _invalid_space(case: Tagged) -> InvalidSpaceCase:
    return InvalidSpaceCase(case["name"], _bytes(case["space_proto"]), _broken(case))


def _invalid_value(case: Tagged) -> InvalidValueCase:
    return InvalidValueCase(
        name=case["name"],
        space_proto=_bytes(case["space_proto"]),
        space=case["space"],
        batch_size=case["batch_size"],
        slabs=_slabs(case),
        broken=_broken(case),
    )


def _invalid_dynamic(case: Tagged) -> InvalidDynamicCase:
    return InvalidDynamicCase(case["name"], _bytes(case["proto"]), _broken(case))
