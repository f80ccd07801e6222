"""`RunningEpisode`: an episode while it is played."""

from __future__ import annotations

import operator
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlmesh._codec.validate import VALIDATION_KEY
from rlmesh._evaluation.lanes import StepResult
from rlmesh._evaluation.success import EpisodeSuccess, SuccessRule
from rlmesh._evaluation.value_reports import count_reports, reports_of
from rlmesh._policy.forms import EpisodeContext
from rlmesh._policy.policy import MAX_CHUNK
from rlmesh.results import EpisodeEnd, EpisodeFailure, EpisodeResult, Timing, WarningKind

__all__ = ["Limits", "PlannedEpisode", "RunningEpisode"]


@dataclass(frozen=True)
class Limits:
    """The limits at which an evaluation cuts an episode; None: no limit."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and operator.index(self.steps) < 1:
            raise ValueError(f"expected max_episode_steps of 1 or more, got {self.steps}")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"expected max_episode_seconds above 0, got {self.seconds}")


@dataclass(eq=False)
class PlannedEpisode:
    """An episode that is to be played.

    Attributes:
        index: Position in the run.
        seed: Seed of the reset; None: unseeded.
        task: Name of the task; empty: the run is not one of a suite.
        options: Options of the reset; None: none.
        instruction: Instruction of the episode; None: none.
        failures: Number of times that the episode has failed.
        failed_on: Endpoints that the episode failed on.
        is_suspect: Whether it failed together with others in a vector. It is then played alone, so
            that the episode that fails can be identified.
        warnings: Number of warnings of each kind, in all attempts.
    """

    index: int
    seed: int | None
    task: str = ""
    options: Mapping[str, Any] | None = None
    instruction: str | None = None
    failures: int = 0
    failed_on: set[int] = field(default_factory=set)
    is_suspect: bool = False
    warnings: Counter[str] = field(default_factory=Counter)


class RunningEpisode:
    """An episode while it is played, in one lane of one endpoint.

    Args:
        planned: The episode.
        lane: The lane.
        context: Facts about the episode for the model.
        limits: Limits at which the episode is cut.
        success: Rule of its success.
        shares_reports: Whether reports on values in an info may be those of other lanes.

    Attributes:
        observation: The latest observation.
        reported: The observation of the latest event, a copy, because a model may write to its own.
        info: The latest info.
        actions: Actions that are still to be taken.
        ready: Time since which the episode waits, by `time.perf_counter`.
        end: The way in which the episode ended; None: it has not ended.
        last_prediction: Duration of its last prediction, in seconds; 0: there was none.
    """

    __slots__ = (
        "_limits",
        "_predict",
        "_shares_reports",
        "_started",
        "_started_at",
        "_step",
        "_success",
        "_wait",
        "actions",
        "context",
        "end",
        "info",
        "lane",
        "last_prediction",
        "observation",
        "planned",
        "ready",
        "reported",
        "reward",
        "steps",
    )

    def __init__(
        self,
        planned: PlannedEpisode,
        lane: int,
        context: EpisodeContext,
        limits: Limits,
        success: SuccessRule,
        *,
        shares_reports: bool = False,
    ) -> None:
        self.planned = planned
        self.lane = lane
        self.context = context
        self.observation: Any = None
        self.reported: Any = None
        self.info: Mapping[Any, Any] = {}
        self.actions: deque[Any] = deque()
        self.end: EpisodeEnd | None = None
        self.reward = 0.0
        self.steps = 0
        self.last_prediction = 0.0
        self._limits = limits
        self._success = EpisodeSuccess(success)
        self._shares_reports = shares_reports
        self._started_at = time.time()
        self._started = self.ready = time.perf_counter()
        self._predict = self._step = self._wait = 0.0

    def begun(self, observation: Any, info: Mapping[Any, Any], begun: float, ended: float) -> None:
        """Record the end of the episode's reset."""
        self._started_at += begun - self._started
        self._started = begun
        self._step += ended - begun
        self.observation, self.info, self.ready = observation, info, ended
        self._count_reports()

    def called(self, begun: float, ended: float) -> None:
        """Record the end of a call of the episode's environment."""
        self._wait += begun - self.ready
        self._step += ended - begun
        self.ready = ended

    def predicted(self, actions: list[Any], begun: float, ended: float) -> None:
        """Record the end of a prediction."""
        self._wait += begun - self.ready
        self.last_prediction = ended - begun
        self._predict += self.last_prediction
        self.ready = ended
        self.actions.extend(actions)

    def stepped(self, result: StepResult) -> None:
        """Record a step."""
        self.observation, reward, terminated, truncated, self.info = result
        self.reward += reward
        self.steps += 1
        if VALIDATION_KEY in self.info:
            self._count_reports()
        self._success.stepped(self.info)
        self.context.step = self.steps
        if terminated or truncated:
            self.end = EpisodeEnd.TERMINATED if terminated else EpisodeEnd.TRUNCATED
        elif self.steps == self._limits.steps or self._is_late():
            self.end = EpisodeEnd.LIMIT

    def _count_reports(self) -> None:
        if not self._shares_reports:
            self.planned.warnings.update(count_reports(reports_of(self.info)))

    def _is_late(self) -> bool:
        seconds = self._limits.seconds
        return seconds is not None and self.ready - self._started >= seconds

    @property
    def started(self) -> float:
        """Time of the start of its reset, by `time.perf_counter`."""
        return self._started

    @property
    def allowed(self) -> int:
        """Number of its actions that may be taken before the result has to be examined."""
        if self._limits.seconds is not None:
            return 1
        count = min(len(self.actions), MAX_CHUNK)
        return count if self._limits.steps is None else min(count, self._limits.steps - self.steps)

    def result(
        self, endpoint: str, env_id: str, failure: EpisodeFailure | None = None
    ) -> EpisodeResult:
        """Return the result of the episode."""
        end = EpisodeEnd.ERROR if failure is not None else self.end
        assert end is not None
        success = None if failure is not None else self._success.decided()
        if self._success.is_unreadable:
            self.planned.warnings[WarningKind.SUCCESS_UNREADABLE] += 1
        total = max(self.ready - self._started, 0.0)
        return EpisodeResult(
            index=self.planned.index,
            seed=self.planned.seed,
            reward=self.reward,
            steps=self.steps,
            end=end,
            success=success,
            env_id=env_id,
            timing=Timing(total, self._predict, self._step, self._wait),
            endpoint=endpoint,
            error=failure,
            started_at=self._started_at,
            task=self.planned.task,
            # A run without tasks has one instruction, which its result has.
            instruction=self.planned.instruction if self.planned.task else None,
            options=self.planned.options,
            warnings=self.planned.warnings,
        )
