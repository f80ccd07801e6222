"""`ModelBase`: what the models of every backend share."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypedDict, TypeVar

from rlmesh._evaluation.run import Settings, play
from rlmesh._models.session import Session
from rlmesh._policy.events import Callbacks, LifecycleCallback
from rlmesh._policy.forms import METHODS, EpisodeContext, ModelForms
from rlmesh._policy.policy import LocalPolicy
from rlmesh._policy.random_sample import RandomSample, Sampler
from rlmesh._server.model_server import ModelServer
from rlmesh.adapters import DELEGATED, Adaptation, ModelSpec, PredictForm, resolve
from rlmesh.backends import ArrayBackend
from rlmesh.options import ServeOptions
from rlmesh.results import RunResult
from rlmesh.specs import EnvContract

__all__ = ["ModelBase", "ModelOptions"]

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


class ModelOptions(TypedDict, total=False):
    """Keyword arguments of every model; see `ModelBase`."""

    spec: object | None
    on_reset: LifecycleCallback | None
    on_episode_end: LifecycleCallback | None
    on_close: LifecycleCallback | None
    artifacts: Sequence[Any]
    load_kwargs: Mapping[str, object] | None
    trust_entrypoints: bool


class ModelBase(Generic[ObsT, ActT]):
    """A model: a predict callable driven against environments.

    A model of one's own is an object with any of the methods `predict`, `predict_batch`,
    `predict_chunk` and `predict_chunk_batch`, or a subclass with them, whose `load` is called once,
    before the first prediction. Forms that it lacks are derived from more general ones.

    Args:
        source: A callable that takes an observation and returns an action; an object with any of
            the four methods; `rlmesh.RANDOM_SAMPLE`; for a subclass with methods of its own
            anything, which it finds as `self.source`.
        spec: What the model says of its input: a `rlmesh.adapters.ModelSpec`, by which an adapter
            is resolved for each environment, `rlmesh.adapters.DELEGATED` (it adapts observations
            itself) or None (it reads them as they are).
        on_reset: Called with a `ResetEvent` when an episode has begun.
        on_episode_end: Called with an `EpisodeEndEvent` when an episode has ended.
        on_close: Called with a `CloseEvent` when a run has ended.
        artifacts: What a subclass loads, as `self.artifacts`; unused for a callable source.
        load_kwargs: Keyword arguments of a subclass's `load`; unused for a callable source.
        trust_entrypoints: Whether `module:callable` names in a spec may be imported.

    Attributes:
        source: What it was made of.
        artifacts: Those given.

    Raises:
        TypeError: If `source` is neither callable nor has a method of a form, or `spec` is none.
    """

    _package: ClassVar[str]
    """Module of the backend: its clients `RemoteEnv` and `RemoteVectorEnv`."""

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
        own = self._own_forms()
        self._is_random = own is None and isinstance(source, RandomSample)
        self._forms = own or ModelForms(_unfitted if self._is_random else source)
        self._spec = _checked_spec(spec)
        self._callbacks = Callbacks(on_reset, on_episode_end, on_close)
        self._trusts_entrypoints = trust_entrypoints

    def _own_forms(self) -> ModelForms | None:
        """The forms that a subclass has methods for; None: it has none."""
        names = [n for n in METHODS.values() if _is_own(type(self), n)]
        if not names:
            return None
        return ModelForms(self, names=names, load=lambda: self.load(**self._load_kwargs))

    @property
    def spec(self) -> object | None:
        """What the model says of its input: a `ModelSpec`, `DELEGATED` or None."""
        return self._spec

    @property
    def model_id(self) -> str:
        """The model's name: that of its spec, else of its function or class."""
        if isinstance(self._spec, ModelSpec) and self._spec.id:
            return self._spec.id
        source = self if _is_own(type(self), *METHODS.values()) else self.source
        name = getattr(source, "__qualname__", None)
        return name if isinstance(name, str) else type(source).__name__

    @property
    def forms(self) -> ModelForms:
        """The forms in which it can be asked."""
        return self._forms

    @property
    def model_spec(self) -> ModelSpec:
        """Its spec, with what it offers; what a server of it tells."""
        spec = self._spec
        if not isinstance(spec, ModelSpec):
            how = Adaptation.DELEGATED if spec is DELEGATED else Adaptation.NONE
            spec = ModelSpec(id=self.model_id, adaptation=how)
        offered = tuple(form for form in PredictForm if form in self._forms.available)
        return replace(spec, predict_forms=offered)

    def load(self, **kwargs: Any) -> None:
        """Load the model; a subclass's own is called once, before the first prediction."""

    def predict(self, observation: ObsT, /) -> ActT:
        """The action for an observation.

        Raises:
            TypeError: If the model has no such form itself; a session derives it.
        """
        action: ActT = self._forms.predict(observation, EpisodeContext(""))
        return action

    def fitted(self, contract: EnvContract) -> ModelForms:
        """The model for the values of an environment, its adapter applied.

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
    ) -> LocalPolicy:
        """The model as evaluation asks it; see `LocalPolicy` and `fitted`.

        Raises:
            ValueError: If there is an instruction, and the model has no text input.
        """
        forms = self.fitted(contract)
        forms.episode("", instruction=instruction)  # What cannot be played is refused before.
        return LocalPolicy(
            forms,
            self._spec,
            execution_horizon=execution_horizon,
            max_batch_size=max_batch_size,
        )

    def run(
        self,
        env_or_address: object,
        *,
        seeds: Sequence[int] | None = None,
        max_episodes: int | None = None,
        instruction: str | None = None,
        close_env: bool = False,
        token: str = "",
        max_episode_steps: int | None = None,
        max_episode_seconds: float | None = None,
        execution_horizon: int | None = None,
        hooks: object | None = None,
        journal: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> RunResult:
        """Play episodes, one after another, and return what they gave.

        Args:
            env_or_address: An environment (local or remote), an object with an `address`, or an
                address; of a vector each lane plays episodes.
            seeds: A seed an episode; also sets how many there are.
            max_episodes: Number of episodes, whatever the seeds; those past the last seed run
                unseeded. Without seeds and this: one.
            instruction: Written into the model's text inputs each episode; an error where it has
                none. Those of a model with a `ModelSpec` are the spec's; of another it is the
                context, where it takes that.
            close_env: Close an environment that was given; one dialled here is always closed.
            token: Bearer token for an address.
            max_episode_steps: Cut an episode after that many steps; None: never.
            max_episode_seconds: Cut an episode after the first step that ends that many seconds
                or more after the start of its reset; None: never.
            execution_horizon: Take at most that many actions of a chunk before the model is asked
                again; None: all, of a model that predicts nothing but chunks, else one.
            hooks: What watches the run: an object with some of the methods of `rlmesh.Hooks`, or a
                list of them.
            journal: File that has each episode as soon as it has ended; None: none.
            resume: Go on from the journal, if it is there.

        Raises:
            RunError: If the run ended early; finished episodes are on it.
            ValueError: If `instruction` is given and the model has no text input.
            FileExistsError: If the journal is there, without `resume`.
            RLMeshError: If the environment cannot be reached, or the model does not fit it.
        """
        return play(
            self,
            [env_or_address],
            Settings(
                seeds=seeds,
                max_episodes=max_episodes,
                instruction=instruction,
                token=token,
                close_envs=close_env,
                max_episode_steps=max_episode_steps,
                max_episode_seconds=max_episode_seconds,
                execution_horizon=execution_horizon,
                hooks=hooks,
                journal=journal,
                resume=resume,
                is_strict=True,
            ),
        )

    def serve(
        self, address: str | int, *, token: str = "", options: ServeOptions | None = None
    ) -> None:
        """Serve the model until SIGINT or SIGTERM; blocks. `rlmesh.ModelServer` can do more.

        With a `ModelSpec` each session's adapter is resolved from the contract that its client
        brings; without one, or with `DELEGATED`, the model reads observations as they are.

        Args:
            address: Where; see `rlmesh.ModelServer`.
            token: Bearer token that clients must show; empty: none.
            options: How to serve; None: as the variables `RLMESH_...` say.

        Raises:
            AddressError: If the address is none, or cannot be bound.
            CodecError: If the spec breaks a rule of the contract.
        """
        ModelServer(self, address, token=token, options=options).serve()

    def run_local(self, env_address: str, *, token: str = "") -> None:
        """Play episodes against a remote environment until interrupted.

        Args:
            env_address: Its address.
            token: Bearer token.

        Raises:
            RunError: If the environment, the model or a callback fails.
        """
        play(self, [env_address], Settings(token=token, is_endless=True, is_strict=True))

    def run_local_for_episodes(
        self, env_address: str, *, token: str = "", max_episodes: int
    ) -> None:
        """Play `max_episodes` episodes against a remote environment; see `run_local`."""
        self.run(env_address, token=token, max_episodes=max_episodes)

    def session(
        self,
        env_or_address: object,
        *,
        instruction: str | None = None,
        close_env: bool = False,
        token: str = "",
        execution_horizon: int | None = None,
    ) -> Session:
        """The model and an environment, for a loop of one's own; arguments as of `run`.

        Raises:
            RLMeshError: If the environment cannot be reached, or the model does not fit it.
            UnsupportedError: If it is a vector.
        """
        return Session(
            self,
            env_or_address,
            instruction=instruction,
            close_env=close_env,
            token=token,
            execution_horizon=execution_horizon,
        )

    @property
    def _backend(self) -> ArrayBackend:
        """Whose values the model reads and returns."""
        backend: ArrayBackend = importlib.import_module(self._package).BACKEND
        return backend

    @property
    def _client_arguments(self) -> dict[str, Any]:
        """Further arguments of the clients that are dialled."""
        return {}

    def _dial(self, address: str | int, token: str, connect_timeout: float, *, vector: bool) -> Any:
        """A client of the backend; raises as that does."""
        package = importlib.import_module(self._package)
        client = package.RemoteVectorEnv if vector else package.RemoteEnv
        arguments = {"token": token, "connect_timeout": connect_timeout, **self._client_arguments}
        return client(address, **arguments)


def _is_own(cls: type[Any], *names: str) -> bool:
    """Whether a class defines one of the methods itself, above `ModelBase`."""
    return any(getattr(cls, name, None) is not getattr(ModelBase, name, None) for name in names)


def _unfitted(observation: Any) -> Any:
    raise TypeError("RANDOM_SAMPLE draws from an environment's space; use run, evaluate or session")


def _checked_spec(spec: object | None) -> object | None:
    if spec is not None and spec is not DELEGATED and not isinstance(spec, ModelSpec):
        raise TypeError(f"spec is a ModelSpec, DELEGATED or None, got {type(spec).__name__}")
    return spec
