"""`ModelBase`: the base of every backend's `Model`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypedDict, TypeVar

from rlmesh._models.playing import PlaysEpisodes
from rlmesh._policy.calls import METHODS
from rlmesh._policy.chunk_use import ORDINARY, ChunkUse
from rlmesh._policy.events import Callbacks, LifecycleCallback
from rlmesh._policy.forms import EpisodeContext, ModelForms
from rlmesh._policy.policy import LocalPolicy
from rlmesh._policy.random_sample import RandomSample, Sampler
from rlmesh._server.model_server import ModelServer
from rlmesh.adapters import DELEGATED, Adaptation, ModelSpec, PredictForm, resolve
from rlmesh.backends import ArrayBackend
from rlmesh.options import ServeOptions
from rlmesh.specs import EnvContract

__all__ = ["ModelBase", "ModelOptions"]

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


class ModelOptions(TypedDict, total=False):
    """Keyword arguments of every model's constructor; see `ModelBase`."""

    spec: object | None
    on_reset: LifecycleCallback | None
    on_episode_end: LifecycleCallback | None
    on_close: LifecycleCallback | None
    artifacts: Sequence[Any]
    load_kwargs: Mapping[str, object] | None
    trust_entrypoints: bool


class ModelBase(PlaysEpisodes, Generic[ObsT, ActT]):
    """A model: a predict callable that acts in environments.

    To write your own model, use an object with any of the methods `predict`, `predict_batch`,
    `predict_chunk` and `predict_chunk_batch`, or a subclass with them; its `load` is called once,
    before the first prediction. Missing forms are derived from more general ones.

    A model that is stateful (`ModelSpec.stateful`) may have a method `observe` too. It gets each
    observation for which no action is wanted, because an action of an earlier chunk is executed:
    one observation, as `predict` would get it, and the context if it has a second parameter. It is
    called before the next prediction, in order, and what it returns is ignored.

    Args:
        source: A callable that takes an observation and returns an action; an object with any of
            the four methods; `rlmesh.RANDOM_SAMPLE`; for a subclass with methods of its own, any
            value, which is available as `self.source`.
        spec: Description of the model's input: a `rlmesh.adapters.ModelSpec`, by which an adapter
            is resolved for each environment, `rlmesh.adapters.DELEGATED` (the model adapts
            observations itself) or None (the model reads observations unchanged).
        on_reset: Called with a `ResetEvent` when an episode has begun.
        on_episode_end: Called with an `EpisodeEndEvent` when an episode has ended.
        on_close: Called with a `CloseEvent` when a run has ended.
        artifacts: Files or values that a subclass loads, available as `self.artifacts`; unused for
            a callable source.
        load_kwargs: Keyword arguments of a subclass's `load`; unused for a callable source.
        trust_entrypoints: Whether `module:callable` names in a spec may be imported.

    Attributes:
        source: The source that was passed.
        artifacts: The artifacts that were passed.

    Raises:
        TypeError: If `source` is not callable and has no method of a form, or `spec` is none of the
            three.
    """

    _package: ClassVar[str]
    """Name of the backend's module, with its clients `RemoteEnv` and `RemoteVectorEnv`."""

    def __init__(
        self,
        source: Callable[..., object] | object,
        *,
        spec: object | None = None,
        on_reset: LifecycleCallback | None = None,
        on_episode_end: LifecycleCallback | None = None,
        on_close: LifecycleCallback | None = None,
        artifacts: Sequence[Any] = (),
        load_kwargs: Mapping[str, object] | None = None,
        trust_entrypoints: bool = False,
    ) -> None:
        self.source = source
        self.artifacts = tuple(artifacts)
        self._load_kwargs = dict(load_kwargs or {})
        self._spec = _checked_spec(spec)
        stateful = isinstance(self._spec, ModelSpec) and self._spec.stateful
        own = self._own_forms(stateful)
        self._is_random = own is None and isinstance(source, RandomSample)
        self._forms = own or ModelForms(_unfitted if self._is_random else source, stateful=stateful)
        self._callbacks = Callbacks(on_reset, on_episode_end, on_close)
        self._trusts_entrypoints = trust_entrypoints

    def _own_forms(self, stateful: bool) -> ModelForms | None:
        """Return the forms that a subclass has methods for, or None if it has none."""
        names = [n for n in METHODS.values() if _is_own(type(self), n)]
        if not names:
            return None
        return ModelForms(
            self, names=names, load=lambda: self.load(**self._load_kwargs), stateful=stateful
        )

    @property
    def spec(self) -> object | None:
        """Description of the model's input: a `ModelSpec`, `DELEGATED` or None."""
        return self._spec

    @property
    def model_id(self) -> str:
        """Name of the model: that of its spec, else of its function or class."""
        if isinstance(self._spec, ModelSpec) and self._spec.id:
            return self._spec.id
        source = self if _is_own(type(self), *METHODS.values()) else self.source
        name = getattr(source, "__qualname__", None)
        return name if isinstance(name, str) else type(source).__name__

    @property
    def forms(self) -> ModelForms:
        """The forms of request that the model answers."""
        return self._forms

    @property
    def model_spec(self) -> ModelSpec:
        """The model's spec with the forms it offers, as its server publishes it."""
        spec = self._spec
        if not isinstance(spec, ModelSpec):
            how = Adaptation.DELEGATED if spec is DELEGATED else Adaptation.NONE
            stateful = self._forms.is_stateful
            spec = ModelSpec(id=self.model_id, adaptation=how, stateful=stateful)
        offered = tuple(form for form in PredictForm if form in self._forms.available)
        return replace(spec, predict_forms=offered)

    def load(self, **kwargs: Any) -> None:
        """Load the model; an override in a subclass is called once, before the first prediction."""

    def predict(self, observation: ObsT, /) -> ActT:
        """Return the action for an observation.

        Raises:
            TypeError: If the model does not have this form itself; only a session derives forms.
        """
        action: ActT = self._forms.predict(observation, EpisodeContext(""))
        return action

    def fitted(self, contract: EnvContract) -> ModelForms:
        """Return the model for the values of an environment, with its adapter applied.

        Args:
            contract: The environment's contract.

        Raises:
            AdapterError: If the model's spec does not fit the environment.
        """
        backend = self._backend
        if self._is_random:
            sampler = Sampler(contract.action_space, backend)
            return ModelForms(sampler).fitted(contract, backend)
        adapter = None
        if isinstance(self._spec, ModelSpec):
            trusted = self._trusts_entrypoints
            adapter = resolve(contract, self._spec, backend=backend, trust_entrypoints=trusted)
        return self._forms.fitted(contract, backend, adapter)

    def policy(
        self,
        contract: EnvContract,
        *,
        instruction: str | None = None,
        execution_horizon: int | None = None,
        max_batch_size: int | None = None,
        use: ChunkUse = ORDINARY,
    ) -> LocalPolicy:
        """Return the policy that evaluation calls; see `LocalPolicy` and `fitted`.

        Raises:
            ValueError: If there is an instruction, and the model has no text input.
        """
        forms = self.fitted(contract)
        forms.episode("", instruction=instruction)  # Fails now if no episode can be played.
        return LocalPolicy(
            forms,
            self._spec,
            execution_horizon=execution_horizon,
            max_batch_size=max_batch_size,
            use=use,
        )

    def serve(
        self, address: str | int, *, token: str = "", options: ServeOptions | None = None
    ) -> None:
        """Serve the model until SIGINT or SIGTERM; blocks. See `rlmesh.ModelServer` for more.

        With a `ModelSpec`, each session's adapter is resolved from the contract that its client
        sends; without one, or with `DELEGATED`, the model reads observations unchanged.

        Args:
            address: Address to bind; see `rlmesh.ModelServer`.
            token: Bearer token that clients must present; empty: none.
            options: Options of the server; None: those of the variables `RLMESH_...`.

        Raises:
            AddressError: If the address is not valid, or cannot be bound.
            CodecError: If the spec breaks a rule of the contract.
        """
        ModelServer(self, address, token=token, options=options).serve()

    @property
    def _load_arguments(self) -> Mapping[str, object]:
        artifacts = {"artifacts": self.artifacts} if self.artifacts else {}
        return {**self._load_kwargs, **artifacts}

    @property
    def _backend(self) -> ArrayBackend:
        """Backend of the values that the model reads and returns."""
        backend: ArrayBackend = importlib.import_module(self._package).BACKEND
        return backend

    @property
    def _client_package(self) -> str:
        return self._package


def _is_own(cls: type[Any], *names: str) -> bool:
    """Return whether a class defines one of the methods itself, overriding `ModelBase`."""
    return any(getattr(cls, name, None) is not getattr(ModelBase, name, None) for name in names)


def _unfitted(observation: Any) -> Any:
    raise TypeError("RANDOM_SAMPLE draws from an environment's space; use run, evaluate or session")


def _checked_spec(spec: object | None) -> object | None:
    if spec is not None and spec is not DELEGATED and not isinstance(spec, ModelSpec):
        raise TypeError(f"spec is a ModelSpec, DELEGATED or None, got {type(spec).__name__}")
    return spec
