"""Adapters: images of distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..adapters import AdapterCase, Facts, feature, numbers
from ..values import Tagged
from .adapters_images import seen

__all__ = ["DEPTHS"]


NEAR, FAR = 0.5, 8.0
AMOUNTS = (0.25, 0.5, 1.0, 2.0, 4.0, 16.0)


def limited(distance: float, near: float = NEAR, far: float = FAR) -> float:
    return min(max(distance, near), far)


def linear(distance: float, near: float = NEAR, far: float = FAR) -> float:
    return (limited(distance, near, far) - near) / (far - near)


def buffered(distance: float, near: float = NEAR, far: float = FAR) -> float:
    d = limited(distance, near, far)
    return far * (d - near) / (d * (far - near))


def depth(encoding: str, near: float = NEAR, far: float = FAR) -> Facts:
    return {"encoding": encoding, "near": near, "far": far}


def distances(numbers_of: Sequence[float]) -> Tagged:
    return numbers((2, 3), numbers_of)


def depth_input(unit: str = "m", **facts: Any) -> Facts:
    return {
        "feature": feature("depth/x", kind="image", layout="hw", unit=unit, **facts),
        "dtype": "float32",
    }


def of_depth(name: str, given: Sequence[float], env: Facts, read: Any) -> AdapterCase:
    tag = feature("depth/x", kind="image", layout="hw", color="depth", **env)
    return seen(name, "A-6", tag, distances(given), read, tolerance=1e-6)


INSIDE = tuple(map(limited, AMOUNTS))
ENCODINGS: dict[str, tuple[Facts, Tagged]] = {
    "distance": (depth_input(depth=depth("distance")), distances(INSIDE)),
    "linear": (depth_input(depth=depth("linear")), distances([linear(d) for d in INSIDE])),
    "z": (depth_input(depth=depth("z_buffer")), distances([buffered(d) for d in INSIDE])),
    "nearer": (
        depth_input(depth=depth("linear", 1.0, 3.0)),
        distances([linear(d, 1.0, 3.0) for d in INSIDE]),
    ),
    "cm": (
        depth_input("cm", depth=depth("distance", 100.0, 300.0)),
        distances([limited(100 * d, 100, 300) for d in INSIDE]),
    ),
}

DEPTHS = [
    of_depth("depth/of-amounts", AMOUNTS, {"unit": "m"}, ENCODINGS),
    of_depth(
        "depth/of-linear",
        [linear(d) for d in INSIDE],
        {"unit": "m", "depth": depth("linear")},
        {**ENCODINGS, "amounts": (depth_input(), distances(INSIDE))},
    ),
    of_depth(
        "depth/of-z-buffer",
        [buffered(d) for d in INSIDE],
        {"unit": "m", "depth": depth("z_buffer")},
        {**ENCODINGS, "amounts": (depth_input(), distances(INSIDE))},
    ),
    seen(
        "depth/of-millimetres",
        "A-3 A-6",
        feature("depth/x", kind="image", layout="hw", color="depth", unit="mm"),
        numbers((2, 3), [1000 * d for d in AMOUNTS], "uint16"),
        {
            "amounts": (depth_input(), distances(AMOUNTS)),
            "linear": (
                depth_input(depth=depth("linear")),
                distances([linear(d) for d in AMOUNTS]),
            ),
        },
        tolerance=1e-6,
    ),
]
