"""Adapters: images resized by each resampler."""

from __future__ import annotations

from ..adapters import AdapterCase, named, numbers
from ..pixels import Picture, resized
from ..resampling import weighted, weighted_floats
from .adapters_images import LARGE, RGB, changed, hwc, seen

__all__ = ["RESAMPLED"]

RESAMPLERS = (
    "pillow_bilinear",
    "pillow_bicubic",
    "pillow_lanczos",
    "pillow_box",
    "opencv_linear",
    "opencv_area",
    "opencv_cubic",
)


def agreed(source: Picture, height: int, width: int, name: str) -> Picture:
    """Return a resized picture of the library, if the weights of A-5 make it but for one shade."""
    found = resized(source, height, width, name)
    wanted = weighted(source, height, width, name)
    if max(abs(a - b) for a, b in zip(found.flat, wanted.flat)) > 1:
        raise ValueError(f"{name}: the library does not calculate what A-5 states")
    return found


def by(name: str) -> AdapterCase:
    """Return a picture made smaller, larger, and one side of each, by a resampler."""
    sizes = {"smaller": (5, 7), "larger": (15, 13), "narrower": (14, 6), "lower": (5, 13)}
    read = {
        key: (
            changed({"height": height, "width": width, "resampler": name}),
            hwc(agreed(LARGE, height, width, name)),
        )
        for key, (height, width) in sizes.items()
    }
    library = {"pillow": "Pillow", "opencv": "OpenCV"}[name.partition("_")[0]]
    return seen(f"resampler/{name}", "A-5", RGB, hwc(LARGE), read, library=library)


def of_floats() -> AdapterCase:
    """Return resized floats, which no library rounds, from 0 to 1."""
    size = {"height": 5, "width": 7}
    read = {
        name: (
            changed({**size, "resampler": name}),
            numbers((5, 7, 3), [x / 256 for x in weighted_floats(LARGE, 5, 7, name)]),
        )
        for name in RESAMPLERS
    }
    given = numbers(LARGE.shape, [x / 256 for x in LARGE.flat])
    return seen("resampler/of-floats", "A-5", RGB, given, read, tolerance=1e-5)


RESAMPLED = named("image", *map(by, RESAMPLERS), of_floats())
