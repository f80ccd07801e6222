"""Features that an environment and a model write differently, and specs of any kind."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh.adapters import (
    ColorSpace,
    EnvTags,
    Feature,
    FeatureKind,
    ImageLayout,
    MeanStd,
    MinMax,
    ModelInput,
    ModelOutput,
    ModelSpec,
    RotationFormat,
    TaggedLeaf,
)
from rlmesh.adapters._rotations import LENGTHS
from rlmesh.dtypes import DTYPES, DType
from rlmesh.specs import EnvContract
from rlmesh.tensor import Tensor
from tests.property.strategies import CHARACTERS

__all__ = [
    "AXES",
    "FLOAT32",
    "FORMATS",
    "UINT8",
    "Draw",
    "Pair",
    "both_ways",
    "intervals",
    "pairs",
    "rotation_numbers",
]

Draw = st.SearchStrategy[Any]
FLOAT32, UINT8 = DTYPES["float32"], DTYPES["uint8"]
FORMATS = tuple(form for form in LENGTHS if form is not RotationFormat.EULER)
AXES = [
    "".join(axes)
    for letters in ("xyz", "XYZ")
    for axes in itertools.product(letters, repeat=3)
    if axes[0] != axes[1] != axes[2]
]
"""All 24 orders of three Euler angles."""

LENGTH_UNITS = ("m", "cm", "mm", "[in_i]")


@dataclass(frozen=True)
class Pair:
    """One feature as both sides describe it.

    Attributes:
        kind: The property that differs.
        space: The environment's leaf.
        env: The environment's description.
        model: The model's description.
        value: Numbers of the environment.
        dtype: Element type of the model; None: that of the environment.
        normalization: Scaling of the model.
        scale: Magnitude of the numbers that errors are compared with; 0: no error is allowed.
    """

    kind: str
    space: spaces.Box
    env: Feature
    model: Feature
    value: Tensor
    dtype: DType | None = None
    normalization: MeanStd | MinMax | None = None
    scale: float = 0.0


@functools.lru_cache(4096)
def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers that float32 has, some of them round."""
    plain = st.floats(low, high, width=32, allow_subnormal=False)
    ends = math.ceil(low), math.floor(high)
    return st.one_of(plain, st.integers(*ends).map(float)) if ends[0] <= ends[1] else plain


def tensor(values: Sequence[float], element: DType, shape: tuple[int, ...] | None = None) -> Tensor:
    return Tensor(element.pack(values), element, shape or (len(values),))


def unbounded(length: int) -> spaces.Box:
    return spaces.Box(-math.inf, math.inf, (length,))


def vectors(draw: st.DrawFn, length: int) -> Tensor:
    return tensor(draw(st.lists(numbers(-99, 99), min_size=length, max_size=length)), FLOAT32)


@st.composite
def intervals(draw: st.DrawFn, role: str) -> Pair:
    """Bounds of the environment, an element each, and a range of the model."""
    length = draw(st.integers(1, 4))
    element = draw(st.sampled_from([FLOAT32, UINT8]))
    ends = (0, 255) if element is UINT8 else (-99, 99)
    sides = numbers(*ends) if element is FLOAT32 else st.integers(*ends)
    pair = st.tuples(sides, sides).map(sorted).filter(lambda p: p[1] - p[0] > 0.01)
    bounds = [draw(pair) for _ in range(length)]
    low, high = (tensor([pair[i] for pair in bounds], element) for i in (0, 1))
    space = spaces.Box(low, high, (length,), element)
    inner = [st.integers(*pair) if element is UINT8 else numbers(*pair) for pair in bounds]
    value = tensor([draw(s | st.sampled_from(pair)) for s, pair in zip(inner, bounds)], element)
    ranges = draw(st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (-2.5, 7.0)]))
    env, model = Feature(role), Feature(role, range=ranges)
    scale = 0.0 if element is UINT8 else 100.0
    return Pair("interval", space, env, model, value, FLOAT32, scale=scale)


@st.composite
def units(draw: st.DrawFn, role: str) -> Pair:
    ours, theirs = draw(st.permutations(LENGTH_UNITS))[:2]
    length = draw(st.integers(1, 3))
    env, model = Feature(role, unit=theirs), Feature(role, unit=ours)
    return Pair("unit", unbounded(length), env, model, vectors(draw, length), scale=100.0)


@st.composite
def orders(draw: st.DrawFn, role: str) -> Pair:
    names = draw(st.lists(st.text(CHARACTERS, max_size=2), min_size=1, max_size=4, unique=True))
    env = Feature(role, element_names=tuple(names))
    model = replace(env, element_names=tuple(draw(st.permutations(names))))
    return Pair("order", unbounded(len(names)), env, model, vectors(draw, len(names)))


@st.composite
def normalized(draw: st.DrawFn, role: str) -> Pair:
    length = draw(st.integers(1, 3))
    count = draw(st.sampled_from([1, length]))
    first = draw(st.lists(numbers(-99, 99), min_size=count, max_size=count))
    widths = draw(st.lists(numbers(0.5, 50), min_size=count, max_size=count))
    statistics: MeanStd | MinMax = MeanStd(tuple(first), tuple(widths))
    if draw(st.booleans()):
        statistics = MinMax(tuple(first), tuple(a + b for a, b in zip(first, widths)))
    env = Feature(role, kind=FeatureKind.STATE)
    value = vectors(draw, length)
    return Pair("scaling", unbounded(length), env, env, value, None, statistics, scale=200.0)


