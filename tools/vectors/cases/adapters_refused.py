"""Adapters: outputs that do not fit an environment, and episodes and outputs that are refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..adapters import (
    NOTHING,
    BadAdapterCase,
    Facts,
    feature,
    floats,
    leaf,
    numbers,
    spec_of,
    tags_of,
    unbounded,
)
from ..spaces import box, dict_, discrete, multi_discrete, one_of, sequence, text, tuple_
from ..values import Tagged

__all__ = ["OUTPUTS", "REFUSED"]

Space = Any
X, A = feature("x"), feature("a")
GONE = "outputs['b']"


def acts(
    name: str,
    rule: str,
    env: Facts,
    *outputs: Facts,
    space: Space | None = None,
    at: str = GONE,
    tags: Sequence[Facts] = (),
    seen: Sequence[Facts] = (),
    observation: Space = NOTHING,
) -> BadAdapterCase:
    """Return an environment with one action, and a model with the output `b`, that do not fit."""
    own = unbounded(3) if space is None else space
    made = [{"name": "b", "feature": A, **output} for output in outputs]
    return BadAdapterCase(
        name,
        rule,
        at,
        "pair",
        tags_of(seen, tags or [leaf([], {**A, **env})]),
        spec_of((), made),
        observation,
        own,
    )


FOUR = box("float32", (4,), -1.0, 1.0)
S = feature("s", kind="state")
STATE = [leaf(["s"], S)]
STATES = dict_(("s", unbounded(4)))


def relative(**facts: Any) -> Facts:
    return {"feature": {**A, "reference": "delta"}, "relative_to": "s", **facts}


OUTPUTS = [
    acts("role/of-an-output", "A-1", {}, {"feature": X}),
    acts("action/not-made", "A-9", {}, at="action"),
    acts("action/partly-made", "A-9", {}, {}, tags=[leaf([], A, (0, 2))], at="action"),
    acts("action/made-twice", "A-9", {}, {}, {"name": "c"}, at="action"),
    acts(
        "action/leaf-not-made",
        "A-9",
        {},
        {},
        space=dict_(("a", unbounded(1)), ("z", discrete(2))),
        tags=[leaf(["a"], A)],
        at="action['z']",
    ),
    acts("action/of-a-sequence", "A-9", {}, space=sequence(unbounded(1)), at="action"),
    acts("action/of-one-of", "A-9", {}, space=tuple_(one_of(discrete(2))), at="action[0]"),
    acts("action/length", "A-9", {}, {"offset": 0, "length": 2}, at=f"{GONE}[0:2]"),
    acts("action/constants", "A-9", {}, {"constant": [1.0]}),
    acts("action/shape", "A-9", {}, {"shape": [4]}),
    acts(
        "action/some-names",
        "A-3",
        {"element_names": ["a", "b", "c"]},
        {"feature": {**A, "element_names": ["a", "b"]}},
    ),
    acts("action/text-for-numbers", "A-9", {}, {"feature": {**A, "kind": "text"}}),
    acts(
        "action/numbers-for-a-text",
        "A-9",
        {},
        {"feature": {**A, "kind": "action"}},
        space=text("ab", 0, 3),
    ),
    acts("action/unit", "A-3", {"unit": "m"}, {"feature": {**A, "unit": "kg"}}),
    acts(
        "action/reference",
        "A-10",
        {"reference": "absolute"},
        {"feature": {**A, "reference": "delta"}},
    ),
    acts(
        "action/color-lost",
        "A-3",
        {"kind": "image", "layout": "hwc", "color": "rgba"},
        {"feature": {**A, "color": "rgb"}},
        space=box("uint8", (2, 2, 4), 0, 255),
    ),
    acts("relative/no-state", "A-10", {"reference": "absolute"}, relative(), space=FOUR),
    acts(
        "relative/other-shape",
        "A-10",
        {"reference": "absolute"},
        relative(),
        seen=STATE,
        observation=STATES,
    ),
    acts(
        "relative/other-unit",
        "A-10",
        {"reference": "absolute", "unit": "m"},
        relative(feature={**A, "reference": "delta", "unit": "m"}),
        space=FOUR,
        seen=[leaf(["s"], {**S, "unit": "rad"})],
        observation=STATES,
    ),
    acts(
        "relative/two-forms",
        "A-10",
        {},
        relative(feature={**A, "reference": "delta", "unit": "m"}),
        relative(name="c", feature={**feature("c"), "reference": "delta", "unit": "cm"}),
        space=dict_(("a", FOUR), ("c", FOUR)),
        at="outputs['c']",
        tags=[
            leaf(["a"], {**A, "reference": "absolute"}),
            leaf(["c"], {**feature("c"), "reference": "absolute"}),
        ],
        seen=[leaf(["s"], {**S, "unit": "m"})],
        observation=STATES,
    ),
    BadAdapterCase(
        "previous/cut-beyond",
        "A-8",
        "inputs['y']",
        "pair",
        tags_of((), [leaf([], A)]),
        spec_of(
            [
                {
                    "name": "y",
                    "feature": X,
                    "parts": [{"previous_output": "b", "offset": 2, "length": 2}],
                    "dtype": "float32",
                }
            ],
            [{"name": "b", "feature": A}],
        ),
        NOTHING,
        unbounded(3),
    ),
]

# Episodes and outputs.


def refused(
    name: str, rule: str, env: Facts, port: Facts, space: Space, value: Tagged, at: str = GONE
) -> BadAdapterCase:
    """Return an output of a model that fits, with a value that is refused."""
    return BadAdapterCase(
        f"outputs/{name}",
        rule,
        at,
        "outputs",
        tags_of((), [leaf([], {**A, **env})]),
        spec_of((), [{"name": "b", "feature": A, **port}]),
        action=space,
        outputs={"b": value},
    )


REFUSED = [
    BadAdapterCase(
        "episode/without-an-instruction",
        "A-12",
        "inputs['y']",
        "episode",
        spec=spec_of([{"name": "y", "feature": feature("t", kind="text")}]),
    ),
    refused("fraction", "A-9", {}, {}, discrete(3), numbers((), (0.5,)), "action"),
    refused("fractions", "A-9", {}, {}, multi_discrete((2,), (3, 3)), floats(1, 1.5), "action"),
    refused("beyond-the-dtype", "A-9", {}, {}, box("int8", (2,), -9, 9), floats(0, 128), "action"),
    refused("below-the-dtype", "A-9", {}, {}, box("uint8", (1,), 0, 9), floats(-1), "action"),
    refused("infinite", "A-9", {}, {}, box("int32", (1,), 0, 9), floats(math.inf), "action"),
    refused("shape", "A-9", {}, {}, unbounded(3), floats(1, 2)),
    refused("dimensions", "A-9", {}, {}, unbounded(3), numbers((1, 3), (1, 2, 3))),
    refused(
        "too-short-to-split",
        "A-9",
        {},
        {"offset": 0, "length": 3},
        unbounded(3),
        floats(1, 2),
        f"{GONE}[0:3]",
    ),
]
