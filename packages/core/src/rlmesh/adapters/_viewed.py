"""`resolve_view`: what an environment's side does for a view, and the tags of what it sends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Union

from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._fit_images import fit_image
from rlmesh.adapters._images import Resize
from rlmesh.adapters._slots import LeafSlot
from rlmesh.adapters._spec_rules import transform_problems
from rlmesh.adapters._steps import Step
from rlmesh.adapters._tags import EnvTags, Feature, ImageLayout, TaggedLeaf
from rlmesh.adapters._view import ImageView, ObservationView, ViewPart
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Box, Dict, Space, Tuple, path_text

__all__ = ["ChangedImage", "ResolvedView", "resolve_view", "viewed_tags", "whole_path"]

MAX_CHANGES = 8
"""Maximum number of changes of one image."""

_Tree = Union[ViewPart, Mapping[Union[str, int], Any]]
_NOTHING: Space[Any] = Tuple(())


@dataclass(frozen=True)
class ChangedImage:
    """The change of one image of a view.

    Attributes:
        path: Keys and positions from the root of what is sent to the image.
        source: Space of the environment's image.
        target: Space of the changed image.
        steps: The conversions, in order.
    """

    path: tuple[str | int, ...]
    source: Box
    target: Box
    steps: tuple[Step, ...]

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the changed image; the array may have leading axes.

        Raises:
            ImportError: If the library of a resampler is not installed.
        """
        for step in self.steps:
            array = step(array, arrays)
        return array


@dataclass(frozen=True)
class ResolvedView:
    """A view of an observation space.

    Attributes:
        selected: Space of the parts, before images are changed.
        space: Space of what is sent.
        images: The images that are changed.
        tree: The parts by the keys and positions of their paths.
    """

    selected: Space[Any]
    space: Space[Any]
    images: tuple[ChangedImage, ...]
    tree: _Tree

    def select(self, observation: Any) -> Any:
        """Return the parts of an observation, or of a batch; what is missing stays missing."""
        return _select(observation, self.tree)


def resolve_view(space: Space[Any], view: ObservationView) -> ResolvedView:
    """Return the view of an observation space.

    Raises:
        InvalidValueError: If a path leads to no part of the space, a part is within another one, or
            an image cannot be changed so.
    """
    tree = _tree(view.parts)
    images: list[ChangedImage] = []
    selected, viewed = _selected(space, tree, (), images)
    moved = [replace(image, path=_moved(image.path, tree, space)) for image in images]
    return ResolvedView(selected, viewed, tuple(moved), tree)


def _tree(parts: Sequence[ViewPart]) -> _Tree:
    root: dict[str | int, Any] = {}
    for part in parts:
        if not part.path:
            if len(parts) > 1:
                raise _overlapping(part)
            return part
        at = root
        for key in part.path[:-1]:
            at = at.setdefault(key, {})
            if isinstance(at, ViewPart):
                raise _overlapping(part)
        if part.path[-1] in at:
            raise _overlapping(part)
        at[part.path[-1]] = part
    return root


def _overlapping(part: ViewPart) -> InvalidValueError:
    expected = "parts of which none is within another"
    return InvalidValueError(_path(part.path), expected, "a part within, or equal to, another")


def _path(keys: tuple[str | int, ...]) -> str:
    return "observation" + path_text(keys)


def _selected(
    space: Space[Any], tree: _Tree, keys: tuple[str | int, ...], images: list[ChangedImage]
) -> tuple[Space[Any], Space[Any]]:
    """Return the space of the selected parts, and that space with the images changed."""
    if isinstance(tree, ViewPart):
        if tree.image is None:
            return space, space
        image = _changed(space, tree.image, keys)
        images.append(image)
        return space, image.target
    if not tree:
        return _NOTHING, _NOTHING
    children = dict(space.children) if isinstance(space, (Dict, Tuple)) else {}
    for key in tree:
        if key not in children:
            expected = "a path through Dict and Tuple to a part of the observation space"
            actual = f"{key!r:.60} in a {space.kind}"
            raise InvalidValueError(_path(keys), expected, actual)
    found = {
        key: _selected(child, tree[key], (*keys, key), images)
        for key, child in children.items()
        if key in tree
    }
    selected = {key: own for key, (own, _) in found.items()}
    viewed = {key: changed for key, (_, changed) in found.items()}
    if isinstance(space, Dict):
        return (
            Dict(selected, sort_keys=space.sort_keys),
            Dict(viewed, sort_keys=space.sort_keys),
        )
    return Tuple(selected.values()), Tuple(viewed.values())


