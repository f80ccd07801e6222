"""`BackendConverter`: conversion of values between an environment's library and a model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlmesh._codec import SpaceCodec
from rlmesh._codec.validate import Validation, with_reports
from rlmesh.backends import ArrayBackend
from rlmesh.errors import InvalidValueError

__all__ = ["BackendConverter"]


class BackendConverter:
    """A converter of an environment's observations for a model, and of the model's actions back.

    Args:
        observed: Codec that encodes the environment's observations.
        applied: Codec that decodes the environment's actions.
        model: Backend of the model's values.
        local: What to do with actions outside their space, if the environment belongs to this
            process. Its values are then cast, checked and copied as a server and a client would do
            it, also between equal backends, so that an evaluation has one result wherever the
            environment runs. None: the environment is a client, which has done so.
        is_viewed: Whether `observed` encodes a part of the observations only.
    """

    def __init__(
        self,
        observed: SpaceCodec,
        applied: SpaceCodec,
        model: ArrayBackend,
        *,
        local: Validation | None = None,
        is_viewed: bool = False,
    ) -> None:
        self._observed = observed
        self._shown = SpaceCodec(observed.space, model, root="observation", validation="off")
        self._chosen = SpaceCodec(
            applied.space,
            model,
            root="action",
            validation=local or "off",
        )
        self._applied = applied
        converts = local is not None or is_viewed
        self._is_seen_as_is = not converts and _same(observed.backend, model)
        self._is_taken_as_is = local is None and _same(applied.backend, model)
        self.is_nothing = self._is_seen_as_is and self._is_taken_as_is
        """Whether values need no conversion."""

    def observation(self, value: Any) -> Any:
        """Return one observation in the model's backend.

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
        """Return a batch of observations as a list in the model's backend."""
        try:
            return self._shown.decode_values(self._observed.encode_batch(batch, count), count)
        except InvalidValueError as error:
            error.side = "observation"
            raise

    def with_reports(self, info: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """Return an info with what was found wrong with values since the last call."""
        return with_reports(info, self._observed.take_reports(), self._chosen.take_reports())

    def action(self, value: Any) -> Any:
        """Return one action in the environment's backend.

        Raises:
            InvalidValueError: If it does not belong to its space.
        """
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
