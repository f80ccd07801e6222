"""`Session`: a model and an environment, to write your own loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rlmesh._evaluation.acting import acting_policy
from rlmesh._evaluation.endpoints import sources_of
from rlmesh._evaluation.evaluable import Evaluable
from rlmesh._evaluation.run import ModelDialer
from rlmesh._policy.forms import EpisodeContext
from rlmesh.acting import Acting
from rlmesh.adapters import Feature
from rlmesh.adapters._reading import FeatureReader
from rlmesh.errors import ClosedError, UnsupportedError
from rlmesh.options import TLS
from rlmesh.specs import EnvContract

__all__ = ["Session"]


class Session:
    """A model and a single environment, with the adapter between them applied.

        with model.session("127.0.0.1:5555") as session:
            observation, info = session.reset(seed=0)
            while not session.done:
                action = session.predict(observation)
                observation, reward, terminated, truncated, info = session.step(action)

    Observations and actions are the environment's, in the model's backend. `Model.session` makes a
    session, with the same arguments.
    """

    def __init__(
        self,
        model: Evaluable,
        env_or_address: object,
        *,
        instruction: str | None = None,
        close_env: bool = False,
        token: str = "",
        tls: TLS | None = None,
        connect_timeout: float = 10.0,
        execution_horizon: int | None = None,
        acting: Acting | None = None,
    ) -> None:
        dialer = ModelDialer(model, model._backend, token, tls, connect_timeout)
        (source,) = sources_of([env_or_address], dialer)
        opened = source.open()
        self._lanes = opened.lanes
        self._closes = opened.is_ours or close_env
        self._contract = opened.contract
        self._reader = FeatureReader(opened.contract, model._backend)
        self._instruction = instruction
        self._context: EpisodeContext | None = None
        self._actions: deque[Any] = deque()
        self._episodes = 0
        self._done = True
        try:
            if opened.lanes.is_vector:
                raise UnsupportedError(
                    f"{source.name} is a vector; a session plays a single environment (evaluate "
                    f"plays vectors)"
                )
            self._policy = acting_policy(
                model,
                opened.contract,
                acting,
                instruction=instruction,
                execution_horizon=execution_horizon,
            )
        except BaseException:
            if self._closes:
                self._lanes.close()
            raise
        self._is_open = True

    @property
    def env(self) -> Any:
        """The environment."""
        return self._lanes.env

    @property
    def env_contract(self) -> EnvContract:
        """The contract of the environment."""
        return self._contract

    @property
    def context(self) -> EpisodeContext:
        """Facts about the current episode, as the model receives them.

        Raises:
            RuntimeError: If no episode has begun.
        """
        if self._context is None:
            raise RuntimeError("no episode has begun; call reset()")
        return self._context

    @property
    def done(self) -> bool:
        """Whether the episode has ended, or none has begun."""
        return self._done

    def reset(self, seed: int | None = None) -> tuple[Any, Mapping[Any, Any]]:
        """Begin an episode.

        Args:
            seed: Seed of the reset; None: the environment's random state goes on.

        Returns:
            The observation and the info.

        Raises:
            ClosedError: If the session is closed.
        """
        if not self._is_open:
            raise ClosedError("the session is closed; model.session(env) makes another one")
        self._end()
        observation, info = self._lanes.reset({0: seed})[0]
        self._context = self._policy.begin(
            str(self._episodes), seed=seed, instruction=self._instruction
        )
        self._episodes += 1
        self._done = False
        return observation, info

    def predict(self, observation: Any) -> Any:
        """Return the action for an observation: the model's, or the next one of its chunk.

        Raises:
            RuntimeError: If no episode has begun.
        """
        context = self.context
        if not self._actions:
            self._actions.extend(self._policy.actions([observation], [context])[0])
        elif self._policy.sees_all:
            self._policy.watch(observation, context)
        return self._actions.popleft()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Mapping[Any, Any]]:
        """Take an action.

        Returns:
            The observation, the reward, terminated, truncated and the info.

        Raises:
            RuntimeError: If no episode has begun.
        """
        context = self.context
        result = self._lanes.step({0: [action]})[0][0]
        context.step += 1
        if result[2] or result[3]:
            self._done = True
        return result

    def read(self, observation: Any, role: str | Feature) -> Any:
        """Return the part of an observation to which the environment's tags give a role.

            height = session.read(observation, EEF_POSITION)[2]
            turn = session.read(observation, feature(EEF_ROTATION, rotation="axis_angle"))

        Args:
            observation: An observation of the session.
            role: The role ("state/eef_position", or a constant of `rlmesh.adapters.roles`), for the
                values as the environment has them; or a `rlmesh.adapters.feature`, for the values
                that an input of a model with this feature would get: in its unit, its form of a
                rotation and its range, and an image upright.

        Returns:
            An array in the model's backend, or a str.

        Raises:
            AdapterError: If no tag of the observation has the role, with the nearest role; if
                several have it; or if the values cannot become the feature.
            InvalidValueError: If the observation does not belong to its space.
        """
        return self._reader.read(observation, role)

    def close(self) -> None:
        """End the session, and close an environment that it connected to; idempotent."""
        if not self._is_open:
            return
        self._end()
        self._is_open = False
        self._policy.close()
        if self._closes:
            self._lanes.close()

    def _end(self) -> None:
        if self._context is not None:
            self._policy.end(self._context)
        self._context = None
        self._actions.clear()
        self._done = True

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
