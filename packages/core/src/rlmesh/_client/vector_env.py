"""`RemoteVectorEnv` in native values: no NumPy, no Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlmesh._client.env import NativeClient
from rlmesh.spaces import Space
from rlmesh.tensor import Tensor

__all__ = ["RemoteVectorEnv"]


class RemoteVectorEnv(NativeClient):
    """A served vector of environments, in native values; batches are `Tensor` (num_envs, ...).

    The arguments and errors are those of `RemoteEnv`.
    """

    _vector = True

    @property
    def num_envs(self) -> int:
        """Number of lanes."""
        return self._stub.contract.num_envs

    @property
    def single_observation_space(self) -> Space[Any]:
        """Space of one lane's observations."""
        return self._stub.contract.observation_space

    @property
    def single_action_space(self) -> Space[Any]:
        """Space of one lane's actions."""
        return self._stub.contract.action_space

    def reset(
        self,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every lane; see `RemoteEnv.reset`.

        Args:
            seed: One seed, from which the vector derives those of its lanes, or a seed a lane.
            options: Options of the environment; "reset_mask" (num_envs bools) resets some lanes.
        """
        return self._stub.reset(seed, options)

    def render(self, lanes: Sequence[int] = ()) -> Any:
        """Return a tuple with an image for each lane, as `Tensor` (height, width, 3).

        Args:
            lanes: Numbers of the lanes, in the order of the result; empty: all lanes.

        Raises:
            InvalidValueError: If `lanes` are not distinct lanes of the vector; nothing was sent.
            EnvError: If the environment fails; the session goes on.
        """
        return self._stub.render(lanes)

    def step(self, actions: Any) -> tuple[Any, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Apply an action in every lane; see `RemoteEnv.step`.

        Returns:
            Observations, rewards (num_envs,) float64, terminated and truncated (num_envs,) bool,
            and info.
        """
        return self._stub.step_lanes(actions)
