"""Adapters: images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..adapters import (
    AdapterCase,
    Facts,
    Moment,
    feature,
    leaf,
    named,
    numbers,
    spec_of,
    tags_of,
)
from ..pixels import Picture, jpeg, picture
from ..spaces import box, dict_
from ..values import Tagged, entries

__all__ = ["IMAGES", "LARGE", "RGB", "changed", "hwc", "seen"]

LARGE = picture(12, 10, 3)
SMALL = picture(3, 4, 3, seed=2)
RGB = feature("image/x", kind="image", layout="hwc", color="rgb")


def hwc(made: Picture) -> Tagged:
    return numbers(made.shape, made.flat, "uint8")


def chw(made: Picture) -> Tagged:
    height, width, channels = made.shape
    return numbers((channels, height, width), made.planes, "uint8")


def hw(made: Picture) -> Tagged:
    return numbers(made.shape[:2], made.flat, "uint8")


def seen(
    name: str,
    rules: str,
    env: Facts | Sequence[Facts],
    given: Tagged,
    read: dict[str, tuple[Facts, Tagged]],
    **facts: Any,
) -> AdapterCase:
    """Return a case of one array `x` of whole shades, or of float32, which inputs read."""
    leaves = [env] if isinstance(env, dict) else list(env)
    array = given["array"]
    ends = (0, 255) if array["dtype"] == "uint8" else (0, 65535)
    if array["dtype"] == "float32":
        ends = (0, 1)
    space = dict_(("x", box(array["dtype"], array["shape"], *ends)))
    return AdapterCase(
        name,
        rules,
        tags_of([leaf(["x"], one) for one in leaves]),
        spec_of([{"name": key, **port} for key, (port, _) in read.items()]),
        (Moment({key: result for key, (_, result) in read.items()}, entries(("x", given))),),
        space,
        **facts,
    )


def changed(*changes: Facts, **facts: Any) -> Facts:
    """Return an input that is the picture after changes."""
    return {"feature": {**RGB, **facts}, "image": list(changes)}


def nearest(**facts: Any) -> Facts:
    return {"resampler": "nearest", **facts}


SHAPES: dict[str, tuple[Facts, Picture]] = {
    "stretched": (nearest(height=5, width=7), LARGE.nearest(5, 7)),
    "enlarged": (nearest(height=13, width=21), LARGE.nearest(13, 21)),
    # 12x10 has the ratio 1:1 in its middle 10x10, from row 1 on.
    "cropped": (
        nearest(height=4, width=4, fit="crop"),
        LARGE.cut(1, 0, 10, 10).nearest(4, 4),
    ),
    # The largest part of the ratio 2:7: 10 * 2 // 7 rows are 2, from row 5 on.
    "cropped-wide": (
        nearest(height=2, width=7, fit="crop"),
        LARGE.cut(5, 0, 2, 10).nearest(2, 7),
    ),
    # 12x10 in 8x11: 8 rows, 8 * 10 // 12 columns are 6, from column 2 on.
    "padded": (
        nearest(height=8, width=11, fit="pad", fill=[7.0]),
        LARGE.nearest(8, 6).padded(8, 11, (7, 7, 7)),
    ),
    "padded-colors": (
        nearest(height=9, width=5, fit="pad", fill=[1.0, 2.0, 3.0]),
        LARGE.nearest(6, 5).padded(9, 5, (1, 2, 3)),
    ),
    "padded-black": (
        nearest(height=14, width=14, fit="pad"),
        LARGE.nearest(14, 11).padded(14, 14, (0, 0, 0)),
    ),
    # round(12 * sqrt(0.5)) is 8, round(10 * sqrt(0.5)) is 7, from row 2 and column 1 on.
    "middle": (nearest(crop_area=0.5), LARGE.cut(2, 1, 8, 7)),
    "middle-resized": (
        nearest(crop_area=0.5, height=4, width=5),
        LARGE.cut(2, 1, 8, 7).nearest(4, 5),
    ),
    # 8x7 of the middle, then its middle 7x7, from row 2 + 0 on.
    "middle-cropped": (
        nearest(crop_area=0.5, height=3, width=3, fit="crop"),
        LARGE.cut(2, 1, 7, 7).nearest(3, 3),
    ),
    # Halves are rounded to the even number: sqrt(0.0625) is 0.25, and 10 * 0.25 is 2.5.
    "middle-half": (nearest(crop_area=0.0625), LARGE.cut(4, 4, 3, 2)),
}


def turns(role: str, quarter: int, mirrored: bool) -> Facts:
    return feature(
        role,
        kind="image",
        layout="hwc",
        orientation={"quarter_turns": quarter, "mirrored": mirrored},
    )


def stored(upright: Picture, quarter: int, mirrored: bool) -> Picture:
    """Return the picture as an orientation stores it: first mirrored, then turned."""
    return (upright.mirrored() if mirrored else upright).clockwise(quarter)


def orientations() -> list[AdapterCase]:
    """Return upright pictures of every stored one, and stored ones of an upright one."""
    kinds = [(quarter, mirrored) for mirrored in (False, True) for quarter in range(4)]
    names = [f"{quarter}{'m' if mirrored else ''}" for quarter, mirrored in kinds]
    space, tags, values, inputs, results = [], [], [], [], {}
    for name, kind in zip(names, kinds):
        given = stored(SMALL, *kind)
        space.append((name, box("uint8", given.shape, 0, 255)))
        values.append((name, hwc(given)))
        tags.append(leaf([name], turns(f"image/{name}", *kind)))
        inputs.append({"name": name, "feature": feature(f"image/{name}", kind="image")})
        results[name] = hwc(SMALL)
    upright = AdapterCase(
        "orientation/upright",
        "A-3 A-5",
        tags_of(tags),
        spec_of(inputs),
        (Moment(results, entries(*values)),),
        dict_(*space),
    )
    read: dict[str, tuple[Facts, Tagged]] = {
        name: ({"feature": turns("image/x", *kind)}, hwc(stored(SMALL, *kind)))
        for name, kind in zip(names, kinds)
    }
    source = (3, True)
    turned = seen(
        "orientation/turned",
        "A-3 A-5",
        turns("image/x", *source),
        hwc(stored(SMALL, *source)),
        read,
    )
    return [upright, turned]


def luminance(pixel: tuple[int, ...]) -> Sequence[int]:
    red, green, blue = pixel[:3]
    return (round(0.299 * red + 0.587 * green + 0.114 * blue),)


def stored_as(**facts: Any) -> Facts:
    return feature("image/x", kind="image", **facts)


def input_of(**facts: Any) -> Facts:
    return {"feature": stored_as(**facts)}


def layouts() -> list[AdapterCase]:
    gray = picture(3, 4, 1, seed=3)
    rgba = picture(3, 4, 4, seed=4)
    return [
        seen(
            "layout/of-hwc",
            "A-3",
            stored_as(layout="hwc", color="rgb"),
            hwc(SMALL),
            {
                "chw": (input_of(layout="chw"), chw(SMALL)),
                "same": (input_of(), hwc(SMALL)),
                "bgr": (input_of(layout="chw", color="bgr"), chw(SMALL.each(lambda p: p[::-1]))),
                "gray": (input_of(color="gray"), hwc(SMALL.each(luminance))),
                "gray-hw": (input_of(layout="hw", color="gray"), hw(SMALL.each(luminance))),
            },
        ),
        seen(
            "layout/of-chw",
            "A-3",
            stored_as(layout="chw", color="bgr"),
            chw(SMALL),
            {
                "hwc": (input_of(layout="hwc"), hwc(SMALL)),
                "rgb": (input_of(color="rgb"), chw(SMALL.each(lambda p: p[::-1]))),
                "gray": (input_of(color="gray"), chw(SMALL.each(lambda p: luminance(p[::-1])))),
            },
        ),
        seen(
            "layout/of-hw",
            "A-3",
            stored_as(layout="hw", color="gray"),
            hw(gray),
            {
                "hwc": (input_of(layout="hwc"), hwc(gray)),
                "chw": (input_of(layout="chw"), chw(gray)),
                "rgb": (input_of(layout="hwc", color="rgb"), hwc(gray.each(lambda p: p * 3))),
            },
        ),
        seen(
            "layout/of-rgba",
            "A-3",
            stored_as(layout="hwc", color="rgba"),
            hwc(rgba),
            {
                "rgb": (input_of(color="rgb"), hwc(rgba.each(lambda p: p[:3]))),
                "bgr": (input_of(color="bgr"), hwc(rgba.each(lambda p: p[2::-1]))),
                "gray": (input_of(color="gray"), hwc(rgba.each(luminance))),
            },
        ),
    ]


def ranges() -> list[AdapterCase]:
    shape = SMALL.shape
    floats = [shade / 255 for shade in SMALL.flat]
    mean, std = (0.25, 0.5, 0.75), (0.5, 0.25, 0.125)
    scaled = [(x - mean[i % 3]) / std[i % 3] for i, x in enumerate(floats)]
    statistics = {"mean_std": {"mean": list(mean), "std": list(std)}}
    unit = {"low": 0.0, "high": 1.0}
    halves = [round(shade / 2) for shade in SMALL.flat]
    wide = picture(2, 2, 1, seed=5)
    return [
        seen(
            "range/of-shades",
            "A-3 A-7",
            RGB,
            hwc(SMALL),
            {
                "unit": ({**changed(range=unit), "dtype": "float32"}, numbers(shape, floats)),
                "signed": (
                    {**changed(range={"low": -1.0, "high": 1.0}), "dtype": "float32"},
                    numbers(shape, [2 * x - 1 for x in floats]),
                ),
                "float": ({**changed(), "dtype": "float32"}, numbers(shape, SMALL.flat)),
                "half": (
                    {**changed(range={"low": 0.0, "high": 127.5}), "dtype": "uint8"},
                    numbers(shape, halves, "uint8"),
                ),
                "normalized": (
                    {**changed(range=unit), "dtype": "float32", "normalization": statistics},
                    numbers(shape, scaled),
                ),
            },
            tolerance=1e-6,
        ),
        seen(
            "range/of-floats",
            "A-3",
            feature("image/x", kind="image", layout="hw", color="gray"),
            numbers((2, 2), [x / 256 for x in (0, 64, 128, 256)]),
            {
                "shades": (
                    {**input_of(range={"low": 0.0, "high": 255.0}), "dtype": "uint8"},
                    numbers((2, 2), [0, 64, 128, 255], "uint8"),
                ),
                "float64": (
                    {**input_of(), "dtype": "float64"},
                    numbers((2, 2), [0, 0.25, 0.5, 1], "float64"),
                ),
            },
        ),
        seen(
            "range/of-16-bits",
            "A-3",
            feature("image/x", kind="image", layout="hwc", range={"low": 0.0, "high": 1000.0}),
            numbers(wide.shape, [0, 250, 500, 1000], "uint16"),
            {
                "unit": (
                    {**input_of(range=unit), "dtype": "float32"},
                    numbers(wide.shape, [0, 0.25, 0.5, 1]),
                ),
            },
        ),
    ]


def combined() -> list[AdapterCase]:
    upside_down = stored(LARGE, 2, False)
    small = LARGE.nearest(4, 4)
    twice = LARGE.cut(2, 1, 8, 7).nearest(6, 5).padded(6, 8, (9, 9, 9))
    gray = LARGE.each(luminance).nearest(3, 3)
    stack = [picture(4, 4, 1, seed=seed) for seed in (6, 7)]
    return [
        seen(
            "combined/upside-down",
            "A-3 A-5",
            {**RGB, "orientation": {"quarter_turns": 2}},
            hwc(upside_down),
            {
                "scaled": (
                    {
                        **changed(
                            nearest(height=4, width=4),
                            layout="chw",
                            color="bgr",
                            range={"low": 0.0, "high": 1.0},
                        ),
                        "dtype": "float32",
                    },
                    numbers((3, 4, 4), [x / 255 for x in small.each(lambda p: p[::-1]).planes]),
                ),
                "twice": (
                    changed(
                        nearest(crop_area=0.5),
                        nearest(height=6, width=8, fit="pad", fill=[9.0]),
                    ),
                    hwc(twice),
                ),
                "gray": (changed(nearest(height=3, width=3), color="gray"), hwc(gray)),
                "turned": (
                    changed(
                        nearest(height=4, width=5),
                        orientation={"quarter_turns": 1, "mirrored": True},
                    ),
                    hwc(stored(LARGE.nearest(4, 5), 1, True)),
                ),
            },
            tolerance=1e-6,
        ),
        seen(
            "combined/stack-of-frames",
            "A-5",
            feature("image/x", kind="image", layout="hw", color="gray"),
            numbers((2, 4, 4), [x for one in stack for x in one.flat], "uint8"),
            {
                "frames": (
                    {"feature": feature("image/x"), "image": [nearest(height=2, width=3)]},
                    numbers((2, 2, 3), [x for s in stack for x in s.nearest(2, 3).flat], "uint8"),
                ),
            },
        ),
    ]


def applied() -> AdapterCase:
    """Return a picture that the environment's side has changed before it was sent."""
    first = nearest(crop_area=0.5, height=6, width=6, fit="stretch")
    sent = LARGE.cut(2, 1, 8, 7).nearest(6, 6)
    then = nearest(height=3, width=4, fit="stretch")
    return seen(
        "applied",
        "A-13",
        {**RGB, "applied": [first]},
        hwc(sent),
        {
            "done": (changed(first), hwc(sent)),
            "rest": (changed(first, then), hwc(sent.nearest(3, 4))),
            "laid-out": (changed(first, layout="chw"), chw(sent)),
        },
    )


JPEG = picture(16, 16, 3, seed=8)

IMAGES = named(
    "image",
    seen(
        "fit",
        "A-5",
        RGB,
        hwc(LARGE),
        {name: (changed(change), hwc(result)) for name, (change, result) in SHAPES.items()},
    ),
    seen(
        "jpeg",
        "A-5",
        RGB,
        hwc(JPEG),
        {"x": (changed({"jpeg_quality": 90}), hwc(jpeg(JPEG, 90)))},
        library="Pillow",
        shades=8,
    ),
    *orientations(),
    *layouts(),
    *ranges(),
    *combined(),
    applied(),
)
