"""`ModelSpec`: what a model takes, gives and offers."""

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
    """A form in which a model can be asked."""

    SINGLE = "single"
    BATCH = "batch"
    CHUNK = "chunk"
    CHUNK_BATCH = "chunk_batch"


class Adaptation(Enum):
    """Who turns an environment's observations into a model's inputs."""

    NONE = "none"
    RESOLVED = "resolved"
    DELEGATED = "delegated"


DELEGATED = Adaptation.DELEGATED
"""As a model's `spec`: the model adapts its own input."""


@dataclass(frozen=True)
class MeanStd:
    """Scaling by (x - mean) / std on the way into the model, the inverse on the way out.

    Attributes:
        mean: One number, or one an element of the last axis; for an image one a channel.
        std: Likewise; all above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class MinMax:
    """Scaling of [low, high] to [-1, 1] on the way into the model, back on the way out.

    Attributes:
        low: One number, or one an element of the last axis; for an image one a channel.
        high: Likewise; above `low`.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class ModelInput:
    """An input that a model needs.

    Attributes:
        name: Key of the input in the model's observation.
        feature: What it means; matched with the environment's tags by role.
        dtype: Element type that the model reads; None: as the environment sends it.
        shape: Extents without batch axes, with that of the history; None: any.
        normalization: Scaling; None: none.
        optional: The model runs without it.
        entrypoint: "module:name" of a callable that computes it; imported only with
            `trust_entrypoints=True`.
        history: How many of the latest observations are stacked on a new first axis, the oldest
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
        name: Key in what the model returns; empty: the model returns this output alone.
        feature: What it means; matched with the environment's tags by role.
        dtype: Element type that the model returns; None: any.
        shape: Extents of one action; None: any.
        normalization: Scaling, undone before the environment sees the action; None: none.
    """

    name: str
    feature: Feature
    dtype: DType | None = None
    shape: tuple[int, ...] | None = None
    normalization: MeanStd | MinMax | None = None


@dataclass(frozen=True)
class ModelSpec:
    """What a model takes, gives and offers.

    Attributes:
        id: Name of the model.
        inputs: What it reads.
        outputs: What it returns.
        predict_forms: The forms it can be asked in.
        chunk_length: Length of its chunks; 0: it predicts none, or of any length.
        adaptation: Who adapts observations and actions.
        observation_space: The space it was built for; None: any.
        action_space: The space it was built for; None: any.
        metadata: Anything else worth publishing.
        stateful: Predictions depend on earlier observations of the episode.
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
