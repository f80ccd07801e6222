"""Tags: the meaning of the leaves of an environment's spaces."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = [
    "ColorSpace",
    "EnvTags",
    "Feature",
    "FeatureKind",
    "ImageLayout",
    "Reference",
    "RotationFormat",
    "TaggedLeaf",
]


class FeatureKind(Enum):
    """The kind of quantity that a feature is."""

    UNSPECIFIED = "unspecified"
    IMAGE = "image"
    STATE = "state"
    TEXT = "text"
    ACTION = "action"


class ImageLayout(Enum):
    """The order of an image's axes: height H, width W, channels C."""

    UNSPECIFIED = "unspecified"
    HWC = "hwc"
    CHW = "chw"
    HW = "hw"


class ColorSpace(Enum):
    """The order of an image's channels."""

    UNSPECIFIED = "unspecified"
    RGB = "rgb"
    BGR = "bgr"
    GRAY = "gray"
    DEPTH = "depth"


class RotationFormat(Enum):
    """The form in which a rotation is written as numbers; see `Feature.rotation`."""

    UNSPECIFIED = "unspecified"
    QUATERNION_WXYZ = "quaternion_wxyz"
    QUATERNION_XYZW = "quaternion_xyzw"
    EULER_XYZ = "euler_xyz"
    AXIS_ANGLE = "axis_angle"
    SIX_D = "six_d"
    MATRIX = "matrix"


class Reference(Enum):
    """Whether numbers are values or changes of values."""

    UNSPECIFIED = "unspecified"
    ABSOLUTE = "absolute"
    DELTA = "delta"


@dataclass(frozen=True)
class Feature:
    """The meaning of one feature.

    Attributes:
        role: Slash-separated role by which both sides are matched ("image/primary").
        kind: The kind of quantity.
        layout: Order of the axes; images only.
        color: Order of the channels; images only.
        rotation: Form of a rotation (angles in radians).
        reference: Whether numbers are absolute or differences.
        unit: Physical unit in UCUM notation ("m", "rad"); empty: none or not specified.
        frame: Frame of reference; empty: not specified.
        range: Interval of the numbers, if it is not that of the space.
        element_names: Names of the elements along the last axis; empty: not specified.
    """

    role: str
    kind: FeatureKind = FeatureKind.UNSPECIFIED
    layout: ImageLayout = ImageLayout.UNSPECIFIED
    color: ColorSpace = ColorSpace.UNSPECIFIED
    rotation: RotationFormat = RotationFormat.UNSPECIFIED
    reference: Reference = Reference.UNSPECIFIED
    unit: str = ""
    frame: str = ""
    range: tuple[float, float] | None = None
    element_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaggedLeaf:
    """A feature with its position in a space.

    Attributes:
        path: Keys and positions from the root of the space to the leaf; empty: the root itself.
        feature: Meaning of the feature.
        offset: First element along the last axis, for a leaf that joins several features.
        length: Number of elements along the last axis, if `offset` is set.
    """

    path: tuple[str | int, ...]
    feature: Feature
    offset: int | None = None
    length: int = 0


@dataclass(frozen=True)
class EnvTags:
    """The tags of an environment's spaces.

    Attributes:
        observation: Features of the observation space.
        action: Features of the action space.
        labels: Free labels ("robot:panda").
    """

    observation: tuple[TaggedLeaf, ...] = ()
    action: tuple[TaggedLeaf, ...] = ()
    labels: tuple[str, ...] = ()
