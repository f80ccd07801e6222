"""Short forms of features and tags, with words instead of enums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar, Union

from rlmesh.adapters._rotations import LENGTHS
from rlmesh.adapters._tags import (
    ColorSpace,
    Depth,
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
from rlmesh.adapters.roles import SIZES, of_part

__all__ = ["check_role", "feature", "member", "size_of", "tags"]

E = TypeVar("E", bound=Enum)
Path = Union[str, int, tuple[Union[str, int], ...]]

_KINDS = {
    "image": FeatureKind.IMAGE,
    "depth": FeatureKind.IMAGE,
    "state": FeatureKind.STATE,
    "text": FeatureKind.TEXT,
    "action": FeatureKind.ACTION,
}


def feature(
    role: str,
    *,
    part: str = "",
    layout: str = "",
    color: str = "",
    rotate: int = 0,
    mirror: bool = False,
    depth: Depth | None = None,
    rotation: str = "",
    sign: str = "",
    reference: str = "",
    unit: str = "",
    frame: str = "",
    range: tuple[float, float] | None = None,  # noqa: A002 - the name of the field
    gripper: Gripper | None = None,
    names: Sequence[str] = (),
) -> Feature:
    """Return the meaning of a feature, its kind taken from the role ("image/...", "state/...").

    Args:
        role: The role; `rlmesh.adapters.roles` has those with a known meaning.
        part: Part of a robot ("left"), which becomes a part of the role.
        layout: "hwc", "chw" or "hw"; empty: not specified.
        color: "rgb", "bgr", "gray", "depth" or "rgba"; empty: not specified.
        rotate: Degrees, a multiple of 90, by which the stored image is turned clockwise compared to
            the upright one; 180 for a camera that hangs upside down.
        mirror: Whether left and right of the stored image are exchanged, before it is turned.
        depth: The distances of a depth image and how they are written.
        rotation: A `RotationFormat` by its value ("quaternion_xyzw"), or three Euler axes as SciPy
            writes them ("xyz" about fixed, "XYZ" about moving axes).
        sign: "shortest", "as_given" or "continuous"; empty: not specified.
        reference: "absolute" or "delta"; empty: not specified.
        unit: Physical unit in UCUM notation ("m", "rad").
        frame: Frame of reference.
        range: Interval of the numbers.
        gripper: The numbers for open and closed.
        names: Names of the elements along the last axis.

    Raises:
        ValueError: If a word is none of those, `rotate` is no multiple of 90, or `names` is a text.
        TypeError: If `role` is not a text.
    """
    check_role(role)
    if rotate % 90:
        raise ValueError(f"rotate: expected a multiple of 90 degrees, got {rotate}")
    kind = _KINDS.get(role.partition("/")[0], FeatureKind.UNSPECIFIED)
    is_euler = len(rotation) == 3 and rotation.lower().strip("xyz") == ""
    form = "euler" if is_euler else rotation
    return Feature(
        of_part(role, part),
        kind,
        member(ImageLayout, layout, "layout"),
        member(ColorSpace, color, "color"),
        member(RotationFormat, form, "rotation"),
        member(Reference, reference, "reference"),
        unit=unit,
        frame=frame,
        range=range,
        element_names=_texts(names, "names"),
        euler_axes=rotation if is_euler else "",
        sign=member(RotationSign, sign, "sign"),
        orientation=Orientation(int(rotate) // 90 % 4, mirror),
        depth=depth,
        gripper=gripper,
    )


def check_role(role: object) -> None:
    """Check that a role is a text.

    Raises:
        TypeError: If it is not.
    """
    if isinstance(role, Feature):
        raise TypeError(
            f"role: expected a text, got a feature; use its role, {role.role!r:.100}, and the same "
            f"facts as arguments"
        )
    if not isinstance(role, str):
        raise TypeError(f"role: expected a text, got {role!r:.100}")


def _texts(given: Sequence[str], name: str) -> tuple[str, ...]:
    """Return several texts; a single one, which is a sequence of letters, is a mistake."""
    if isinstance(given, str):
        raise ValueError(
            f"{name}: expected several texts, such as [{given!r:.60}], got {given!r:.60}"
        )
    return tuple(given)


def member(kind: type[E], word: str, name: str) -> E:
    """Return the member of an enum that a word names; empty: "unspecified"."""
    known = {str(member.value): member for member in kind}
    if (word or "unspecified") not in known:
        words = ", ".join(sorted(known.keys() - {"unspecified"}))
        raise ValueError(f"{name}: expected one of {words}, got {word!r}")
    return known[word or "unspecified"]


def size_of(meaning: Feature) -> int:
    """Return the number of elements of a feature, by its rotation, its role or its names."""
    if meaning.rotation is not RotationFormat.UNSPECIFIED:
        return LENGTHS[meaning.rotation]
    area, _, rest = meaning.role.partition("/")
    size = SIZES.get(f"{area}/{rest.rpartition('/')[2]}", len(meaning.element_names))
    if not size:
        raise ValueError(
            f"{meaning.role!r}: expected a known number of elements; use output(..., length=n)"
        )
    return size


def tags(
    observation: Mapping[Path, Any] | Feature | None = None,
    action: Mapping[Path, Any] | Feature | Sequence[Any] | None = None,
    labels: Sequence[str] = (),
) -> EnvTags:
    """Return the tags of an environment.

    Args:
        observation: The meaning of each leaf by its key, or by a tuple of keys, in the observation
            space: a role, a `feature`, or a list of pairs (role or feature, number of elements) for
            a leaf that joins several. For a space that is one leaf, its meaning alone.
        action: Likewise, of the action space.
        labels: Free labels ("robot:panda").

    Raises:
        ValueError: If the number of elements of a part is not known, a meaning is none of those, or
            `labels` is a text.
    """
    return EnvTags(_leaves(observation), _leaves(action), _texts(labels, "labels"))


def _leaves(given: Any) -> tuple[TaggedLeaf, ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        return tuple(_leaf((), given))
    found: list[TaggedLeaf] = []
    for path, meaning in given.items():
        found += _leaf(path if isinstance(path, tuple) else (path,), meaning)
    return tuple(found)


def _leaf(path: tuple[str | int, ...], meaning: Any) -> list[TaggedLeaf]:
    if isinstance(meaning, (str, Feature)):
        return [TaggedLeaf(path, _feature(meaning))]
    if not isinstance(meaning, Iterable):
        return [TaggedLeaf(path, _feature(meaning))]
    found: list[TaggedLeaf] = []
    offset = 0
    for part in meaning:
        one, length = part if isinstance(part, tuple) else (part, 0)
        own = _feature(one)
        length = length or size_of(own)
        found.append(TaggedLeaf(path, own, offset, length))
        offset += length
    return found


def _feature(meaning: Any) -> Feature:
    if not isinstance(meaning, (str, Feature)):
        expected = "a role, a feature, or a list of pairs (role or feature, number of elements)"
        raise ValueError(f"tags: expected {expected}, got {meaning!r:.100}")
    return feature(meaning) if isinstance(meaning, str) else meaning
