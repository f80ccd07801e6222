"""Adapters: tags and specs that are refused alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..adapters import BadAdapterCase, Facts, feature, leaf, spec_of, tags_of, unbounded
from ..spaces import Key, box, dict_, discrete, sequence

__all__ = ["SPECS", "TAGS"]

# Tags.

SPACE = dict_(
    ("x", unbounded(2, 4)),
    ("i", box("uint8", (3, 4, 3), 0, 255)),
    ("d", discrete(3)),
    ("s", sequence(unbounded(1))),
)


def tagged(
    name: str,
    rule: str,
    of: Facts,
    path: Sequence[Key] = ("x",),
    part: tuple[int, int] | None = None,
    at: str = "",
) -> BadAdapterCase:
    """Return a tag of the observation that is refused."""
    where = at or "observation" + "".join(f"[{key!r}]" for key in path)
    return BadAdapterCase(
        f"tags/{name}", rule, where, "tags", tags_of([leaf(path, of, part)]), observation=SPACE
    )


def euler(axes: str, form: str = "euler") -> Facts:
    return feature("x", rotation=form, euler_axes=axes)


def depth(encoding: str, near: float, far: float) -> Facts:
    return feature("x", color="depth", depth={"encoding": encoding, "near": near, "far": far})


X = feature("x")
PART = "observation['x']"
TAGS = [
    tagged("path/unknown-key", "T-1", X, ["y"]),
    tagged("path/index-for-a-name", "T-1", X, [0]),
    tagged("path/through-a-leaf", "T-1", X, ["x", 0]),
    tagged("path/container", "T-1", X, []),
    tagged("path/sequence", "T-1", X, ["s"]),
    tagged("part/beyond", "T-1", X, part=(2, 3), at=f"{PART}[2:5]"),
    tagged("part/empty", "T-1", X, part=(2, 0), at=f"{PART}[2:2]"),
    tagged("part/of-no-axis", "T-1", X, ["d"], (0, 1), "observation['d'][0:1]"),
    tagged("names/of-too-many", "T-1", {**X, "element_names": ["a", "b", "c"]}),
    tagged("names/of-no-axis", "T-1", {**X, "element_names": ["a"]}, ["d"]),
    tagged("range/exchanged", "T-1", {**X, "range": {"low": 1.0, "high": 0.0}}),
    tagged("range/nan", "T-1", {**X, "range": {"low": math.nan, "high": 0.0}}),
    tagged("euler/none", "A-2", euler("")),
    tagged("euler/two", "A-2", euler("xy")),
    tagged("euler/twice", "A-2", euler("xxy")),
    tagged("euler/mixed", "A-2", euler("xYz")),
    tagged("euler/other-letters", "A-2", euler("abc")),
    tagged("euler/of-a-matrix", "A-2", euler("xyz", "matrix")),
    tagged("orientation", "A-2", feature("x", orientation={"quarter_turns": 4})),
    tagged("depth/exchanged", "A-2", depth("distance", 2.0, 1.0)),
    tagged("depth/equal", "A-2", depth("linear", 1.0, 1.0)),
    tagged("depth/negative", "A-2", depth("distance", -1.0, 1.0)),
    tagged("depth/infinite", "A-2", depth("linear", 1.0, math.inf)),
    tagged("depth/nan", "A-2", depth("linear", math.nan, 1.0)),
    tagged("depth/z-buffer-of-0", "A-2", depth("z_buffer", 0.0, 1.0)),
    tagged("gripper/equal", "A-2", feature("x", gripper={"open": 1.0, "closed": 1.0})),
    tagged("gripper/huge", "A-2", feature("x", gripper={"open": 1e39, "closed": 0.0})),
    tagged("gripper/infinite", "A-2", feature("x", gripper={"open": math.inf, "closed": 0.0})),
]

# Specs.

STATE = {"name": "x", "feature": X}


def stated(name: str, rule: str, at: str, *inputs: Facts, **facts: Any) -> BadAdapterCase:
    """Return a spec with inputs that is refused."""
    spec = spec_of(inputs, facts.pop("outputs", ()), **facts)
    return BadAdapterCase(f"spec/{name}", rule, at, "spec", spec=spec)


def changed(name: str, rule: str, **facts: Any) -> BadAdapterCase:
    """Return an input, with fields changed, that is refused."""
    return stated(name, rule, "inputs['x']", {**STATE, **facts})


def image(name: str, **change: Any) -> BadAdapterCase:
    return changed(f"image/{name}", "A-5", image=[change])


def joined(name: str, part: Facts, rule: str = "A-8") -> BadAdapterCase:
    return changed(f"part/{name}", rule, parts=[part])


def returned(
    name: str, rule: str = "A-9", at: str = "outputs['a']", **facts: Any
) -> BadAdapterCase:
    """Return an output that is refused."""
    one = {"name": "a", "feature": feature("action/a"), **facts}
    return stated(f"output/{name}", rule, at, outputs=[one])


def mean_std(mean: Sequence[float], std: Sequence[float], **facts: Any) -> Facts:
    return {"mean_std": {"mean": list(mean), "std": list(std)}, **facts}


def min_max(low: float, high: float, **facts: Any) -> Facts:
    return {"min_max": {"low": [low], "high": [high], **facts}}


NORMALIZATIONS: dict[str, Facts] = {
    "of-no-form": {"epsilon": 1.0},
    "empty": mean_std([], []),
    "counts": mean_std([1, 2], [1, 2, 3]),
    "mask": mean_std([1, 2], [1, 2], mask=[True]),
    "negative-std": mean_std([0], [-1]),
    "nan-std": mean_std([0], [math.nan]),
    "epsilon": mean_std([0], [1], epsilon=-1.0),
    "exchanged": min_max(1, 0),
    "target": min_max(0, 1, target={"low": 1.0, "high": 1.0}),
    "infinite-target": min_max(0, 1, target={"low": 0.0, "high": math.inf}),
}
HUGE = 1e39
A = {"name": "a", "feature": feature("action/a")}
HALVES = [{**A, "offset": 0, "length": 2}, {**A, "offset": 1, "length": 2}]
GRIP = feature("action/a", gripper={"open": 1.0, "closed": 0.0})

SPECS = [
    stated("no-forms", "T-4", "predict_forms", predict_forms=[]),
    stated("form-unspecified", "T-4", "predict_forms", predict_forms=["unspecified"]),
    stated("inputs-of-one-name", "T-4", "inputs['x']", STATE, STATE),
    stated("outputs-of-one-name", "T-4", "outputs['a']", outputs=[A, A]),
    stated("name-empty-beside-others", "T-4", "inputs['']", STATE, {**STATE, "name": ""}),
    stated("outputs-overlap", "A-9", "outputs['a']", outputs=HALVES),
    changed("dimensions", "M-6", shape=[1] * 33),
    changed("shape", "M-6", shape=[2**31, 2**31, 2**31]),
    changed("feature", "A-2", feature=euler("")),
    changed("range", "T-1", feature={**X, "range": {"low": 1.0, "high": 0.0}}),
    *(
        changed(f"normalization/{name}", "A-7", normalization=form)
        for name, form in NORMALIZATIONS.items()
    ),
    changed("pad-value", "A-8", pad_to=3, pad_value=HUGE),
    image("height-alone", height=3),
    image("too-large", height=32769, width=1),
    image("crop-area", crop_area=1.5),
    image("crop-area-negative", crop_area=-0.5),
    image("jpeg-quality", jpeg_quality=101),
    image("fill-without-pad", height=3, width=3, fill=[1.0]),
    image("fill-infinite", height=3, width=3, fit="pad", fill=[math.inf]),
    changed("image/and-parts", "A-5", image=[{"crop_area": 0.5}], parts=[{"feature": X}]),
    joined("of-no-source", {"length": 0}),
    joined("of-no-constants", {"constant": {}}),
    joined("constant-huge", {"constant": {"values": [HUGE]}}),
    joined("constant-scaled", {"constant": {"values": [1.0]}, "normalization": mean_std([0], [1])}),
    joined("offset-without-length", {"feature": X, "offset": 1}),
    joined("length-without-offset", {"feature": X, "length": 1}),
    joined("feature", {"feature": euler("xx")}, "A-2"),
    joined("normalization", {"feature": X, "normalization": mean_std([0], [-1])}, "A-7"),
    joined("previous-of-no-output", {"previous_output": "b"}),
    changed("template/without-text", "A-12", text={"template": "do it"}),
    changed("template/twice", "A-12", text={"template": "{text} {text}"}),
    returned("offset-without-length", offset=1),
    returned("length-without-offset", length=1),
    returned("clip", clip={"low": 1.0, "high": 0.0}),
    returned("scale", scale=1e-39),
    returned("scale-infinite", scale=math.inf),
    returned("shift", shift=HUGE),
    returned("threshold-without-gripper", threshold=0.5),
    returned("threshold-infinite", threshold=math.inf, feature=GRIP),
    returned("constant-huge", constant=[HUGE]),
    returned("constant-part", constant=[1.0], offset=0, length=1),
    returned("constant-scaled", constant=[1.0], normalization=mean_std([0], [1])),
    returned("normalization", "A-7", normalization=mean_std([0], [-1])),
    returned("feature", "A-2", feature=euler("xx")),
]
