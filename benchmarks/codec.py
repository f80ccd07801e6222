"""Cost of encoding and decoding: a large leaf beside one memcpy, and a dict of many small leaves.

Measured are an observation to its slabs (views of a large array) and to the frame of a step's
answer, and that frame to an observation in its own memory, or as a view. The sides take turns;
medians are compared. Run by `make bench`.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from rlmesh._codec import SpaceCodec
from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.spaces import from_gymnasium
from rlmesh_numpy import BACKEND

ROUNDS = 400

IMAGE = gymnasium.spaces.Box(0, 255, (480, 640, 3), np.uint8)
STATE = gymnasium.spaces.Dict(
    {f"leaf{i:02}": gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32) for i in range(16)}
)

Side = Callable[[], object]


def sides_of(space: gymnasium.Space[Any]) -> dict[str, Side]:
    """Return the encoding and decoding of one sample of the space."""
    space.seed(0)
    value = space.sample()
    codec = SpaceCodec(from_gymnasium(space), BACKEND)
    frames = EnvWireCodec(BACKEND)

    def encode() -> bytes:
        return frames.write_reply(1, m.StepDone(m.Encoded(codec.encode(value)), 1.0))

    frame = encode()

    def decode(copy: bool) -> Any:
        _, reply = frames.read_reply(frame)
        assert isinstance(reply, m.StepDone)
        return codec.decode(reply.observation.slabs, copy=copy)

    return {
        "encode into slabs": lambda: codec.encode(value),
        "encode into a frame": encode,
        "decode into owned memory": lambda: decode(True),
        "decode as a view": lambda: decode(False),
    }


def medians(sides: dict[str, Side]) -> dict[str, float]:
    """Return the median of each side in microseconds; the sides take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            side()  # Warm up: cache misses caused by the previous side are not this side's cost.
            start = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) * 1e6 for name, values in seconds.items()}


def main() -> None:
    """Print both tables; the last line is JSON."""
    pixels = IMAGE.sample()
    image = medians({"one memcpy": pixels.tobytes, **sides_of(IMAGE)})
    state = medians(sides_of(STATE))
    print(f"{'uint8 (480, 640, 3), 921,600 bytes':38}{'us':>9}{'to a memcpy':>13}")
    for name, value in image.items():
        print(f"{name:38}{value:9.1f}{value / image['one memcpy']:13.2f}")
    print(f"{'dict of 16 float32 (4,) with bounds':38}{'us':>9}{'us a leaf':>13}")
    for name, value in state.items():
        print(f"{name:38}{value:9.1f}{value / 16:13.2f}")
    print(json.dumps({"image_us": image, "state_us": state}))


if __name__ == "__main__":
    main()
