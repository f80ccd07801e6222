"""Positions of tagged features in a space, and the rules of CONTRACT.md that tags can break."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rlmesh._problem import Problem
from rlmesh.adapters._arrays import LARGEST, LEAST, Numbers
from rlmesh.adapters._feature_rules import feature_problem
from rlmesh.adapters._field_types import type_problems
from rlmesh.adapters._tags import EnvTags, Feature, TaggedLeaf
from rlmesh.dtypes import DType
from rlmesh.spaces import Bounds, Box, Dict, MultiBinary, MultiDiscrete, Space, Text, path_text
from rlmesh.spaces._integer import IntegerSpace

__all__ = [
    "LeafSlot",
    "is_interval",
    "leaves_of",
    "placing_problems",
    "slot_of",
    "tag_problems",
]

_RETAG = "correct the environment's tags"
_MAX_BOUNDS = 2**20
"""Largest number of bounds of one leaf to calculate with: each becomes a Python float."""


@dataclass(frozen=True)
class LeafSlot:
    """A feature at its position in a space.

    Attributes:
        path: Path of the feature, for messages ("observation['arm'][0:3]").
        keys: Keys and positions from the root to the leaf.
        leaf: Space of the leaf.
        feature: Meaning of the feature.
        start: First element along the last axis; None: the feature is the whole leaf.
        stop: End along the last axis, if `start` is set.
    """

    path: str
    keys: tuple[str | int, ...]
    leaf: Space[Any]
    feature: Feature
    start: int | None = None
    stop: int = 0

    @property
    def is_text(self) -> bool:
        """Whether the feature is a string."""
        return isinstance(self.leaf, Text)

    @property
    def dtype(self) -> DType:
        """Element type of the leaf; not for a text."""
        element = self.leaf.dtype
        assert element is not None
        return element

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents of the feature, without batch axes."""
        whole = self.leaf.shape or ()
        return whole if self.start is None else (*whole[:-1], self.stop - self.start)

    def cut(self, array: Any) -> Any:
        """Return the feature's part of an array of the leaf, which may have leading axes."""
        return array if self.start is None else array[..., self.start : self.stop]

    def interval(self) -> tuple[Numbers, Numbers] | None:
        """Return the smallest and largest value: those of the feature, else of the space.

        Returns:
            Two numbers, or two arrays of the feature's extents; None if an element is unbounded or
            has only one value, or if the space has too many bounds to calculate with.
        """
        if self.feature.range is not None:
            low, high = (Numbers((side,)) for side in self.feature.range)
        else:
            ends = _ends(self.leaf)
            if ends is None:
                return None
            low, high = (self._part(side) for side in ends)
        return (low, high) if is_interval(low, high) else None

    def bounds(self) -> tuple[Numbers, Numbers] | None:
        """Return the bounds of the space, infinite ones as the largest float32.

        Returns:
            Two numbers, or two arrays of the feature's extents; None if the space has too many
            bounds to calculate with.
        """
        ends = _ends(self.leaf)
        if ends is None:
            return None
        low, high = (self._part(side) for side in ends)
        # An unbounded end is marked by infinity, without a sign.
        floor = tuple(-LARGEST if math.isinf(x) else max(x, -LARGEST) for x in low.values)
        top = tuple(LARGEST if math.isinf(x) else min(x, LARGEST) for x in high.values)
        return Numbers(floor, low.shape), Numbers(top, high.shape)

    def _part(self, numbers: Numbers) -> Numbers:
        """Return the part of the leaf's numbers that belongs to the feature."""
        if numbers.shape == () or self.start is None:
            return numbers
        extent = numbers.shape[-1]
        own = tuple(x for i, x in enumerate(numbers.values) if self.start <= i % extent < self.stop)
        return Numbers(own, self.shape)


def is_interval(low: Numbers, high: Numbers) -> bool:
    """Return whether low < high in every element, both finite, and float32 holds the width.

    Bounds like the largest float32 mean "unbounded".
    """
    widths = low.combine(high, lambda a, b: b - a).values
    return all(LEAST < width < LARGEST for width in widths) and all(
        abs(x) < LARGEST for x in (*low.values, *high.values)
    )


def _ends(leaf: Space[Any]) -> tuple[Numbers, Numbers] | None:
    """Return the bounds of a leaf; None if it has none, or too many to calculate with."""
    if isinstance(leaf, Box):
        sides = (leaf.low_bounds, leaf.high_bounds)
        if any(len(b.data) > _MAX_BOUNDS * leaf.dtype.itemsize for b in sides):
            return None
        if any(len(b.unbounded) > _MAX_BOUNDS for b in sides):
            return None
        return _numbers(leaf.low_bounds, leaf), _numbers(leaf.high_bounds, leaf)
    if isinstance(leaf, IntegerSpace):
        return Numbers((float(leaf.start),)), Numbers((float(leaf.start + leaf.n - 1),))
    if isinstance(leaf, MultiBinary):
        return Numbers((0.0,)), Numbers((1.0,))
    if isinstance(leaf, MultiDiscrete) and leaf.size <= _MAX_BOUNDS:
        start, count = (
            tuple(map(float, leaf.dtype.unpack(t.buffer))) for t in (leaf.start, leaf.nvec)
        )
        low = Numbers(start, leaf.shape)
        return low, low.combine(Numbers(count, leaf.shape), lambda a, n: a + n - 1)
    if isinstance(leaf, (MultiDiscrete, Text)):
        return None
    raise NotImplementedError(f"no bounds are defined for a {type(leaf).__name__}")


