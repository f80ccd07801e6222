"""Adapters of JAX without its elements of 64 bits, which is how JAX comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    EnvTags,
    Feature,
    ModelInput,
    ModelOutput,
    ModelSpec,
    TaggedLeaf,
    resolve,
)
from rlmesh.dtypes import DTYPES
from rlmesh.errors import AdapterError
from rlmesh.specs import EnvContract

jax = pytest.importorskip("jax")
BACKEND = pytest.importorskip("rlmesh_jax").BACKEND


@pytest.fixture(autouse=True)
def narrow() -> Iterator[None]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", before)


def contract(element: str) -> EnvContract:
    tags = (TaggedLeaf((), Feature("x")),)
    actions = spaces.Dict({"which": spaces.Discrete(3), "far": spaces.Box(-1, 1, (2,), "float64")})
    acts = tuple(TaggedLeaf((key,), Feature(key)) for key in ("which", "far"))
    return EnvContract("e", spaces.Box(0, 4, (2,), element), actions, tags=EnvTags(tags, acts))


def spec(**facts: Any) -> ModelSpec:
    outputs = (
        ModelOutput("which", Feature("which")),
        ModelOutput("far", Feature("far", range=(0, 4))),
    )
    return ModelSpec(inputs=(ModelInput("in", Feature("x"), **facts),), outputs=outputs)


def test_actions_of_64_bits_are_made_of_32() -> None:
    adapter = resolve(contract("int32"), spec(dtype=DTYPES["float32"]), backend=BACKEND)
    seen = adapter.episode().observe([1, 4])["in"]
    assert isinstance(seen, jax.Array) and seen.dtype == "float32" and seen.tolist() == [1, 4]
    action = adapter.act({"which": 2, "far": seen})
    assert action["which"] == 2 and type(action["which"]) is int
    assert isinstance(action["far"], jax.Array) and action["far"].tolist() == [-0.5, 1]


@pytest.mark.parametrize("element", ["float64", "int64"])
def test_observations_of_64_bits_are_refused(element: str) -> None:
    with pytest.raises(AdapterError, match=rf"observation: expected an array of {element}.*x64"):
        resolve(contract(element), spec(), backend=BACKEND)


def test_inputs_of_64_bits_are_refused() -> None:
    with pytest.raises(AdapterError, match=r"expected an array of float64.*x64"):
        resolve(contract("float32"), spec(dtype=DTYPES["float64"]), backend=BACKEND)
