"""`RemotePolicy`: a served model as evaluation asks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._models.forms import EpisodeContext
from rlmesh._remote.model_route import ModelRoute
from rlmesh.adapters import ModelSpec, PredictForm

__all__ = ["RemotePolicy"]


class RemotePolicy:
    """A `Policy` (see `rlmesh._models.policy`) of a served model.

    Args:
        route: The model, for the environment.
        spec: What the model says of itself.
        execution_horizon: Take at most that many actions of a chunk; None: one.
        max_batch_size: Most observations of one request; None: no limit.

    Raises:
        ValueError: If the horizon is above 1 and the model predicts no chunks, or one of the two
            is below 1.
    """

    def __init__(
        self,
        route: ModelRoute,
        spec: ModelSpec,
        *,
        execution_horizon: int | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        limits = {"execution_horizon": execution_horizon, "max_batch_size": max_batch_size}
        for name, value in limits.items():
            if value is not None and value < 1:
                raise ValueError(f"expected {name} of 1 or more, got {value}")
        forms = spec.predict_forms
        self._route = route
        self._most = execution_horizon or 1
        if self._most > 1 and PredictForm.CHUNK not in forms:
            raise ValueError(
                f"expected a model that predicts chunks for execution_horizon={self._most}, got "
                f"one that offers {', '.join(form.value for form in forms)}"
            )
        several = PredictForm.BATCH if self._most == 1 else PredictForm.CHUNK_BATCH
        self.max_batch_size = max_batch_size
        self.is_batched = max_batch_size != 1 and several in forms
        self.sees_all = any(one.history > 1 for one in spec.inputs)

    def begin(
        self, episode_id: str, *, seed: int | None, instruction: str | None
    ) -> EpisodeContext:
        """See `Policy.begin`; raises an UnsupportedError where the model takes no instruction."""
        context = EpisodeContext(episode_id, seed, 0, instruction)
        self._route.begin(context)
        return context

    def actions(
        self, observations: Sequence[Any], contexts: Sequence[EpisodeContext]
    ) -> list[list[Any]]:
        """See `Policy.actions`."""
        route, most = self._route, self._most
        lanes = [route.lane_of(context) for context in contexts]
        if not self.is_batched:
            return [self._of_one(lane, seen) for lane, seen in zip(lanes, observations)]
        if most == 1:
            return [[action] for action in route.predict_values(lanes, observations)]
        return route.predict_value_chunks(lanes, observations, most)

    def _of_one(self, lane: int, observation: Any) -> list[Any]:
        if self._most == 1:
            return [self._route.predict(lane, observation)]
        return self._route.unstacked(*self._route.predict_chunk(lane, observation, self._most))

    def watch(self, observation: Any, context: EpisodeContext) -> None:
        """See `Policy.watch`: a prediction that nobody takes, as there is no other request."""
        self._of_one(self._route.lane_of(context), observation)

    def end(self, context: EpisodeContext) -> None:
        """See `Policy.end`."""
        self._route.finish(context)
