"""`view_for`: the view of an environment's observations that a model reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlmesh.adapters._agreed import agreed
from rlmesh.adapters._matching import TaggedSpaces
from rlmesh.adapters._spec import Adaptation, ModelInput, ModelSpec
from rlmesh.adapters._tags import ColorSpace, Feature, ImageForm, ImageLayout, TaggedLeaf
from rlmesh.adapters._view import ImageView, ObservationView, ViewPart
from rlmesh.adapters._viewed import own_range, resolve_view
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Dict, Space, Tuple

__all__ = ["view_for"]


def view_for(contract: TaggedSpaces, spec: ModelSpec) -> ObservationView | None:
    """Return the view that has all that a model reads, with images in the form that it reads.

    An adapter that is resolved from the view's space and tags (`viewed_tags`) makes the same inputs
    as one of whole observations.

    Args:
        contract: The environment's contract, which the model fits.
        spec: The model's spec.

    Returns:
        The view; None if the model reads whole observations, or nothing would be smaller.
    """
    space, tags = contract.observation_space, contract.tags
    if spec.adaptation is not Adaptation.RESOLVED or tags is None or spec.observation_space:
        return None
    reads: dict[tuple[str | int, ...], set[ImageView | None]] = {}
    for role, port in _roles(spec):
        if role is None:
            return None  # An entry point reads the whole observation.
        for leaf in tags.observation:
            if leaf.feature.role == role:
                image = None if port is None else _image(port, leaf, space)
                reads.setdefault(_reachable(leaf.path, space), set()).add(image)
    parts = [
        ViewPart(path, next(iter(images)) if len(images) == 1 else None)
        for path, images in reads.items()
    ]
    view = ObservationView(tuple(_outermost(parts)))
    return None if resolve_view(space, view).space == space else view


def _roles(spec: ModelSpec) -> Iterator[tuple[str | None, ModelInput | None]]:
    """Yield the roles that a model reads, with the input if it is the whole input."""
    for port in spec.inputs:
        if port.entrypoint and not port.parts:
            yield None, None
        for part in port.parts:
            if part.feature is not None:
                yield part.feature.role, None
        if not port.parts:
            yield port.feature.role, port
    for output in spec.outputs:
        if output.relative_to:
            yield output.relative_to, None


def _reachable(path: tuple[str | int, ...], space: Space[Any]) -> tuple[str | int, ...]:
    """Return the part of a path that leads through Dict and Tuple."""
    for depth, key in enumerate(path):
        if not isinstance(space, (Dict, Tuple)):
            return path[:depth]
        space = dict(space.children)[key]
    return path


def _outermost(parts: list[ViewPart]) -> Iterator[ViewPart]:
    """Yield the parts that are not within another one."""
    paths = {part.path for part in parts}
    for part in parts:
        if not any(part.path[:depth] in paths for depth in range(len(part.path))):
            yield part


def _image(port: ModelInput, leaf: TaggedLeaf, space: Space[Any]) -> ImageView | None:
    """Return the change of an image; None if the image is sent unchanged."""
    env, model = leaf.feature, port.feature
    wanted = port.image
    if leaf.offset is not None or port.pad_to or wanted[: len(env.applied)] != env.applied:
        return None
    layouts = agreed(env.layout, model.layout, ImageLayout.UNSPECIFIED)
    colors = agreed(env.color, model.color, ColorSpace.UNSPECIFIED)
    if env.range is None and own_range(leaf, space) is None and _is_scaled(env, model):
        return None
    view = ImageView(
        ImageForm(layouts[0], colors[0], env.orientation),
        ImageForm(layouts[1], colors[1], model.orientation),
        wanted[len(env.applied) :],
    )
    try:
        image = resolve_view(space, ObservationView((ViewPart(leaf.path, view),))).images[0]
    except InvalidValueError:
        return None
    return view if image.target.size < image.source.size else None


def _is_scaled(env: Feature, model: Feature) -> bool:
    """Return whether the range of the environment's space may determine a conversion."""
    return model.range is not None or env.depth is not None or model.depth is not None
