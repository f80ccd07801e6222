"""`Advisory`: what an adapter substitutes, drops, fills or assumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh.adapters._chain import Chain
from rlmesh.adapters._image_steps import Image, InSourceType
from rlmesh.adapters._images import Resize
from rlmesh.adapters._matching import TaggedSpaces
from rlmesh.adapters._plans import ArrayInput, Output, TextInput, feature_parts
from rlmesh.adapters._problems import port_path
from rlmesh.adapters._spec import ModelInput, ModelOutput, ModelSpec
from rlmesh.adapters._steps import Clip, Pad
from rlmesh.adapters._tags import ColorSpace, EnvTags, Feature, TaggedLeaf
from rlmesh.spaces import path_text

__all__ = ["Advisory", "advisories_of"]


@dataclass(frozen=True)
class Advisory:
    """One thing that an adapter substitutes, drops, fills or assumes.

    Attributes:
        path: Path of the input, output or feature that it is about.
        level: "info", or "caution" for what is more often a mistake than not.
        message: What is done.
    """

    path: str
    level: str
    message: str


def advisories_of(
    contract: TaggedSpaces, spec: ModelSpec, inputs: Sequence[Any], outputs: Sequence[Output]
) -> tuple[Advisory, ...]:
    """Return what a plan substitutes, drops, fills or assumes.

    Args:
        contract: The environment's contract.
        spec: The model's spec.
        inputs: How each input is read.
        outputs: How each output becomes a part of the action.
    """
    tags = contract.tags or EnvTags()
    found = [
        *_left_out(spec.inputs, inputs),
        *_unread(tags.observation, inputs),
        *_assumed(spec, tags),
        *(advisory for one in inputs for advisory in _of_input(one)),
        *(advisory for one in outputs for advisory in _of_output(one)),
    ]
    return tuple(dict.fromkeys(found))


def _left_out(ports: Sequence[ModelInput], inputs: Sequence[Any]) -> Iterator[Advisory]:
    read = {one.path for one in inputs}
    for port in ports:
        path = port_path("inputs", port.name)
        if path not in read:
            yield Advisory(path, "caution", "left out: the environment has no such feature")


def _unread(leaves: Iterable[TaggedLeaf], inputs: Sequence[Any]) -> Iterator[Advisory]:
    read = {(part.slot.keys, part.slot.start) for one in inputs for part in feature_parts(one)}
    texts = {
        (one.slot.keys, one.slot.start) for one in inputs if isinstance(one, TextInput) and one.slot
    }
    for leaf in leaves:
        if (leaf.path, leaf.offset) not in read | texts:
            path = f"observation{path_text(leaf.path)}"
            yield Advisory(path, "info", f"{leaf.feature.role!r} is not read")


def _assumed(spec: ModelSpec, tags: EnvTags) -> Iterator[Advisory]:
    """Yield what one side does not specify, so that it is assumed to be as on the other side."""
    sides = (("inputs", spec.inputs, tags.observation), ("outputs", spec.outputs, tags.action))
    for side, ports, leaves in sides:
        known = {leaf.feature.role: leaf.feature for leaf in leaves}
        for port in ports:
            path = port_path(side, port.name)
            for own in _declared(port):
                if own.role in known:
                    yield from _one_sided(path, known[own.role], own)


def _declared(port: ModelInput | ModelOutput) -> Iterator[Feature]:
    parts = port.parts if isinstance(port, ModelInput) else ()
    yield from (part.feature for part in parts if part.feature is not None)
    if not parts:
        yield port.feature


_ONE_SIDED = (
    ("rotation", "caution", "the form of the rotation"),
    ("gripper", "caution", "which number opens the gripper"),
    ("reference", "caution", "whether numbers are values or differences"),
    ("unit", "info", "the unit"),
    ("frame", "info", "the frame of reference"),
    ("layout", "info", "the order of the image's axes"),
    ("color", "info", "the order of the image's channels"),
)


def _one_sided(path: str, env: Feature, model: Feature) -> Iterator[Advisory]:
    empty = Feature("")
    for name, level, what in _ONE_SIDED:
        theirs, ours, nothing = (getattr(f, name) for f in (env, model, empty))
        if (theirs == nothing) is (ours == nothing):
            continue
        silent = "the environment" if theirs == nothing else "the model"
        yield Advisory(path, level, f"assumed: {silent} does not specify {what} of {env.role!r}")


def _of_input(one: Any) -> Iterator[Advisory]:
    if isinstance(one, TextInput):
        if one.transform.default is not None:
            words = f"filled: {one.transform.default!r} for an episode without an instruction"
            yield Advisory(one.path, "info", words)
        return
    for part in feature_parts(one):
        yield from _of_image(one.path, part.chain)
    chain: Chain = one.feature.chain if isinstance(one, ArrayInput) else one.chain
    for step in chain.steps:
        if isinstance(step, Pad):
            yield Advisory(one.path, "info", f"filled: {step.count} elements")


def _of_image(path: str, chain: Chain) -> Iterator[Advisory]:
    for step in (*chain.before, *chain.steps):
        own = step.step if isinstance(step, InSourceType) else step
        if isinstance(own, Image):
            yield from _of_colors(path, *own.colors)
        if isinstance(step, Resize):
            (height, width), grows = step.inner, step.grows
            if step.crop[2:] != step.given:
                words = "dropped: all but the middle {}x{} of {}x{}"
                yield Advisory(path, "info", words.format(*step.crop[2:], *step.given))
            if grows:
                yield Advisory(path, "caution", f"substituted: enlarged to {height}x{width}")
            if height * step.crop[3] != width * step.crop[2] and step.inner == step.size:
                before = f"{step.crop[2]}x{step.crop[3]}"
                words = f"substituted: stretched from {before} to {height}x{width}"
                yield Advisory(path, "info", words)


def _of_colors(path: str, source: ColorSpace, target: ColorSpace) -> Iterator[Advisory]:
    if target is ColorSpace.GRAY and source is not target:
        yield Advisory(path, "info", "dropped: the color")
    elif source is ColorSpace.RGBA and target is not source:
        yield Advisory(path, "info", "dropped: the opacity")
    elif source is ColorSpace.GRAY and target is not source:
        yield Advisory(path, "caution", "substituted: three equal channels for a color")


def _of_output(one: Output) -> Iterator[Advisory]:
    if one.constant is not None:
        yield Advisory(one.slot.path, "info", "filled: a constant")
    for step in one.chain.steps if one.chain is not None else ():
        if isinstance(step, Clip):
            yield Advisory(one.slot.path, "info", "substituted: numbers outside are limited")
