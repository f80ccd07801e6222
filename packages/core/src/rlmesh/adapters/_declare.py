"""Short forms of inputs and outputs, with words instead of enums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar, Union

from rlmesh.adapters._declare_feature import check_role, feature, member, size_of
from rlmesh.adapters._normalization import Normalization
from rlmesh.adapters._spec import InputPart, ModelInput, ModelOutput
from rlmesh.adapters._tags import (
    Feature,
    FeatureKind,
)
from rlmesh.adapters._transforms import (
    HistoryPadding,
    ImageFit,
    ImageTransform,
    Resampler,
    TextTransform,
)
from rlmesh.adapters.roles import INSTRUCTION
from rlmesh.dtypes import DTYPES, DType

__all__ = ["Action", "Concat", "Image", "State", "Text", "output"]

E = TypeVar("E", bound=Enum)
Part = Union[str, Feature, InputPart, float, Sequence[float]]


def Image(  # noqa: N802 - reads like the class of what it returns
    name: str,
    role: str,
    *,
    size: tuple[int, int] | None = None,
    fit: str = "stretch",
    resampler: str = "pillow_bilinear",
    fill: Sequence[float] = (),
    crop_area: float = 1.0,
    jpeg_quality: int = 0,
    upscale: bool = True,
    layout: str = "hwc",
    color: str = "rgb",
    dtype: str | DType | None = None,
    normalization: Normalization | None = None,
    history: int = 0,
    history_stride: int = 1,
    history_joined: bool = False,
    optional: bool = False,
    **facts: Any,
) -> ModelInput:
    """Return an input that is an image.

    Args:
        name: Key of the input in the model's observation.
        role: The role ("image/primary").
        size: Height and width; None: those of the environment.
        fit: "stretch", "crop" or "pad" (a letterbox).
        resampler: The calculation of pixels, a `Resampler` by its value.
        fill: Color of the letterbox; empty: 0.
        crop_area: Fraction of the area to keep from the middle.
        jpeg_quality: Quality of a JPEG that the model's training images went through; 0: none.
        upscale: Whether the image may be made larger.
        layout: "hwc", "chw" or "hw".
        color: "rgb", "bgr", "gray", "depth" or "rgba".
        dtype: Element type; None: that of the environment.
        normalization: Scaling of the numbers.
        history: Number of the latest images that are stacked.
        history_stride: Number of steps between them.
        history_joined: Whether they are joined on the axis of the channels.
        optional: Whether the model runs without the image.
        facts: Other arguments of `feature` (`range`, `rotate`, `mirror`, `depth`, `part`, ...).

    Raises:
        ValueError: If a word is none of those, or `size` is not a height and a width.
        TypeError: If `role` is not a text.
    """
    transform = ImageTransform(
        _sides(size),
        _member_of(ImageFit, fit, "fit"),
        _member_of(Resampler, resampler, "resampler"),
        _numbers(fill, "fill"),
        crop_area,
        jpeg_quality,
        upscale,
    )
    return ModelInput(
        name,
        feature(role, layout=layout, color=color, **facts),
        _dtype(dtype),
        normalization=normalization,
        optional=optional,
        history=history,
        history_stride=history_stride,
        history_joined=history_joined,
        image=() if transform == ImageTransform() else (transform,),
    )


def State(  # noqa: N802
    name: str, role: str | Feature, *, dtype: str | DType | None = "float32", **facts: Any
) -> ModelInput:
    """Return an input that is one feature of numbers.

    Args:
        name: Key of the input in the model's observation.
        role: The role ("state/eef_position"), or the `feature`.
        dtype: Element type; None: that of the environment.
        facts: Arguments of `feature`, if `role` is a role, and, as for `Concat`, of the input.

    Raises:
        ValueError: If a word is none of those that `feature` knows.
        TypeError: If an argument is unknown, or `role` is neither a role nor a feature.
    """
    own = {key: facts.pop(key) for key in list(facts) if key in _OF_INPUT}
    if isinstance(role, Feature):
        return _input(name, role, dtype, {**own, **facts})
    return _input(name, feature(role, **facts), dtype, own)


def Concat(  # noqa: N802
    name: str, *parts: Part, dtype: str | DType = "float32", **facts: Any
) -> ModelInput:
    """Return an input that joins parts to one vector.

    Args:
        name: Key of the input in the model's observation.
        parts: A role or a `feature` of the environment, a constant number or several, or an
            `InputPart`, in order.
        dtype: Element type.
        facts: `normalization`, `pad_to`, `pad_value`, `shape`, `optional`, `history`,
            `history_stride`, `history_padding` ("repeat" or "zeros") and `history_joined`.

    Raises:
        ValueError: If there are no parts, or one is none of those.
    """
    made = tuple(map(_part, parts))
    if not made:
        raise ValueError(f"{name!r}: expected parts to join, got none")
    return replace(_input(name, Feature("state", FeatureKind.STATE), dtype, facts), parts=made)


_OF_INPUT = frozenset(
    (
        "normalization",
        "pad_to",
        "pad_value",
        "shape",
        "optional",
        "history",
        "history_stride",
        "history_padding",
        "history_joined",
    )
)


def _input(
    name: str, meaning: Feature, dtype: str | DType | None, facts: Mapping[str, Any]
) -> ModelInput:
    unknown = facts.keys() - _OF_INPUT
    if unknown:
        raise TypeError(f"{name!r}: expected no argument {sorted(unknown)[0]!r}")
    own = dict(facts)
    if "history_padding" in own:
        own["history_padding"] = _member_of(
            HistoryPadding, own["history_padding"], "history_padding"
        )
    return ModelInput(name, meaning, _dtype(dtype), **own)


def _part(given: Part) -> InputPart:
    if isinstance(given, InputPart):
        return given
    if isinstance(given, Feature):
        return InputPart(given)
    if isinstance(given, str):
        return InputPart(feature(given))
    return InputPart(constant=_numbers(given, "a part"))


def _numbers(given: Any, name: str) -> tuple[float, ...]:
    """Return a number, or several of any library, as floats."""
    try:
        return tuple(map(float, given if isinstance(given, Iterable) else (given,)))
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a number or several, got {given!r:.100}") from None


def _sides(size: Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(f"size: expected a height and a width, got {size!r:.100}")
    return size[0], size[1]


def Text(  # noqa: N802
    name: str,
    role: str = INSTRUCTION,
    *,
    default: str | None = None,
    template: str = "",
    lower: bool = False,
    optional: bool = False,
) -> ModelInput:
    """Return an input that is a text; see `TextTransform`.

    Args:
        name: Key of the input in the model's observation.
        role: The role.
        default: Text of an episode without one.
        template: Text with "{text}" once, where the text goes.
        lower: Whether the text is written in lower case.
        optional: Whether the model runs without the text.

    Raises:
        TypeError: If `role` is not a text.
    """
    transform = TextTransform(default, template, lower)
    text = None if transform == TextTransform() else transform
    check_role(role)
    return ModelInput(name, Feature(role, FeatureKind.TEXT), optional=optional, text=text)


def output(role: str | Feature, name: str = "", *, length: int = 0, **facts: Any) -> ModelOutput:
    """Return an output of a model, or a part of a vector that `Action` splits.

    Args:
        role: The role, or the `feature`.
        name: Key of the output in what the model returns.
        length: Number of elements, if `Action` cannot know it from the role or the rotation.
        facts: Other fields of `ModelOutput` (`clip`, `threshold`, `relative_to`, ...).

    Raises:
        TypeError: If `role` is neither a role nor a feature.
    """
    meaning = role if isinstance(role, Feature) else feature(role)
    return ModelOutput(name, meaning, length=length, **facts)


def Action(  # noqa: N802
    name: str, *parts: str | Feature | ModelOutput, normalization: Normalization | None = None
) -> tuple[ModelOutput, ...]:
    """Return the outputs that split one vector of a model, in order.

    Args:
        name: Key of the vector in what the model returns; empty: it returns the vector alone.
        parts: A role, a `feature`, or an `output` with its length.
        normalization: Scaling of the whole vector, with one number or one for each element.

    Raises:
        ValueError: If the number of elements of a part is not known, or that of the statistics is
            neither one nor that of the vector.
    """
    outputs: list[ModelOutput] = []
    offset = 0
    for given in parts:
        one = given if isinstance(given, ModelOutput) else output(given)
        length = one.length or size_of(one.feature)
        own = one.normalization or _cut(normalization, offset, length)
        outputs.append(replace(one, name=name, offset=offset, length=length, normalization=own))
        offset += length
    for side in _STATISTICS if normalization is not None else ():
        count = len(getattr(normalization, side, ()))
        if count not in (0, 1, offset):
            raise ValueError(f"{side}: expected one number or {offset}, got {count}")
    return tuple(outputs)


_STATISTICS = ("mean", "std", "low", "high", "mask")


def _cut(given: Normalization | None, offset: int, length: int) -> Normalization | None:
    """Return the part of a normalization that belongs to some elements."""
    if given is None:
        return None
    names = [name for name in _STATISTICS if hasattr(given, name)]
    cut = {
        name: numbers[offset : offset + length]
        for name, numbers in ((name, getattr(given, name)) for name in names)
        if len(numbers) > 1
    }
    return replace(given, **cut)


def _member_of(kind: type[E], word: str | E, name: str) -> E:
    return word if isinstance(word, kind) else member(kind, str(word), name)


def _dtype(given: str | DType | None) -> DType | None:
    if given is None or isinstance(given, DType):
        return given
    if given not in DTYPES:
        raise ValueError(f"dtype: expected one of {', '.join(DTYPES)}, got {given!r}")
    return DTYPES[given]
