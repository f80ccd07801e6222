"""`ModelBase`: what the models of every backend share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rlmesh._models.events import LifecycleCallback
from rlmesh._models.runner import Callbacks, run_episodes
from rlmesh.adapters import DELEGATED, ModelSpec
from rlmesh.errors import UnsupportedError
from rlmesh.results import RunResult

__all__ = ["ModelBase"]

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


class ModelBase(Generic[ObsT, ActT]):
    """A model: a predict callable driven against an environment.

    Args:
        source: A callable that takes an observation and returns an action, or an object with such
            a `predict` method.
        spec: What the model says of its input: `rlmesh.adapters.DELEGATED` (it adapts
            observations itself) or None (it reads them as they are).
        on_reset: Called with a `ResetEvent` when an episode has begun.
        on_episode_end: Called with an `EpisodeEndEvent` when an episode has ended.
        on_close: Called with a `CloseEvent` when a run has ended.
        artifacts: Accepted for forward compatibility; unused for a callable source.
        load_kwargs: Accepted for forward compatibility; unused for a callable source.
        trust_entrypoints: Whether `module:callable` names in a spec may be imported.

    Raises:
        TypeError: If `source` is neither callable nor has a `predict` method.
        UnsupportedError: If `spec` asks for an adapter; this version resolves none.
    """

    _env_type: ClassVar[str]
    """Module and name of the backend's client ("rlmesh:RemoteEnv")."""

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
        self._predict = _predict_of(source)
        self._spec = _checked_spec(spec)
        self._callbacks = Callbacks(on_reset, on_episode_end, on_close)

    @property
    def spec(self) -> object | None:
        """What the model says of its input: `DELEGATED` or None."""
        return self._spec

    def predict(self, observation: ObsT) -> ActT:
        """The action for an observation."""
        action: ActT = self._predict(observation)
        return action

    def run(
        self,
        env_or_address: object,
        *,
        seeds: Sequence[int] | None = None,
        max_episodes: int | None = None,
        instruction: str | None = None,
        close_env: bool = False,
        token: str = "",
    ) -> RunResult:
        """Play episodes and return what they gave.

        Args:
            env_or_address: An environment (local or remote), an object with an `address`, or an
                address.
            seeds: A seed an episode; also sets how many there are.
            max_episodes: Number of episodes, whatever the seeds; those past the last seed run
                unseeded. Without seeds and this: one.
            instruction: Written into the model's text inputs; an error where it has none.
            close_env: Close an environment that was given; one dialled here is always closed.
            token: Bearer token for an address.

        Raises:
            RunError: If the run ended early; finished episodes are on it.
            ValueError: If `instruction` is given and the model has no text input.
            RLMeshError: If the environment cannot be reached.
        """
        if instruction is not None:
            raise ValueError(
                "the model has no text input to write the instruction into; only a model with a "
                "ModelSpec has"
            )
        count = max_episodes if max_episodes is not None else len(seeds) if seeds else 1
        if count < 0:
            raise ValueError(f"max_episodes is {count}, below 0")
        env, dialled = self._env_of(env_or_address, token)
        try:
            return run_episodes(env, self.predict, self._callbacks, seeds or (), count)
        finally:
            if close_env or dialled:
                env.close()

    def run_local(self, env_address: str, *, token: str = "") -> None:
        """Play episodes against a remote environment until interrupted.

        Args:
            env_address: Its address.
            token: Bearer token.

        Raises:
            RunError: If the environment, the model or a callback fails.
        """
        self._loop(env_address, token, None)

    def run_local_for_episodes(
        self, env_address: str, *, token: str = "", max_episodes: int
    ) -> None:
        """Play `max_episodes` episodes against a remote environment; see `run_local`."""
        self._loop(env_address, token, max_episodes)

    def _loop(self, address: str, token: str, count: int | None) -> None:
        env = self._dial(address, token)
        try:
            run_episodes(env, self.predict, self._callbacks, count=count)
        finally:
            env.close()

    def _env_of(self, source: object, token: str) -> tuple[Any, bool]:
        """The environment to play, and whether it was dialled here."""
        if isinstance(source, (str, int)):
            return self._dial(source, token), True
        if hasattr(source, "reset") and hasattr(source, "step"):
            return source, False
        address = getattr(source, "address", None)
        if isinstance(address, str):
            return self._dial(address, token), True
        raise TypeError(
            f"cannot run against a {type(source).__name__}: expected an environment, an object "
            f"with an address, or an address"
        )

    def _dial(self, address: str | int, token: str) -> Any:
        import importlib

        module, _, name = self._env_type.partition(":")
        return getattr(importlib.import_module(module), name)(address, token=token)


def _predict_of(source: Any) -> Callable[[Any], Any]:
    predict = getattr(source, "predict", None)
    if callable(predict):
        method: Callable[[Any], Any] = predict
        return method
    if callable(source):
        function: Callable[[Any], Any] = source
        return function
    raise TypeError(
        f"a {type(source).__name__} cannot be a model: it is not callable and has no predict method"
    )


def _checked_spec(spec: object | None) -> object | None:
    if isinstance(spec, ModelSpec):
        raise UnsupportedError(
            "this version resolves no adapters; pass spec=DELEGATED and adapt observations in the "
            "model, or no spec"
        )
    if spec is not None and spec is not DELEGATED:
        raise TypeError(f"spec is a ModelSpec, DELEGATED or None, got {type(spec).__name__}")
    return spec
