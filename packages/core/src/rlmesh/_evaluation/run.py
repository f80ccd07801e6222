"""`play`: a run from its arguments to its result, with journal and exceptions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from rlmesh._codec.validate import Validation
from rlmesh._evaluation.directory import Pool
from rlmesh._evaluation.endpoints import sources_of
from rlmesh._evaluation.episode import Limits
from rlmesh._evaluation.episode_queue import EpisodeQueue
from rlmesh._evaluation.evaluable import Evaluable
from rlmesh._evaluation.looks import set_looks
from rlmesh._evaluation.preflight import check_findings
from rlmesh._evaluation.progress_report import ProgressReport, display_of
from rlmesh._evaluation.run_progress import RunProgress
from rlmesh._evaluation.run_settings import run_settings
from rlmesh._evaluation.run_trace import RunTrace, traced_run
from rlmesh._evaluation.scheduler import PlayedTask, RunOptions, Scheduler
from rlmesh._evaluation.settings import Settings
from rlmesh._evaluation.stop_watch import StopWatch
from rlmesh._evaluation.suite import PlannedTask, plan_of_suite
from rlmesh._evaluation.task_group import TaskGroup
from rlmesh._evaluation.task_policies import fit
from rlmesh._evaluation.views import set_views
from rlmesh._journal import Journal
from rlmesh._policy.events import Audience
from rlmesh._transport.address import tls_for
from rlmesh.backends import ArrayBackend
from rlmesh.errors import RLMeshError, RunError
from rlmesh.options import TLS
from rlmesh.results import RunResult
from rlmesh.results._journal_header import JournalHeader

__all__ = ["ModelDialer", "play"]


@dataclass(frozen=True)
class ModelDialer:
    """The factory of clients of a model's backend; see `Dialer`."""

    model: Evaluable
    backend: ArrayBackend
    token: str
    tls: TLS | None = None
    connect_timeout: float = 10.0
    validation: Validation = "warn"
    is_of_several: bool = False
    """Whether other addresses get the same certificates, of which some may be without TLS."""

    def dial(self, address: str | int, *, vector: bool) -> Any:
        """Return a client connected to an address; see `Dialer.dial`."""
        tls = tls_for(address, self.tls) if self.is_of_several else self.tls
        return self.model._dial(
            address,
            self.token,
            tls,
            self.connect_timeout,
            validation=self.validation,
            vector=vector,
        )

    def with_token(self, token: str) -> ModelDialer:
        """Return the same factory with another token; see `Dialer.with_token`."""
        return replace(self, token=token)


def play(
    model: Evaluable, envs: Sequence[Any] | Mapping[Any, Any], settings: Settings
) -> RunResult:
    """Play a run; see `rlmesh.evaluate`.

    Args:
        model: The model.
        envs: The endpoints; or, for a suite, a `Task` or endpoints for each name.
        settings: Arguments of the run.
    """
    with traced_run(model.model_id) as trace:
        result = _play(model, envs, settings, trace)
        if trace is not None:
            trace.finished(result)
        return result


def _play(
    model: Evaluable,
    envs: Sequence[Any] | Mapping[Any, Any],
    settings: Settings,
    trace: RunTrace | None,
) -> RunResult:
    plan = _plan(envs, settings)
    dialer = ModelDialer(
        model,
        model._backend,
        settings.token,
        settings.tls,
        settings.connect_timeout,
        settings.validation,
        is_of_several=sum(len(task.envs) for task in plan) > 1,
    )
    fixed = [[env for env in task.envs if not isinstance(env, Pool)] for task in plan]
    sources = iter(sources_of([env for envs in fixed for env in envs], dialer))
    tasks = [
        PlayedTask(
            task,
            list(islice(sources, len(envs))),
            [env for env in task.envs if isinstance(env, Pool)],
            lambda endpoint: sources_of([endpoint], dialer)[0],
        )
        for task, envs in zip(plan, fixed)
    ]
    audience = Audience(model._callbacks, settings.hooks)
    display = display_of(settings.progress)
    report = None if display is None else ProgressReport(display)
    watch = None
    if settings.until is not None:
        seeds = [episode.seed for episode in settings.planned]
        watch = StopWatch(settings.until.begin(seeds))
    progress = RunProgress(audience, model.model_id, settings.instruction, report, watch, trace)
    limits = Limits(settings.max_episode_steps, settings.max_episode_seconds)
    terms = RunOptions(limits, settings.success_rule, settings.retries, settings.is_strict)

    def prepare(groups: Sequence[TaskGroup]) -> None:
        set_views(model, groups, settings, audience)
        fit(model, groups, settings)
        set_looks(model, groups, settings)
        # After the policy, because a served model has no session before that.
        progress.settings = run_settings(model, groups, settings)
        names = tuple(state.name for group in groups for state in group.states)
        _queue_episodes(model, groups, names, progress, settings)
        if settings.validation == "strict":
            check_findings(progress.findings)

    scheduler = Scheduler(tasks, prepare, progress, terms)
    try:
        _played(scheduler, progress, settings)
    except BaseException as error:
        if progress.has_begun and not isinstance(error, Exception):
            error.result = progress.result()  # type: ignore[attr-defined]
        raise
    return progress.result()


