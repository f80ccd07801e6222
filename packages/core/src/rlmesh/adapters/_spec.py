"""`ModelSpec`: the description of a model's inputs, outputs and predict forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rlmesh.adapters._tags import Feature
from rlmesh.dtypes import DType
from rlmesh.spaces import Space

__all__ = [
    "DELEGATED",
    "Adaptation",
    "MeanStd",
    "MinMax",
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


@dataclass(frozen=True)
class MeanStd:
    """Scaling by (x - mean) / std on the way into the model, the inverse on the way out.

    Attributes:
        mean: One number, or one for each element of the last axis (for an image, each channel).
        std: Likewise; all above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class MinMax:
    """Scaling of [low, high] to [-1, 1] on the way into the model, back on the way out.

    Attributes:
        low: One number, or one for each element of the last axis (for an image, each channel).
        high: Likewise; above `low`.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class ModelInput:
    """An input that a model needs.

    Attributes:
        name: Key of the input in the model's observation.
        feature: Meaning of the input; matched with the environment's tags by role.
        dtype: Element type that the model reads; None: that of the environment.
        shape: Extents without batch axes, including that of the history; None: any.
        normalization: Scaling of the numbers; None: none.
        optional: Whether the model runs without the input.
        entrypoint: "module:name" of a callable that computes the input; imported only with
            `trust_entrypoints=True`.
        history: Number of the latest observations that are stacked on a new first axis, the oldest
            first; 0 and 1: none. At the start of an episode its first observation is repeated.
    """

    name: str
    feature: Feature
    dtype: DType | None = None
    shape: tuple[int, ...] | None = None
    normalization: MeanStd | MinMax | None = None
    optional: bool = False
    entrypoint: str = ""
    history: int = 0


@dataclass(frozen=True)
class ModelOutput:
    """An output of a model, as a part of the environment's action.

    Attributes:
        name: Key in the model's result; empty: the result is this output alone.
        feature: Meaning of the output; matched with the environment's tags by role.
        dtype: Element type that the model returns; None: any.
        shape: Extents of one action; None: any.
        normalization: Scaling, undone before the environment gets the action; None: none.
    """

    name: str
    feature: Feature
    dtype: DType | None = None
    shape: tuple[int, ...] | None = None
    normalization: MeanStd | MinMax | None = None


@dataclass(frozen=True)
class ModelSpec:
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
