"""Other right declarations of the pairs of `probed_pairs`: the same numbers in another form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from packages.core.tests.probed_pairs import PAIRS, Pair
from packages.core.tests.wrong_declarations import (
    DEGREES,
    Wrong,
    of_input,
    turning,
    with_key,
    written,
)
from rlmesh import spaces
from rlmesh.adapters import Gripper, MeanStd, MinMax, feature
from rlmesh.adapters.roles import (
    ACTION_GRIPPER,
    ACTION_JOINT_POSITIONS,
    BASE_VELOCITY,
    EEF_POSITION,
    EEF_ROTATION,
    GRIPPER,
    IMAGE_PRIMARY,
    JOINT_POSITIONS,
    JOINT_VELOCITIES,
)

__all__ = ["OTHER_ENVS", "OTHER_MODELS"]


@dataclass(frozen=True)
class Form:
    """A leaf of an environment in another form, and its tag, which says so.

    Attributes:
        pair: Name of the pair.
        role: Role of the leaf's tag.
        key: Key of the leaf in the observation; empty: the tag is one of the action.
        facts: Properties of the tag, as `feature` takes them.
        value: Writes the leaf in the other form.
        action: The action space; None: that of the pair.
    """

    pair: str
    role: str
    key: str
    facts: dict[str, Any]
    value: Callable[[Any], Any] = lambda value: value
    action: spaces.Space[Any] | None = None

    def applied(self) -> Pair:
        pair = PAIRS[self.pair]
        change = written(**self.facts)
        seen = with_key(self.key, self.value) if self.key else None
        pair = Wrong(self.pair, self.role, change, seen).applied()
        if self.key:
            leaf = np.asarray(pair.seen(0)[self.key])
            old = pair.observation
            assert isinstance(old, spaces.Dict)
            box = old.spaces[self.key]
            if leaf.dtype == np.uint8:
                box = spaces.Box(0, 255, leaf.shape, "uint8")
            elif leaf.shape != getattr(box, "shape", ()):
                box = spaces.Box(-math.inf, math.inf, leaf.shape)
            pair = replace(pair, observation=spaces.Dict({**old.spaces, self.key: box}))
        return pair if self.action is None else replace(pair, action=self.action)


def angle(quaternion: Any) -> float:
    """The angle about z of a quaternion, the scalar last."""
    return 2 * math.atan2(quaternion[2], quaternion[3])


def turn(write: Callable[[float, float], list[float]]) -> Callable[[Any], Any]:
    """A rotation about z from its cosine and sine."""
    return lambda q: np.array(write(math.cos(angle(q)), math.sin(angle(q))), "f4")


def about(*angles: int) -> Callable[[Any], Any]:
    """Three numbers, of which some are the angle."""
    return lambda q: np.array([flag * angle(q) for flag in angles], "f4")


def rotation(form: str, value: Callable[[Any], Any], **facts: Any) -> Form:
    return Form("vla", EEF_ROTATION, "quaternion", {"rotation": form, **facts}, value)


def image(value: Callable[[Any], Any], pair: str = "vla", **facts: Any) -> Form:
    return Form(pair, IMAGE_PRIMARY, "image", facts, value)


def times(pair: str, role: str, key: str, factor: float, unit: str = "", **facts: Any) -> Form:
    unit_fact = {"unit": unit} if unit else {}
    return Form(pair, role, key, {**unit_fact, **facts}, lambda v: v * np.float32(factor))


OTHER_ENVS: dict[str, Form] = {
    "quaternion, the scalar first": rotation("quaternion_wxyz", lambda q: np.roll(q, 1)),
    "quaternion of the other sign": rotation("quaternion_xyzw", lambda q: -q),
    "matrix": rotation(
        "matrix", lambda q: turn(lambda c, s: [c, -s, 0, s, c, 0, 0, 0, 1])(q).reshape(3, 3)
    ),
    "axis and angle": rotation("axis_angle", about(0, 0, 1)),
    "angles about fixed axes": rotation("xyz", about(0, 0, 1)),
    "angles about moving axes": rotation("ZYX", about(1, 0, 0)),
    "six numbers by columns": rotation("six_d", turn(lambda c, s: [c, s, 0, -s, c, 0])),
    "six numbers by rows": rotation("six_d_rows", turn(lambda c, s: [c, -s, 0, s, c, 0])),
    "six numbers interleaved": rotation(
        "six_d_interleaved", turn(lambda c, s: [c, -s, s, c, 0, 0])
    ),
    "channels first": image(lambda i: np.moveaxis(i, -1, 0).copy(), layout="chw"),
    "blue first": image(lambda i: i[..., ::-1].copy(), color="bgr"),
    "a camera upside down": image(lambda i: i[::-1, ::-1].copy(), rotate=180),
    "a camera on its side": image(lambda i: np.rot90(i, -1).copy(), rotate=90),
    "a mirrored camera": image(lambda i: i[:, ::-1].copy(), mirror=True),
    "a float image, upside down": image(lambda i: i[::-1, ::-1].copy(), "floats", rotate=180),
    "positions in millimetres": times("vla", EEF_POSITION, "position", 1000, "mm"),
    "an open gripper at 0": Form(
        "vla",
        GRIPPER,
        "finger",
        {"gripper": Gripper(open=0, closed=0.08)},
        lambda f: np.float32(0.08) - f,
    ),
    "joints in degrees": times("joints", JOINT_POSITIONS, "q", DEGREES, "deg"),
    "joint velocities in degrees": times("joints", JOINT_VELOCITIES, "dq", DEGREES, "deg/s"),
    "one hand in centimetres": times("hands", "state/left/eef_position", "left", 100, "cm"),
    "depth in millimetres": times(
        "base", "depth/primary", "depth", 1000, "mm", range=(0.0, 20_000.0)
    ),
    "velocity in cm/s": times("base", BASE_VELOCITY, "v", 100, "cm/s"),
    "a gripper that closes at -1": Form(
        "vla", ACTION_GRIPPER, "", {"gripper": Gripper(open=1, closed=-1)}
    ),
    "joint targets in degrees": Form(
        "joints",
        ACTION_JOINT_POSITIONS,
        "",
        {"unit": "deg"},
        action=spaces.Box(-172, 172, (7,)),
    ),
}
"""Environments with other numbers and tags, of which the models get the same inputs."""


def turned(**facts: Any) -> Callable[[Any], Any]:
    """A model of axes and angles."""
    meaning = feature(EEF_ROTATION, rotation="axis_angle", **facts)
    return of_input("rotation", feature=meaning)


OTHER_MODELS: dict[str, Wrong] = {
    "a quaternion": Wrong(
        "vla", "", of_input("rotation", feature=feature(EEF_ROTATION, rotation="quaternion_wxyz"))
    ),
    "a matrix": Wrong(
        "vla", "", of_input("rotation", feature=feature(EEF_ROTATION, rotation="matrix"))
    ),
    "six numbers": Wrong(
        "vla", "", of_input("rotation", feature=feature(EEF_ROTATION, rotation="six_d"))
    ),
    "channels first": Wrong(
        "vla", "", of_input("image", feature=feature(IMAGE_PRIMARY, layout="chw", color="rgb"))
    ),
    "blue first": Wrong(
        "vla",
        "",
        of_input(
            "image",
            feature=feature(IMAGE_PRIMARY, layout="hwc", color="bgr"),
            normalization=MeanStd((80.0, 100.0, 120.0), (25.0,)),
        ),
    ),
    "angles from 0 to 2 pi": Wrong("vla", "", turned(sign="as_given"), turning),
    "angles that follow": Wrong("vla", "", turned(sign="continuous"), turning),
    "limits of the position": Wrong(
        "vla", "", of_input("position", normalization=MinMax((0.0, -0.5, 0.0), (0.8, 0.5, 0.6)))
    ),
    "positions in centimetres": Wrong(
        "vla",
        "",
        of_input(
            "position",
            feature=feature(EEF_POSITION, unit="cm"),
            normalization=MeanStd((40.0,), (20.0,)),
        ),
    ),
}
"""Models that need other forms of the same numbers."""