def _select(value: Any, tree: _Tree) -> Any:
    if isinstance(tree, ViewPart):
        return value
    if not tree:
        return ()
    if isinstance(value, Mapping):
        return {key: _select(value[key], part) for key, part in tree.items() if key in value}
    if isinstance(value, (tuple, list)):
        return tuple(_select(x, tree[i]) for i, x in enumerate(value) if i in tree)
    return value


def _moved(path: tuple[str | int, ...], tree: _Tree, space: Space[Any]) -> tuple[str | int, ...]:
    """Return the path within a view of what is at a path of the whole observation."""
    if not path or isinstance(tree, ViewPart):
        return path
    key, children = path[0], dict(space.children)
    first = key if isinstance(space, Dict) else [i for i in children if i in tree].index(key)
    return (first, *_moved(path[1:], tree[key], children[key]))


def _changed(space: Space[Any], view: ImageView, keys: tuple[str | int, ...]) -> ChangedImage:
    path = _path(keys)
    if not isinstance(space, Box):
        raise InvalidValueError(path, "a Box for an image", f"a {space.kind}")
    if ImageLayout.UNSPECIFIED in (view.source.layout, view.target.layout):
        raise InvalidValueError(path, "a layout on either side of an image", "none")

    if len(view.transforms) > MAX_CHANGES:
        expected, actual = f"at most {MAX_CHANGES} changes", str(len(view.transforms))
        raise InvalidValueError(path, expected, actual)
    for one in view.transforms:
        for problem in transform_problems(one, path):
            raise InvalidValueError(path, problem.expected, problem.actual)

    def refuse(expected: str, actual: str, fix: str = "") -> None:
        raise InvalidValueError(path, expected, actual)

    shape, element = space.shape, space.dtype
    found = fit_image(view.source, view.target, shape, element, view.transforms, refuse)
    assert found is not None  # Both layouts are specified.
    # A change of color alone calculates, which a view does not: its results keep the type.
    before = found.before
    if not before and any(step.calculates for step in found.steps):
        raise InvalidValueError(path, "changes of an image, or no other color", "gray alone")
    # A client must not make a server calculate more than its own images need.
    own = math.prod(shape[-3:-1] if view.source.layout is ImageLayout.HWC else shape[-2:])
    for step in before:
        if isinstance(step, Resize) and math.prod(step.size) > own:
            expected = f"changes to at most the {own} pixels that the image has"
            raise InvalidValueError(path, expected, "{}x{}".format(*step.size))
    low, high = (-math.inf, math.inf) if element.is_float else element.limits
    target = Box(low, high, found.shape, element)
    return ChangedImage(keys, space, target, (*before, *found.steps))


def viewed_tags(tags: EnvTags | None, space: Space[Any], view: ObservationView) -> EnvTags | None:
    """Return the tags of what a view sends; those of other leaves are left out.

    A changed image keeps the range that it had, because the view's space has none.

    Args:
        tags: Tags of the whole observation.
        space: The whole observation space.
        view: A view of the space.
    """
    if tags is None:
        return None
    tree = _tree(view.parts)
    kept: list[TaggedLeaf] = []
    for leaf in tags.observation:
        for part in view.parts:
            if leaf.path[: len(part.path)] == part.path:
                image = part.image
                feature = leaf.feature if image is None else _of_image(leaf, space, image)
                path = _moved(leaf.path, tree, space)
                kept.append(replace(leaf, path=path, feature=feature))
    return replace(tags, observation=tuple(kept))


def whole_path(path: str, space: Space[Any], view: ObservationView) -> str:
    """Return the path, in whole observations, of what has a path in those of a view.

    Args:
        path: Path as it is in messages; one of no observation is returned unchanged.
        space: The whole observation space.
        view: A view of the space.
    """
    tree = _tree(view.parts)
    for part in view.parts:
        moved = _path(_moved(part.path, tree, space))
        if path == moved or path.startswith(f"{moved}["):
            return _path(part.path) + path[len(moved) :]
    return path


def _of_image(leaf: TaggedLeaf, space: Space[Any], view: ImageView) -> Feature:
    form = view.target
    color = form.color if form.color is not form.color.UNSPECIFIED else leaf.feature.color
    return replace(
        leaf.feature,
        layout=form.layout,
        color=color,
        orientation=form.orientation,
        range=leaf.feature.range or own_range(leaf, space),
        applied=(*leaf.feature.applied, *view.transforms),
    )


def own_range(leaf: TaggedLeaf, space: Space[Any]) -> tuple[float, float] | None:
    """Return the one interval of all elements of a leaf; None if there is none."""
    for key in leaf.path:
        space = dict(space.children)[key]
    ends = LeafSlot("", leaf.path, space, leaf.feature).interval()
    if ends is None or any(len(set(side.values)) != 1 for side in ends):
        return None
    return ends[0].values[0], ends[1].values[0]
