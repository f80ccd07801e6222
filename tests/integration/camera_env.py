"""`CameraEnv`: two cameras, a state and a text, with tags; for tests of views."""

from __future__ import annotations

import os
from typing import Any

import gymnasium
import numpy as np

from rlmesh.adapters import (
    ColorSpace,
    Feature,
    FeatureKind,
    ImageLayout,
    ImageTransform,
    ModelInput,
    ModelOutput,
    ModelSpec,
    Orientation,
    TaggedLeaf,
)
from rlmesh.adapters import EnvTags as Tags
from rlmesh.dtypes import dtype

__all__ = ["SIZE", "SPEC", "TAGS", "CameraEnv", "make_camera_env"]

SIZE = (48, 64)
IMAGE = FeatureKind.IMAGE
TAGS = Tags(
    (
        TaggedLeaf(
            ("front",),
            Feature(
                "image/primary",
                IMAGE,
                ImageLayout.HWC,
                ColorSpace.RGB,
                orientation=Orientation(2),
            ),
        ),
        TaggedLeaf(("arm", 1), Feature("image/wrist", IMAGE, ImageLayout.CHW, ColorSpace.BGR)),
        TaggedLeaf(("arm", 0), Feature("state/arm")),
    ),
    (TaggedLeaf((), Feature("action/arm")),),
)
SHRUNK = (ImageTransform((8, 8), crop_area=0.9),)
SPEC = ModelSpec(
    inputs=(
        *(
            ModelInput(
                role.partition("/")[2],
                Feature(role, IMAGE, ImageLayout.CHW, ColorSpace.RGB, range=(0.0, 1.0)),
                dtype("float32"),
                image=SHRUNK,
            )
            for role in ("image/primary", "image/wrist")
        ),
        ModelInput("arm", Feature("state/arm")),
    ),
    outputs=(ModelOutput("", Feature("action/arm")),),
)


class CameraEnv(gymnasium.Env[Any, Any]):
    """Episodes of `length` steps; observations depend on the seed and the step alone."""

    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    metadata = {"render_modes": []}  # noqa: RUF012
    rlmesh_tags = TAGS

    def __init__(self, size: tuple[int, int] = SIZE, length: int = 3) -> None:
        self.observation_space = gymnasium.spaces.Dict(
            {
                "front": gymnasium.spaces.Box(0, 255, (*size, 3), np.uint8),
                "arm": gymnasium.spaces.Tuple(
                    [
                        gymnasium.spaces.Box(-9, 9, (3,), np.float32),
                        gymnasium.spaces.Box(0, 255, (3, *size), np.uint8),
                        gymnasium.spaces.Discrete(4),
                    ]
                ),
                "note": gymnasium.spaces.Text(10),
            }
        )
        self._size, self._length = size, length
        self._seed = self._step = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._seed, self._step = seed or 0, 0
        return self._observation(), {"pid": os.getpid()}

    def step(self, action: Any) -> Any:
        if action[0] == 1:
            os._exit(7)
        self._step += 1
        return self._observation(), 1.0, self._step >= self._length, False, {}

    def _observation(self) -> Any:
        rng = np.random.default_rng([self._seed, self._step])
        front = rng.integers(0, 256, (*self._size, 3), np.uint8)
        wrist = rng.integers(0, 256, (3, *self._size), np.uint8)
        state = rng.uniform(-1, 1, 3).astype(np.float32)
        return {"front": front, "arm": (state, wrist, 1), "note": "step"}


def make_camera_env() -> CameraEnv:
    """Return one, in the process of a worker."""
    return CameraEnv()
