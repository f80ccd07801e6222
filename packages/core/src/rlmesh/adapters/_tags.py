"""Tags: the meaning of the leaves of an environment's spaces."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rlmesh._documents import Document
from rlmesh.adapters._terse import Terse
from rlmesh.adapters._transforms import ImageTransform

__all__ = [
    "TAGS_ATTRIBUTE",
    "ColorSpace",
    "Depth",
    "DepthEncoding",
    "EnvTags",
    "Feature",
    "FeatureKind",
    "Gripper",
    "ImageForm",
    "ImageLayout",
    "Orientation",
    "Reference",
    "RotationFormat",
    "RotationSign",
    "TaggedLeaf",
]

TAGS_ATTRIBUTE = "rlmesh_tags"
"""Name of an environment's attribute that has its tags."""


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
    RGBA = "rgba"


class RotationFormat(Enum):
    """The form in which a rotation is written as numbers; see `Feature.rotation`."""

    UNSPECIFIED = "unspecified"
    QUATERNION_WXYZ = "quaternion_wxyz"
    QUATERNION_XYZW = "quaternion_xyzw"
    EULER_XYZ = "euler_xyz"
    AXIS_ANGLE = "axis_angle"
    SIX_D = "six_d"
    MATRIX = "matrix"
    SIX_D_ROWS = "six_d_rows"
    SIX_D_INTERLEAVED = "six_d_interleaved"
    EULER = "euler"


class RotationSign(Enum):
    """The one that is written of the equal quaternions, or angles about an axis, of a rotation.

    UNSPECIFIED: SHORTEST if the form changes, the numbers as they are otherwise. SHORTEST: w >= 0,
    and an angle of at most pi. AS_GIVEN: a quaternion keeps its sign, and its angle is 2 acos(w),
    from 0 to 2 pi (as robosuite's). CONTINUOUS: the one nearest to that of the observation before.
    """

    UNSPECIFIED = "unspecified"
    SHORTEST = "shortest"
    AS_GIVEN = "as_given"
    CONTINUOUS = "continuous"


class DepthEncoding(Enum):
    """The way in which distances from a camera are written as numbers.

    DISTANCE: as they are. LINEAR: (distance - near) / (far - near). Z_BUFFER: the depth buffer of
    OpenGL's perspective projection, far (distance - near) / (distance (far - near)).
    """

    UNSPECIFIED = "unspecified"
    DISTANCE = "distance"
    LINEAR = "linear"
    Z_BUFFER = "z_buffer"


class Reference(Enum):
    """Whether numbers are values or changes of values."""

    UNSPECIFIED = "unspecified"
    ABSOLUTE = "absolute"
    DELTA = "delta"


@dataclass(frozen=True, repr=False)
class Orientation(Terse):
    """The way in which an image is stored, compared to the upright one: mirrored, then turned.

    Attributes:
        quarter_turns: Number of clockwise quarter turns, 0 to 3; 2 for a camera upside down.
        mirrored: Whether left and right are exchanged.
    """

    quarter_turns: int = 0
    mirrored: bool = False


@dataclass(frozen=True, repr=False)
class ImageForm(Terse):
    """The way in which an image is stored.

    Attributes:
        layout: Order of the axes.
        color: Order of the channels.
        orientation: The way in which the image is turned.
    """

    layout: ImageLayout = ImageLayout.UNSPECIFIED
    color: ColorSpace = ColorSpace.UNSPECIFIED
    orientation: Orientation = Orientation()


@dataclass(frozen=True, repr=False)
class Depth(Terse):
    """The distances of a depth image; distances outside become the nearest of the two.

    Attributes:
        near: The shortest distance, in the feature's unit; above 0 for Z_BUFFER.
        far: The longest distance, above `near`.
        encoding: The way in which distances are written; UNSPECIFIED becomes DISTANCE.
    """

    near: float
    far: float
    encoding: DepthEncoding = DepthEncoding.DISTANCE

    def __post_init__(self) -> None:
        if self.encoding is DepthEncoding.UNSPECIFIED:
            object.__setattr__(self, "encoding", DepthEncoding.DISTANCE)


@dataclass(frozen=True, repr=False)
class Gripper(Terse):
    """The two numbers between which a gripper moves.

    Attributes:
        open: The number that means open.
        closed: The number that means closed; another one than `open`.
    """

    open: float
    closed: float


@dataclass(frozen=True, repr=False)
class Feature(Terse):
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
        euler_axes: Axes of `RotationFormat.EULER` in the order of the rotations, as SciPy writes
            them: "xyz" about fixed axes, "XYZ" about axes that move along.
        sign: The one that is written of equal quaternions or angles; rotations only.
        orientation: The way in which the image is stored; images only.
        depth: The distances and how they are written; depth images only. None: as they are.
        gripper: The numbers for open and closed; grippers only. None: not specified.
        applied: Changes that the image has had already; of those that a model declares, only the
            later ones are made.
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
    euler_axes: str = ""
    sign: RotationSign = RotationSign.UNSPECIFIED
    orientation: Orientation = Orientation()
    depth: Depth | None = None
    gripper: Gripper | None = None
    applied: tuple[ImageTransform, ...] = ()

    @property
    def image_form(self) -> ImageForm:
        """The way in which the feature's image is stored."""
        return ImageForm(self.layout, self.color, self.orientation)


@dataclass(frozen=True, repr=False)
class TaggedLeaf(Terse):
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


@dataclass(frozen=True, repr=False)
class EnvTags(Terse, Document):
    """The tags of an environment's spaces.

    Attributes:
        observation: Features of the observation space.
        action: Features of the action space.
        labels: Free labels ("robot:panda").
    """

    observation: tuple[TaggedLeaf, ...] = ()
    action: tuple[TaggedLeaf, ...] = ()
    labels: tuple[str, ...] = ()
