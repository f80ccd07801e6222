"""`play`: a run from its arguments to its result, with journal and exceptions."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rlmesh._evaluation.endpoints import Source, sources_of
from rlmesh._evaluation.episode import Limits
from rlmesh._evaluation.episode_queue import EpisodeQueue
from rlmesh._evaluation.progress_report import Progress, ProgressReport, display_of
from rlmesh._evaluation.run_progress import RunProgress
from rlmesh._evaluation.scheduler import RunOptions, Scheduler
from rlmesh._journal import Journal
from rlmesh._policy.events import Audience, Callbacks
from rlmesh._policy.policy import Policy
from rlmesh._transport.address import tls_for
from rlmesh.backends import ArrayBackend
from rlmesh.errors import RLMeshError, RunError
from rlmesh.options import TLS
from rlmesh.results import RunResult
from rlmesh.results._journal_header import JournalHeader
from rlmesh.specs import EnvContract

__all__ = ["Evaluable", "ModelDialer", "Settings", "play"]


class Evaluable(Protocol):
    """A model that can be evaluated, in this process or served."""

    @property
    def model_id(self) -> str:
        """Name of the model."""
        ...

    @property
    def _callbacks(self) -> Callbacks: ...

    @property
    def _backend(self) -> ArrayBackend: ...

    def _dial(
        self,
        address: str | int,
        token: str,
        tls: TLS | None,
        connect_timeout: float,
        *,
        vector: bool,
    ) -> Any: ...

    def policy(
        self,
        contract: EnvContract,
        *,
        instruction: str | None,
        execution_horizon: int | None,
        max_batch_size: int | None,
    ) -> Policy:
        """Return the policy of the model for an environment."""
        ...


@dataclass(frozen=True)
class Settings:
    """Arguments of a run; see `rlmesh.evaluate`.

    Attributes:
        is_endless: Whether to play until interrupted.
        is_strict: Whether the first failure of an environment or endpoint ends the run.
    """

    seeds: Sequence[int] | None = None
    max_episodes: int | None = None
    instruction: str | None = None
    token: str = ""
    tls: TLS | None = None
    connect_timeout: float = 10.0
    max_batch_size: int | None = None
    execution_horizon: int | None = None
    max_episode_steps: int | None = None
    max_episode_seconds: float | None = None
    hooks: object | None = None
    journal: str | os.PathLike[str] | None = None
    resume: bool = False
    retries: int = 2
    close_envs: bool = False
    progress: Progress = False
    is_endless: bool = False
    is_strict: bool = False

    def __post_init__(self) -> None:
        if self.seeds is not None:
            object.__setattr__(self, "seeds", _checked(self.seeds))
        if self.max_episodes is not None and operator.index(self.max_episodes) < 0:
            raise ValueError(f"max_episodes is {self.max_episodes}, below 0")
        if self.retries < 0:
            raise ValueError(f"retries is {self.retries}, below 0")
        if self.resume and self.journal is None:
            raise ValueError("resume=True needs the journal= of the run that is to go on")

    @property
    def count(self) -> int | None:
        """Number of episodes; None: endless."""
        if self.is_endless:
            return None
        if self.max_episodes is not None:
            return self.max_episodes
        return 1 if self.seeds is None else len(self.seeds)


def _checked(seeds: Iterable[int]) -> tuple[int, ...]:
    """Return seeds as Python integers.

    Raises:
        TypeError: If a seed is not an integer.
        ValueError: If a seed does not fit the field of results and messages.
    """
    numbers = tuple(map(operator.index, seeds))
    for i, seed in enumerate(numbers):
        if not 0 <= seed < 2**64:
            raise ValueError(f"expected seeds from 0 to 2**64 - 1, but seeds[{i}] is {seed}")
    return numbers


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
    terms = RunOptions(limits, settings.instruction, settings.retries, settings.is_strict)

    def prepare(contract: EnvContract) -> tuple[Policy, EpisodeQueue]:
        return _prepared(model, contract, sources, progress, settings)

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


def _prepared(
    model: Evaluable,
    contract: EnvContract,
    sources: list[Source],
    progress: RunProgress,
    settings: Settings,
) -> tuple[Policy, EpisodeQueue]:
    """Return the policy for an environment, and the queue of episodes to play."""
    policy = model.policy(
        contract,
        instruction=settings.instruction,
        execution_horizon=settings.execution_horizon,
        max_batch_size=settings.max_batch_size,
    )
    seeds = tuple(settings.seeds or ())
    progress.env_id = contract.id
    if settings.journal is not None:
        header = JournalHeader(
            model_id=model.model_id,
            env_ids=(contract.id,),
            seeds=seeds,
            episodes=settings.count or 0,
            instruction=settings.instruction,
        )
        progress.journal = _journal(settings, header, model._backend)
    finished = () if progress.journal is None else progress.journal.episodes
    count = settings.count
    if count is not None:
        finished = tuple(episode for episode in finished if episode.index < count)
    progress.begin(count, finished, tuple(source.name for source in sources))
    return policy, EpisodeQueue(seeds, count, {episode.index for episode in finished})


def _journal(settings: Settings, header: JournalHeader, backend: ArrayBackend) -> Journal:
    """Return the run's journal: the existing one if the run resumes, else a new one."""
    assert settings.journal is not None
    if settings.resume and os.path.exists(settings.journal):
        return Journal.open(settings.journal, header, backend=backend)
    return Journal.create(settings.journal, header, backend=backend)
