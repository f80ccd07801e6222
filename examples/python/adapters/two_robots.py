"""One model on two robots in MuJoCo that have other names, layouts, orders and signs.

The second robot's camera hangs upside down, its quaternions end with the scalar, its images have
their channels first, and its gripper opens where the other one's closes. The model gets the same
inputs from both, and moves both in the same way.

Needs `pip install mujoco`, and a way to render (on a server: MUJOCO_GL=egl).
"""

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium import spaces

from rlmesh.adapters import Action, Concat, Gripper, Image, ModelSpec, feature, output, tags
from rlmesh.adapters.roles import (
    ACTION_EEF_POSITION,
    ACTION_GRIPPER,
    EEF_POSITION,
    EEF_ROTATION,
    GRIPPER,
    IMAGE_PRIMARY,
)
from rlmesh.numpy import Model

SCENE = """
<mujoco>
  <visual><quality offsamples="0" shadowsize="0"/></visual>
  <worldbody>
    <light pos="0 0 2"/>
    <geom type="plane" size="1 1 .1" rgba=".3 .4 .5 1"/>
    <geom type="box" size=".05 .05 .05" pos=".2 .1 .05" rgba=".8 .2 .1 1"/>
    <camera name="{camera}" pos="0 -.9 .6" xyaxes="{axes}"/>
    <body name="hand" pos="0 0 .3">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <joint name="z" type="slide" axis="0 0 1"/>
      <joint name="yaw" type="hinge" axis="0 0 1"/>
      <geom type="box" size=".06 .03 .02" rgba=".9 .8 .2 1"/>
      <body name="finger" pos="0 0 -.05">
        <joint name="finger" type="slide" axis="1 0 0"/>
        <geom type="box" size=".01 .03 .03" rgba=".2 .8 .4 1"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
UPRIGHT, UPSIDE_DOWN = "1 0 0 0 .55 .83", "-1 0 0 0 -.55 -.83"
SIZE = 64
UNBOUNDED = (-np.inf, np.inf)


class Robot(gym.Env):
    """A hand that is moved in steps of at most 5 cm; a subclass writes its numbers."""

    action_space = spaces.Box(-1, 1, (4,))

    def __init__(self, camera, axes):
        self.model = mujoco.MjModel.from_xml_string(SCENE.format(camera=camera, axes=axes))
        self.data = mujoco.MjData(self.model)
        self.renderer = mujoco.Renderer(self.model, SIZE, SIZE)
        self.camera = camera

    def reset(self, *, seed=None, options=None):
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[3] = 0.4  # It is turned a little.
        self.steps = 0
        return self.moved(np.zeros(3), 0.0), {}

    def moved(self, way, opening):
        """Return the observation after a movement; the opening is from 0 to 1."""
        self.data.qpos[:3] += 0.05 * way
        self.data.qpos[4] = 0.05 * opening
        mujoco.mj_forward(self.model, self.data)
        self.renderer.update_scene(self.data, camera=self.camera)
        hand = self.data.body("hand")
        return self.seen(self.renderer.render(), hand.xpos.copy(), hand.xquat.copy(), opening)

    def step(self, action):
        self.steps += 1
        seen = self.moved(action[:3], self.opening(action[3]))
        distance = np.linalg.norm(self.data.body("hand").xpos - [0.2, 0.1, 0.15])
        return seen, -float(distance), False, self.steps == 12, {}

    def close(self):
        self.renderer.close()


class Desk(Robot):
    """An upright camera, the scalar first, a gripper that is open at -1."""

    observation_space = spaces.Dict(
        {
            "front": spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8),
            "hand": spaces.Box(*UNBOUNDED, (7,)),
            "gripper": spaces.Box(0, 1, (1,)),
        }
    )
    rlmesh_tags = tags(
        {
            "front": feature(IMAGE_PRIMARY, layout="hwc", color="rgb"),
            "hand": [
                feature(EEF_POSITION, unit="m"),
                feature(EEF_ROTATION, rotation="quaternion_wxyz"),
            ],
            "gripper": feature(GRIPPER, gripper=Gripper(open=1, closed=0)),
        },
        [
            feature(ACTION_EEF_POSITION, reference="delta"),
            feature(ACTION_GRIPPER, gripper=Gripper(open=-1, closed=1)),
        ],
    )

    def __init__(self):
        super().__init__("front", UPRIGHT)

    def opening(self, command):
        return (1 - command) / 2

    def seen(self, image, position, quaternion, opening):
        hand = np.concatenate([position, quaternion]).astype(np.float32)
        return {"front": image, "hand": hand, "gripper": np.array([opening], np.float32)}


class Ceiling(Robot):
    """A camera upside down with its channels first, the scalar last, a gripper open at 1."""

    observation_space = spaces.Dict(
        {
            "overhead_cam": spaces.Box(0, 255, (3, SIZE, SIZE), np.uint8),
            "tool_position": spaces.Box(*UNBOUNDED, (3,)),
            "tool_quaternion": spaces.Box(*UNBOUNDED, (4,)),
            "closed": spaces.Box(0, 1, (1,)),
        }
    )
    rlmesh_tags = tags(
        {
            "overhead_cam": feature(IMAGE_PRIMARY, layout="chw", color="rgb", rotate=180),
            "tool_position": feature(EEF_POSITION, unit="m"),
            "tool_quaternion": feature(EEF_ROTATION, rotation="quaternion_xyzw"),
            "closed": feature(GRIPPER, gripper=Gripper(open=0, closed=1)),
        },
        [
            feature(ACTION_EEF_POSITION, reference="delta"),
            feature(ACTION_GRIPPER, gripper=Gripper(open=1, closed=-1)),
        ],
    )

    def __init__(self):
        super().__init__("overhead_cam", UPSIDE_DOWN)

    def opening(self, command):
        return (1 + command) / 2

    def seen(self, image, position, quaternion, opening):
        return {
            "overhead_cam": np.ascontiguousarray(image.transpose(2, 0, 1)),
            "tool_position": position.astype(np.float32),
            "tool_quaternion": np.roll(quaternion, -1).astype(np.float32),
            "closed": np.array([1 - opening], np.float32),
        }


spec = ModelSpec(
    "reach",
    (
        Image("image", IMAGE_PRIMARY, layout="hwc", color="rgb"),
        Concat(
            "state",
            feature(EEF_POSITION, unit="m"),
            feature(EEF_ROTATION, rotation="axis_angle"),
            feature(GRIPPER, gripper=Gripper(open=1, closed=0)),
        ),
    ),
    Action(
        "",
        feature(ACTION_EEF_POSITION, reference="delta"),
        output(feature(ACTION_GRIPPER, gripper=Gripper(open=0, closed=1))),
    ),
)


class Reach(Model):
    """Moves to the box, and closes the gripper when it is near; keeps what it was given."""

    def __init__(self):
        super().__init__(spec=spec)
        self.given = []

    def predict(self, observation):
        self.given.append(observation)
        way = np.array([0.2, 0.1, 0.15]) - observation["state"][:3]
        is_near = float(np.linalg.norm(way) < 0.05)
        return np.append(np.clip(way / 0.05, -1, 1), is_near).astype(np.float32)


def main():
    """Play both robots, and print their rewards and whether the model got the same inputs."""
    given = []
    for robot in (Desk(), Ceiling()):
        model = Reach()
        result = model.run(robot, seeds=[0], close_env=True)
        print(f"{type(robot).__name__}: reward {result.mean_reward:.3f}")
        given.append(model.given)
    same = all(np.array_equal(a[name], b[name]) for a, b in zip(*given) for name in a)
    print(f"equal inputs: {same}")


if __name__ == "__main__":
    main()