@st.composite
def images(draw: st.DrawFn, role: str) -> Pair:
    channels = draw(st.sampled_from([1, 3]))
    colors = (ColorSpace.RGB, ColorSpace.BGR) if channels == 3 else (ColorSpace.GRAY,)
    layouts = [x for x in ImageLayout if channels == 1 or x is not ImageLayout.HW]
    layouts.remove(ImageLayout.UNSPECIFIED)
    height, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shapes = {
        ImageLayout.HWC: (height, width, channels),
        ImageLayout.CHW: (channels, height, width),
        ImageLayout.HW: (height, width),
    }
    sides = [
        Feature(
            role, FeatureKind.IMAGE, draw(st.sampled_from(layouts)), draw(st.sampled_from(colors))
        )
        for _ in range(2)
    ]
    shape = shapes[sides[0].layout]
    size = math.prod(shape)
    value = Tensor(draw(st.binary(min_size=size, max_size=size)), UINT8, shape)
    space = spaces.Box(0, 255, shape, "uint8")
    ranged = draw(st.booleans())
    model = replace(sides[1], range=(0.0, 1.0)) if ranged else sides[1]
    return Pair("image", space, sides[0], model, value, FLOAT32 if ranged else None)


@st.composite
def rotations(draw: st.DrawFn, role: str) -> Pair:
    source, target = (draw(st.sampled_from(FORMATS)) for _ in range(2))
    value = tensor(draw(rotation_numbers(source)), FLOAT32)
    env, model = Feature(role, rotation=source), Feature(role, rotation=target)
    return Pair("rotation", unbounded(LENGTHS[source]), env, model, value, scale=1.0)


@st.composite
def rotation_numbers(draw: st.DrawFn, form: RotationFormat) -> list[float]:
    """A rotation as numbers of a form, poles and half turns more often than by chance."""
    angles = st.one_of(
        numbers(-3.125, 3.125), st.sampled_from([k * math.pi / 2 for k in range(-2, 3)])
    )
    roll, pitch, yaw = draw(angles), draw(angles) / 2, draw(angles)
    if form is RotationFormat.EULER_XYZ:
        return [roll, pitch, yaw]
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a), math.sin(a)) for a in (roll, pitch, yaw))
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    if form is RotationFormat.MATRIX:
        return [x for row in rows for x in row]
    if form is RotationFormat.SIX_D:
        return [rows[i][j] for j in (0, 1) for i in range(3)]
    if form is RotationFormat.SIX_D_ROWS:
        return [x for row in rows[:2] for x in row]
    if form is RotationFormat.SIX_D_INTERLEAVED:
        return [x for row in rows for x in row[:2]]
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a / 2), math.sin(a / 2)) for a in (roll, pitch, yaw))
    w, x = cr * cp * cy + sr * sp * sy, sr * cp * cy - cr * sp * sy
    y, z = cr * sp * cy + sr * cp * sy, cr * cp * sy - sr * sp * cy
    if form is RotationFormat.AXIS_ANGLE:
        length = math.hypot(x, y, z)
        angle = 2 * math.atan2(length, w)
        return [k * angle / length if length > 1e-9 else 0.0 for k in (x, y, z)]
    return [w, x, y, z] if form is RotationFormat.QUATERNION_WXYZ else [x, y, z, w]


KINDS = (intervals, units, orders, normalized, images, rotations)


@st.composite
def pairs(draw: st.DrawFn, most: int = 3) -> list[Pair]:
    """A few features, each with a role of its own."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=most))
    return [draw(kind(f"r{i}")) for i, kind in enumerate(kinds)]


def tagged(
    found: Sequence[Pair], joined: bool
) -> tuple[spaces.Dict, dict[str, Any], list[TaggedLeaf]]:
    """A space of the features, its value, and its tags.

    Args:
        found: The features.
        joined: Whether those that are vectors of float32 without bounds lie in one leaf.
    """
    members: dict[str, spaces.Space[Any]] = {}
    values: dict[str, Any] = {}
    tags: list[TaggedLeaf] = []
    together = [p for p in found if joined and p.value.dtype is FLOAT32 and p.kind != "interval"]
    numbers: list[float] = []
    for pair in together:
        tags.append(TaggedLeaf(("joined",), pair.env, len(numbers), pair.value.size))
        numbers += pair.value.dtype.unpack(pair.value.buffer)
    if together:
        members["joined"], values["joined"] = unbounded(len(numbers)), tensor(numbers, FLOAT32)
    for pair in found:
        if pair not in together:
            members[pair.env.role], values[pair.env.role] = pair.space, pair.value
            tags.append(TaggedLeaf((pair.env.role,), pair.env))
    return spaces.Dict(members), values, tags


def both_ways(found: Sequence[Pair], joined: bool) -> tuple[EnvContract, ModelSpec, dict[str, Any]]:
    """An environment with actions like its observations, a model that returns what it reads."""
    space, value, tags = tagged(found, joined)
    contract = EnvContract("e", space, space, tags=EnvTags(tuple(tags), tuple(tags)))
    facts = [
        {
            "name": p.model.role,
            "feature": p.model,
            "dtype": p.dtype,
            "normalization": p.normalization,
        }
        for p in found
    ]
    inputs, outputs = ([port(**fact) for fact in facts] for port in (ModelInput, ModelOutput))
    return contract, ModelSpec(inputs=tuple(inputs), outputs=tuple(outputs)), value
