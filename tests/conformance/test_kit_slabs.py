"""The kit's own reader and sampler of values, judged by the golden vectors."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh._conformance.slab_reader import check_value
from rlmesh._conformance.slabs import BadValue, sample
from rlmesh._conformance.space_rules import space_problems
from tests.conformance.vectors import VECTORS


def cases(folder: str) -> list[Any]:
    """Return the cases of a folder of vectors."""
    paths = sorted((VECTORS / folder).glob("*.json"))
    return [case for path in paths for case in json.loads(path.read_text("ascii"))["cases"]]


def space_of(case: Any) -> Any:
    return space_pb2.Space.FromString(base64.b64decode(case["space_proto"]))


def value_of(case: Any) -> Any:
    slabs = map(base64.b64decode, case["slabs"])
    return value_pb2.Value(slabs=slabs, batch_size=case["batch_size"])


def test_every_valid_value_is_read() -> None:
    for case in cases("valid/values"):
        check_value(space_of(case), value_of(case), case["batch_size"])


LIMITS = ("M-1", "M-4", "M-8")


@pytest.mark.parametrize(
    "case",
    [c for c in cases("invalid/values") if c["contract"] not in LIMITS],
    ids=lambda c: c["name"],
)
def test_every_invalid_value_is_refused_by_its_rule(case: Any) -> None:
    with pytest.raises(BadValue) as raised:
        check_value(space_of(case), value_of(case), case["batch_size"])
    assert raised.value.rule == case["contract"] or raised.value.rule in ("V-3", "V-4")


@pytest.mark.parametrize("batch", [None, 0, 1, 3])
def test_samples_of_every_space_are_values_of_it(batch: int | None) -> None:
    for seed, case in enumerate(cases("valid/spaces")):
        space = space_of(case)
        check_value(space, sample(space, batch, random.Random(seed)), batch)


def test_every_valid_space_keeps_the_rules() -> None:
    for case in cases("valid/spaces"):
        assert not list(space_problems(space_of(case))), case["name"]


INVALID = [c for c in cases("invalid/spaces") if c["contract"] not in (*LIMITS, "M-6")]


@pytest.mark.parametrize("case", INVALID, ids=lambda c: c["name"])
def test_every_invalid_space_breaks_its_rule(case: Any) -> None:
    assert case["contract"] in [rule for rule, _, _ in space_problems(space_of(case))]
