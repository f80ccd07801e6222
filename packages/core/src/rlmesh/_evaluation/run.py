"""`play`: a run from its arguments to its result, with journal and exceptions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from rlmesh._evaluation.endpoints import EndpointFacts, Source, sources_of
from rlmesh._evaluation.episode import Limits
from rlmesh._evaluation.episode_queue import EpisodeQueue
from rlmesh._evaluation.evaluable import Evaluable
from rlmesh._evaluation.progress_report import ProgressReport, display_of
from rlmesh._evaluation.run_progress import RunProgress
from rlmesh._evaluation.run_settings import run_settings
from rlmesh._evaluation.scheduler import RunOptions, Scheduler
from rlmesh._evaluation.settings import Settings
from rlmesh._journal import Journal
from rlmesh._policy.events import Audience
from rlmesh._policy.policy import Policy
from rlmesh._transport.address import tls_for
from rlmesh.backends import ArrayBackend
from rlmesh.errors import RLMeshError, RunError
from rlmesh.options import TLS
from rlmesh.results import RunResult
from rlmesh.results._journal_header import JournalHeader
from rlmesh.specs import EnvContract

__all__ = ["ModelDialer", "play"]


@dataclass(frozen=True)
class ModelDialer:
    """The factory of clients of a model's backend; see `Dialer`."""

    model: Evaluable
    backend: ArrayBackend
    token: str
    tls: TLS | None = None
    connect_timeout: float = 10.0
    is_of_several: bool = False
    """Whether other addresses get the same certificates, of which some may be without TLS."""

    def dial(self, address: str | int, *, vector: bool) -> Any:
        """Return a client connected to an address; see `Dialer.dial`."""
        tls = tls_for(address, self.tls) if self.is_of_several else self.tls
        return self.model._dial(address, self.token, tls, self.connect_timeout, vector=vector)


def play(model: Evaluable, envs: list[Any], settings: Settings) -> RunResult:
    """Play a run; see `rlmesh.evaluate`."""
    dialer = ModelDialer(
        model,
        model._backend,
        settings.token,
        settings.tls,
        settings.connect_timeout,
        is_of_several=len(envs) > 1,
    )
    sources = sources_of(envs, dialer)
    if not sources:
        raise ValueError("expected an environment or more, got an empty list")
    audience = Audience(model._callbacks, settings.hooks)
    display = display_of(settings.progress)
    report = None if display is None else ProgressReport(display)
    progress = RunProgress(audience, model.model_id, settings.instruction, report)
    limits = Limits(settings.max_episode_steps, settings.max_episode_seconds)
    terms = RunOptions(
        limits, settings.success_rule, settings.instruction, settings.retries, settings.is_strict
    )

    def prepare(
        contract: EnvContract, endpoints: list[EndpointFacts]
    ) -> tuple[Policy, EpisodeQueue]:
        policy = model.policy(
            contract,
            instruction=settings.instruction,
            execution_horizon=settings.execution_horizon,
            max_batch_size=settings.max_batch_size,
        )
        # After the policy, because a served model has no session before that.
        progress.settings = run_settings(model, contract, endpoints, settings)
        return policy, _episodes(model, contract, sources, progress, settings)

    scheduler = Scheduler(sources, prepare, progress, terms)
    try:
        _played(scheduler, progress, settings)
    except BaseException as error:
        if progress.has_begun and not isinstance(error, Exception):
            error.result = progress.result()  # type: ignore[attr-defined]
        raise
    return progress.result()


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


def _episodes(
    model: Evaluable,
    contract: EnvContract,
    sources: list[Source],
    progress: RunProgress,
    settings: Settings,
) -> EpisodeQueue:
    """Return the queue of episodes to play, without those of the journal, and begin the run."""
    seeds = tuple(settings.seeds or ())
    progress.env_id = contract.id
    if settings.journal is not None:
        header = JournalHeader(
            model_id=model.model_id,
            env_ids=(contract.id,),
            seeds=seeds,
            episodes=settings.count or 0,
            instruction=settings.instruction,
            settings=progress.settings,
        )
        progress.journal = _journal(settings, header, model._backend)
    finished = () if progress.journal is None else progress.journal.episodes
    count = settings.count
    if count is not None:
        finished = tuple(episode for episode in finished if episode.index < count)
    progress.begin(count, finished, tuple(source.name for source in sources))
    return EpisodeQueue(seeds, count, {episode.index for episode in finished})


def _journal(settings: Settings, header: JournalHeader, backend: ArrayBackend) -> Journal:
    """Return the run's journal: the existing one if the run resumes, else a new one."""
    assert settings.journal is not None
    if settings.resume and os.path.exists(settings.journal):
        force = settings.force_resume
        return Journal.open(settings.journal, header, force=force, backend=backend)
    return Journal.create(settings.journal, header, backend=backend)
