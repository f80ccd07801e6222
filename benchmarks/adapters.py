"""`python -m benchmarks.adapters`: an adapter beside the work that cannot be saved.

Two cameras of 480x640x3 become 224x224 images of float32, and a state of 20 numbers is normalized:
beside Pillow's two resize calls alone, interleaved. And an adapter that changes nothing. And two
episodes of a run that looks at its first one, beside those of a run that does not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image as Pillow

import rlmesh
import rlmesh_numpy
from rlmesh import spaces
from rlmesh._evaluation.preflight import Preflight
from rlmesh.adapters import (
    Adapter,
    Image,
    MeanStd,
    ModelSpec,
    State,
    feature,
    output,
    resolve,
    tags,
)
from rlmesh.specs import EnvContract

__all__ = ["main", "ratio_of_resizing", "ratios_of_looking", "seconds_unchanged"]

ROUNDS = 100
"""Rounds of both sides, one after the other."""

LOOKS = 15
"""Rounds of two runs of two episodes."""

CALLS = 10_000
"""Calls of the adapter that changes nothing."""

SIZE = (224, 224)


def cameras() -> tuple[EnvContract, ModelSpec, dict[str, Any]]:
    """Return an environment with two cameras and a state, a model for it, and an observation."""
    camera = spaces.Box(0, 255, (480, 640, 3), "uint8")
    members = {"a": camera, "b": camera, "state": spaces.Box(-9, 9, (20,))}
    contract = EnvContract(
        "cameras",
        spaces.Dict(members),
        spaces.Box(-1, 1, (7,)),
        tags=tags(
            {
                "a": feature("image/a", layout="hwc", color="rgb"),
                "b": feature("image/b", layout="hwc", color="rgb"),
                "state": "state/x",
            },
            "action/x",
        ),
    )
    images = (
        Image(name, f"image/{name}", size=SIZE, dtype="float32", range=(0.0, 1.0)) for name in "ab"
    )
    state = State("state", "state/x", normalization=MeanStd((0.1,) * 20, (2.0,) * 20))
    spec = ModelSpec(inputs=(*images, state), outputs=(output("action/x"),))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 480, 640, 3), "u1")
    observation = {"a": pixels[0], "b": pixels[1], "state": np.zeros(20, np.float32)}
    return contract, spec, observation


def ratio_of_resizing(rounds: int = ROUNDS) -> float:
    """Return the median of the adapter's time by that of Pillow's two resize calls."""
    contract, spec, observation = cameras()
    episode = resolve(contract, spec, backend=rlmesh_numpy.BACKEND).episode()

    def alone() -> None:
        for name in "ab":
            picture = Pillow.fromarray(observation[name])
            np.asarray(picture.resize(SIZE[::-1], Pillow.Resampling.BILINEAR))

    ratios: list[float] = []
    for _ in range(rounds):
        floor, adapted = timed(alone), timed(lambda: episode.observe(observation))
        ratios.append(adapted / floor)
    return statistics.median(ratios)


def seconds_unchanged(calls: int = CALLS) -> float:
    """Return the time of one observation through an adapter that changes nothing, in seconds."""
    _, _, observation = cameras()
    episode = Adapter(None, spaces.Discrete(2)).episode()

    def observe() -> None:
        for _ in range(calls):
            episode.observe(observation)

    return statistics.median(timed(observe) for _ in range(5)) / calls


class _Still:
    """An environment whose observation never changes, with episodes of 100 steps.

    Args:
        images: Whether the observation has the two cameras.
    """

    def __init__(self, images: bool) -> None:
        contract, _, self._seen = cameras()
        self.action_space, self.rlmesh_tags = contract.action_space, contract.tags
        self.observation_space = contract.observation_space
        if not images:
            self._seen = {"state": self._seen["state"]}
            self.observation_space = spaces.Dict({"state": contract.observation_space["state"]})
            self.rlmesh_tags = tags({"state": "state/x"}, "action/x")
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self._steps = 0
        return self._seen, {}

    def step(self, action: Any) -> Any:
        self._steps += 1
        return self._seen, 0.0, self._steps == 100, False, {}

    def close(self) -> None:
        pass


def ratios_of_looking(rounds: int = LOOKS, *, images: bool) -> tuple[float, float]:
    """Return the median of a looked-at episode's time by that of another, and of the next one's."""
    env = _Still(images)
    _, spec, _ = cameras()
    if not images:
        spec = replace(spec, inputs=spec.inputs[-1:])
    model = rlmesh_numpy.Model(lambda seen: np.zeros(7, np.float32), spec=spec)

    def seconds(look: Callable[..., Any]) -> list[float]:
        # validation="off" would leave out the check of values too.
        with mock.patch("rlmesh._evaluation.looks.Preflight", look):
            result = rlmesh.evaluate(model, env, seeds=[0, 1])
        return [one.seconds for one in result.episodes]

    ratios: list[tuple[float, float]] = []
    for _ in range(rounds):
        looked, other = seconds(Preflight), seconds(lambda *_, **__: None)
        ratios.append((looked[0] / other[0], looked[1] / other[1]))
    first, second = (statistics.median(column) for column in zip(*ratios))
    return first, second


def timed(function: Callable[[], object]) -> float:
    """Return the time of a call, in seconds."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def main() -> None:
    """Print both figures beside their limits."""
    print(f"two cameras and a state / two resize calls: {ratio_of_resizing():.2f} (limit 1.3)")
    for images in (True, False):
        first, second = ratios_of_looking(images=images)
        what = "two cameras and a state" if images else "a state alone"
        print(f"{what}: the first episode, looked at: {first:.2f}; the second: {second:.2f}")
    print(f"an adapter that changes nothing: {seconds_unchanged() * 1e6:.2f} us (limit 2)")


if __name__ == "__main__":
    main()
