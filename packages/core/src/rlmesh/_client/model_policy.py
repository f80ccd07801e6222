"""`RemotePolicy`: a served model as evaluation calls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._client.model_stub import ModelStub
from rlmesh._policy.forms import EpisodeContext
from rlmesh._policy.policy import OFFERED_KEY, check_chunk, form_of
from rlmesh.adapters import ModelSpec, PredictForm

__all__ = ["RemotePolicy"]


class RemotePolicy:
    """A `Policy` (see `rlmesh._policy.policy`) of a served model.

    Args:
        stub: Session with the model, for the environment.
        spec: Spec of the model.
        execution_horizon: Number of actions to execute of each chunk. None: the whole chunk if the
            model predicts only chunks, else one action.
        max_batch_size: Maximum number of observations in a request; None: no limit.

    Raises:
        ValueError: If the horizon is above 1 and the model predicts no chunks, or if the horizon or
            the batch size is below 1.
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
        names = spec.metadata.get(OFFERED_KEY)
        own = {
            form
            for form in available
            if not isinstance(names, (list, tuple)) or form.value in names
        }
        self._stub = stub
        self._most = execution_horizon or 0
        self._declared = spec.chunk_length
        self._form = form_of(
            frozenset(own) or available, available, execution_horizon, max_batch_size
        )
        self.max_batch_size = max_batch_size
        self.is_batched = self._form in (PredictForm.BATCH, PredictForm.CHUNK_BATCH)
        self.sees_all = any(one.history > 1 for one in spec.inputs)

    def begin(
        self, episode_id: str, *, seed: int | None, instruction: str | None
    ) -> EpisodeContext:
        """Begin an episode; see `Policy.begin`.

        Raises:
            UnsupportedError: If the model takes no instruction and there is one, or the reverse.
        """
        context = EpisodeContext(episode_id, seed, 0, instruction)
        self._stub.begin(context)
        return context

    def actions(
        self, observations: Sequence[Any], contexts: Sequence[EpisodeContext]
    ) -> list[list[Any]]:
        """Return the actions for observations; see `Policy.actions`."""
        stub = self._stub
        lanes = [stub.lane_of(context) for context in contexts]
        if not self.is_batched:
            return [self._of_one(lane, seen) for lane, seen in zip(lanes, observations)]
        if self._form is PredictForm.BATCH:
            return [[action] for action in stub.predict_values(lanes, observations)]
        chunks = stub.predict_value_chunks(lanes, observations, self._most)
        for chunk in chunks:
            check_chunk(len(chunk), self._most, self._declared)
        return chunks

    def _of_one(self, lane: int, observation: Any) -> list[Any]:
        if self._form in (PredictForm.SINGLE, PredictForm.BATCH):
            return [self._stub.predict(lane, observation)]
        actions, length = self._stub.predict_chunk(lane, observation, self._most)
        check_chunk(length, self._most, self._declared)
        return self._stub.unstacked(actions, length)

    def watch(self, observation: Any, context: EpisodeContext) -> None:
        """Send the observation as a prediction, and drop its actions; see `Policy.watch`."""
        self._of_one(self._stub.lane_of(context), observation)

    def end(self, context: EpisodeContext) -> None:
        """End an episode; see `Policy.end`."""
        self._stub.finish(context)

    def close(self) -> None:
        """Do nothing, because the `RemoteModel` owns the session; see `Policy.close`."""
