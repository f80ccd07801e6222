"""The result of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from rlmesh._version import __version__
from rlmesh.adapters import Finding
from rlmesh.results._episode import NO_TIME, EpisodeEnd, EpisodeResult, Timing, one_time
from rlmesh.results._frozen_mapping import EMPTY, FrozenMapping
from rlmesh.results._macro import macro_mean_interval, macro_rate_interval
from rlmesh.results._outputs import Outputs
from rlmesh.results._settings import UNKNOWN_SETTINGS, RunSettings
from rlmesh.results._statistics import (
    Interval,
    bootstrap_interval,
    mean,
    std,
    wilson_interval,
)
from rlmesh.results._stopping import Stopping
from rlmesh.results._success_tally import SuccessTally
from rlmesh.results._warnings import summed

__all__ = ["RunResult"]


@dataclass(frozen=True)
class RunResult(Outputs):
    """The result of one run.

    Episodes that an error ended count in every figure: with the reward and the steps reached until
    then, and as failures if the environment reports success. `ends` has their number, and
    `without_errors()` the same figures without them.

    Attributes:
        episodes: The finished episodes in order. A run that was cut short lacks some.
        env_id: Id of the environment's contract; empty: not specified, or several.
        seconds: Seconds of wall time of the run; equal to `timing.total`, whichever of the two is
            passed.
        model_id: Name of the model; empty: not specified.
        timing: Time by activity, in seconds: `total` is wall time, the others are sums over the
            endpoints and may exceed it.
        instruction: Instruction of the run; None: none.
        started_at: Unix time of the start, in seconds; 0: not specified.
        metadata: Anything that the user added. Keys that begin with "rlmesh." are reserved.
        spec_version: Spec version that the run was written with, which is that of the package
            unless it was read from elsewhere.
        settings: What the score depends on, and what the run was played with.
        warnings: Number of warnings of each kind (see `WarningKind`), those of the episodes
            included.
        resume_differences: Differences from the journal that `force_resume=True` has accepted, one
            text each; the episodes are then of more than one configuration. Empty: none.
        stopping: How the rule that may stop the run has ended; None: there was none. The intervals
            of a fixed number of episodes (`reward_interval`, `success_interval`) do not hold for a
            run that a rule has stopped; `stopping.interval` does.
        findings: Signs, in the numbers of the first episode of each task, that a declaration of a
            tag or spec is wrong (see `rlmesh.adapters.Probe`), each once for a task, path and rule.

    Raises:
        ValueError: If `seconds` and `timing.total` are both set and differ.
    """

    episodes: tuple[EpisodeResult, ...]
    env_id: str = ""
    seconds: float = 0.0
    model_id: str = ""
    timing: Timing = NO_TIME
    instruction: str | None = None
    started_at: float = 0.0
    metadata: Mapping[Any, Any] = field(default_factory=dict, hash=False)
    spec_version: str = __version__
    settings: RunSettings = UNKNOWN_SETTINGS
    warnings: Mapping[str, int] = EMPTY
    resume_differences: tuple[str, ...] = ()
    stopping: Stopping | None = None
    findings: tuple[Finding, ...] = ()

    _success_is_reported: ClassVar[bool] = False
    # True in a part of a run that reports success: the denominator of a part is that of the run, so
    # that the errors of a task that never reported success are failures too.

    def __post_init__(self) -> None:
        object.__setattr__(self, "warnings", FrozenMapping(self.warnings))
        timing = one_time(self.seconds, self.timing)
        object.__setattr__(self, "timing", timing)
        object.__setattr__(self, "seconds", timing.total)
        object.__setattr__(self, "episodes", tuple(self.episodes))

    def __repr__(self) -> str:
        count = len(self.episodes)
        reward = f", reward {self.mean_reward:.4g} ± {self.std_reward:.3g}" if count else ""
        success = self.success_rate
        rate = "" if success is None else f", success {success:.1%}"
        return (
            f"<RunResult of {self.model_id!r} on {self.env_id!r}: {count} "
            f"episode{'' if count == 1 else 's'}{reward}{rate}>"
        )

    @property
    def rewards(self) -> tuple[float, ...]:
        """Reward of each episode, in order."""
        return tuple(episode.reward for episode in self.episodes)

    @property
    def mean_reward(self) -> float:
        """Mean of the episodes' rewards; NaN without episodes."""
        return mean(self.rewards)

    @property
    def std_reward(self) -> float:
        """Population standard deviation of the episodes' rewards.

        NaN without episodes, or if a reward is not finite.
        """
        return std(self.rewards)

    def reward_interval(self, confidence: float = 0.95) -> Interval:
        """Return the confidence interval of the mean reward, by the bootstrap.

        The interval is the bias-corrected and accelerated one (BCa) of B. Efron and R. J.
        Tibshirani, An Introduction to the Bootstrap, Chapman & Hall 1993, chapter 14. It is
        computed for all samples at once instead of for some that are drawn, so that equal rewards
        have equal intervals. Above 10,000 episodes it is BCa's closed form, that chapter's ABC
        interval.

        The method assumes that episodes are independent. With fewer than about 10 episodes, it
        covers the mean less often than `confidence`.

        Args:
            confidence: Probability with which such an interval covers the mean.

        Returns:
            The interval; NaN twice with fewer than two episodes, or if a reward is not finite.

        Raises:
            ValueError: If `confidence` is not between 0 and 1.
        """
        return bootstrap_interval(self.rewards, confidence)

    @property
    def success_rate(self) -> float | None:
        """Share of successes; see `success_counts`. None if no episode reported success or failure.

        With `without_errors().success_rate`, episodes that an error ended are left out.
        """
        return self._tally().rate

    @property
    def success_counts(self) -> tuple[int, int]:
        """Number of successes, and number of the episodes that count.

        Those that reported success or failure count, and so do those that ended with an error, as
        failures. The result is (0, 0) if no episode reported success or failure; for a part of a
        run (`by_task`, `by_endpoint`), if no episode of the whole run did.
        """
        return self._tally().counts

    def _tally(self) -> SuccessTally:
        return SuccessTally(self.episodes, is_reported=self._success_is_reported)

    def without_errors(self) -> RunResult:
        """Return the run without the episodes that ended with an error, with the run's timing."""
        kept = tuple(e for e in self.episodes if e.end is not EpisodeEnd.ERROR)
        return replace(self, episodes=kept, stopping=None)

    def success_interval(self, confidence: float = 0.95) -> Interval | None:
        """Return the confidence interval of the success rate: the score interval.

        E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal
        of the American Statistical Association 22 (1927), 209-212. It is valid for few episodes
        too, and if all of them succeeded or all failed.

        Args:
            confidence: Probability with which such an interval covers the rate.

        Returns:
            The interval, within 0 and 1; None if no episode reported success or failure.

        Raises:
            ValueError: If `confidence` is not between 0 and 1.
        """
        successes, reported = self.success_counts
        return wilson_interval(successes, reported, confidence) if reported else None

    @property
    def total_steps(self) -> int:
        """Number of steps of all episodes."""
        return sum(episode.steps for episode in self.episodes)

    @property
    def steps_per_second(self) -> float:
        """Steps of all episodes per second of wall time; NaN if the time is not known."""
        return self.total_steps / self.seconds if self.seconds else float("nan")

    @property
    def ends(self) -> dict[EpisodeEnd, int]:
        """Number of episodes for each way to end; ways that did not occur are left out."""
        counts = Counter(episode.end for episode in self.episodes)
        return {end: counts[end] for end in EpisodeEnd if counts[end]}

    def by_endpoint(self) -> dict[str, RunResult]:
        """Return the run's episodes by the endpoint that played them, each as a separate run.

        Returns:
            A dict from endpoint to run, in the order of their first episodes. A part's `timing` is
            the sum of that of its episodes (in seconds), its `started_at` that of its first one,
            and its `warnings` those of its episodes; the other attributes are those of the whole
            run.
        """
        parts: dict[str, list[EpisodeResult]] = {}
        for episode in self.episodes:
            parts.setdefault(episode.endpoint, []).append(episode)
        return {endpoint: self._part(episodes) for endpoint, episodes in parts.items()}

    def by_task(self) -> dict[str, RunResult]:
        """Return the episodes of a suite by their task, each as a separate run.

        Returns:
            A dict from task to run, in the order of the suite; empty if the run is not one of a
            suite. The parts are like those of `by_endpoint`.
        """
        parts: dict[str, list[EpisodeResult]] = {}
        for episode in self.episodes:
            if episode.task:
                parts.setdefault(episode.task, []).append(episode)
        return {task: self._part(episodes) for task, episodes in parts.items()}

    @property
    def macro_mean_reward(self) -> float:
        """Unweighted mean of the tasks' mean rewards: each task counts the same.

        `mean_reward` is the mean over episodes, in which a task counts by its number of episodes.
        NaN if the run is not one of a suite.
        """
        return mean([part.mean_reward for part in self.by_task().values()])

    def macro_reward_interval(self, confidence: float = 0.95) -> Interval:
        """Return the confidence interval of `macro_mean_reward`.

        It is Student's with the degrees of freedom of Satterthwaite (Biometrics Bulletin 2, 1946,
        110-114), because the tasks may differ in their variance and number of episodes.

        Args:
            confidence: Probability with which such an interval covers the mean.

        Returns:
            The interval; NaN twice if the run is not one of a suite, a task has fewer than two
            episodes, or a reward is not finite.

        Raises:
            ValueError: If `confidence` is not between 0 and 1.
        """
        parts = self.by_task().values()
        return macro_mean_interval([part.rewards for part in parts], confidence)

    @property
    def macro_success_rate(self) -> float | None:
        """Unweighted mean of the tasks' success rates: each task counts the same.

        `success_rate` is the share of all episodes. A task in which all episodes ended with an
        error has the rate 0. None if the run is not one of a suite, no episode reported success or
        failure, or those of a task neither reported it nor ended with an error.
        """
        counts = self._task_counts()
        return mean([wins / counted for wins, counted in counts]) if counts else None

    def macro_success_interval(self, confidence: float = 0.95) -> Interval | None:
        """Return the confidence interval of `macro_success_rate`.

        It is the score interval with an effective number of episodes (E. L. Korn and B. I.
        Graubard, Survey Methodology 24, 1998, 193-201), which is at most the number of episodes.

        Args:
            confidence: Probability with which such an interval covers the rate.

        Returns:
            The interval, within 0 and 1; None if there is no `macro_success_rate`.

        Raises:
            ValueError: If `confidence` is not between 0 and 1.
        """
        counts = self._task_counts()
        interval = macro_rate_interval(counts, confidence)
        return interval if counts else None

    def _task_counts(self) -> list[tuple[int, int]]:
        """Return successes and counted episodes of each task; empty if a task has none."""
        counts = [part.success_counts for part in self.by_task().values()]
        return counts if all(counted for _, counted in counts) else []

    def _part(self, episodes: list[EpisodeResult]) -> RunResult:
        timing = sum((episode.timing for episode in episodes), NO_TIME)
        ids = {episode.env_id for episode in episodes}
        tasks = {episode.task for episode in episodes}
        starts = [episode.started_at for episode in episodes if episode.started_at]
        part = replace(
            self,
            episodes=tuple(episodes),
            env_id=(ids.pop() or self.env_id) if len(ids) == 1 else "",
            seconds=timing.total,
            timing=timing,
            started_at=min(starts, default=0.0),
            warnings=summed(*(episode.warnings for episode in episodes)),
            stopping=None,
            findings=tuple(one for one in self.findings if one.task in tasks),
        )
        object.__setattr__(part, "_success_is_reported", self.success_rate is not None)
        return part
