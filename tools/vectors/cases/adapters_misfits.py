"""Adapters: inputs that do not fit an environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..adapters import (
    BadAdapterCase,
    Facts,
    feature,
    leaf,
    spec_of,
    tags_of,
    unbounded,
)
from ..spaces import box, dict_, discrete, one_of, text

__all__ = ["INPUTS"]

Space = Any
X, A = feature("x"), feature("a")
HERE, GONE = "inputs['y']", "outputs['b']"
SHADES = box("uint8", (4, 6, 3), 0, 255)
UNIT = {"low": 0.0, "high": 1.0}


def reads(
    name: str,
    rule: str,
    env: Facts,
    port: Facts,
    space: Space | None = None,
    at: str = HERE,
    tags: Sequence[Facts] = (),
) -> BadAdapterCase:
    """Return an environment with the leaf `x`, and a model with the input `y`, that do not fit."""
    own = unbounded(3) if space is None else space
    return BadAdapterCase(
        name,
        rule,
        at,
        "pair",
        tags_of([leaf(["x"], {**X, **env}), *tags]),
        spec_of([{"name": "y", "feature": X, **port}]),
        dict_(("x", own)),
    )


def model(**facts: Any) -> Facts:
    """Return an input of another meaning."""
    return {"feature": {**X, **facts}}


def picture(**facts: Any) -> Facts:
    return {"kind": "image", "layout": "hwc", "color": "rgb", **facts}


def change(**facts: Any) -> Facts:
    return {"feature": X, "image": [{"resampler": "nearest", **facts}]}


def mean_std(count: int) -> Facts:
    return {"mean_std": {"mean": [0.0] * count, "std": [1.0] * count}}


def parts(*of: Facts, **facts: Any) -> Facts:
    return {"feature": feature("joined"), "parts": list(of), "dtype": "float32", **facts}


OTHER_ROLE = feature("y")
PART = {"feature": X}

MATCHING = [
    reads("role/none", "A-1", {}, {"feature": OTHER_ROLE}),
    reads("role/two", "A-1", {}, {}, tags=[leaf(["x"], X)]),
    reads("role/other-case", "A-1", {}, {"feature": feature("X")}),
    reads("role/of-a-part", "A-1", {}, parts({"feature": OTHER_ROLE})),
    BadAdapterCase(
        "role/through-one-of",
        "A-1",
        "observation[0]",
        "pair",
        tags_of([leaf([0], X)]),
        spec_of([{"name": "y", "feature": X}]),
        one_of(unbounded(2), discrete(2)),
    ),
    BadAdapterCase(
        "spaces/observation",
        "A-1",
        "observation_space",
        "pair",
        spec=spec_of(observation_space=unbounded(3)),
        observation=unbounded(2),
    ),
    BadAdapterCase(
        "spaces/action",
        "A-1",
        "action_space",
        "pair",
        spec=spec_of(action_space=unbounded(3)),
        action=unbounded(2),
    ),
]

AGREEING = [
    reads("kind", "A-3", {"kind": "state"}, model(kind="action")),
    reads("reference", "A-3", {"reference": "delta"}, model(reference="absolute")),
    reads("frame", "A-3", {"frame": "world"}, model(frame="base")),
    reads("unit/of-another-quantity", "A-3", {"unit": "m"}, model(unit="s")),
    reads("unit/unknown", "A-3", {"unit": "m"}, model(unit="furlong")),
    reads("unit/with-an-offset", "A-3", {"unit": "K"}, model(unit="Cel")),
    reads(
        "names/missing", "A-3", {"element_names": ["a", "b", "c"]}, model(element_names=["a", "d"])
    ),
    reads(
        "names/twice", "A-3", {"element_names": ["a", "b", "c"]}, model(element_names=["a", "a"])
    ),
    reads("names/of-too-few", "A-3", {}, model(element_names=["a", "b"])),
    reads("range/of-an-unbounded-space", "A-3", {}, model(range=UNIT)),
    reads("range/of-one-number", "A-3", {"range": {"low": 1.0, "high": 1.0}}, model(range=UNIT)),
    reads("range/to-one-number", "A-3", {"range": UNIT}, model(range={"low": 1.0, "high": 1.0})),
    reads(
        "range/of-a-rotation",
        "A-3",
        {"rotation": "axis_angle", "range": UNIT},
        model(range={"low": -1.0, "high": 1.0}),
    ),
    reads("dtype/whole-of-floats", "A-3", {}, {"dtype": "int32"}),
    reads(
        "dtype/whole-of-a-unit",
        "A-3",
        {"unit": "m"},
        {**model(unit="mm"), "dtype": "int32"},
        box("int32", (3,), 0, 9),
    ),
    reads("dtype/whole-normalized", "A-3", {}, {"normalization": mean_std(1), "dtype": "uint8"}),
    reads("shape", "A-3", {}, {"shape": [4]}),
    reads("shape/dimensions", "A-3", {}, {"shape": [1, 3]}),
    reads("text/for-numbers", "A-3", {}, model(kind="text")),
    reads("text/as-numbers", "A-3", {}, {**model(kind="state")}, text("ab", 0, 3)),
    reads(
        "text/with-a-dtype",
        "A-12",
        {"kind": "text"},
        {**model(kind="text"), "dtype": "uint8"},
        text("ab", 0, 3),
    ),
    reads(
        "text/with-a-history",
        "A-12",
        {"kind": "text"},
        {**model(kind="text"), "history": 2},
        text("ab", 0, 3),
    ),
    reads("rotation/of-too-many-numbers", "A-4", {"rotation": "quaternion_wxyz"}, {}),
    reads("rotation/with-a-unit", "A-4", {"rotation": "axis_angle", "unit": "deg"}, {}),
    reads("normalization/count", "A-7", {}, {"normalization": mean_std(2)}),
    reads("normalization/of-channels", "A-7", picture(), {"normalization": mean_std(6)}, SHADES),
    reads(
        "normalization/huge",
        "A-7",
        {},
        {"normalization": {"mean_std": {"mean": [1e39], "std": [1.0]}}},
    ),
    reads("entrypoint", "Y-5", {}, {"entrypoint": "module:function"}),
]

SHRUNK = {"resampler": "nearest", "height": 4, "width": 6}

IMAGES = [
    reads("image/applied-alone", "A-13", picture(applied=[SHRUNK]), {}, SHADES),
    reads(
        "image/applied-another",
        "A-13",
        picture(applied=[SHRUNK]),
        {"feature": X, "image": [{**SHRUNK, "fit": "pad"}]},
        SHADES,
    ),
    reads("image/layout-of-a-vector", "A-3", picture(), {}, unbounded(3)),
    reads("image/channels", "A-3", picture(color="rgba"), {}, SHADES),
    reads("image/color-to-rgba", "A-3", picture(), model(color="rgba"), SHADES),
    reads("image/color-to-depth", "A-3", picture(), model(color="depth"), SHADES),
    reads("image/three-channels-in-hw", "A-3", picture(), model(layout="hw"), SHADES),
    reads(
        "image/change-without-a-layout", "A-5", {"kind": "image"}, change(height=2, width=2), SHADES
    ),
    reads(
        "image/turn-without-a-layout",
        "A-5",
        {"kind": "image", "orientation": {"quarter_turns": 2}},
        {},
        SHADES,
    ),
    reads(
        "image/fill-of-two-channels",
        "A-5",
        picture(),
        change(height=9, width=9, fit="pad", fill=[1.0, 2.0]),
        SHADES,
    ),
    reads(
        "image/fill-of-another-dtype",
        "A-5",
        picture(),
        change(height=9, width=9, fit="pad", fill=[0.5]),
        SHADES,
    ),
    reads(
        "image/fill-beyond-the-dtype",
        "A-5",
        picture(),
        change(height=9, width=9, fit="pad", fill=[256.0]),
        SHADES,
    ),
    reads("image/jpeg-of-floats", "A-5", picture(), change(jpeg_quality=90), unbounded(4, 6, 3)),
    reads(
        "image/jpeg-of-two-channels",
        "A-5",
        {"kind": "image", "layout": "hwc"},
        change(jpeg_quality=90),
        box("uint8", (4, 6, 2), 0, 255),
    ),
    reads(
        "image/enlarged", "A-5", picture(), change(height=4, width=7, refuse_upscale=True), SHADES
    ),
    reads(
        "image/enlarged-in-a-letterbox",
        "A-5",
        picture(),
        change(height=9, width=9, fit="pad", refuse_upscale=True),
        SHADES,
    ),
    reads(
        "image/without-pixels",
        "A-5",
        picture(),
        change(height=2, width=2),
        box("uint8", (0, 6, 3), 0, 255),
    ),
    reads("image/shape", "A-3", picture(), {"shape": [2, 2, 3]}, SHADES),
    reads(
        "image/depth-of-colors",
        "A-6",
        picture(),
        model(depth={"encoding": "linear", "near": 1.0, "far": 2.0}),
        SHADES,
    ),
]

JOINED = [
    reads("joined/cut-beyond", "A-8", {}, parts({**PART, "offset": 2, "length": 2})),
    reads(
        "joined/constant-cut-beyond",
        "A-8",
        {},
        parts({"constant": {"values": [1.0]}, "offset": 1, "length": 1}),
    ),
    reads("joined/whole-numbers", "A-8", {}, parts(PART, dtype="int32")),
    reads("joined/filled-to-less", "A-8", {}, parts(PART, pad_to=2)),
    reads("joined/shape", "A-8", {}, parts(PART, shape=[2, 2])),
    reads("joined/text", "A-8", {"kind": "text"}, parts(PART), text("ab", 0, 3)),
    reads("joined/normalization", "A-7", {}, parts(PART, normalization=mean_std(2))),
    reads(
        "joined/normalization-of-a-part",
        "A-7",
        {},
        parts({**PART, "offset": 0, "length": 2, "normalization": mean_std(3)}),
    ),
    reads("history/shape", "A-11", {}, {"history": 2, "shape": [3]}),
    reads(
        "history/shape-joined", "A-11", {}, {"history": 2, "history_joined": True, "shape": [2, 3]}
    ),
    reads("history/too-long", "A-11", {}, {"history": 3, "history_stride": 40000}),
]

INPUTS = [*MATCHING, *AGREEING, *IMAGES, *JOINED]
