"""What an episode and a run gave."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from enum import Enum

__all__ = ["EpisodeEnd", "EpisodeResult", "RunResult"]


class EpisodeEnd(Enum):
    """How an episode came to its end."""

    TERMINATED = "terminated"
    TRUNCATED = "truncated"


@dataclass(frozen=True)
class EpisodeResult:
    """What one episode gave.

    Attributes:
        index: Place in the run, from 0.
        seed: Seed of its reset; None: it ran unseeded.
        reward: Sum of its rewards, added in order in float64.
        steps: Number of steps.
        end: How it ended.
        success: The environment's own word (`info["is_success"]` or `info["success"]` of the last
            step); None: it said nothing.
        seconds: Wall time from the start of the reset to the end of the last step.
        env_id: Id of the environment's contract.
    """

    index: int
    seed: int | None
    reward: float
    steps: int
    end: EpisodeEnd
    success: bool | None = None
    seconds: float = 0.0
    env_id: str = ""

    @property
    def terminated(self) -> bool:
        """Whether the task's own end was reached."""
        return self.end is EpisodeEnd.TERMINATED

    @property
    def truncated(self) -> bool:
        """Whether the episode was cut for another reason, such as a time limit."""
        return self.end is EpisodeEnd.TRUNCATED


@dataclass(frozen=True)
class RunResult:
    """What one run gave.

    Attributes:
        episodes: The finished episodes in order.
        env_id: Id of the environment's contract.
        seconds: Wall time of the run.
    """

    episodes: tuple[EpisodeResult, ...]
    env_id: str = ""
    seconds: float = 0.0

    @property
    def rewards(self) -> tuple[float, ...]:
        """Reward of each episode, in order."""
        return tuple(episode.reward for episode in self.episodes)

    @property
    def mean_reward(self) -> float:
        """Mean of the episodes' rewards; NaN without episodes."""
        return statistics.fmean(self.rewards) if self.episodes else float("nan")

    @property
    def std_reward(self) -> float:
        """Population standard deviation of the episodes' rewards; NaN without episodes."""
        return statistics.pstdev(self.rewards) if self.episodes else float("nan")

    @property
    def total_steps(self) -> int:
        """Steps of all episodes."""
        return sum(episode.steps for episode in self.episodes)

    @property
    def success_rate(self) -> float | None:
        """Share of successes among the episodes that reported it; None where none did."""
        reported = [e.success for e in self.episodes if e.success is not None]
        return sum(reported) / len(reported) if reported else None
