"""Adapters: states, and vectors that are joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..adapters import (
    AdapterCase,
    Facts,
    Moment,
    feature,
    floats,
    leaf,
    named,
    numbers,
    reading,
    spec_of,
    tags_of,
    unbounded,
)
from ..spaces import box, dict_, discrete, multi_binary, tuple_
from ..values import Tagged, array, entries, integer, positions

__all__ = ["STATES", "VECTORS"]

STATE = feature("state/x", kind="state")


def state(**facts: Any) -> Facts:
    return {"feature": {**STATE, **facts}}


def scaled(form: Facts, **facts: Any) -> Facts:
    return {"feature": STATE, "normalization": {**form, **facts}}


def mean_std(mean: Sequence[float], std: Sequence[float]) -> Facts:
    return {"mean_std": {"mean": list(mean), "std": list(std)}}


def min_max(low: Sequence[float], high: Sequence[float], **facts: Any) -> Facts:
    return {"min_max": {"low": list(low), "high": list(high), **facts}}


NUMBERS = (1.0, -2.0, 0.5, 8.0)
UNIT = {"low": 0.0, "high": 1.0}

STATES = named(
    "state",
    AdapterCase(
        "range/of-the-space",
        "A-3",
        tags_of([leaf(["x"], STATE)]),
        spec_of([{"name": "y", **state(range={"low": -1.0, "high": 1.0})}]),
        (
            Moment({"y": floats(-1, 0, 1)}, entries(("x", floats(0, 0, 3)))),
            # Nothing is limited: 4 is beyond the last element's bounds.
            Moment({"y": floats(1, -0.5, 5 / 3)}, entries(("x", floats(2, -2, 4)))),
        ),
        dict_(("x", box("float32", (3,), [0.0, -4.0, 0.0], [2.0, 4.0, 3.0]))),
        tolerance=1e-6,
    ),
    reading(
        "range/of-the-tag",
        "A-3",
        {**STATE, "range": {"low": -4.0, "high": 4.0}},
        [(-4.0, 0.0, 4.0, 8.0)],
        {
            "unit": (state(range=UNIT), [floats(0, 0.5, 1, 1.5)]),
            "same": (state(), [floats(-4, 0, 4, 8)]),
        },
    ),
    reading(
        "range/of-amounts",
        "A-3",
        {**STATE, "range": {"low": -4.0, "high": 4.0}, "unit": "m"},
        [(-4.0, 0.0, 4.0, 8.0)],
        {
            # Both sides have a unit, so that no interval is mapped.
            "cm": (state(range=UNIT, unit="cm"), [floats(-400, 0, 400, 800)]),
            "no-unit": (state(range=UNIT), [floats(0, 0.5, 1, 1.5)]),
        },
        tolerance=1e-6,
    ),
    reading(
        "gripper",
        "A-3",
        {**STATE, "gripper": {"open": 1.0, "closed": -1.0}, "range": UNIT},
        [(1.0, -1.0, 0.0, 2.0)],
        {
            "opened": (state(gripper={"open": 1.0, "closed": 0.0}), [floats(1, 0, 0.5, 1.5)]),
            "closed": (state(gripper={"open": 0.0, "closed": 1.0}), [floats(0, 1, 0.5, -0.5)]),
            # With a gripper on both sides, no interval is mapped.
            "ranged": (
                state(gripper={"open": 0.0, "closed": 8.0}, range={"low": 0.0, "high": 8.0}),
                [floats(0, 8, 4, -4)],
            ),
            "plain": (state(), [floats(1, -1, 0, 2)]),
        },
    ),
    *(
        reading(
            f"unit/{env.replace('/', '-per-')}-to-{model.replace('/', '-per-')}",
            "A-3",
            {**STATE, "unit": env},
            [NUMBERS],
            {"y": (state(unit=model), [floats(*(factor * x for x in NUMBERS))])},
            tolerance=1e-6,
        )
        for env, model, factor in (
            ("m", "mm", 1000.0),
            ("[in_i]", "cm", 2.54),
            ("deg", "rad", math.pi / 180),
            ("deg/s", "rad/s", math.pi / 180),
            ("N.m", "mN.m", 1000.0),
            ("%", "1", 0.01),
            ("m/s2", "cm/s/s", 100.0),
        )
    ),
    reading(
        "names",
        "A-3",
        {**STATE, "element_names": ["a", "b", "c", "d"]},
        [NUMBERS],
        {
            "reversed": (state(element_names=["d", "c", "b", "a"]), [floats(8, 0.5, -2, 1)]),
            "some": (state(element_names=["c", "a"]), [floats(0.5, 1)]),
            "all": (state(), [floats(*NUMBERS)]),
        },
    ),
    reading(
        "normalization",
        "A-7",
        STATE,
        [NUMBERS],
        {
            "mean-std": (
                scaled(mean_std((1, 0, 0.5, 4), (1, 2, 4, 8))),
                [floats(0, -1, 0, 0.5)],
            ),
            "one-number": (scaled(mean_std((2,), (4,))), [floats(-0.25, -1, -0.375, 1.5)]),
            # 1 + 1 is a divisor of 2.
            "epsilon": (
                scaled(mean_std((0,), (1,)), epsilon=1.0),
                [floats(0.5, -1, 0.25, 4)],
            ),
            "mask": (
                scaled(mean_std((1, 1, 1, 1), (2, 2, 2, 2)), mask=[True, False, True, False]),
                [floats(0, -2, -0.25, 8)],
            ),
            "constant": (
                scaled(mean_std((1, -2, 0, 0), (0, 0, 0, 2))),
                [floats(0, 0, 0.5, 4)],
            ),
            "constant-epsilon": (
                scaled(mean_std((1, -2, 0, 0), (0, 0, 0, 2)), epsilon=0.5),
                [floats(0, 0, 1, 3.2)],
            ),
            "min-max": (
                scaled(min_max((0, -4, 0, 0), (2, 4, 1, 16))),
                [floats(0, -0.5, 0, 0)],
            ),
            "target": (
                scaled(min_max((0, -4, 0, 0), (2, 4, 1, 16), target=UNIT)),
                [floats(0.5, 0.25, 0.5, 0.5)],
            ),
            "min-max-constant": (
                scaled(min_max((1, -2, 0, 7), (1, -2, 0, 7), target={"low": 3.0, "high": 5.0})),
                [floats(3, 3, 4, 5)],
            ),
            "min-max-mask": (
                scaled(min_max((0,), (4,)), mask=[False, True, True, True]),
                [floats(1, -2, -0.75, 3)],
            ),
            # 1 + 1 is the divisor, and the upper limit does not become 1.
            "min-max-epsilon": (
                scaled(min_max((0,), (1,)), epsilon=1.0),
                [floats(0, -3, -0.5, 7)],
            ),
        },
        tolerance=1e-6,
    ),
    AdapterCase(
        "order",
        "A-3 A-7",
        tags_of([leaf(["x"], {**STATE, "element_names": ["a", "b"], "unit": "m", "range": UNIT})]),
        spec_of(
            [
                {
                    "name": "y",
                    "feature": {**STATE, "element_names": ["b", "a"], "unit": "cm"},
                    "normalization": mean_std((100, 0), (50, 10)),
                    "dtype": "float64",
                },
                {
                    "name": "z",
                    "feature": {**STATE, "range": {"low": 0.0, "high": 10.0}},
                    "normalization": mean_std((5,), (5,)),
                    "dtype": "float16",
                },
            ]
        ),
        (
            Moment(
                {
                    "y": numbers((2,), (0.5, 2.5), "float64"),
                    "z": numbers((2,), (-0.5, 1.5), "float16"),
                },
                entries(("x", floats(0.25, 1.25))),
            ),
        ),
        dict_(("x", unbounded(2))),
        tolerance=1e-6,
    ),
    AdapterCase(
        "dtypes",
        "A-3",
        tags_of(
            [
                leaf(["b"], feature("b")),
                leaf(["n"], feature("n")),
                leaf(["m"], feature("m")),
                leaf(["w"], feature("w")),
            ]
        ),
        spec_of(
            [
                {"name": "b", "feature": feature("b"), "dtype": "float32"},
                {"name": "n", "feature": feature("n"), "dtype": "float32", "shape": []},
                {"name": "m", "feature": feature("m"), "dtype": "int16"},
                {"name": "w", "feature": feature("w"), "dtype": "float64"},
                {"name": "as-it-is", "feature": feature("m")},
            ]
        ),
        (
            Moment(
                {
                    "b": floats(1, 0),
                    "n": numbers((), (3,)),
                    "m": array("int16", (2,), (-7, 7)),
                    "w": numbers((1,), (2**40,), "float64"),
                    "as-it-is": array("int32", (2,), (-7, 7)),
                },
                entries(
                    ("b", array("int8", (2,), (1, 0))),
                    ("n", integer(3)),
                    ("m", array("int32", (2,), (-7, 7))),
                    ("w", array("int64", (1,), (2**40,))),
                ),
            ),
        ),
        dict_(
            ("b", multi_binary((2,))),
            ("n", discrete(4)),
            ("m", box("int32", (2,), -9, 9)),
            ("w", box("int64", (1,), 0, 2**50)),
        ),
    ),
    AdapterCase(
        "optional",
        "A-1",
        tags_of([leaf([1], STATE)]),
        spec_of(
            [
                {"name": "x", "feature": STATE, "optional": True},
                {"name": "y", "feature": feature("state/y"), "optional": True},
            ]
        ),
        (Moment({"x": floats(1, 2)}, positions(integer(0), floats(1, 2))),),
        tuple_(discrete(2), unbounded(2)),
    ),
)

# Joined vectors.

PARTS = dict_(("p", unbounded(3)), ("q", unbounded(2, 2)), ("w", unbounded(1, dtype="float64")))
PART_TAGS = tags_of(
    [
        leaf(["p"], feature("state/p", unit="m")),
        leaf(["q"], feature("state/q"), (1, 1)),
        leaf(["w"], feature("state/w")),
    ]
)
PART_VALUE = entries(
    ("p", floats(1, 2, 3)),
    ("q", numbers((2, 2), (4, 5, 6, 7))),
    ("w", numbers((1,), (0.5,), "float64")),
)


def joined(name: str, parts: Sequence[Facts], wanted: Tagged, **facts: Any) -> AdapterCase:
    made = {"name": "y", "feature": feature("joined"), "parts": list(parts), "dtype": "float32"}
    return AdapterCase(
        f"joined/{name}",
        "A-8",
        PART_TAGS,
        spec_of([{**made, **facts}]),
        (Moment({"y": wanted}, PART_VALUE),),
        PARTS,
        tolerance=1e-6,
    )


P = {"feature": feature("state/p", unit="cm")}
Q = {"feature": feature("state/q")}
JOINED = [
    joined(
        "parts",
        [P, {"constant": {"values": [0.5, -0.5]}}, Q, {"feature": feature("state/w")}],
        floats(100, 200, 300, 0.5, -0.5, 5, 7, 0.5),
    ),
    joined(
        "cut",
        [{**P, "offset": 1, "length": 2}, {**P, "offset": 0, "length": 1}],
        floats(200, 300, 100),
    ),
    joined(
        "cut-constant",
        [{"constant": {"values": [1.0, 2.0, 3.0]}, "offset": 1, "length": 2}, Q],
        floats(2, 3, 5, 7),
    ),
    joined(
        "scaled-part",
        [
            {**P, "offset": 1, "length": 2, "normalization": mean_std((100, 100), (100, 50))},
            {**Q, "normalization": mean_std((1,), (2,))},
        ],
        floats(1, 4, 2, 3),
    ),
    joined(
        "filled",
        [Q],
        floats(0, 1, 9, 9),
        normalization=min_max((5, 5), (7, 7), target=UNIT),
        pad_to=4,
        pad_value=9.0,
    ),
    joined("shaped", [P, Q], numbers((2, 3), (100, 200, 300, 5, 7, 0)), pad_to=6, shape=[2, 3]),
    joined(
        "history",
        [Q, {"constant": {"values": [1.0]}}],
        numbers((2, 3), (5, 7, 1, 5, 7, 1)),
        history=2,
        shape=[2, 3],
    ),
]

ACT = feature("action/a", gripper={"open": 1.0, "closed": 0.0})
ACT_TAGS = tags_of(
    [leaf(["x"], STATE)], [leaf([], {**ACT, "gripper": {"open": 2.0, "closed": 0.0}})]
)


def previous(name: str, moments: Sequence[Moment], **facts: Any) -> AdapterCase:
    """Return a vector that ends with the model's own output for the step before."""
    part = {"previous_output": "a", **facts}
    reads = {"name": "y", "feature": feature("joined"), "dtype": "float32"}
    chunk = {"predict_forms": ["chunk"], "chunk_length": 3} if "chunk" in name else {}
    return AdapterCase(
        f"previous/{name}",
        "A-8",
        ACT_TAGS,
        spec_of(
            [{**reads, "parts": [{"feature": STATE}, part]}],
            [{"name": "a", "feature": ACT, "dtype": "float32"}],
            **chunk,
        ),
        tuple(moments),
        dict_(("x", unbounded(1))),
        box("float32", (2,), 0.0, 2.0),
    )


