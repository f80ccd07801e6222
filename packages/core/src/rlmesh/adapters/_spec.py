"""`ModelSpec`: the description of a model's inputs, outputs and predict forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rlmesh._documents import Document
from rlmesh.adapters._normalization import Normalization
from rlmesh.adapters._tags import Feature
from rlmesh.adapters._terse import Terse
from rlmesh.adapters._transforms import HistoryPadding, ImageTransform, TextTransform
from rlmesh.dtypes import DType
from rlmesh.spaces import Space

__all__ = [
    "DELEGATED",
    "Adaptation",
    "InputPart",
    "ModelInput",
    "ModelOutput",
    "ModelSpec",
    "PredictForm",
]


class PredictForm(Enum):
    """A form of request that a model can answer."""

    SINGLE = "single"
    BATCH = "batch"
    CHUNK = "chunk"
    CHUNK_BATCH = "chunk_batch"


class Adaptation(Enum):
    """The side that converts an environment's observations to a model's inputs."""

    NONE = "none"
    RESOLVED = "resolved"
    DELEGATED = "delegated"


DELEGATED = Adaptation.DELEGATED
"""As a model's `spec`: the model adapts its own input."""


@dataclass(frozen=True, repr=False)
class InputPart(Terse):
    """A part of the vector of an input; exactly one of the first three is set.

    Attributes:
        feature: A feature of the environment, matched by role.
        constant: Constant numbers.
        previous_output: Name of an output: what the model returned for the step before, in the
            model's numbers; zeros for the first step.
        offset: First element of the last axis that is used, after conversion; None: all are.
        length: Number of elements, if `offset` is set.
        normalization: Scaling of the part; None: none.
    """

    feature: Feature | None = None
    constant: tuple[float, ...] = ()
    previous_output: str | None = None
    offset: int | None = None
    length: int = 0
    normalization: Normalization | None = None


@dataclass(frozen=True, repr=False)
class ModelInput(Terse):
    """An input that a model needs.

    Attributes:
        name: Key of the input in the model's observation.
        feature: Meaning of the input; matched with the environment's tags by role.
        dtype: Element type that the model reads; None: that of the environment.
        shape: Extents without batch axes, including that of the history; None: any.
        normalization: Scaling of the numbers; None: none.
        optional: Whether the model runs without the input.
        entrypoint: "module:name" of a callable that computes the input from a mapping of the
            features in `parts` by their roles, or from the observation if there are no parts;
            imported only with `trust_entrypoints=True`.
        history: Number of the latest observations that are stacked on a new first axis, the oldest
            first; 0 and 1: none.
        image: Changes of an image, in order, after its layout and color are the feature's.
        parts: Parts that are joined, each as one axis, to the vector that the input is; `feature`
            then only names it.
        pad_to: Number of elements to fill the vector up to, after its scaling; 0: none.
        pad_value: The number that fills it.
        history_stride: Number of steps between the observations of the history; at least 1.
        history_padding: The observations before the first one of an episode.
        history_joined: Whether observations are joined on the axis of the channels, or on the last
            one if there are no channels, instead of on a new one.
        text: The way in which a text is written; None: as it is.
    """

    name: str
    feature: Feature
    dtype: DType | None = None
    shape: tuple[int, ...] | None = None
    normalization: Normalization | None = None
    optional: bool = False
    entrypoint: str = ""
    history: int = 0
    image: tuple[ImageTransform, ...] = ()
    parts: tuple[InputPart, ...] = ()
    pad_to: int = 0
    pad_value: float = 0.0
    history_stride: int = 1
    history_padding: HistoryPadding = HistoryPadding.REPEAT
    history_joined: bool = False
    text: TextTransform | None = None

    @property
    def observations(self) -> int:
        """Number of the latest observations that the history spans; 1: there is none."""
        return (max(self.history, 1) - 1) * self.history_stride + 1


@dataclass(frozen=True, repr=False)
class ModelOutput(Terse):
    """An output of a model, as a part of the environment's action.

    Attributes:
        name: Key in the model's result; empty: the result is this output alone.
        feature: Meaning of the output; matched with the environment's tags by role.
        dtype: Element type that the model returns; None: any.
        shape: Extents of one action; None: any.
        normalization: Scaling, undone before the environment gets the action; None: none.
        offset: First element of the last axis of the value of this name, which outputs of one name
            split; None: the whole value.
        length: Number of elements, if `offset` is set.
        clip: Interval; numbers outside become the nearest end, before the scaling is undone.
        scale: Factor of the numbers, after their scaling is undone.
        shift: Added after `scale`.
        threshold: Numbers of at least this become the larger of the feature's `gripper`, others the
            smaller; None: none does.
        constant: The numbers themselves, which the model does not return; empty: it returns them.
        relative_to: Role of the observation that a difference is added to (or an absolute value is
            made a difference from), if the two sides differ in `reference`. The observation is the
            one that the action was predicted for, for each action of a chunk.
        relative_local: Whether a difference of rotations is one in the moving frame, applied before
            the observation's rotation instead of after it.
        clip_to_space: Whether numbers outside the environment's space become the nearest bound.
    """

    name: str
    feature: Feature
    dtype: DType | None = None
    shape: tuple[int, ...] | None = None
    normalization: Normalization | None = None
    offset: int | None = None
    length: int = 0
    clip: tuple[float, float] | None = None
    scale: float = 1.0
    shift: float = 0.0
    threshold: float | None = None
    constant: tuple[float, ...] = ()
    relative_to: str = ""
    relative_local: bool = False
    clip_to_space: bool = False


@dataclass(frozen=True, repr=False)
class ModelSpec(Terse, Document):
    """The description of a model's inputs, outputs and predict forms.

    Attributes:
        id: Name of the model.
        inputs: The inputs.
        outputs: The outputs.
        predict_forms: The forms of request that the model can answer.
        chunk_length: Length of the model's chunks; 0: it predicts none, or of any length.
        adaptation: The side that adapts observations and actions.
        observation_space: The space that the model was built for; None: any.
        action_space: The space that the model was built for; None: any.
        metadata: Any other facts worth publishing.
        stateful: Whether predictions depend on earlier observations of the episode, beyond the
            `history` of inputs. The model then receives every observation of an episode, in order:
            those for which no action is wanted, because an action of a chunk is executed, by its
            method `observe`. Without that method only one action of each chunk can be executed.
        spec_version: Spec version that the message was written with.
    """

    id: str = ""
    inputs: tuple[ModelInput, ...] = ()
    outputs: tuple[ModelOutput, ...] = ()
    predict_forms: tuple[PredictForm, ...] = (PredictForm.SINGLE,)
    chunk_length: int = 0
    adaptation: Adaptation = Adaptation.RESOLVED
    observation_space: Space[Any] | None = None
    action_space: Space[Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    stateful: bool = False
    spec_version: str = ""
