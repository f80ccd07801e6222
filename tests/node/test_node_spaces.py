"""Spaces that TypeScript samples as Gymnasium does, with the same seeds."""

from __future__ import annotations

import base64
import inspect
import json
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from rlmesh_proto.spaces.v1.space_pb2 import Space

from rlmesh._codec.plan import SpaceCodec
from rlmesh._wire.spaces import space_to_wire
from rlmesh.spaces import from_gymnasium
from rlmesh_numpy import BACKEND
from tests.node.programs import build_or_skip, run
from tests.size import LONG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("node")]

COUNT = 40
HAS_DTYPE = "dtype" in inspect.signature(spaces.Discrete).parameters
"""Whether Gymnasium's Discrete has a dtype, as it has since 1.2."""

NARROW: list[tuple[int, Any, int]] = (
    [(100, np.int8, -50), (1000, np.uint16, 0), (70_000, np.int32, 0)] if HAS_DTYPE else []
)
LEAVES: list[spaces.Space[Any]] = [
    spaces.Discrete(3),
    spaces.Discrete(1),
    spaces.Discrete(2**32, start=-7),
    spaces.Discrete(2**40 + 3),
    *(spaces.Discrete(count, dtype=dtype, start=first) for count, dtype, first in NARROW),
    spaces.Box(-1, 1, (3,), np.float32),
    spaces.Box(np.array([0.0, -5.5]), np.array([1e-3, 1e300]), dtype=np.float64),
    spaces.Box(0, 255, (2, 3), np.uint8),
    spaces.Box(-3, 4, (5,), np.int64),
    spaces.Box(0, 1, (4,), np.bool_),
    spaces.Box(0, 1, (0,), np.float32),
    spaces.MultiBinary(11),
    spaces.MultiBinary((2, 3)),
    spaces.MultiDiscrete([3, 5, 7], start=[0, -1, 2]),
    spaces.MultiDiscrete([[2, 200]], dtype=np.uint8),
    spaces.Text(max_length=9, min_length=0, charset="abcdé"),
]
NESTED: list[spaces.Space[Any]] = [
    spaces.Dict({"a": spaces.Discrete(9), "b": spaces.Dict({"c": spaces.Box(0, 1, (2,))})}),
    spaces.Tuple([spaces.Discrete(9), spaces.Text(3), spaces.MultiBinary(2)]),
    spaces.OneOf([spaces.Discrete(9), spaces.Box(0, 1, (1,))]),
]


@pytest.fixture(autouse=True, scope="module")
def built() -> None:
    build_or_skip()


@pytest.mark.parametrize("seed", [2**200, *([0, 7, 2**40 + 1] if LONG else [])])
def test_samples_are_those_of_gymnasium(seed: int) -> None:
    texts, lines = [], []
    for space in [*LEAVES, *NESTED]:
        message = Space()
        space_to_wire(from_gymnasium(space), message)
        texts.append(base64.b64encode(message.SerializeToString()).decode())
        codec = SpaceCodec(from_gymnasium(space), BACKEND)
        space.seed(seed)
        for _ in range(COUNT):
            slabs = codec.encode(space.sample())
            lines.append(f"true {'|'.join(bytes(slab).hex() for slab in slabs)}")
    found = run("sample.js", json.dumps(texts), str(seed), str(COUNT))
    names = [str(space) for space in [*LEAVES, *NESTED] for _ in range(COUNT)]
    differ = {name for name, one, other in zip(names, lines, found, strict=True) if one != other}
    assert not differ
