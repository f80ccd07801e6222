"""`ModelForms`: the forms in which a model can be called, its own and those derived from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlmesh._policy.calls import METHODS, Loading, calls_of, observe_of
from rlmesh._policy.observing import needed_by_spec, needed_observations
from rlmesh._policy.offered import own_forms
from rlmesh._policy.stacking import Stacking
from rlmesh.acting import ActionPrefix
from rlmesh.adapters import Adapter, Episode, ModelSpec, PredictForm
from rlmesh.backends import ArrayBackend
from rlmesh.specs import EnvContract

__all__ = ["CHUNK_FORMS", "EpisodeContext", "ModelForms"]

CHUNK_FORMS = frozenset({PredictForm.CHUNK, PredictForm.CHUNK_BATCH})
"""The forms in which a model predicts chunks."""

_DERIVED: Mapping[PredictForm, tuple[PredictForm, ...]] = {
    PredictForm.SINGLE: (PredictForm.BATCH, PredictForm.CHUNK, PredictForm.CHUNK_BATCH),
    PredictForm.BATCH: (PredictForm.CHUNK_BATCH,),
    PredictForm.CHUNK: (PredictForm.CHUNK_BATCH,),
    PredictForm.CHUNK_BATCH: (),
}
"""The more general forms that each form can be derived from; the first one offered is used."""


@dataclass(slots=True, eq=False)
class EpisodeContext:
    """Facts about an observation's episode, which a model receives as an optional argument.

    Attributes:
        episode_id: Name of the episode within the run.
        seed: Seed of the reset; None: the episode runs unseeded.
        step: Number of steps of the episode before this observation.
        instruction: Instruction of the episode; None: none.
        state: Storage for the model's own data during the episode.
        action_prefix: Actions of the chunk before, for a model that continues them, with
            `rlmesh.acting.RealTimeChunking`; None: the run is another one.
    """

    episode_id: str
    seed: int | None = None
    step: int = 0
    instruction: str | None = None
    state: dict[Any, Any] = field(default_factory=dict)
    action_prefix: ActionPrefix | None = None
    adapted: Episode | None = field(default=None, repr=False)
    watched: deque[list[bytes]] = field(default_factory=deque, repr=False)


@dataclass(frozen=True)
class _Fit:
    """The conversions between a model's values and an environment's."""

    adapter: Adapter
    observations: Stacking
    actions: Stacking


class ModelForms:
    """A model as the forms in which it can be called.

    Once the forms are `fitted` to an environment, observations and actions are the environment's,
    with its adapter applied. Forms that the model lacks are derived from more general ones (a batch
    of one, the first action of a chunk), never from more special ones.

    Args:
        source: A callable that takes an observation (`predict`), or an object with any of the
            methods `predict`, `predict_batch`, `predict_chunk` and `predict_chunk_batch`. One that
            has a second positional parameter without a default, or a parameter `context`, also
            gets the `EpisodeContext`, or a list of them. A source with `for_contract`, such as a
            `RemoteModel`, is replaced by what that returns for the environment's contract.
            An object that is stateful may also have a method `observe`, which takes an observation
            (and the context, by the same rule) for which no action is wanted, and returns nothing.
        load: Called once, before the first prediction; None: there is nothing to load.
        names: Names of the methods that the object offers; None: those that it has.
        stateful: Whether the model's spec declares that the model is stateful. A source with
            `for_contract` and a spec is so too if it needs earlier observations by that spec.

    Attributes:
        offered: The forms that the model has itself.
        available: The forms that the model has or that can be derived.
        is_stateful: Whether the model must receive every observation of an episode.

    Raises:
        TypeError: If the source is neither callable nor has one of the methods.
    """

    offered: frozenset[PredictForm]
    available: frozenset[PredictForm]

    def __init__(
        self,
        source: Any,
        *,
        load: Callable[[], object] | None = None,
        names: Sequence[str] | None = None,
        stateful: bool = False,
    ) -> None:
        self._for_contract = getattr(source, "for_contract", None)
        spec = None if self._for_contract is None else getattr(source, "spec", None)
        if isinstance(spec, ModelSpec):
            names = [METHODS[form] for form in own_forms(spec)]
            stateful = stateful or needed_by_spec(spec) != 0
        self._passes_prefix = getattr(source, "_receives_prefix", self._for_contract is None)
        self._names = names
        self._calls = calls_of(source, names)
        self.is_stateful = stateful
        self._observe = observe_of(source) if stateful else None
        self.offered = frozenset(self._calls)
        self.available = frozenset(
            form
            for form, general in _DERIVED.items()
            if form in self.offered or not self.offered.isdisjoint(general)
        )
        self._loading = Loading(load)
        self._fit: _Fit | None = None

    @property
    def takes_context(self) -> bool:
        """Whether one of the forms that the model has itself takes the episode's context."""
        return any(call.contextual for call in self._calls.values())

    @property
    def takes_prefix(self) -> bool:
        """Whether the model receives `EpisodeContext.action_prefix` in each of its chunk forms.

        A model with an adapter does not, because the environment's actions cannot be converted back
        to the model's.
        """
        if self._fit is not None and self._fit.adapter.is_resolved:
            return False
        calls = [call for form, call in self._calls.items() if form in CHUNK_FORMS]
        return bool(calls) and self._passes_prefix and all(call.contextual for call in calls)

    @property
    def can_observe(self) -> bool:
        """Whether the model can receive observations without a prediction."""
        return not self.is_stateful or self._observe is not None

    @property
    def needed_observations(self) -> int | None:
        """Number of observations since its last prediction that the model needs; None: all."""
        histories = self._fitted.adapter.histories
        return needed_observations(histories, stateful=self.is_stateful)

    def load(self) -> None:
        """Load the model, unless it is loaded."""
        self._loading.ensure()

    def fitted(
        self, contract: EnvContract, backend: ArrayBackend, adapter: Adapter | None = None
    ) -> ModelForms:
        """Return the same model, for the values of an environment.

        Args:
            contract: The environment's contract.
            backend: Backend of the values that go in and come out.
            adapter: Conversion between the environment and the model; None: there is none.
        """
        forms = object.__new__(ModelForms)
        forms.__dict__.update(self.__dict__)
        if self._for_contract is not None:
            fitted = self._for_contract(contract)
            forms._calls = calls_of(fitted, self._names)
            forms._observe = observe_of(fitted) if self.is_stateful else None
        forms._fit = _Fit(
            adapter or Adapter(None, contract.action_space),
            Stacking(contract.observation_space, backend, "observation"),
            Stacking(contract.action_space, backend, "action"),
        )
        return forms

    def episode(
        self, episode_id: str, *, seed: int | None = None, instruction: str | None = None
    ) -> EpisodeContext:
        """Return the context of a new episode.

        Args:
            episode_id: Name of the episode within the run.
            seed: Seed of the reset.
            instruction: Text for the model's text inputs and for the context; the context is the
                text input of a model without a spec of its inputs.

        Raises:
            ValueError: If there is an instruction, and the model has no text input.
            AdapterError: If there is no instruction, and a text input needs one.
        """
        context = EpisodeContext(episode_id, seed, 0, instruction)
        adapter = self._fitted.adapter
        written = adapter.writes_instruction
        read = self.takes_context and not adapter.is_resolved
        if instruction is not None and not (written or read):
            raise ValueError(
                "the model has no text input to write the instruction into: its ModelSpec has none"
                if adapter.is_resolved
                else "the model has no text input to write the instruction into: it has no "
                "ModelSpec with one, and no second parameter for the episode's context"
            )
        context.adapted = adapter.episode(instruction if written else None)
        context.watched = deque(maxlen=self.needed_observations)
        return context

    @property
    def observations(self) -> Stacking:
        """The stacking of observations."""
        return self._fitted.observations

    @property
    def actions(self) -> Stacking:
        """The stacking of actions."""
        return self._fitted.actions

    def observe(self, observations: Sequence[Any], context: EpisodeContext) -> None:
        """Receive observations for which no action is wanted.

        They go into the histories of the episode and, if the model is stateful, to its `observe`.

        Args:
            observations: The observations just before step `context.step`, the oldest first.
            context: Context of the episode.
        """
        fit, observe, now = self._fitted, self._observe, context.step
        for back, observation in zip(range(len(observations), 0, -1), observations):
            # A caller that asks twice for one step observes more often than it steps.
            context.step = max(now - back, 0)
            try:
                seen = fit.adapter.observe(observation, _adapted(context))
                if observe is not None:
                    self._ensure_loaded()
                    observe.with_context(seen, context)
            finally:
                context.step = now

    def predict(self, observation: Any, context: EpisodeContext) -> Any:
        """Return the action for an observation."""
        if PredictForm.SINGLE in self._calls:
            fit = self._fit
            if fit is None:
                return self._ask(PredictForm.SINGLE, observation, context)
            episode = _adapted(context)
            seen = fit.adapter.observe(observation, episode)
            output = self._ask(PredictForm.SINGLE, seen, context)
            return fit.adapter.act(output, episodes=(episode,))
        fit = self._fitted
        if PredictForm.CHUNK in self._calls and PredictForm.BATCH not in self._calls:
            batch, _ = self.predict_chunk(observation, context, max_length=1)
        else:
            batch = self.predict_batch(fit.observations.stack([observation]), [context])
        return fit.actions.unstack(batch, 1)[0]

    def predict_batch(self, observations: Any, contexts: Sequence[EpisodeContext]) -> Any:
        """Return the actions for stacked observations, stacked likewise.

        Raises:
            TypeError: If the model has neither this form nor a more general one.
        """
        if PredictForm.BATCH in self._calls:
            seen = self._observe_batch(observations, contexts)
            output = self._ask(PredictForm.BATCH, seen, contexts)
            if self._fit is None:
                return output
            return self._fit.adapter.act(output, len(contexts), episodes=_all_adapted(contexts))
        batch, _ = self.predict_chunk_batch(observations, contexts, max_length=1)
        return batch

    def predict_chunk(
        self, observation: Any, context: EpisodeContext, max_length: int = 0
    ) -> tuple[Any, int]:
        """Return actions to take one after another.

        Args:
            observation: The observation.
            context: Context of the episode.
            max_length: Largest number of actions to keep; 0: all.

        Returns:
            A batch of the actions, and their number.

        Raises:
            TypeError: If the model has neither this form nor a more general one.
        """
        fit = self._fitted
        if PredictForm.CHUNK in self._calls:
            episode = _adapted(context)
            seen = fit.adapter.observe(observation, episode)
            output = self._ask(PredictForm.CHUNK, seen, context)
            return fit.adapter.act_chunk(output, None, max_length, episodes=(episode,))
        return self.predict_chunk_batch(
            fit.observations.stack([observation]), [context], max_length
        )

    def predict_chunk_batch(
        self, observations: Any, contexts: Sequence[EpisodeContext], max_length: int = 0
    ) -> tuple[Any, int]:
        """Return actions to take one after another, for stacked observations.

        Args:
            observations: The observations.
            contexts: Contexts of their episodes.
            max_length: Largest number of actions to keep for each; 0: all.

        Returns:
            A batch of the actions, all of the first observation first, and their number for each
            observation.

        Raises:
            TypeError: If the model does not have this form.
        """
        fit = self._fitted
        seen = self._observe_batch(observations, contexts)
        output = self._ask(PredictForm.CHUNK_BATCH, seen, contexts)
        episodes = _all_adapted(contexts)
        return fit.adapter.act_chunk(output, len(contexts), max_length, episodes=episodes)

    def _observe_batch(self, observations: Any, contexts: Sequence[EpisodeContext]) -> Any:
        if self._fit is None:
            return observations
        return self._fit.adapter.observe_batch(observations, _all_adapted(contexts))

    def _ask(self, form: PredictForm, observation: Any, context: Any) -> Any:
        call = self._calls.get(form)
        if call is None:
            own = ", ".join(METHODS[f] for f in PredictForm if f in self.offered)
            raise TypeError(
                f"the model has no {METHODS[form]} and nothing to derive it from: {own}"
            )
        self._ensure_loaded()
        return call.with_context(observation, context)

    def _ensure_loaded(self) -> None:
        if not self._loading.done:
            self._loading.ensure()

    @property
    def _fitted(self) -> _Fit:
        if self._fit is None:
            raise TypeError(
                "expected a form that the model has itself, or an environment whose spaces define "
                "how values are stacked; use model.session(env), run or evaluate"
            )
        return self._fit


def _adapted(context: EpisodeContext) -> Episode:
    """Return the adapter's state of an episode, at the step of the context."""
    assert context.adapted is not None, "a context is made by ModelForms.episode"
    context.adapted.step = context.step
    return context.adapted


def _all_adapted(contexts: Sequence[EpisodeContext]) -> list[Episode]:
    return [_adapted(context) for context in contexts]
