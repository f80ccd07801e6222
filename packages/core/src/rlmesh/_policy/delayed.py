"""`DelayedPolicy`: the actions of a model that answers some steps late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._codec import SpaceCodec
from rlmesh._policy.forms import EpisodeContext
from rlmesh._policy.owned import owned
from rlmesh._policy.policy import Policy
from rlmesh._policy.stacking import Stacking
from rlmesh._policy.wrapping import WrappingPolicy
from rlmesh.acting import ActionPrefix, Latency
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import AdapterError, InvalidValueError
from rlmesh.spaces import Box, Dict, MultiBinary, Space, Tuple, path_text
from rlmesh.tensor import Tensor

__all__ = ["DelayedPolicy"]


class DelayedPolicy(WrappingPolicy["list[Any]"]):
    """A `Policy` by `Latency`, of one that returns whole chunks.

    The answer to a prediction is known at once, but in virtual time it comes `delay` steps later:
    each call returns the actions that are committed for those steps, and then those of the new
    chunk up to the next prediction.

    Args:
        policy: The policy that returns the answers.
        rule: The delay, and the action before the first answer.
        space: Action space.
        backend: Backend of the actions.
        execution_horizon: Number of steps from one prediction to the next; None: as many as the
            chunk allows.
        sends_prefix: Whether the context of a prediction has the actions of the chunk before it.

    Raises:
        ValueError: If the horizon is below the delay, the filler is not in the space, or there is
            none for the space.
    """

    def __init__(
        self,
        policy: Policy,
        rule: Latency,
        space: Space[Any],
        backend: ArrayBackend,
        *,
        execution_horizon: int | None = None,
        sends_prefix: bool = False,
    ) -> None:
        super().__init__(policy)
        self._delay = delay = rule.delay
        self._horizon = execution_horizon
        self._sends_prefix = sends_prefix
        if execution_horizon is not None and execution_horizon < delay:
            raise ValueError(
                f"expected an execution_horizon of at least the latency of {delay} steps, got "
                f"{execution_horizon}: the model answers one observation at a time"
            )
        self._actions = Stacking(space, backend, "action")
        self._filler = _filler_slabs(space, rule.filler) if delay else []

    def _new_state(self) -> list[Any]:
        return [self._actions.decode(self._filler) for _ in range(self._delay)]

    def actions(
        self, observations: Sequence[Any], contexts: Sequence[EpisodeContext]
    ) -> list[list[Any]]:
        """Return the actions up to the next prediction; see `Policy.actions`."""
        if self._sends_prefix:
            for context in contexts:
                # The model may write to what it gets.
                copies = tuple(map(owned, self._states[context]))
                context.action_prefix = ActionPrefix(copies, self._delay)
        chunks = self._policy.actions(observations, contexts)
        return [self._until_next(chunk, context) for chunk, context in zip(chunks, contexts)]

    def _until_next(self, chunk: list[Any], context: EpisodeContext) -> list[Any]:
        delay = self._delay
        if not self.predicts_chunks:
            # A single action lasts until the next one comes.
            steps = max(delay, self._horizon or 1)
            chunk = chunk + [owned(chunk[0]) for _ in range(steps + delay - 1)]
        horizon = self._horizon or len(chunk) - delay
        if horizon < max(delay, 1) or len(chunk) < horizon + delay:
            expected = delay + (self._horizon or max(delay, 1))
            steps = self._horizon or max(delay, 1)
            raise AdapterError(
                f"expected chunks of at least {expected} actions, got one of {len(chunk)}: "
                f"{delay} are over when the model answers, and {steps} last until it is asked again"
            )
        committed = self._states[context][:delay]
        self._states[context] = chunk[horizon:]
        return committed + chunk[delay:horizon]


def _filler_slabs(space: Space[Any], filler: Any) -> list[bytes]:
    """Return the action before the first answer as slabs.

    Raises:
        ValueError: If it is not in the space, or there is none and the space has no zero.
    """
    value = _zero(space, ()) if filler is None else filler
    codec = SpaceCodec(space, NATIVE, root="filler", validation="off")
    try:
        slabs = [bytes(slab) for slab in codec.encode(value)]
    except InvalidValueError as error:
        raise ValueError(f"Latency: {error}") from error
    if not space.contains(codec.decode(slabs)):
        raise ValueError(f"Latency: expected a filler in {space!r}, got {filler!r}")
    return slabs


def _zero(space: Space[Any], path: tuple[str | int, ...]) -> Any:
    """Return the action of zeros, or of the bounds nearest to it."""
    if isinstance(space, Box):
        unpack = space.dtype.unpack
        bounds = zip(unpack(space.low.tobytes()), unpack(space.high.tobytes()))
        nearest = [min(max(low.__class__(0), low), high) for low, high in bounds]
        return Tensor(space.dtype.pack(nearest), space.dtype, space.shape)
    if isinstance(space, MultiBinary):
        return Tensor(bytes(space.size), space.dtype, space.shape)
    if isinstance(space, Dict):
        return {key: _zero(child, (*path, key)) for key, child in space.children}
    if isinstance(space, Tuple):
        return tuple(_zero(child, (*path, i)) for i, child in space.children)
    raise ValueError(
        f"Latency: no action does nothing in {space!r} at action{path_text(path)}; expected the "
        f"filler, the action before the first answer (Latency(filler=...), or --latency-filler)"
    )
