"""`Policy`: a model that is ready for one environment, in the form that evaluation calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from rlmesh._policy.chunk_use import ORDINARY, ChunkUse
from rlmesh._policy.forms import CHUNK_FORMS, EpisodeContext, ModelForms
from rlmesh._policy.observing import executes_several
from rlmesh._policy.owned import owned
from rlmesh.adapters import ModelSpec, PredictForm
from rlmesh.errors import AdapterError, UnsupportedError

__all__ = ["LocalPolicy", "Policy", "check_chunk", "form_of"]

MAX_CHUNK = 65_536
"""Largest number of actions of one request: M-1 limits a chunk to this many."""


class Policy(Protocol):
    """A model, fitted to one environment's contract; called by one thread at a time."""

    is_batched: bool
    """Whether all observations of one call are one forward pass."""

    sees_all: bool
    """Whether the model needs observations for which it predicts no action, within a chunk."""

    max_batch_size: int | None
    """Largest number of observations of one call; None: no limit."""

    predicts_chunks: bool
    """Whether the model is asked for chunks, not for single actions."""

    takes_prefix: bool
    """Whether the model receives `EpisodeContext.action_prefix`."""

    def begin(
        self, episode_id: str, *, seed: int | None, instruction: str | None
    ) -> EpisodeContext:
        """Return the context of a new episode; raise AdapterError if it cannot be played."""
        ...

    def actions(
        self, observations: Sequence[Any], contexts: Sequence[EpisodeContext]
    ) -> list[list[Any]]:
        """Return the actions to take after each observation: one, or a chunk."""
        ...

    def watch(self, observation: Any, context: EpisodeContext) -> None:
        """Keep an observation for which no action is wanted, if `sees_all`.

        The model receives it with the next observation that is predicted for, and not at all if
        there is none.

        Raises:
            InvalidValueError: If the observation does not belong to its space.
        """
        ...

    def end(self, context: EpisodeContext) -> None:
        """Forget an episode, which has ended or was abandoned."""
        ...

    def close(self) -> None:
        """Release the policy; called once after all other calls, even after an exception."""
        ...


class LocalPolicy:
    """A `Policy` for a model in this process.

    The form that is called is chosen once and does not depend on how many observations are ready,
    so that results do not either: chunks if the model has them and `execution_horizon` is not 1;
    batches if the model has them and `max_batch_size` is not 1.

    Args:
        forms: The model, fitted to the environment.
        spec: The model's spec; None: none.
        execution_horizon: Number of actions of each chunk to take; None: all if the model predicts
            only chunks, else one.
        max_batch_size: Largest number of observations of one forward pass; None: no limit.
        use: What is done with the chunks.

    Raises:
        ValueError: If the horizon is above 1 and the model predicts no chunks, or one of the two
            is below 1.
        UnsupportedError: If several steps lie between two predictions, and the model is stateful
            but has no method `observe`.
    """

    def __init__(
        self,
        forms: ModelForms,
        spec: object | None = None,
        *,
        execution_horizon: int | None = None,
        max_batch_size: int | None = None,
        use: ChunkUse = ORDINARY,
    ) -> None:
        self._forms = forms
        self._max_actions = (execution_horizon or 0) if use.is_cut else 0
        self._declared = spec.chunk_length if isinstance(spec, ModelSpec) else 0
        self.max_batch_size = max_batch_size
        self._form = form_of(forms.offered, forms.available, execution_horizon, max_batch_size, use)
        self.predicts_chunks = self._form in CHUNK_FORMS
        self.takes_prefix = forms.takes_prefix
        self.is_batched = self._form in (PredictForm.BATCH, PredictForm.CHUNK_BATCH)
        self.sees_all = forms.needed_observations != 0
        several = executes_several(self._form, execution_horizon, self._declared, use)
        if several and not forms.can_observe and use.latency > 1:
            raise UnsupportedError(
                f"expected a latency of 1 step at most for a stateful model without a method "
                f"`observe`, got {use.latency}: a stateful model must receive every observation "
                f"(ModelSpec.stateful); give the model `observe`"
            )
        if several and not forms.can_observe:
            raise UnsupportedError(
                f"expected execution_horizon=1 for a stateful model without a method `observe`, "
                f"got {execution_horizon}: a stateful model must receive every observation "
                f"(ModelSpec.stateful); pass execution_horizon=1, or give the model `observe`"
            )

    def begin(
        self, episode_id: str, *, seed: int | None, instruction: str | None
    ) -> EpisodeContext:
        """Return the context of a new episode; see `Policy.begin`."""
        return self._forms.episode(episode_id, seed=seed, instruction=instruction)

    def actions(
        self, observations: Sequence[Any], contexts: Sequence[EpisodeContext]
    ) -> list[list[Any]]:
        """Return the actions to take after each observation; see `Policy.actions`."""
        forms, form = self._forms, self._form
        if form in (PredictForm.SINGLE, PredictForm.CHUNK):
            return [self._of_one(o, c) for o, c in zip(observations, contexts)]
        batch = forms.observations.stack(observations)
        for context in contexts:
            self._observe(context)
        count = len(observations)
        if form is PredictForm.BATCH:
            return [[a] for a in forms.actions.unstack(forms.predict_batch(batch, contexts), count)]
        chunks, length = forms.predict_chunk_batch(batch, contexts, self._max_actions)
        check_chunk(length, self._max_actions, self._declared)
        flat = forms.actions.unstack(chunks, count * length)
        return [flat[i * length : (i + 1) * length] for i in range(count)]

    def _of_one(self, observation: Any, context: EpisodeContext) -> list[Any]:
        self._observe(context)
        if self._form is PredictForm.SINGLE:
            # The model may reuse the array of this action in its next call.
            return [owned(self._forms.predict(observation, context))]
        chunk, length = self._forms.predict_chunk(observation, context, self._max_actions)
        check_chunk(length, self._max_actions, self._declared)
        return self._forms.actions.unstack(chunk, length)

    def watch(self, observation: Any, context: EpisodeContext) -> None:
        """Keep an observation for which no action is wanted; see `Policy.watch`."""
        context.watched.append(self._forms.observations.encode(observation))

    def _observe(self, context: EpisodeContext) -> None:
        """Pass the observations that were watched since the last prediction to the model."""
        if context.watched:
            watched = [self._forms.observations.decode(slabs) for slabs in context.watched]
            context.watched.clear()
            self._forms.observe(watched, context)

    def end(self, context: EpisodeContext) -> None:
        """Do nothing, because the context has all the state; see `Policy.end`."""

    def close(self) -> None:
        """Do nothing, because there is nothing to release; see `Policy.close`."""


