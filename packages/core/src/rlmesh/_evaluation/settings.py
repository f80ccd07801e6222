"""`Settings`: the arguments of a run."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rlmesh._codec.validate import Validation
from rlmesh._evaluation.acting import check_acting
from rlmesh._evaluation.progress_report import Progress
from rlmesh._evaluation.success import Judge, SuccessRule, success_rule
from rlmesh._evaluation.suite import Episode, checked_seeds
from rlmesh.acting import Acting
from rlmesh.options import TLS
from rlmesh.stopping import StoppingRule

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """Arguments of a run; see `rlmesh.evaluate`.

    Attributes:
        load_arguments: Arguments that the model was made with, besides those that it names itself.
        command: Words of the command line, without secrets; empty: there is none.
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
    success: str | Judge = "last"
    success_key: str | None = None
    hooks: object | None = None
    journal: str | os.PathLike[str] | None = None
    resume: bool = False
    force_resume: bool = False
    run_id: str = ""
    command: tuple[str, ...] = ()
    load_arguments: Mapping[str, object] = field(default_factory=dict)
    retries: int = 2
    close_envs: bool = False
    until: StoppingRule | None = None
    acting: Acting | None = None
    validation: Validation = "warn"
    progress: Progress = False
    observe: str = "read"
    is_endless: bool = False
    is_strict: bool = False

    def __post_init__(self) -> None:
        if self.seeds is not None:
            object.__setattr__(self, "seeds", checked_seeds(self.seeds))
        if self.max_episodes is not None and operator.index(self.max_episodes) < 0:
            raise ValueError(f"max_episodes is {self.max_episodes}, below 0")
        success_rule(self.success, self.success_key)
        if self.observe not in ("read", "all"):
            raise ValueError(f"observe={self.observe!r:.60}; expected 'read' or 'all'")
        if self.retries < 0:
            raise ValueError(f"retries is {self.retries}, below 0")
        if self.resume and self.journal is None:
            raise ValueError("resume=True needs the journal= of the run that is to go on")
        if self.force_resume and not self.resume:
            raise ValueError("force_resume=True needs resume=True and the journal= of the run")
        is_rule = isinstance(self.until, StoppingRule) and not isinstance(self.until, type)
        if self.until is not None and not is_rule:
            got = repr(self.until) if isinstance(self.until, type) else type(self.until).__name__
            raise TypeError(f"expected a rule of rlmesh.stopping as until, got {got}")
        check_acting(self.acting, self.execution_horizon)
        if self.validation not in ("off", "warn", "strict"):
            raise ValueError(f"validation={self.validation!r} is not 'off', 'warn' or 'strict'")
        if not isinstance(self.run_id, str):
            raise TypeError(f"expected a str as run_id, got {type(self.run_id).__name__}")

    @property
    def success_rule(self) -> SuccessRule:
        """The rule of success."""
        return success_rule(self.success, self.success_key)

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """The episodes that have a seed."""
        return tuple(map(Episode, self.seeds or ()))

    @property
    def planned(self) -> tuple[Episode, ...]:
        """The episodes of a task without its own: those with a seed, up to the number of all."""
        more = (self.count or 0) - len(self.episodes)
        return (*self.episodes[: self.count], *[Episode()] * max(more, 0))

    @property
    def count(self) -> int | None:
        """Number of episodes; None: endless."""
        if self.is_endless:
            return None
        if self.max_episodes is not None:
            return self.max_episodes
        return 1 if self.seeds is None else len(self.seeds)
