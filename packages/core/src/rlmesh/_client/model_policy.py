"""`RemotePolicy`: a served model as evaluation calls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._client.model_stub import ModelStub
from rlmesh._policy.chunk_use import ORDINARY, ChunkUse
from rlmesh._policy.forms import CHUNK_FORMS, EpisodeContext
from rlmesh._policy.observing import executes_several, needed_by_spec
from rlmesh._policy.offered import own_forms
from rlmesh._policy.policy import check_chunk, form_of
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
        use: What is done with the chunks.

    Raises:
        ValueError: If the horizon is above 1 and the model predicts no chunks, or if the horizon or
            the batch size is below 1.
        UnsupportedError: If several steps lie between two predictions, the model needs the
            observations between them, and its server does not list CAPABILITY_OBSERVE; or the use
            of chunks is not the ordinary one, and it does not list CAPABILITY_EPISODE_STEPS.
    """

    def __init__(
        self,
        stub: ModelStub,
        spec: ModelSpec,
        *,
        execution_horizon: int | None = None,
        max_batch_size: int | None = None,
        use: ChunkUse = ORDINARY,
    ) -> None:
        self._stub = stub
        self._max_actions = (execution_horizon or 0) if use.is_cut else 0
        self._declared = spec.chunk_length
        self._form = form_of(
            own_forms(spec), frozenset(spec.predict_forms), execution_horizon, max_batch_size, use
        )
        self.max_batch_size = max_batch_size
        self.predicts_chunks = self._form in CHUNK_FORMS
        self.takes_prefix = stub.takes_prefix
        self.is_batched = self._form in (PredictForm.BATCH, PredictForm.CHUNK_BATCH)
        if use != ORDINARY:
            # The server counts the actions that it returned, unless it is sent the step.
            stub.check_counts_steps("the run does not execute each action of a chunk at once")
        needed = needed_by_spec(spec)
        self.sees_all = needed != 0
        several = executes_several(self._form, execution_horizon, self._declared, use)
        if self.sees_all and several:
            kind = "is stateful" if needed is None else f"has a history of {needed + 1}"
            stub.check_observes(
                f"the model, which {kind}, needs the observations between two predictions",
                "pass execution_horizon=1 without a latency, serve the model with a newer RLMesh "
                "or, if it is stateful, give it a method `observe`",
            )

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
        chunks = stub.predict_value_chunks(lanes, observations, self._max_actions)
        for chunk in chunks:
            check_chunk(len(chunk), self._max_actions, self._declared)
        return chunks

    def _of_one(self, lane: int, observation: Any) -> list[Any]:
        if self._form in (PredictForm.SINGLE, PredictForm.BATCH):
            return [self._stub.predict(lane, observation)]
        actions, length = self._stub.predict_chunk(lane, observation, self._max_actions)
        check_chunk(length, self._max_actions, self._declared)
        return self._stub.unstacked(actions, length)

    def watch(self, observation: Any, context: EpisodeContext) -> None:
        """Keep an observation for which no action is wanted; see `Policy.watch`."""
        self._stub.watch(self._stub.lane_of(context), observation)

    def end(self, context: EpisodeContext) -> None:
        """End an episode; see `Policy.end`."""
        self._stub.finish(context)

    def close(self) -> None:
        """Do nothing, because the `RemoteModel` owns the session; see `Policy.close`."""
