"""What a run gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rlmesh._version import __version__
from rlmesh.results._episode import NO_TIME, EpisodeEnd, EpisodeResult, Timing, one_time
from rlmesh.results._outputs import Outputs
from rlmesh.results._statistics import Interval, bootstrap_interval, mean, std, wilson_interval

__all__ = ["RunResult"]


@dataclass(frozen=True)
class RunResult(Outputs):
    """What one run gave.

    Episodes that an error ended count in every figure, with the reward and the steps that there
    were until then; `ends` says how many they are.

    Attributes:
        episodes: The finished episodes in order. A run that was cut short lacks some.
        env_id: Id of the environment's contract; empty: not said, or several.
        seconds: Seconds of wall time of the run; the same as `timing.total`, whichever of the two
            is given.
        model_id: The model's name; empty: not said.
        timing: Where the time went, in seconds: `total` is wall time, the others are sums over the
            endpoints, which may be more.
        instruction: Instruction that the run was given; None: none.
        started_at: Unix time of its start, in seconds; 0: not said.
        metadata: Anything that the user added. Keys that begin with "rlmesh." are reserved.
        spec_version: Spec version that it was written with, which is that of the package unless it
            was read from elsewhere.

    Raises:
        ValueError: If `seconds` and `timing.total` are both given and differ.
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

    def __post_init__(self) -> None:
        timing = one_time(self.seconds, self.timing)
        object.__setattr__(self, "timing", timing)
        object.__setattr__(self, "seconds", timing.total)
        object.__setattr__(self, "episodes", tuple(self.episodes))

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

        NaN without episodes, and where a reward is not finite.
        """
        return std(self.rewards)

    def reward_interval(self, confidence: float = 0.95) -> Interval:
        """Confidence interval of the mean reward, by the bootstrap.

        The bias-corrected and accelerated interval (BCa) of B. Efron and R. J. Tibshirani, An
        Introduction to the Bootstrap, Chapman & Hall 1993, chapter 14, by 2,000 samples of a
        generator with a fixed seed: equal rewards have equal intervals, everywhere. Above 10,000
        episodes it is BCa's closed form, that chapter's ABC interval.

        It supposes that episodes are independent. With fewer than about 10 of them it covers the
        mean less often than it says.

        Args:
            confidence: Probability with which such an interval covers the mean.

        Returns:
            Its ends; NaN twice with fewer than two episodes, or where a reward is not finite.

        Raises:
            ValueError: If `confidence` is not between 0 and 1.
        """
        return bootstrap_interval(self.rewards, confidence)

    @property
    def success_rate(self) -> float | None:
        """Share of successes among the episodes that reported it; None where none did."""
        successes, reported = self.success_counts
        return successes / reported if reported else None

    @property
    def success_counts(self) -> tuple[int, int]:
        """Number of successes, and of the episodes that reported on success."""
        reported = [e.success for e in self.episodes if e.success is not None]
        return sum(map(bool, reported)), len(reported)

    def success_interval(self, confidence: float = 0.95) -> Interval | None:
        """Confidence interval of the success rate: the score interval.

        E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal
        of the American Statistical Association 22 (1927), 209-212. It holds for few episodes too,
        and for those that all succeeded or all failed.

        Args:
            confidence: Probability with which such an interval covers the rate.

        Returns:
            Its ends, within 0 and 1; None where no episode reported on success.

        Raises:
            ValueError: If `confidence` is not between 0 and 1.
        """
        successes, reported = self.success_counts
        return wilson_interval(successes, reported, confidence) if reported else None

    @property
    def total_steps(self) -> int:
        """Steps of all episodes."""
        return sum(episode.steps for episode in self.episodes)

    @property
    def steps_per_second(self) -> float:
        """Steps of all episodes in a second of wall time; NaN where the time is not known."""
        return self.total_steps / self.seconds if self.seconds else float("nan")

    @property
    def ends(self) -> dict[EpisodeEnd, int]:
        """How many episodes came to which end; ends that none came to are left out."""
        counts = Counter(episode.end for episode in self.episodes)
        return {end: counts[end] for end in EpisodeEnd if counts[end]}

    def by_endpoint(self) -> dict[str, RunResult]:
        """The run's episodes by the endpoint that played them, each as a run of its own.

        Returns:
            Endpoint to run, in the order of the first episodes. A part's `timing` is the sum of
            that of its episodes (all in seconds), its `started_at` that of its first one; what the
            run was given is that of the whole.
        """
        parts: dict[str, list[EpisodeResult]] = {}
        for episode in self.episodes:
            parts.setdefault(episode.endpoint, []).append(episode)
        return {endpoint: self._part(episodes) for endpoint, episodes in parts.items()}

    def _part(self, episodes: list[EpisodeResult]) -> RunResult:
        timing = sum((episode.timing for episode in episodes), NO_TIME)
        ids = {episode.env_id for episode in episodes}
        starts = [episode.started_at for episode in episodes if episode.started_at]
        return replace(
            self,
            episodes=tuple(episodes),
            env_id=(ids.pop() or self.env_id) if len(ids) == 1 else "",
            seconds=timing.total,
            timing=timing,
            started_at=min(starts, default=0.0),
        )
