"""`RemotePolicy`: a served model as evaluation asks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._client.model_stub import ModelStub
from rlmesh._policy.forms import EpisodeContext
from rlmesh._policy.policy import OFFERED_KEY, form_of
from rlmesh.adapters import ModelSpec, PredictForm

__all__ = ["RemotePolicy"]


class RemotePolicy:
    """A `Policy` (see `rlmesh._policy.policy`) of a served model.

    Args:
        stub: The model, for the environment.
        spec: What the model says of itself.
        execution_horizon: Take at most that many actions of a chunk; None: all of it where the
            model predicts nothing but chunks, else none but the first.
        max_batch_size: Most observations of one request; None: no limit.

    Raises:
        ValueError: If the horizon is above 1 and the model predicts no chunks, or one of the two
            is below 1.
    """

    def __init__(
        self,
        stub: ModelStub,
        spec: ModelSpec,
        *,
        execution_horizon: int | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        available = frozenset(spec.predict_forms)
        said = spec.metadata.get(OFFERED_KEY)
        own = {
            form for form in available if not isinstance(said, (list, tuple)) or form.value in said
        }
        self._stub = stub
        self._most = execution_horizon or 0
        self._form = form_of(
            frozenset(own) or available, available, execution_horizon, max_batch_size
        )
        self.max_batch_size = max_batch_size
        self.is_batched = self._form in (PredictForm.BATCH, PredictForm.CHUNK_BATCH)
        self.sees_all = any(one.history > 1 for one in spec.inputs)

    def begin(
        self, episode_id: str, *, seed: int | None, instruction: str | None
    ) -> EpisodeContext:
        """See `Policy.begin`; raises an UnsupportedError where the model takes no instruction."""
        context = EpisodeContext(episode_id, seed, 0, instruction)
        self._stub.begin(context)
        return context

    def actions(
        self, observations: Sequence[Any], contexts: Sequence[EpisodeContext]
    ) -> list[list[Any]]:
        """See `Policy.actions`."""
        stub = self._stub
        lanes = [stub.lane_of(context) for context in contexts]
        if not self.is_batched:
            return [self._of_one(lane, seen) for lane, seen in zip(lanes, observations)]
        if self._form is PredictForm.BATCH:
            return [[action] for action in stub.predict_values(lanes, observations)]
        return stub.predict_value_chunks(lanes, observations, self._most)

    def _of_one(self, lane: int, observation: Any) -> list[Any]:
        if self._form in (PredictForm.SINGLE, PredictForm.BATCH):
            return [self._stub.predict(lane, observation)]
        return self._stub.unstacked(*self._stub.predict_chunk(lane, observation, self._most))

    def watch(self, observation: Any, context: EpisodeContext) -> None:
        """See `Policy.watch`: a prediction that nobody takes, as there is no other request."""
        self._of_one(self._stub.lane_of(context), observation)

    def end(self, context: EpisodeContext) -> None:
        """See `Policy.end`."""
        self._stub.finish(context)

    def close(self) -> None:
        """See `Policy.close`: the session is the `RemoteModel`'s, which may go on."""
