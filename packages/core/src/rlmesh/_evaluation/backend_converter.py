"""`BackendConverter`: values between an environment's library and a model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._codec import SpaceCodec
from rlmesh.backends import ArrayBackend
from rlmesh.errors import InvalidValueError
from rlmesh.specs import EnvContract

__all__ = ["BackendConverter"]


class BackendConverter:
    """Observations of an environment as values of a model, and the model's actions as its own.

    Args:
        contract: The environment's contract.
        seen: Whose values its observations are.
        taken: Whose values its actions have to be.
        model: Whose values the model's are.
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
        """Whether values are left as they are."""

    def observation(self, value: Any) -> Any:
        """One observation.

        Raises:
            InvalidValueError: If it is not one of the space; its `side` is "observation".
        """
        if self._is_seen_as_is:
            return value
        try:
            return self._shown.decode(self._observed.encode(value))
        except InvalidValueError as error:
            error.side = "observation"
            raise

    def observations(self, batch: Any, count: int) -> list[Any]:
        """A batch of observations, one by one."""
        try:
            return self._shown.decode_values(self._observed.encode_batch(batch, count), count)
        except InvalidValueError as error:
            error.side = "observation"
            raise

    def action(self, value: Any) -> Any:
        """One action."""
        if self._is_taken_as_is:
            return value
        return self._applied.decode(self._chosen.encode(value))

    def actions(self, values: Sequence[Any]) -> Any:
        """Actions as a batch."""
        return self._applied.decode_batch(self._chosen.encode_values(values), len(values))


def _same(one: ArrayBackend, other: ArrayBackend) -> bool:
    """Whether two backends make equal values: of one library, on one device."""
    if one is other:
        return True
    devices = [str(getattr(backend, "device", "")) for backend in (one, other)]
    return one.name == other.name and devices[0] == devices[1]
