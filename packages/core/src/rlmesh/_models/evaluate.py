"""`evaluate`: one model on many environments."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rlmesh._codec.validate import Validation
from rlmesh._evaluation.progress_report import Progress
from rlmesh._evaluation.run import play
from rlmesh._evaluation.settings import Settings
from rlmesh._evaluation.success import Judge
from rlmesh._models.native import Model
from rlmesh._models.remote_model import RemoteModel
from rlmesh._transport.address import tls_for
from rlmesh.acting import Acting
from rlmesh.options import TLS
from rlmesh.results import RunResult
from rlmesh.stopping import StoppingRule

__all__ = ["evaluate", "evaluate_with"]


def evaluate(
    model: Any,
    envs: Any,
    *,
    seeds: Sequence[int] | None = None,
    max_episodes: int | None = None,
    instruction: str | None = None,
    token: str = "",
    tls: TLS | None = None,
    connect_timeout: float = 10.0,
    max_batch_size: int | None = None,
    execution_horizon: int | None = None,
    max_episode_steps: int | None = None,
    max_episode_seconds: float | None = None,
    success: str | Judge = "last",
    success_key: str | None = None,
    hooks: object | None = None,
    journal: str | os.PathLike[str] | None = None,
    resume: bool = False,
    force_resume: bool = False,
    run_id: str = "",
    until: StoppingRule | None = None,
    acting: Acting | None = None,
    validation: Validation = "warn",
    retries: int = 2,
    close_envs: bool = False,
    progress: Progress = False,
    observe: Literal["read", "all"] = "read",
) -> RunResult:
    """Play episodes of one model on any number of environments at once.

    Seeds are a queue over all endpoints and lanes. The results are in the order of the seeds. They
    do not depend on the number of endpoints, on their speed or on the order in which they finish,
    if model and environment are deterministic and an episode depends only on its seed. A model
    that predicts other last bits in a batch than alone needs `max_batch_size=1` for that.

    The model, hooks and environments of this process are called from the calling thread;
    observations that are ready go through the model as one batch, while other environments step.

    If its connection is lost, an endpoint is connected to again. It is retired after `retries`
    losses in a row, or if it then serves another environment; other endpoints play its episodes. An
    episode in which the environment fails is played again, on another endpoint if there is one, and
    after `retries` times ends as `EpisodeEnd.ERROR`.

    A suite has several tasks, of equal environments or of different ones. Their episodes are played
    at the same time; tasks with equal spaces and tags share the batches of the model. Each task has
    the arguments `seeds`, `max_episodes` and `instruction` unless its `Task` has its own.
    `RunResult.by_task` has the figures of each. A task whose endpoints are all lost ends the run,
    after the other tasks. Nothing is played before all endpoints were reached and all tasks fit.

    Args:
        model: A `Model` of any backend, a `RemoteModel`, the address of a served model, or the
            source of a native model: a callable, an object with `predict` methods, or
            `rlmesh.RANDOM_SAMPLE`.
        envs: An address, an `rlmesh.Endpoint`, which is asked for its address at every connection,
            an `rlmesh.endpoints.Directory` of servers that join and leave during the run, an object
            with an `address`, a client, an environment of this process, or a vector of these kinds;
            or a list with any of them. All serve the same environment. For a suite, a dict from the
            name of each task to its environments or its `Task`.
        seeds: One seed for each episode; also sets the number of episodes.
        max_episodes: Number of episodes, regardless of the number of seeds; episodes past the last
            seed run unseeded. Without seeds and this argument: one.
        instruction: Text for the model's text inputs in each episode; an error if it has none. The
            text inputs of a model with a `ModelSpec` are those of the spec; for another model it is
            the context, if the model takes one.
        token: Bearer token for addresses.
        tls: Certificates for addresses `grpcs://host:port`; see `rlmesh.TLS`.
        connect_timeout: Seconds that each connection attempt may take.
        max_batch_size: Largest number of observations of one forward pass; None: no limit.
        execution_horizon: Number of actions of each chunk to take before the model is called
            again; a shorter chunk ends the run. None: all if the model predicts only chunks, else
            one. A stateful model that has no method `observe` needs 1.
        max_episode_steps: Number of steps after which an episode is cut (`EpisodeEnd.LIMIT`);
            None: no limit.
        max_episode_seconds: Seconds after the start of its reset from which an episode is cut, at
            the end of a step; None: no limit.
        success: Which infos of an episode decide on `EpisodeResult.success`: "last" (that of the
            last step), "any" (success if one of them reports it) or "first" (the first one that
            reports success or failure). Or a callable that gets a tuple with the info of each step,
            and returns a bool or None (not known). A resumed run needs a callable of the same
            module and name, because code is not compared.
        success_key: Key of an info that reports success, a bool, a number or an array of one of
            these; None: "is_success", "success" or "task_success", the first one that an info has.
            Another value under the key counts as no report, with a warning in the result
            (`WarningKind.SUCCESS_UNREADABLE`).
        hooks: Observers of the run: an object with some of the methods of `rlmesh.Hooks`, or a list
            of such objects.
        journal: File to which each episode is written as soon as it has ended; None: none.
        resume: Whether to continue from the journal if it exists. A journal of another run is
            refused: of other seeds, limits, horizon, batch size, validation, rule of success, rule
            of stopping, way of acting, model, load arguments, spaces, tags, adapter, instruction or
            `run_id`.
        force_resume: Whether to continue from a journal of another run too. The differences are in
            the journal and in `RunResult.resume_differences`.
        run_id: Name of the run, such as that of a checkpoint which the model's spec and load
            arguments do not name; part of the settings that a resumed run must share.
        until: Rule of `rlmesh.stopping` by which the run stops before its last episode, such as
            `IntervalWidth(0.1)` or `DifferenceDecided(other_run)`; None: every episode is played.
            The rule sees the episodes in the order of the run, and `RunResult.stopping` has what
            it found. Not for a suite.
        acting: Way of acting of `rlmesh.acting`: `TemporalEnsemble()`, `Latency(seconds=0.1,
            fps=20)` or `RealTimeChunking(latency)`; None: the actions of a chunk one after another.
        validation: What to do with values outside their space (`ServeOptions.validation`), and with
            signs of wrong declarations in the first episode of each task of a model with a
            `ModelSpec` (`rlmesh.adapters.Probe`). "warn": a Python warning for each caution, and
            `RunResult.findings`. "strict": the run ends after that episode, before a second one
            begins, if it has a caution. "off": nothing is looked at. The level is also that of the
            clients that this call makes; a client that is passed keeps its own.
        retries: Number of times that an episode, or an endpoint, is tried again.
        close_envs: Whether to close environments that were passed; those that this call connects to
            are always closed.
        progress: True: show on stderr how far the run is, drawn in place on a terminal and in a
            notebook, otherwise a line every 30 s. "auto": the same, but nothing if stderr is
            neither a terminal nor that of a notebook. A function: it gets the line every 30 s, on a
            thread of its own.
        observe: What servers of environments send of observations. "read": only what a model with a
            `ModelSpec` reads, with images already in the size and form that it reads them in, if
            the server can do that and no hook receives observations; the model's inputs are the
            same. "all": whole observations.

    Raises:
        RunError: If the run ended early: the model or a hook failed, or no endpoint is left.
            Finished episodes are in its `result` (as in that of a KeyboardInterrupt), and in the
            journal. Also if `validation` is "strict" and a declaration is probably wrong.
        TypeError: If an argument has another type.
        ValueError: If an argument is out of range, the model has no text input for the instruction,
            an environment is passed twice, or the endpoints serve different environments.
        FileExistsError: If the journal exists, without `resume`.
        JournalError: If the journal is that of another run (the message lists what differs), is
            open in another run, or is no journal.
        RLMeshError: If no environment can be reached, or the model does not fit them.
    """
    settings = Settings(
        seeds=seeds,
        max_episodes=max_episodes,
        instruction=instruction,
        token=token,
        tls=tls,
        connect_timeout=connect_timeout,
        max_batch_size=max_batch_size,
        execution_horizon=execution_horizon,
        max_episode_steps=max_episode_steps,
        max_episode_seconds=max_episode_seconds,
        success=success,
        success_key=success_key,
        hooks=hooks,
        journal=journal,
        resume=resume,
        force_resume=force_resume,
        run_id=run_id,
        until=until,
        acting=acting,
        validation=validation,
        retries=retries,
        close_envs=close_envs,
        progress=progress,
        observe=observe,
    )
    return evaluate_with(model, envs, settings)


def evaluate_with(model: Any, envs: Any, settings: Settings) -> RunResult:
    """Play a run of settings that may have what `evaluate` has no argument for; see `evaluate`."""
    is_many = isinstance(envs, (list, tuple, Mapping))
    endpoints = envs if is_many else [envs]
    if isinstance(model, (str, int)):
        token, timeout = settings.token, settings.connect_timeout
        own = tls_for(model, settings.tls)
        with RemoteModel(model, token=token, tls=own, connect_timeout=timeout) as served:
            return play(served, endpoints, settings)
    evaluable = model if hasattr(model, "policy") and hasattr(model, "_dial") else Model(model)
    return play(evaluable, endpoints, settings)
