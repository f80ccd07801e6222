"""`PlaysEpisodes`: the methods of a model, local or served, that play episodes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from rlmesh._codec.validate import Validation
from rlmesh._evaluation.evaluable import Evaluable
from rlmesh._evaluation.progress_report import Progress
from rlmesh._evaluation.run import play
from rlmesh._evaluation.settings import Settings
from rlmesh._evaluation.success import Judge
from rlmesh._models.session import Session
from rlmesh.acting import Acting
from rlmesh.options import TLS
from rlmesh.results import RunResult

__all__ = ["PlaysEpisodes"]


class PlaysEpisodes:
    """The base of models that can be run; a subclass is an `Evaluable`."""

    _trusts_entrypoints = False
    """Whether this process may import the entry points of the model's spec."""

    def run(
        self,
        env_or_address: object,
        *,
        seeds: Sequence[int] | None = None,
        max_episodes: int | None = None,
        instruction: str | None = None,
        close_env: bool = False,
        token: str = "",
        tls: TLS | None = None,
        connect_timeout: float = 10.0,
        max_episode_steps: int | None = None,
        max_episode_seconds: float | None = None,
        execution_horizon: int | None = None,
        success: str | Judge = "last",
        success_key: str | None = None,
        hooks: object | None = None,
        journal: str | os.PathLike[str] | None = None,
        resume: bool = False,
        force_resume: bool = False,
        run_id: str = "",
        acting: Acting | None = None,
        validation: Validation = "warn",
        progress: Progress = False,
        observe: Literal["read", "all"] = "read",
    ) -> RunResult:
        """Play episodes one after another, and return their results.

        Args:
            env_or_address: An environment (local or remote), an object with an `address`, or an
                address; in a vector, each lane plays episodes.
            seeds: One seed for each episode; also sets the number of episodes.
            max_episodes: Number of episodes, regardless of the number of seeds; episodes past the
                last seed run unseeded. Without seeds and this argument: one.
            instruction: Text for the model's text inputs in each episode; an error if it has none.
                The text inputs of a model with a `ModelSpec` are those of the spec; for another
                model it is the context, if the model takes one.
            close_env: Whether to close an environment that was passed; an environment that this
                call connects to is always closed.
            token: Bearer token for an address.
            tls: Certificates for an address `grpcs://host:port`; see `rlmesh.TLS`.
            connect_timeout: Seconds that each connection attempt may take.
            max_episode_steps: Number of steps after which an episode is cut; None: no limit.
            max_episode_seconds: Seconds after the start of its reset from which an episode is cut,
                at the end of a step; None: no limit.
            execution_horizon: Number of actions of each chunk to take before the model is called
                again; a shorter chunk ends the run. None: all if the model predicts only chunks,
                else one. A stateful model that has no method `observe` needs 1.
            success: Which infos of an episode decide on its success: "last", "any" or "first", or a
                callable; see `rlmesh.evaluate`.
            success_key: Key of an info that reports success; see `rlmesh.evaluate`.
            hooks: Observers of the run: an object with some of the methods of `rlmesh.Hooks`, or a
                list of such objects.
            journal: File to which each episode is written as soon as it has ended; None: none.
            resume: Whether to continue from the journal if it exists. A journal of other settings
                is refused.
            force_resume: Whether to continue from a journal of other settings too; see
                `rlmesh.evaluate`.
            run_id: Name of the run, such as that of a checkpoint; see `rlmesh.evaluate`.
            acting: Way of acting; see `rlmesh.evaluate`.
            validation: What to do with values outside their space and with signs of wrong
                declarations: "off", "warn" or "strict"; see `rlmesh.evaluate`.
            progress: Whether to show how far the run is, "auto", or a function that gets it; see
                `rlmesh.evaluate`.
            observe: What servers of environments send of observations; see `rlmesh.evaluate`.

        Raises:
            RunError: If the run ended early; finished episodes are in its `result`.
            ValueError: If `instruction` is set and the model has no text input.
            FileExistsError: If the journal exists, without `resume`.
            JournalError: If the journal is that of another run, or is open elsewhere.
            RLMeshError: If the environment cannot be reached, or the model does not fit it.
        """
        return play(
            cast("Evaluable", self),
            [env_or_address],
            Settings(
                seeds=seeds,
                max_episodes=max_episodes,
                instruction=instruction,
                token=token,
                tls=tls,
                connect_timeout=connect_timeout,
                close_envs=close_env,
                max_episode_steps=max_episode_steps,
                max_episode_seconds=max_episode_seconds,
                execution_horizon=execution_horizon,
                success=success,
                success_key=success_key,
                hooks=hooks,
                journal=journal,
                resume=resume,
                force_resume=force_resume,
                run_id=run_id,
                acting=acting,
                validation=validation,
                progress=progress,
                observe=observe,
                is_strict=True,
            ),
        )

    def run_local(self, env_address: str, *, token: str = "") -> None:
        """Play episodes against a remote environment until interrupted.

        Args:
            env_address: Address of the environment.
            token: Bearer token.

        Raises:
            RunError: If the environment, the model or a callback fails.
        """
        settings = Settings(token=token, is_endless=True, is_strict=True)
        play(cast("Evaluable", self), [env_address], settings)

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
        tls: TLS | None = None,
        connect_timeout: float = 10.0,
        execution_horizon: int | None = None,
        acting: Acting | None = None,
    ) -> Session:
        """Return a session of the model and an environment, to write your own loop.

        The arguments are those of `run`.

        Raises:
            RLMeshError: If the environment cannot be reached, or the model does not fit it.
            UnsupportedError: If the environment is a vector.
        """
        return Session(
            cast("Evaluable", self),
            env_or_address,
            instruction=instruction,
            close_env=close_env,
            token=token,
            tls=tls,
            connect_timeout=connect_timeout,
            execution_horizon=execution_horizon,
            acting=acting,
        )

    @property
    def _load_arguments(self) -> Mapping[str, object]:
        """Arguments that the model was loaded with, for the settings of a run."""
        return {}

    @property
    def _server(self) -> str:
        """Description of the model's server; empty: the model is in this process."""
        return ""

    @property
    def _server_host(self) -> str:
        """Name that the model's server states; empty: none, or the model is in this process."""
        return ""

    @property
    def _client_package(self) -> str:
        """Package of the `RemoteEnv` and `RemoteVectorEnv` that are the model's clients."""
        raise NotImplementedError

    @property
    def _client_arguments(self) -> dict[str, Any]:
        """Additional arguments of the clients that the model makes."""
        return {}

    def _dial(
        self,
        address: str | int,
        token: str,
        tls: TLS | None,
        connect_timeout: float,
        *,
        validation: Validation = "warn",
        vector: bool,
    ) -> Any:
        """Return a client of an environment; its exceptions are passed on."""
        package = importlib.import_module(self._client_package)
        client = package.RemoteVectorEnv if vector else package.RemoteEnv
        return client(
            address,
            token=token,
            tls=tls,
            connect_timeout=connect_timeout,
            validation=validation,
            **self._client_arguments,
        )
