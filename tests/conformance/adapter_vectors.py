"""Reads the golden vectors of adapters; see "adapters" in spec/vectors/README.md."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh._wire.spaces import space_from_wire
from rlmesh.spaces import Space
from tests.conformance.vectors import VECTORS

__all__ = ["AdapterCase", "BadAdapterCase", "Pixels", "Step", "bad_cases", "valid_cases"]

Json = dict[str, Any]
Slabs = list[bytes]


@dataclass(frozen=True)
class Step:
    """An observation with what the model reads, and what it returns with what becomes of it."""

    observation: Slabs
    inputs: dict[str, Json]
    outputs: dict[str, Json] | None
    actions: list[Slabs]


@dataclass(frozen=True)
class Pixels:
    """The library that calculates the pixels, and the difference that is allowed without it."""

    library: str
    shades: int


@dataclass(frozen=True)
class Sides:
    """What both sides of a case declare."""

    name: str
    observation_space: Space[Any]
    action_space: Space[Any]
    tags: Json
    spec: Json


@dataclass(frozen=True)
class AdapterCase(Sides):
    """A pair that fits."""

    rules: list[str]
    instruction: str | None
    tolerance: float
    pixels: Pixels | None
    steps: list[Step]


@dataclass(frozen=True)
class BadAdapterCase(Sides):
    """A declaration, or a pair, that is refused."""

    rule: str
    path: str
    refused: str
    outputs: dict[str, Json]


def _cases(side: str) -> list[Json]:
    cases: list[Json] = []
    for path in sorted((VECTORS / "adapters" / side).glob("*.json")):
        document = json.loads(path.read_text(encoding="ascii"))
        assert document["format"] == 1
        cases += document["cases"]
    return cases


def _slabs(texts: list[str]) -> Slabs:
    return [base64.b64decode(text, validate=True) for text in texts]


def _space(text: str) -> Space[Any]:
    return space_from_wire(space_pb2.Space.FromString(base64.b64decode(text, validate=True)))


def _sides(case: Json) -> Json:
    return {
        "name": case["name"],
        "observation_space": _space(case["observation_space_proto"]),
        "action_space": _space(case["action_space_proto"]),
        "tags": case["tags"],
        "spec": case["spec"],
    }


def valid_cases() -> list[AdapterCase]:
    """Every pair that fits."""
    return [
        AdapterCase(
            **_sides(case),
            rules=case["rules"],
            instruction=case["instruction"],
            tolerance=case["tolerance"],
            pixels=Pixels(**case["pixels"]) if "pixels" in case else None,
            steps=[
                Step(
                    _slabs(step["observation"]),
                    step["inputs"],
                    step["outputs"],
                    [_slabs(action) for action in step["actions"]],
                )
                for step in case["steps"]
            ],
        )
        for case in _cases("valid")
    ]


def bad_cases() -> list[BadAdapterCase]:
    """Every declaration, or pair, that is refused."""
    return [
        BadAdapterCase(
            **_sides(case),
            rule=case["rule"],
            path=case["path"],
            refused=case["refused"],
            outputs=case.get("outputs", {}),
        )
        for case in _cases("invalid")
    ]