def check_chunk(length: int, horizon: int, declared: int) -> None:
    """Check the length of a chunk, which was cut at the horizon if it was longer.

    Args:
        length: Number of actions that came.
        horizon: Number of actions to execute of each chunk; 0: all.
        declared: Length of a chunk by the model's spec; 0: any.

    Raises:
        AdapterError: If the chunk is shorter than the horizon, or not as long as the spec states.
    """
    expected = min(declared, horizon or declared)
    if declared and length != expected:
        raise AdapterError(
            f"expected chunks of {declared} actions (ModelSpec.chunk_length), got one of {length}"
        )
    if length < horizon:
        raise AdapterError(
            f"expected chunks of at least execution_horizon={horizon} actions, got one of "
            f"{length}; pass execution_horizon={length}, or none"
        )


def form_of(
    offered: frozenset[PredictForm],
    available: frozenset[PredictForm],
    execution_horizon: int | None,
    max_batch_size: int | None,
    use: ChunkUse = ORDINARY,
) -> PredictForm:
    """Return the form in which a model is called; see `LocalPolicy`.

    Args:
        offered: The forms that the model has itself.
        available: The forms that the model has or that can be derived.
        execution_horizon: Largest number of actions of a chunk to take; None: not specified.
        max_batch_size: Largest number of observations of one call; None: no limit.
        use: What is done with the chunks.

    Raises:
        ValueError: If the horizon is above 1 and the model predicts no chunks, or one of the two
            is below 1.
    """
    limits = {"execution_horizon": execution_horizon, "max_batch_size": max_batch_size}
    for name, value in limits.items():
        if value is not None and value < 1:
            raise ValueError(f"expected {name} of 1 or more, got {value}")
    horizon = execution_horizon
    chunked = offered & CHUNK_FORMS
    plain = offered & {PredictForm.SINGLE, PredictForm.BATCH}
    if horizon is not None and horizon > 1 and not chunked:
        raise ValueError(
            f"expected a model that predicts chunks for execution_horizon={horizon}, got one "
            f"without predict_chunk and predict_chunk_batch"
        )
    if chunked and ((horizon is not None and horizon > 1) or not plain or use.needs_chunks):
        single, several = PredictForm.CHUNK, PredictForm.CHUNK_BATCH
    else:
        single, several = PredictForm.SINGLE, PredictForm.BATCH
    # A derived batch form is used only if the model lacks the single form too.
    stacks = several in offered or (several in available and single not in offered)
    return several if max_batch_size != 1 and stacks else single
