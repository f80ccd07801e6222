"""Five environments of plausible numbers with models for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlmesh import spaces
from rlmesh.adapters import (
    Action,
    Concat,
    EnvTags,
    Feature,
    Gripper,
    Image,
    MeanStd,
    MinMax,
    ModelSpec,
    PredictForm,
    State,
    feature,
    output,
    tags,
)
from rlmesh.adapters.roles import (
    ACTION_EEF_POSITION,
    ACTION_EEF_ROTATION,
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
from rlmesh.specs import EnvContract

__all__ = ["PAIRS", "SCENE", "STEPS", "Pair"]

STEPS = 20
INF = math.inf


@dataclass(frozen=True)
class Pair:
    """An environment's spaces, tags and numbers, with a model that fits it.

    Attributes:
        observation: The observation space.
        action: The action space.
        tags: The right tags.
        spec: The right spec.
        seen: The observation of a step.
        returned: What the model returns at a step.
    """

    observation: spaces.Space[Any]
    action: spaces.Space[Any]
    tags: EnvTags
    spec: ModelSpec
    seen: Callable[[int], Any]
    returned: Callable[[int], Any]

    def contract(self) -> EnvContract:
        return EnvContract("e", self.observation, self.action, tags=self.tags)


def scene(step: int, means: tuple[float, float, float] = (120, 100, 80)) -> Any:
    """A picture with more red than blue, as most rooms have."""
    noise = np.random.default_rng(step).normal(0, 25, (24, 32, 3))
    return np.clip(np.array(means) + noise, 0, 255).astype("u1")


def unbounded(*shape: int) -> spaces.Box:
    return spaces.Box(-INF, INF, shape)


CAMERA = spaces.Box(0, 255, (24, 32, 3), "uint8")
RGB = feature(IMAGE_PRIMARY, layout="hwc", color="rgb")
SCENE = MeanStd((120.0, 100.0, 80.0), (25.0,))


def quaternion(step: int) -> Any:
    angle = 0.3 + 0.05 * step
    return np.array([0, 0, math.sin(angle / 2), math.cos(angle / 2)], "f4")


def swing(step: int, size: float = 0.5) -> float:
    return size * math.sin(step / 3)


VLA = Pair(
    spaces.Dict(
        {
            "image": CAMERA,
            "position": unbounded(3),
            "quaternion": unbounded(4),
            "finger": unbounded(1),
        }
    ),
    spaces.Box(-1, 1, (7,)),
    tags(
        {
            "image": RGB,
            "position": feature(EEF_POSITION, unit="m"),
            "quaternion": feature(EEF_ROTATION, rotation="quaternion_xyzw"),
            "finger": feature(GRIPPER, gripper=Gripper(open=0.08, closed=0)),
        },
        [
            feature(ACTION_EEF_POSITION, reference="delta"),
            feature(ACTION_EEF_ROTATION, reference="delta", rotation="axis_angle"),
            feature(ACTION_GRIPPER, gripper=Gripper(open=-1, closed=1)),
        ],
    ),
    ModelSpec(
        "vla",
        (
            Image("image", IMAGE_PRIMARY, dtype="float32", normalization=SCENE),
            State("position", EEF_POSITION, unit="m", normalization=MeanStd((0.4,), (0.2,))),
            State("rotation", EEF_ROTATION, rotation="axis_angle"),
            State("finger", GRIPPER, gripper=Gripper(open=1, closed=0)),
        ),
        Action(
            "",
            feature(ACTION_EEF_POSITION, reference="delta"),
            feature(ACTION_EEF_ROTATION, reference="delta", rotation="axis_angle"),
            output(feature(ACTION_GRIPPER, gripper=Gripper(open=1, closed=0)), threshold=0.5),
        ),
        (PredictForm.CHUNK,),
        chunk_length=4,
    ),
    lambda step: {
        "image": scene(step),
        "position": np.array([0.4, swing(step, 0.2), 0.3], "f4"),
        "quaternion": quaternion(step),
        "finger": np.array([0.04 + swing(step, 0.03)], "f4"),
    },
    lambda step: np.array([swing(step, 0.3)] * 6 + [float(step % 6 > 2)], "f4"),
)

JOINTS = Pair(
    spaces.Dict({"q": unbounded(7), "dq": unbounded(7), "six": unbounded(6)}),
    spaces.Box(-3, 3, (7,)),
    tags(
        {
            "q": feature(JOINT_POSITIONS, unit="rad"),
            "dq": feature(JOINT_VELOCITIES, unit="rad/s"),
            "six": feature(EEF_ROTATION, rotation="six_d"),
        },
        feature(ACTION_JOINT_POSITIONS, unit="rad", reference="absolute"),
    ),
    ModelSpec(
        "joints",
        (
            State("q", JOINT_POSITIONS, unit="rad", normalization=MinMax((-3.0,), (3.0,))),
            State("dq", JOINT_VELOCITIES, unit="rad/s", normalization=MeanStd((0.0,), (0.5,))),
            State("turn", EEF_ROTATION, rotation="matrix"),
        ),
        (
            output(
                feature(ACTION_JOINT_POSITIONS, unit="rad", reference="absolute"),
                normalization=MinMax((-3.0,), (3.0,)),
            ),
        ),
    ),
    lambda step: {
        "q": np.array([swing(step + i, 1.5) for i in range(7)], "f4"),
        "dq": np.array([swing(step + i) for i in range(7)], "f4"),
        "six": np.array(
            [math.cos(step / 9), math.sin(step / 9), 0, -math.sin(step / 9), math.cos(step / 9), 0],
            "f4",
        ),
    },
    lambda step: np.array([swing(step + i, 0.4) for i in range(7)], "f4"),
)


def arm(side: str, **facts: Any) -> Feature:
    return feature(EEF_POSITION, part=side, unit="m", frame="base", **facts)


HANDS = Pair(
    spaces.Dict({"left": unbounded(3), "right": unbounded(3), "grips": unbounded(2)}),
    spaces.Box(-1, 1, (2,)),
    tags(
        {
            "left": arm("left"),
            "right": arm("right"),
            "grips": [
                feature(GRIPPER, part="left", range=(0.0, 1.0)),
                feature(GRIPPER, part="right", range=(0.0, 1.0)),
            ],
        },
        [
            feature(ACTION_GRIPPER, part="left", gripper=Gripper(open=1, closed=-1)),
            feature(ACTION_GRIPPER, part="right", gripper=Gripper(open=1, closed=-1)),
        ],
    ),
    ModelSpec(
        "hands",
        (
            Concat("arms", arm("left"), arm("right"), normalization=MeanStd((0.0,), (0.3,))),
            State("grip", "state/left/gripper", range=(-1.0, 1.0)),
        ),
        Action(
            "",
            feature(ACTION_GRIPPER, part="left", gripper=Gripper(open=1, closed=0)),
            feature(ACTION_GRIPPER, part="right", gripper=Gripper(open=1, closed=0)),
        ),
    ),
    lambda step: {
        "left": np.array([0.3, 0.25 + swing(step, 0.1), 0.1], "f4"),
        "right": np.array([0.3, -0.25 + swing(step, 0.1), 0.1], "f4"),
        "grips": np.array([0.5 + swing(step), 0.5 - swing(step)], "f4").clip(0, 1),
    },
    lambda step: np.array([0.5 + swing(step), 0.5 - swing(step)], "f4").clip(0, 1),
)

BASE = Pair(
    spaces.Dict({"v": unbounded(2), "heading": unbounded(3), "depth": spaces.Box(0, INF, (8, 9))}),
    spaces.Box(-1, 1, (2,)),
    tags(
        {
            "v": feature(BASE_VELOCITY, unit="m/s"),
            "heading": feature("state/heading", rotation="xyz"),
            "depth": feature(
                "depth/primary", layout="hw", color="depth", unit="m", range=(0.0, 20.0)
            ),
        },
        feature("action/base_velocity", unit="m/s"),
    ),
    ModelSpec(
        "base",
        (
            State("v", BASE_VELOCITY, unit="m/s", normalization=MeanStd((0.0,), (0.5,))),
            State("heading", "state/heading", rotation="xyz"),
            Image(
                "depth",
                "depth/primary",
                layout="hw",
                color="depth",
                unit="m",
                dtype="float32",
                normalization=MeanStd((3.0,), (1.5,)),
            ),
        ),
        (output(feature("action/base_velocity", unit="m/s")),),
    ),
    lambda step: {
        "v": np.array([swing(step), swing(step + 2)], "f4"),
        "heading": np.array([0, 0, 0.1 + 0.05 * step], "f4"),
        "depth": np.random.default_rng(step).uniform(1, 6, (8, 9)).astype("f4"),
    },
    lambda step: np.array([swing(step), swing(step + 1)], "f4"),
)

FLOATS = Pair(
    spaces.Dict({"image": unbounded(24, 32, 3), "matrix": unbounded(3, 3), "turn": unbounded(3)}),
    spaces.Box(-1, 1, (3,)),
    tags(
        {
            "image": feature(IMAGE_PRIMARY, layout="hwc", color="rgb", range=(0.0, 1.0)),
            "matrix": feature(EEF_ROTATION, rotation="matrix"),
            "turn": feature("state/object_rotation", rotation="axis_angle"),
        },
        feature(ACTION_EEF_POSITION, reference="delta"),
    ),
    ModelSpec(
        "floats",
        (
            Image("image", IMAGE_PRIMARY, normalization=MeanStd((0.47, 0.39, 0.31), (0.1,))),
            State("turn", EEF_ROTATION, rotation="quaternion_wxyz"),
            State("object", "state/object_rotation", rotation="axis_angle"),
        ),
        (output(feature(ACTION_EEF_POSITION, reference="delta"), scale=0.5),),
    ),
    lambda step: {
        "image": scene(step) / np.float32(255),
        "matrix": np.array(
            [
                [math.cos(step / 9), -math.sin(step / 9), 0],
                [math.sin(step / 9), math.cos(step / 9), 0],
                [0, 0, 1],
            ],
            "f4",
        ),
        "turn": np.array([0, 0, 0.4 + 0.1 * step], "f4"),
    },
    lambda step: np.array([swing(step), swing(step + 1), swing(step + 2)], "f4"),
)

PAIRS = {"vla": VLA, "joints": JOINTS, "hands": HANDS, "base": BASE, "floats": FLOATS}
