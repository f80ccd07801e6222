"""The contract of an environment that states every fact of a contract."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

from rlmesh import adapters as a
from rlmesh import spaces, specs
from rlmesh._env_host.describe_env import describe_env

__all__ = ["CONTRACT", "DICT", "FEATURE", "IMAGE", "LEAF"]

IMAGE = a.ImageTransform(
    (4, 3), a.ImageFit.PAD, a.Resampler.OPENCV_AREA, (7.0,), 0.9, 95, upscale=False
)
FEATURE = a.Feature(
    "proprio/eef",
    a.FeatureKind.STATE,
    a.ImageLayout.CHW,
    a.ColorSpace.BGR,
    a.RotationFormat.EULER,
    a.Reference.DELTA,
    unit="m",
    frame="base",
    range=(-2.0, 2.0),
    element_names=("x", "y"),
    euler_axes="ZYZ",
    sign=a.RotationSign.AS_GIVEN,
    orientation=a.Orientation(2, mirrored=True),
    depth=a.Depth(0.5, 2.0, a.DepthEncoding.Z_BUFFER),
    gripper=a.Gripper(1.0, -1.0),
    applied=(IMAGE,),
)
LEAF = a.TaggedLeaf(("arm",), FEATURE, offset=1, length=2)
DICT = spaces.Dict({"arm": spaces.Box(-1, 1, (3,), "float32")})


class Arms:
    """A vector that states every fact that `describe_env` reads."""

    num_envs = 2
    single_observation_space = single_action_space = DICT
    render_mode = "rgb_array"
    reward_range = (-1.0, 3.0)
    metadata: ClassVar[dict[str, Any]] = {
        "author": "us",
        "autoreset_mode": specs.AutoresetMode.SAME_STEP,
        "render_modes": ("human", "rgb_array"),
        "render_fps": 20.0,
    }
    spec = SimpleNamespace(
        id="Arm-v1",
        max_episode_steps=100,
        reward_threshold=9.5,
        nondeterministic=True,
        kwargs={"size": 3},
    )

    def reset(self, **arguments: Any) -> Any:
        raise NotImplementedError

    def step(self, action: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass


CONTRACT = describe_env(
    Arms(), a.EnvTags((LEAF,), (LEAF,), ("robot:panda",)), exposed=("instruction",)
).contract
"""A contract with every field away from its default."""
