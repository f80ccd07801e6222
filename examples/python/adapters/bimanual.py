"""A robot with two arms, and a model that was trained with the right one first.

`part=` puts an arm into the role of a feature, so that left never meets right, whatever the order
in which the two sides write their numbers.
"""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlmesh.adapters import Action, Concat, Gripper, ModelSpec, feature, output, tags
from rlmesh.adapters.roles import ACTION_GRIPPER, ACTION_JOINT_POSITIONS, GRIPPER, JOINT_POSITIONS
from rlmesh.numpy import Model

JOINTS = 6


def seen(side):
    """Return what an arm of the environment shows: its joints, and its gripper."""
    return {
        f"{side}_joints": feature(JOINT_POSITIONS, part=side, unit="rad"),
        f"{side}_gripper": feature(GRIPPER, part=side, gripper=Gripper(open=1, closed=0)),
    }


def commanded(side):
    """Return what the environment's action has of an arm: targets, 6 joints and a gripper."""
    return [
        feature(
            ACTION_JOINT_POSITIONS,
            part=side,
            unit="rad",
            reference="absolute",
            names=[f"{side}_{i}" for i in range(JOINTS)],
        ),
        feature(ACTION_GRIPPER, part=side, gripper=Gripper(open=1, closed=0)),
    ]


class TwoArms(gym.Env):
    """Two arms that move to their targets; the left one is first in the action."""

    observation_space = spaces.Dict(
        {
            **{f"{side}_joints": spaces.Box(-4, 4, (JOINTS,)) for side in ("left", "right")},
            **{f"{side}_gripper": spaces.Box(0, 1, (1,)) for side in ("left", "right")},
        }
    )
    action_space = spaces.Box(-4, 4, (2 * JOINTS + 2,))
    rlmesh_tags = tags({**seen("left"), **seen("right")}, [*commanded("left"), *commanded("right")])

    def reset(self, *, seed=None, options=None):
        self.arms = np.zeros((2, JOINTS + 1), np.float32)
        self.steps = 0
        return self.seen(), {}

    def step(self, action):
        self.steps += 1
        self.arms += 0.5 * (action.reshape(2, -1) - self.arms)
        return self.seen(), 0.0, False, self.steps == 12, {}

    def seen(self):
        found = {}
        for side, arm in zip(("left", "right"), self.arms):
            found[f"{side}_joints"] = arm[:JOINTS].copy()
            found[f"{side}_gripper"] = arm[JOINTS:].copy()
        return found


def needed(side):
    """Return the parts of the model's state that are of an arm, in degrees."""
    return [
        feature(JOINT_POSITIONS, part=side, unit="deg"),
        feature(GRIPPER, part=side, gripper=Gripper(open=0, closed=1)),
    ]


def returned(side):
    """Return the parts of the model's action that are of an arm, in degrees."""
    joints = feature(ACTION_JOINT_POSITIONS, part=side, unit="deg", reference="absolute")
    return [
        output(joints, length=JOINTS),
        feature(ACTION_GRIPPER, part=side, gripper=Gripper(open=0, closed=1)),
    ]


spec = ModelSpec(
    "right-first",
    (Concat("state", *needed("right"), *needed("left")),),
    Action("action", *returned("right"), *returned("left")),
)


def predict(observation):
    """Raise the right arm to 90 degrees and close its gripper; keep the left one where it is."""
    state = observation["state"]
    right, left = np.full(JOINTS, 90.0), state[JOINTS + 1 : 2 * JOINTS + 1]
    return {"action": np.concatenate([right, [1.0], left, [0.0]]).astype(np.float32)}


def main():
    """Play an episode, and print where the arms came to."""
    env = TwoArms()
    Model(predict, spec=spec).run(env, seeds=[0])
    for side, arm in zip(("left", "right"), env.arms):
        print(f"{side}: joints {arm[0]:.2f} rad, gripper {arm[JOINTS]:.1f} (1 is open)")


if __name__ == "__main__":
    main()