def _plan(envs: Sequence[Any] | Mapping[Any, Any], settings: Settings) -> tuple[PlannedTask, ...]:
    """Return the tasks of a suite, or the one without a name of another run."""
    if isinstance(envs, Mapping):
        if settings.until is not None:
            raise ValueError("until= is for one task: its rule has no meaning across a suite")
        return plan_of_suite(envs, settings.planned, settings.instruction)
    if not envs:
        raise ValueError("expected an environment or more, got an empty list")
    instruction = settings.instruction
    task = PlannedTask("", tuple(envs), settings.episodes, settings.count, instruction=instruction)
    return (task,)


def _played(scheduler: Scheduler, progress: RunProgress, settings: Settings) -> None:
    ended = False
    try:
        _watched(scheduler, progress)
        ended = True
    finally:
        progress.stop_report()
        try:
            scheduler.finish(waits=ended, close_all=settings.close_envs)
        finally:
            if progress.journal is not None:
                progress.journal.close()


def _watched(scheduler: Scheduler, progress: RunProgress) -> None:
    """Play, and attach the finished episodes to an error that ends the run."""
    try:
        scheduler.run()
    except BaseException as error:
        if not progress.has_begun:
            raise
        result = progress.result()
        try:
            progress.end()
        except Exception as second:
            error.__context__ = second  # The second error must not hide why the run ended.
        if isinstance(error, Exception):
            scheduler.give_up()
            count = len(result.episodes)
            message = f"the run ended in episode {count}: {_words(error)}"
            raise RunError(message, result=result) from error
        raise
    try:
        progress.end()
    except Exception as error:
        raise RunError(f"on_close failed: {_words(error)}", result=progress.result()) from error


def _words(error: Exception) -> str:
    """Return an error's message; with its type if foreign, because a KeyError has only its key."""
    return str(error) if isinstance(error, RLMeshError) else f"{type(error).__name__}: {error}"


def _queue_episodes(
    model: Evaluable,
    groups: Sequence[TaskGroup],
    endpoints: tuple[str, ...],
    progress: RunProgress,
    settings: Settings,
) -> None:
    """Queue the episodes to play, without those of the journal, and begin the run."""
    ids = tuple(group.contract.id for group in groups if group.contract is not None)
    progress.env_ids = {group.task.name: env_id for group, env_id in zip(groups, ids)}
    progress.env_id = ids[0] if len(set(ids)) == 1 else ""
    counts = [group.task.count for group in groups]
    total = None if None in counts else sum(filter(None, counts))
    if settings.journal is not None:
        header = JournalHeader(
            model_id=model.model_id,
            env_ids=ids,
            seeds=_seeds(groups),
            episodes=total or 0,
            instruction=settings.instruction,
            settings=progress.settings,
        )
        progress.journal = _journal(settings, header, model._backend)
    finished = () if progress.journal is None else progress.journal.episodes
    if total is not None:
        finished = tuple(episode for episode in finished if episode.index < total)
    progress.begin(total, finished, endpoints)
    positions = {episode.index for episode in finished}
    for group in groups:
        group.episodes = EpisodeQueue(group.task, positions)


def _seeds(groups: Sequence[TaskGroup]) -> tuple[int, ...]:
    """Return the seeds of all episodes in order; of a suite none if an episode has none."""
    seeds = [episode.seed for group in groups for episode in group.task.episodes]
    return () if None in seeds else tuple(seed for seed in seeds if seed is not None)


def _journal(settings: Settings, header: JournalHeader, backend: ArrayBackend) -> Journal:
    """Return the run's journal: the existing one if the run resumes, else a new one."""
    assert settings.journal is not None
    if settings.resume and os.path.exists(settings.journal):
        force = settings.force_resume
        return Journal.open(settings.journal, header, force=force, backend=backend)
    return Journal.create(settings.journal, header, backend=backend)
