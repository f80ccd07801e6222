"""Tags of spaces <-> their messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rlmesh_proto.adapters.v1 import images_pb2, tags_pb2

from rlmesh._wire.enums import EnumMap
from rlmesh._wire.transforms import image_from_wire, image_to_wire
from rlmesh.adapters import (
    ColorSpace,
    Depth,
    DepthEncoding,
    EnvTags,
    Feature,
    FeatureKind,
    Gripper,
    ImageLayout,
    Orientation,
    Reference,
    RotationFormat,
    RotationSign,
    TaggedLeaf,
)
from rlmesh.errors import CodecError

__all__ = [
    "COLORS",
    "LAYOUTS",
    "feature_from_wire",
    "feature_to_wire",
    "orientation_from_wire",
    "orientation_to_wire",
    "path_from_wire",
    "path_to_wire",
    "tags_from_wire",
    "tags_to_wire",
]

_KINDS = EnumMap(FeatureKind, tags_pb2.FeatureKind, "FEATURE_KIND")
LAYOUTS = EnumMap(ImageLayout, images_pb2.ImageLayout, "IMAGE_LAYOUT")
COLORS = EnumMap(ColorSpace, images_pb2.ColorSpace, "COLOR_SPACE")
_ROTATIONS = EnumMap(RotationFormat, tags_pb2.RotationFormat, "ROTATION_FORMAT")
_REFERENCES = EnumMap(Reference, tags_pb2.Reference, "REFERENCE")
_SIGNS = EnumMap(RotationSign, tags_pb2.RotationSign, "ROTATION_SIGN")
_ENCODINGS = EnumMap(DepthEncoding, tags_pb2.DepthEncoding, "DEPTH_ENCODING", "A-2")


def feature_to_wire(feature: Feature, out: tags_pb2.Feature) -> None:
    """Write a feature into `out`."""
    out.role = feature.role
    out.kind = _KINDS.to_wire(feature.kind)
    out.layout = LAYOUTS.to_wire(feature.layout)
    out.color = COLORS.to_wire(feature.color)
    out.rotation = _ROTATIONS.to_wire(feature.rotation)
    out.reference = _REFERENCES.to_wire(feature.reference)
    out.unit = feature.unit
    out.frame = feature.frame
    if feature.range is not None:
        out.range.low, out.range.high = feature.range
    out.element_names.extend(feature.element_names)
    out.euler_axes = feature.euler_axes
    out.sign = _SIGNS.to_wire(feature.sign)
    orientation_to_wire(feature.orientation, out)
    if feature.depth is not None:
        out.depth.encoding = _ENCODINGS.to_wire(feature.depth.encoding)
        out.depth.near, out.depth.far = feature.depth.near, feature.depth.far
    if feature.gripper is not None:
        out.gripper.open, out.gripper.closed = feature.gripper.open, feature.gripper.closed
    for transform in feature.applied:
        image_to_wire(transform, out.applied.add())


def orientation_to_wire(orientation: Orientation, out: Any) -> None:
    """Write an orientation into the field of that name of `out`, unless it is the upright one."""
    if orientation != Orientation():
        out.orientation.quarter_turns = orientation.quarter_turns
        out.orientation.mirrored = orientation.mirrored


def feature_from_wire(message: tags_pb2.Feature) -> Feature:
    """Return the feature of a message.

    Raises:
        NewerSpecError: If its distances have an encoding of a newer spec.
    """
    return Feature(
        role=message.role,
        kind=_KINDS.from_wire(message.kind, FeatureKind.UNSPECIFIED),
        layout=LAYOUTS.from_wire(message.layout, ImageLayout.UNSPECIFIED),
        color=COLORS.from_wire(message.color, ColorSpace.UNSPECIFIED),
        rotation=_ROTATIONS.from_wire(message.rotation, RotationFormat.UNSPECIFIED),
        reference=_REFERENCES.from_wire(message.reference, Reference.UNSPECIFIED),
        unit=message.unit,
        frame=message.frame,
        range=(message.range.low, message.range.high) if message.HasField("range") else None,
        element_names=tuple(message.element_names),
        euler_axes=message.euler_axes,
        sign=_SIGNS.from_wire(message.sign, RotationSign.UNSPECIFIED),
        orientation=orientation_from_wire(message.orientation),
        depth=_depth(message.depth) if message.HasField("depth") else None,
        gripper=Gripper(message.gripper.open, message.gripper.closed)
        if message.HasField("gripper")
        else None,
        applied=tuple(image_from_wire(one, "applied") for one in message.applied),
    )


def orientation_from_wire(message: images_pb2.Orientation) -> Orientation:
    """Return the orientation of a message, which is the upright one if it is absent."""
    return Orientation(message.quarter_turns, message.mirrored)


def _depth(message: tags_pb2.Depth) -> Depth:
    encoding = _ENCODINGS.read(message.encoding, DepthEncoding.DISTANCE, "depth.encoding")
    return Depth(message.near, message.far, encoding)


def tags_to_wire(tags: EnvTags, out: tags_pb2.EnvTags) -> None:
    """Write an environment's tags into `out`."""
    out.SetInParent()
    _write_leaves(tags.observation, out.observation)
    _write_leaves(tags.action, out.action)
    out.labels.extend(tags.labels)


def _write_leaves(leaves: Iterable[TaggedLeaf], out: Any) -> None:
    for leaf in leaves:
        message = out.add()
        path_to_wire(leaf.path, message.path)
        if leaf.offset is not None:
            message.offset = leaf.offset
        message.length = leaf.length
        feature_to_wire(leaf.feature, message.feature)


def path_to_wire(path: Iterable[str | int], out: Any) -> None:
    """Append the segments of a path to a repeated field."""
    for segment in path:
        if isinstance(segment, str):
            out.add().name = segment
        else:
            out.add().index = segment


def path_from_wire(
    segments: Iterable[tags_pb2.PathSegment], field: str = "path"
) -> tuple[str | int, ...]:
    """Return a path.

    Args:
        segments: Its segments.
        field: Path of the field that has them, for the error.

    Raises:
        CodecError: If a segment is of an unknown kind.
    """
    path: list[str | int] = []
    for i, segment in enumerate(segments):
        kind = segment.WhichOneof("segment")
        if kind is None:
            expected = "a segment with a name or an index"
            raise CodecError.of_rule("T-1", expected, "neither", path=f"{field}[{i}]")
        path.append(getattr(segment, kind))
    return tuple(path)


def tags_from_wire(message: tags_pb2.EnvTags) -> EnvTags:
    """Return the tags of a message.

    Raises:
        CodecError: If a path has a segment of an unknown kind, or a depth an unknown encoding.
    """
    return EnvTags(
        observation=_read_leaves(message.observation, "observation"),
        action=_read_leaves(message.action, "action"),
        labels=tuple(message.labels),
    )


def _read_leaves(leaves: Iterable[tags_pb2.TaggedLeaf], side: str) -> tuple[TaggedLeaf, ...]:
    return tuple(_read_leaf(leaf, f"{side}[{i}]") for i, leaf in enumerate(leaves))


def _read_leaf(message: tags_pb2.TaggedLeaf, place: str) -> TaggedLeaf:
    return TaggedLeaf(
        path=path_from_wire(message.path, f"{place}.path"),
        feature=feature_from_wire(message.feature),
        offset=message.offset if message.HasField("offset") else None,
        length=message.length,
    )
