"""`evaluate`: one model on many environments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rlmesh._evaluation.run import Settings, play
from rlmesh._models.native import Model
from rlmesh.results import RunResult

__all__ = ["evaluate"]


def evaluate(
    model: Any,
    envs: Any,
    *,
    seeds: Sequence[int] | None = None,
    max_episodes: int | None = None,
    instruction: str | None = None,
    token: str = "",
    connect_timeout: float = 10.0,
    max_batch_size: int | None = None,
    execution_horizon: int | None = None,
    max_episode_steps: int | None = None,
    max_episode_seconds: float | None = None,
    hooks: object | None = None,
    journal: str | os.PathLike[str] | None = None,
    resume: bool = False,
    retries: int = 2,
    close_envs: bool = False,
) -> RunResult:
    """Play episodes of one model on any number of environments at once.

    Seeds are a queue over all endpoints and lanes. The results are in their order, and the same
    whatever the number of endpoints, their speed and the order in which they finish, if model and
    environment are deterministic and an episode depends on nothing but its seed. A model whose
    batches differ from single predictions in the last bits wants `max_batch_size=1` for that.

    The model, hooks and environments of this process are called from the calling thread;
    observations that are ready go through the model as one batch, while other environments step.

    An endpoint whose connection is lost is connected to again, and retired after `retries` times
    in a row, or where it then serves another environment; its episodes are played elsewhere. An
    episode in which the environment fails is played again, on another endpoint if there is one, and
    after `retries` times ends as `EpisodeEnd.ERROR`.

    Args:
        model: A `Model` of any backend, a `RemoteModel`, or the source of a native one: a callable,
            an object with `predict` methods, or `rlmesh.RANDOM_SAMPLE`.
        envs: An address, an object with an `address`, a client, an environment of this process, or
            a vector of these kinds; or a list with any of them. All serve the same environment.
        seeds: A seed an episode; also sets how many there are.
        max_episodes: Number of episodes, whatever the seeds; those past the last seed run
            unseeded. Without seeds and this: one.
        instruction: Written into the model's text inputs each episode; an error where it has none.
            Those of a model with a `ModelSpec` are the spec's; of another it is the context, where
            it takes that.
        token: Bearer token for addresses.
        connect_timeout: Seconds that connecting to an address may take, each time.
        max_batch_size: Most observations of one forward pass; None: no limit.
        execution_horizon: Take at most that many actions of a chunk before the model is asked
            again; None: all, of a model that predicts nothing but chunks, else one.
        max_episode_steps: Cut an episode after that many steps (`EpisodeEnd.LIMIT`); None: never.
        max_episode_seconds: Cut an episode after the first step that ends that many seconds or
            more after the start of its reset; None: never.
        hooks: What watches the run: an object with some of the methods of `rlmesh.Hooks`, or a
            list of them.
        journal: File that has each episode as soon as it has ended; None: none.
        resume: Go on from the journal, if it is there.
        retries: How often an episode, or an endpoint, is tried again.
        close_envs: Close environments that were given; those dialled here are always closed.

    Raises:
        RunError: If the run ended early: the model or a hook failed, or every endpoint is gone.
            Finished episodes are on it, as on a KeyboardInterrupt (`.result`), and in the journal.
        ValueError: If an argument is out of range, the model has no text input for the instruction,
            an environment is given twice, or the endpoints serve different environments.
        FileExistsError: If the journal is there, without `resume`.
        RLMeshError: If no environment can be reached, or the model does not fit them.
    """
    evaluable = model if hasattr(model, "policy") and hasattr(model, "_dial") else Model(model)
    several = isinstance(envs, (list, tuple))
    settings = Settings(
        seeds=seeds,
        max_episodes=max_episodes,
        instruction=instruction,
        token=token,
        connect_timeout=connect_timeout,
        max_batch_size=max_batch_size,
        execution_horizon=execution_horizon,
        max_episode_steps=max_episode_steps,
        max_episode_seconds=max_episode_seconds,
        hooks=hooks,
        journal=journal,
        resume=resume,
        retries=retries,
        close_envs=close_envs,
    )
    return play(evaluable, list(envs) if several else [envs], settings)
