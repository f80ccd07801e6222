"""Wrong declarations of the pairs of `probed_pairs`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from packages.core.tests.probed_pairs import PAIRS, SCENE, Pair
from rlmesh.adapters import EnvTags, Feature, Gripper, MeanStd, MinMax, ModelSpec, feature
from rlmesh.adapters.roles import EEF_POSITION, EEF_ROTATION, GRIPPER, IMAGE_PRIMARY

__all__ = ["BLIND", "WRONG", "Wrong", "of_input", "turning", "with_key", "written"]


@dataclass(frozen=True)
class Wrong:
    """A wrong declaration.

    Attributes:
        pair: Name of the pair.
        tag: The tag at this role is replaced by what `change` returns; empty: the spec is.
        change: What is wrong.
        seen: Another environment, for a declaration that is right of this one.
        returned: Another model, likewise.
        refused: Whether the pair does not even fit, which catches it before the first step.
    """

    pair: str
    tag: str = ""
    change: Callable[[Any], Any] = field(default=lambda given: given)
    seen: Callable[[int, Any], Any] | None = None
    returned: Callable[[int, Any], Any] | None = None
    refused: bool = False

    def applied(self) -> Pair:
        pair = PAIRS[self.pair]
        if not self.tag:
            pair = replace(pair, spec=self.change(pair.spec))
        else:
            sides = (
                tuple(
                    replace(leaf, feature=self.change(leaf.feature))
                    if leaf.feature.role == self.tag
                    else leaf
                    for leaf in side
                )
                for side in (pair.tags.observation, pair.tags.action)
            )
            pair = replace(pair, tags=EnvTags(*sides))
        if self.seen is not None:
            seen, right = self.seen, pair.seen
            pair = replace(pair, seen=lambda step: seen(step, right(step)))
        if self.returned is not None:
            returned, usual = self.returned, pair.returned
            pair = replace(pair, returned=lambda step: returned(step, usual(step)))
        return pair


def of_input(name: str, **facts: Any) -> Callable[[ModelSpec], ModelSpec]:
    return lambda spec: replace(
        spec,
        inputs=tuple(replace(p, **facts) if p.name == name else p for p in spec.inputs),
    )


def of_output(index: int, **facts: Any) -> Callable[[ModelSpec], ModelSpec]:
    return lambda spec: replace(
        spec,
        outputs=tuple(replace(p, **facts) if i == index else p for i, p in enumerate(spec.outputs)),
    )


def written(**facts: Any) -> Callable[[Feature], Feature]:
    """A feature with other properties, as `feature` takes them."""
    other = feature("state/x", **facts)
    names = [n for n in vars(other) if n not in ("role", "kind")]
    plain = feature("state/x")
    changed = {n: getattr(other, n) for n in names if getattr(other, n) != getattr(plain, n)}
    return lambda given: replace(given, **changed)


def with_key(key: str, value: Callable[[Any], Any]) -> Callable[[int, Any], Any]:
    """An observation with one leaf written another way than declared."""
    return lambda step, seen: {**seen, key: value(seen[key])}


def swapped(given: Feature) -> Feature:
    sides = {"left": "right", "right": "left"}
    area, side, name = given.role.split("/")
    return replace(given, role=f"{area}/{sides[side]}/{name}")


def turned_back(angles: Any, step: int) -> Any:
    """Angles whose last one is a turn less from step 10 on."""
    return angles - np.array([0, 0, 2 * math.pi if step > 9 else 0], "f4")


def turning(step: int, seen: Any) -> Any:
    """An observation with a hand that turns from 2 to 5.7 radians about its axis."""
    half = 1 + 0.08 * step
    turn = np.array([0, 0, math.sin(half), math.cos(half)], "f4")
    return {**seen, "quaternion": turn}


DEGREES = 180 / math.pi

WRONG = {
    # Rotations.
    "a matrix with a scale": Wrong("floats", seen=with_key("matrix", lambda m: m * 2)),
    "numbers of a quaternion scaled": Wrong("vla", seen=with_key("quaternion", lambda q: q * 2)),
    "axis-angle for a quaternion's part": Wrong(
        "vla", seen=with_key("quaternion", lambda q: q - 0.5)
    ),
    "six numbers by rows for columns": Wrong(
        "joints", EEF_ROTATION, written(rotation="six_d_interleaved")
    ),
    "six numbers that are no rotation": Wrong("joints", seen=with_key("six", lambda s: s + 0.3)),
    "a matrix that mirrors": Wrong("floats", seen=with_key("matrix", lambda m: -m)),
    "Euler angles in degrees": Wrong("base", seen=with_key("heading", lambda h: h * DEGREES)),
    "axis-angle in degrees": Wrong("floats", seen=with_key("turn", lambda t: t * DEGREES)),
    "an angle that jumps by a turn": Wrong(
        "floats",
        seen=lambda step, seen: {
            **seen,
            "turn": seen["turn"] - (2 * math.pi if step > 9 else 0) * np.array([0, 0, 1], "f4"),
        },
    ),
    "a sign that jumps by a turn": Wrong("vla", seen=turning),
    "Euler angles that jump": Wrong(
        "base",
        seen=lambda step, seen: {
            **seen,
            "heading": seen["heading"]
            - (2 * math.pi if step > 9 else 0) * np.array([0, 0, 1], "f4"),
        },
    ),
    "joints in degrees": Wrong("joints", seen=with_key("q", lambda q: q * DEGREES)),
    "joint velocities in degrees": Wrong("joints", seen=with_key("dq", lambda q: q * DEGREES)),
    # Units, ranges and statistics.
    "millimetres for metres": Wrong("vla", seen=with_key("position", lambda p: p * 1000)),
    "millimetres in one hand": Wrong("hands", seen=with_key("left", lambda p: p * 1000)),
    "centimetres against statistics": Wrong("vla", seen=with_key("position", lambda p: p * 100)),
    "velocity in mm/s": Wrong("base", seen=with_key("v", lambda v: v * 1000)),
    "the tag has another unit": Wrong("vla", EEF_POSITION, written(unit="km")),
    "statistics of another dataset": Wrong(
        "vla", "", of_input("position", normalization=MeanStd((9.0,), (0.2,)))
    ),
    "statistics in degrees": Wrong(
        "joints", "", of_input("dq", normalization=MeanStd((0.0,), (0.01,)))
    ),
    "statistics of the joints too narrow": Wrong(
        "joints", "", of_input("q", normalization=MinMax((-0.1,), (0.1,)))
    ),
    "depth in millimetres": Wrong("base", seen=with_key("depth", lambda d: d * 1000)),
    "depth against statistics": Wrong(
        "base", "", of_input("depth", normalization=MeanStd((3000.0,), (100.0,)))
    ),
    "a gripper in percent": Wrong("hands", seen=with_key("grips", lambda g: g * 100)),
    "a gripper's way in millimetres": Wrong("vla", seen=with_key("finger", lambda f: f * 1000)),
    "open and closed of another gripper": Wrong(
        "vla", GRIPPER, written(gripper=Gripper(open=0.8, closed=0.7))
    ),
    # Images.
    "255 where 1 is the largest": Wrong("floats", seen=with_key("image", lambda i: i * 255)),
    "statistics of 0 to 1 for 255": Wrong(
        "vla", "", of_input("image", normalization=MeanStd((0.47, 0.39, 0.31), (0.1,)))
    ),
    "statistics of 255 for 0 to 1": Wrong("floats", "", of_input("image", normalization=SCENE)),
    "blue for red": Wrong("vla", seen=with_key("image", lambda i: i[..., ::-1].copy())),
    "blue for red in floats": Wrong(
        "floats", seen=with_key("image", lambda i: i[..., ::-1].copy())
    ),
    "a tag of bgr for rgb": Wrong("vla", IMAGE_PRIMARY, written(color="bgr")),
    "a layout of chw for hwc": Wrong("vla", IMAGE_PRIMARY, written(layout="chw"), refused=True),
    "a layout of chw in floats": Wrong(
        "floats", IMAGE_PRIMARY, written(layout="chw"), refused=True
    ),
    "a black image": Wrong("vla", seen=with_key("image", np.zeros_like)),
    "a gray color for three channels": Wrong(
        "vla", IMAGE_PRIMARY, written(color="gray"), refused=True
    ),
    # Actions.
    "chunks of another length": Wrong("vla", "", lambda spec: replace(spec, chunk_length=9)),
    "a gripper that never moves": Wrong(
        "vla", returned=lambda step, out: np.append(out[:6], out[6] * 0.3).astype("f4")
    ),
    "outputs that were not scaled back": Wrong(
        "joints", "", of_output(0, normalization=MinMax((-90.0,), (90.0,)))
    ),
    "actions of a thousandfold scale": Wrong("floats", "", of_output(0, scale=500.0)),
    "actions that are always at a bound": Wrong(
        "floats", "", of_output(0, scale=500.0, clip_to_space=True)
    ),
    "NaN from the model": Wrong("base", returned=lambda step, out: out * np.float32("nan")),
    "NaN from the environment": Wrong("base", seen=with_key("v", lambda v: v * np.float32("nan"))),
    # Sides.
    "left for right": Wrong(
        "hands", seen=lambda step, seen: {**seen, "left": seen["right"], "right": seen["left"]}
    ),
    # These cannot be told from numbers.
    "wxyz for xyzw": Wrong("vla", EEF_ROTATION, written(rotation="quaternion_wxyz")),
    "a mirrored camera": Wrong("vla", IMAGE_PRIMARY, written(mirror=True)),
    "an upside-down camera": Wrong("vla", IMAGE_PRIMARY, written(rotate=180)),
}
"""The wrong declarations by name."""

BLIND = {"a mirrored camera", "an upside-down camera", "wxyz for xyzw"}
"""Those that no number tells."""
