"""Public structural protocols and shared value aliases.

The protocols describe what `EnvServer` accepts: Gymnasium's classes as well as plain objects.
"""

from __future__ import annotations

from typing import Any, Protocol, SupportsFloat, TypeVar, Union

from rlmesh.tensor import Tensor

__all__ = [
    "EnvLike",
    "Info",
    "NativeValue",
    "SpaceLike",
    "VectorEnvLike",
]

NativeValue = Union[
    bool, int, float, str, Tensor, tuple["NativeValue", ...], "dict[str | int, NativeValue]"
]
"""The type of observations and actions for a client that uses no array library."""

Info = dict[str, Any]
"""The type of the info of a reset or step."""

SpaceT = TypeVar("SpaceT", covariant=True)
EnvObsT = TypeVar("EnvObsT", covariant=True)
EnvActT = TypeVar("EnvActT")
VectorObsT = TypeVar("VectorObsT", covariant=True)
VectorActT = TypeVar("VectorActT", covariant=True)
BatchActionT = TypeVar("BatchActionT", contravariant=True)


class SpaceLike(Protocol[SpaceT]):
    """Structural protocol for RLMesh-compatible spaces."""

    def sample(self) -> SpaceT:
        """Return one valid sample from the space."""
        ...

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` belongs to the space."""
        ...

    def seed(self, seed: int | None = None) -> int | list[int] | dict[str, int] | None:
        """Seed the space sampler."""
        ...


class EnvLike(Protocol[EnvObsT, EnvActT]):
    """Structural protocol for single environment."""

    @property
    def observation_space(self) -> SpaceLike[EnvObsT]:
        """Space describing reset and step observations."""
        ...

    @property
    def action_space(self) -> SpaceLike[EnvActT]:
        """Space describing accepted actions."""
        ...

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[EnvObsT, dict[str, object]]:
        """Reset the environment and return the initial observation."""
        ...

    def step(self, action: EnvActT) -> tuple[EnvObsT, SupportsFloat, bool, bool, dict[str, object]]:
        """Apply one action and return the Gymnasium-style step tuple."""
        ...

    def close(self) -> None:
        """Release environment resources."""
        ...


class VectorEnvLike(Protocol[BatchActionT, VectorObsT, VectorActT]):
    """Structural protocol for vectorized environments."""

    @property
    def num_envs(self) -> int:
        """Number of environment instances in the vector."""
        ...

    @property
    def single_observation_space(self) -> SpaceLike[VectorObsT]:
        """Observation space for one environment in the vector."""
        ...

    @property
    def single_action_space(self) -> SpaceLike[VectorActT]:
        """Action space for one environment in the vector."""
        ...

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[object, dict[str, object]]:
        """Reset all environments and return batched observations."""
        ...

    def step(
        self, actions: BatchActionT
    ) -> tuple[object, object, object, object, dict[str, object]]:
        """Apply a batch of actions and return batched step values."""
        ...

    def close(self) -> None:
        """Release vector environment resources."""
        ...
