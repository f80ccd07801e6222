"""`BackendConverter`: conversion of values between an environment's library and a model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._codec import SpaceCodec
from rlmesh.backends import ArrayBackend
from rlmesh.specs import EnvContract

__all__ = ["BackendConverter"]


class BackendConverter:
    """A converter of an environment's observations for a model, and of the model's actions back.

    Args:
        contract: The environment's contract.
        seen: Backend of the environment's observations.
        taken: Backend of the actions that the environment takes.
        model: Backend of the model's values.
    """

    def __init__(
        self, contract: EnvContract, seen: ArrayBackend, taken: ArrayBackend, model: ArrayBackend
    ) -> None:
        def codec(backend: ArrayBackend, root: str) -> SpaceCodec:
            space = contract.action_space if root == "action" else contract.observation_space
            return SpaceCodec(space, backend, root=root, validation="off")

        self._observed = codec(seen, "observation")
        self._shown = codec(model, "observation")
        self._chosen = codec(model, "action")
        self._applied = codec(taken, "action")
        self._is_seen_as_is = _same(seen, model)
        self._is_taken_as_is = _same(taken, model)
        self.is_nothing = self._is_seen_as_is and self._is_taken_as_is
        """Whether values need no conversion."""

    def observation(self, value: Any) -> Any:
        """Return one observation in the model's backend."""
        if self._is_seen_as_is:
            return value
        return self._shown.decode(self._observed.encode(value))

    def observations(self, batch: Any, count: int) -> list[Any]:
        """Return a batch of observations as a list in the model's backend."""
        return self._shown.decode_values(self._observed.encode_batch(batch, count), count)

    def action(self, value: Any) -> Any:
        """Return one action in the environment's backend."""
        if self._is_taken_as_is:
            return value
        return self._applied.decode(self._chosen.encode(value))

    def actions(self, values: Sequence[Any]) -> Any:
        """Return actions as a batch in the environment's backend."""
        return self._applied.decode_batch(self._chosen.encode_values(values), len(values))


def _same(one: ArrayBackend, other: ArrayBackend) -> bool:
    """Return whether two backends make equal values: of one library, on one device."""
    if one is other:
        return True
    devices = [str(getattr(backend, "device", "")) for backend in (one, other)]
    return one.name == other.name and devices[0] == devices[1]
