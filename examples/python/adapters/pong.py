"""A model of Atari games in raw Pong: gray, 84x84 and a stack of 4, without a wrapper.

The environment stays as it is, so that models of other sizes and colors play in it too. Each pixel
is that of Gymnasium's wrappers `AtariPreprocessing` and `FrameStackObservation`.

Needs `pip install "gymnasium[atari]" "rlmesh-core[numpy,images]"`.
"""

import ale_py
import gymnasium as gym
import numpy as np

from rlmesh.adapters import Image, ModelSpec, feature, output, tag, tags
from rlmesh.numpy import Model

gym.register_envs(ale_py)

SCREEN = feature("image/screen", layout="hwc", color="rgb")
BUTTON = "action/button"

spec = ModelSpec(
    "dqn-like",
    (
        Image(
            "",
            "image/screen",
            size=(84, 84),
            resampler="opencv_area",
            layout="hw",
            color="gray",
            history=4,
        ),
    ),
    (output(BUTTON),),
)


def make():
    """Return Pong as the console shows it, with the meaning of its screen and buttons."""
    return tag(gym.make("ALE/Pong-v5"), tags(SCREEN, BUTTON))


def predict(stack):
    """Move the paddle towards the height of the ball."""
    assert stack.shape == (4, 84, 84) and stack.dtype == np.uint8
    field = stack[-1, 14:77]
    is_drawn = abs(field.astype(int) - np.median(field)) > 20
    ball, paddle = np.argwhere(is_drawn[:, 14:70])[:, 0], np.argwhere(is_drawn[:, 72:77])[:, 0]
    if not len(ball) or not len(paddle) or abs(ball.mean() - paddle.mean()) < 4:
        return 0
    return 2 if ball.mean() < paddle.mean() else 3  # Up, down.


def main():
    """Play a part of a game, and print its result."""
    result = Model(predict, spec=spec).run(make(), seeds=[0], max_episode_steps=200)
    print(f"points {result.mean_reward:+.0f} in {result.total_steps} steps")


if __name__ == "__main__":
    main()
