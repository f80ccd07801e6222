"""A policy like pi0 in an environment like LIBERO: other images, rotations, gripper and scale.

Nothing between the two is written by hand: the environment says what its numbers mean, the model
what it needs, and the adapter between them is derived.
"""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlmesh.adapters import (
    Action,
    Concat,
    Gripper,
    Image,
    MinMax,
    ModelSpec,
    PredictForm,
    Text,
    feature,
    output,
    tags,
)
from rlmesh.adapters.roles import (
    ACTION_EEF_POSITION,
    ACTION_EEF_ROTATION,
    ACTION_GRIPPER,
    EEF_POSITION,
    EEF_ROTATION,
    GRIPPER,
    IMAGE_PRIMARY,
    IMAGE_WRIST,
)
from rlmesh.numpy import Model

CAMERA = spaces.Box(0, 255, (128, 128, 3), np.uint8)
UPSIDE_DOWN = {"layout": "hwc", "color": "rgb", "rotate": 180}
DELTA = {"reference": "delta"}


class Kitchen(gym.Env):
    """An arm with two cameras that hang upside down; its gripper command is 1 to close."""

    observation_space = spaces.Dict(
        {
            "agentview_image": CAMERA,
            "robot0_eye_in_hand_image": CAMERA,
            "robot0_eef_pos": spaces.Box(-np.inf, np.inf, (3,)),
            "robot0_eef_quat": spaces.Box(-1, 1, (4,)),
            "robot0_gripper_qpos": spaces.Box(-1, 1, (2,)),
        }
    )
    action_space = spaces.Box(-1, 1, (7,))
    rlmesh_tags = tags(
        {
            "agentview_image": feature(IMAGE_PRIMARY, **UPSIDE_DOWN),
            "robot0_eye_in_hand_image": feature(IMAGE_WRIST, **UPSIDE_DOWN),
            "robot0_eef_pos": feature(EEF_POSITION, unit="m"),
            "robot0_eef_quat": feature(EEF_ROTATION, rotation="quaternion_xyzw"),
            "robot0_gripper_qpos": GRIPPER,
        },
        [
            feature(ACTION_EEF_POSITION, **DELTA),
            feature(ACTION_EEF_ROTATION, rotation="axis_angle", **DELTA),
            feature(ACTION_GRIPPER, gripper=Gripper(open=-1, closed=1)),
        ],
    )

    def reset(self, *, seed=None, options=None):
        self.position = np.array([0.4, 0.0, 0.3], np.float32)
        self.fingers = 0.04
        self.steps = 0
        return self.seen(), {}

    def step(self, action):
        self.steps += 1
        self.position += 0.05 * action[:3]
        self.fingers = 0.04 if action[6] < 0 else 0.0
        has_lifted = bool(self.position[2] > 0.45 and self.fingers == 0.0)
        return self.seen(), float(has_lifted), has_lifted, self.steps == 40, {"success": has_lifted}

    def seen(self):
        upright = np.zeros((128, 128, 3), np.uint8)
        upright[: 128 - int(100 * self.position[2])] = (200, 120, 40)  # The wall, above the table.
        return {
            "agentview_image": upright[::-1, ::-1].copy(),
            "robot0_eye_in_hand_image": upright[::-1, ::-1].copy(),
            "robot0_eef_pos": self.position.copy(),
            "robot0_eef_quat": np.array([1, 0, 0, 0], np.float32),  # The hand points down.
            "robot0_gripper_qpos": np.array([self.fingers, -self.fingers], np.float32),
        }


# What the model needs, in ten lines. Statistics.from_json reads the limits of a real dataset.
images = {"size": (224, 224), "fit": "pad", "dtype": "float32", "range": (-1, 1)}
turn = feature(EEF_ROTATION, rotation="axis_angle", sign="as_given")
state = MinMax((0, -1, 0, -4, -4, -4, -1, -1), (1, 1, 1, 4, 4, 4, 1, 1))
closing = output(feature(ACTION_GRIPPER, gripper=Gripper(open=0, closed=1)), threshold=0.5)
turning = feature(ACTION_EEF_ROTATION, rotation="axis_angle", **DELTA)
views = (Image("base", IMAGE_PRIMARY, **images), Image("wrist", IMAGE_WRIST, **images))
joined = Concat("state", EEF_POSITION, turn, GRIPPER, normalization=state, pad_to=32)
actions = Action("actions", feature(ACTION_EEF_POSITION, **DELTA), turning, closing)
inputs = (*views, joined, Text("prompt", lower=True))
spec = ModelSpec("pi0-like", inputs, actions, (PredictForm.CHUNK,), chunk_length=10)


class Policy(Model):
    """A stand-in for the network: closes the gripper, then lifts."""

    def predict_chunk(self, observation):
        assert observation["base"].shape == observation["wrist"].shape == (224, 224, 3)
        assert observation["state"].shape == (32,)
        assert observation["prompt"] == "lift the cup"
        chunk = np.zeros((10, 7), np.float32)
        chunk[:, 2] = 0.5  # Upwards.
        chunk[3:, 6] = 0.9  # This gripper is closed at 1, from 0.5 on.
        return {"actions": chunk}


def main():
    """Play two episodes, and print what was found."""
    result = Policy(spec=spec).run(Kitchen(), seeds=[0, 1], instruction="Lift the cup")
    print(f"success {result.success_rate:.0%} in {result.total_steps} steps")
    print(f"signs of wrong declarations: {len(result.findings)}")


if __name__ == "__main__":
    main()