def _numbers(bounds: Bounds, box: Box) -> Numbers:
    values = tuple(map(float, box.dtype.unpack(bounds.data)))
    if bounds.unbounded:
        marks = bounds.unbounded * (len(values) if len(bounds.unbounded) == 1 else 1)
        if len(values) == 1:
            values *= len(marks)
        values = tuple(math.inf if mark else x for mark, x in zip(marks, values))
    return Numbers(values, () if len(values) == 1 and bounds.uniform else box.shape)


def leaves_of(
    space: Space[Any], keys: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Space[Any]]]:
    """Yield the parts of a space that are neither Dict nor Tuple, in order, with their keys."""
    if space.kind not in ("dict", "tuple"):
        yield keys, space
        return
    for key, child in space.children:
        yield from leaves_of(child, (*keys, key))


def slot_of(
    tag: TaggedLeaf, space: Space[Any], root: str, *, one_of: bool = False
) -> LeafSlot | Problem:
    """Return the position of a tag's feature.

    Args:
        tag: The tag.
        space: The observation or action space.
        root: "observation" or "action".
        one_of: Whether the path may lead through OneOf, which the contract allows but no adapter
            supports.

    Returns:
        The place; a problem if the tag breaks T-1, or its path ends at a space without a feature.
    """
    leaf = _leaf(tag.path, space, root, ("dict", "tuple", *(["one_of"] if one_of else [])))
    if isinstance(leaf, Problem):
        return leaf
    path = root + path_text(tag.path)
    if not leaf.is_leaf:
        expected = "a leaf: a Box, Discrete, MultiBinary, MultiDiscrete or Text"
        return Problem(path, expected, f"a {leaf.kind}", _RETAG)
    start = tag.offset
    stop = 0 if start is None else start + tag.length
    sliced = path if start is None else f"{path}[{start}:{stop}]"
    slot = LeafSlot(sliced, tag.path, leaf, tag.feature, start, stop)
    return _broken(slot, tag) or slot


def _leaf(
    keys: tuple[str | int, ...], space: Space[Any], root: str, through: tuple[str, ...]
) -> Space[Any] | Problem:
    """Return the space at the end of a path through the given kinds of spaces."""
    for depth, key in enumerate(keys):
        path, here = root + path_text(keys), root + path_text(keys[:depth])
        if space.kind not in through:
            expected = "a path through Dict and Tuple spaces"
            return Problem(path, expected, f"a {space.kind} at {here}", _RETAG)
        found = _child(space, key)
        if found is None:
            return Problem(path, "keys of the space", f"{key!r}, which {here} has not", _RETAG)
        space = found
    return space


def _child(space: Space[Any], key: str | int) -> Space[Any] | None:
    """Return the sub-space under a key, without a look at the others, which may be thousands."""
    if type(key) not in (str, int):  # True is equal to 1.
        return None
    if isinstance(space, Dict):
        return space[key] if key in space.keys() else None  # noqa: SIM118 - a Space has no `in`
    parts = space.children
    return parts[key][1] if isinstance(key, int) and 0 <= key < len(parts) else None


def _broken(slot: LeafSlot, tag: TaggedLeaf) -> Problem | None:
    """Return the part of T-1, a tag fits the leaf that it names, which a tag breaks."""
    shape = slot.leaf.shape or ()
    if tag.offset is None and tag.length != 0:
        return Problem(slot.path, "no length without an offset", str(tag.length), _RETAG)
    if tag.offset is not None:
        extent = shape[-1] if shape else 0
        if tag.length < 1 or tag.offset < 0 or tag.offset + tag.length > extent:
            expected = f"offset and length within the {extent} elements of the last axis"
            return Problem(slot.path, expected, f"{tag.offset} and {tag.length}", _RETAG)
    names = slot.feature.element_names
    extent = slot.shape[-1] if slot.shape else 0
    if names and (slot.is_text or len(names) != extent):
        expected = f"no element names, or {extent}, one an element of the last axis"
        return Problem(slot.path, expected, str(len(names)), _RETAG)
    return feature_problem(slot.feature, slot.path, _RETAG)


def tag_problems(
    tags: EnvTags, observation_space: Space[Any], action_space: Space[Any]
) -> tuple[Problem, ...]:
    """Return every way in which an environment's tags break T-1: tags fit the leaves they name.

    A path may lead through OneOf: no adapter supports that, but it breaks no rule. If a field has
    another type than the declared one, only such fields are returned, with their path in the tags.

    Args:
        tags: The tags.
        observation_space: Space of one observation.
        action_space: Space of one action.

    Returns:
        A problem for each tag that breaks the rule; empty if the tags may be served.
    """
    typed = tuple(type_problems(tags, "", _RETAG))
    return typed or placing_problems(tags, observation_space, action_space)


def placing_problems(
    tags: EnvTags, observation_space: Space[Any], action_space: Space[Any]
) -> tuple[Problem, ...]:
    """Return the problems of `tag_problems` without those of types, which a message has right."""
    sides = (
        ("observation", tags.observation, observation_space),
        ("action", tags.action, action_space),
    )
    return tuple(problem for root, leaves, space in sides for problem in _side(root, leaves, space))


def _side(root: str, leaves: Iterable[TaggedLeaf], space: Space[Any]) -> Iterator[Problem]:
    for tag in leaves:
        found = slot_of(tag, space, root, one_of=True)
        if isinstance(found, Problem):
            yield found