def at(read: Sequence[float], seen: float, *chunk: Sequence[float]) -> Moment:
    """Return a step: the vector, the observation, and the outputs of the model, if it is asked."""
    flat = [x for row in chunk for x in row]
    shape = (len(chunk), 2) if len(chunk) > 1 else (2,)
    return Moment(
        {"y": floats(*read)},
        entries(("x", floats(seen))),
        {"a": numbers(shape, flat)} if chunk else None,
        tuple(floats(*(2 * x for x in row)) for row in chunk),
    )


VECTORS = [
    *JOINED,
    previous(
        "each-step",
        [at([7, 0, 0], 7, (1, 0.5)), at([8, 1, 0.5], 8, (0.25, 1)), at([9, 0.25, 1], 9)],
    ),
    # The zeros before the first step are scaled too: (0 - 0.5) / 0.25.
    previous(
        "cut",
        [at([7, -2], 7, (1, 0.5)), at([8, 0], 8, (0.25, 1))],
        offset=1,
        length=1,
        normalization=mean_std((0.5,), (0.25,)),
    ),
    previous(
        "chunk",
        [
            at([7, 0, 0], 7, (1, 0.5), (0, 0.25), (0.75, 1)),
            at([8, 1, 0.5], 8),
            at([9, 0, 0.25], 9),
            at([6, 0.75, 1], 6, (0.5, 0.5), (1, 1), (0, 0)),
            at([5, 0.5, 0.5], 5),
        ],
    ),
]
