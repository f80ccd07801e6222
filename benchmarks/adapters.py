"""`python -m benchmarks.adapters`: an adapter beside the work that cannot be saved.

Two cameras of 480x640x3 become 224x224 images of float32, and a state of 20 numbers is normalized:
beside Pillow's two resize calls alone, interleaved. And an adapter that changes nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image as Pillow

import rlmesh_numpy
from rlmesh import spaces
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

__all__ = ["main", "ratio_of_resizing", "seconds_unchanged"]

ROUNDS = 100
"""Rounds of both sides, one after the other."""

CALLS = 10_000
"""Calls of the adapter that changes nothing."""

SIZE = (224, 224)


def cameras() -> tuple[Adapter, dict[str, Any]]:
    """Return the adapter of two cameras and a state, and an observation."""
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
    return resolve(contract, spec, backend=rlmesh_numpy.BACKEND), observation


def ratio_of_resizing(rounds: int = ROUNDS) -> float:
    """Return the median of the adapter's time by that of Pillow's two resize calls."""
    adapter, observation = cameras()
    episode = adapter.episode()

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
    _, observation = cameras()
    episode = Adapter(None, spaces.Discrete(2)).episode()

    def observe() -> None:
        for _ in range(calls):
            episode.observe(observation)

    return statistics.median(timed(observe) for _ in range(5)) / calls


def timed(function: Callable[[], object]) -> float:
    """Return the time of a call, in seconds."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def main() -> None:
    """Print both figures beside their limits."""
    print(f"two cameras and a state / two resize calls: {ratio_of_resizing():.2f} (limit 1.3)")
    print(f"an adapter that changes nothing: {seconds_unchanged() * 1e6:.2f} us (limit 2)")


if __name__ == "__main__":
    main()
