"""Rules that stop a run early, with an error rate that holds although every episode is looked at.

Pass one as `until` to `rlmesh.evaluate`. A rule looks at the finished episodes in the order of
their seeds, so that a run has the same result on any number of endpoints.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from rlmesh._logs import warn
from rlmesh.results import EpisodeResult, Interval, RunResult, StopDecision, Stopping
from rlmesh.results._sequential import MeanSequence, SignTest, stopped_rate_interval
from rlmesh.results._statistics import check_confidence, wilson_interval
from rlmesh.results._success_tally import SuccessTally

__all__ = ["DifferenceDecided", "IntervalWidth", "StoppingRule", "Tally"]


class Tally(Protocol):
    """The state of a rule during one run."""

    def add(self, episode: EpisodeResult) -> Stopping | None:
        """Add the next episode, in the order of the run; return how the run stops, if it does."""
        ...

    def undecided(self) -> Stopping:
        """Return the end of a run that the rule has not stopped."""
        ...


@runtime_checkable
class StoppingRule(Protocol):
    """A rule that may stop a run early; write your own by implementing it."""

    @property
    def description(self) -> str:
        """The rule in words, equal for equal rules: a run resumes only with an equal one."""
        ...

    def begin(self, seeds: Sequence[int | None]) -> Tally:
        """Return the state for a new run.

        Args:
            seeds: Seed of each planned episode, in order; None: the episode has no seed.

        Raises:
            ValueError: If the rule cannot be used with these seeds.
        """
        ...


@dataclass(frozen=True)
class IntervalWidth:
    """Stop when the interval of the success rate, or of the mean reward, is narrow enough.

    The interval at the stop, `RunResult.stopping.interval`, covers the true value with probability
    `confidence` although the run has looked at it after each episode. That of a success rate needs
    about a quarter more episodes than the interval of a fixed number; that of a mean reward, about
    which nothing is known but its bounds, needs several times as many.

    Args:
        width: Largest width from end to end, such as 0.1 for a rate known to 5 points.
        confidence: Probability with which the interval covers the true value.
        of: "success" or "reward".
        bounds: Smallest and largest reward that an episode can have; needed for "reward" only. A
            reward beyond them is warned of, and the run goes on to its end, undecided.

    Raises:
        ValueError: If an argument is out of range, or bounds are missing or not of use.
    """

    width: float
    confidence: float = 0.95
    of: Literal["success", "reward"] = "success"
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        _check_subject(self.of)
        if not 0.0 < self.width < math.inf:
            raise ValueError(f"expected a width above 0, got {self.width!r}")
        if (self.bounds is None) != (self.of == "success"):
            raise ValueError("expected bounds of the reward for of='reward', and else no bounds")
        if self.bounds is not None:
            low, high = map(float, self.bounds)
            object.__setattr__(self, "bounds", (low, high))
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(f"expected finite bounds, low before high, got {self.bounds!r}")

    @property
    def description(self) -> str:
        """The rule in words."""
        subject = "success rate" if self.bounds is None else f"mean reward within {self.bounds}"
        width, confidence = float(self.width), float(self.confidence)
        return f"{subject} known to a width of {width!r} at {confidence!r}"

    def begin(self, seeds: Sequence[int | None]) -> Tally:
        """See `StoppingRule`."""
        return _RewardWidth(self) if self.bounds else _SuccessWidth(self)


class _SuccessWidth:
    """The state of `IntervalWidth` of a success rate."""

    def __init__(self, rule: IntervalWidth) -> None:
        self._rule = rule
        self._tally = SuccessTally()

    def add(self, episode: EpisodeResult) -> Stopping | None:
        self._tally.add(episode)
        successes, count = self._tally.counts
        width, confidence = self._rule.width, self._rule.confidence
        if not count or _width(wilson_interval(successes, count, confidence)) > width:
            return None  # The other interval is wider, and takes long to compute.
        found = self._stopping(StopDecision.PRECISE)
        return found if _width(found.interval) <= width else None

    def undecided(self) -> Stopping:
        return self._stopping(StopDecision.UNDECIDED)

    def _stopping(self, decision: StopDecision) -> Stopping:
        interval = stopped_rate_interval(*self._tally.counts, self._rule.confidence)
        return Stopping(decision, interval)


class _RewardWidth:
    """The state of `IntervalWidth` of a mean reward."""

    def __init__(self, rule: IntervalWidth) -> None:
        assert rule.bounds is not None
        self._rule = rule
        self._sequence = MeanSequence(*rule.bounds, rule.confidence)
        self._is_broken = False

    def add(self, episode: EpisodeResult) -> Stopping | None:
        if self._is_broken:
            return None
        try:
            self._sequence.add(episode.reward)
        except ValueError as error:
            # Without true bounds there is no interval, so that the run goes on to its end.
            self._is_broken = True
            warn(f"until=: episode {episode.index}: {error}", RuntimeWarning, stacklevel=2)
            return None
        interval = self._sequence.interval
        is_met = _width(interval) <= self._rule.width
        return Stopping(StopDecision.PRECISE, interval) if is_met else None

    def undecided(self) -> Stopping:
        if self._is_broken:
            return Stopping(StopDecision.UNDECIDED)
        return Stopping(StopDecision.UNDECIDED, self._sequence.interval)


def _width(interval: Interval) -> float:
    return interval.high - interval.low


@dataclass(frozen=True)
class DifferenceDecided:
    """Stop when it is decided whether the run is better than another one on the same seeds.

    Episodes of one seed are a pair: a win if this run succeeds and the other one fails (or has the
    higher reward), a loss the other way round; other pairs do not count. The test is sequential
    (see `rlmesh.results._sequential.SignTest`): on average it needs about a third fewer episodes
    than one of a fixed number with the same `confidence` and `power`.

    Args:
        against: The other run, which has every seed of this one once.
        odds: Smallest ratio of wins to losses, or of losses to wins, that matters; above 1.
        confidence: Probability of finding no difference if there is none.
        power: Probability of finding a difference of `odds` or more.
        of: "success" or "reward".

    Raises:
        ValueError: If an argument is out of range, or the other run has a seed twice or none.
    """

    against: RunResult
    odds: float = 2.0
    confidence: float = 0.95
    power: float = 0.9
    of: Literal["success", "reward"] = "success"

    def __post_init__(self) -> None:
        if not isinstance(self.against, RunResult):
            kind = type(self.against).__name__
            raise TypeError(f"expected a RunResult to compare against, got {kind}")
        check_confidence(self.confidence)
        check_confidence(self.power)
        _check_subject(self.of)
        if not 1.0 < self.odds < math.inf:
            raise ValueError(f"expected odds above 1, got {self.odds!r}")
        self._by_seed()

    def _by_seed(self) -> dict[int, float | None]:
        """Return the success or reward of the other run by seed; None if it is not known."""
        found: dict[int, float | None] = {}
        for episode in self.against.episodes:
            if episode.seed is None or episode.seed in found:
                words = "without a seed" if episode.seed is None else f"of seed {episode.seed}"
                raise ValueError(
                    f"expected each seed once in the other run; episode "
                    f"{episode.index} is another one {words}"
                )
            found[episode.seed] = _outcome(episode, self.of)
        return found

    @property
    def description(self) -> str:
        """The rule in words, with a digest of the other run's outcomes."""
        outcomes = repr(sorted(self._by_seed().items())).encode()
        digest = hashlib.sha256(outcomes).hexdigest()[:12]
        return (
            f"{self.of} decided against {self.against.model_id!r} ({digest}) at odds of "
            f"{float(self.odds)!r}, confidence {float(self.confidence)!r}, power "
            f"{float(self.power)!r}"
        )

    def begin(self, seeds: Sequence[int | None]) -> Tally:
        """See `StoppingRule`."""
        others = self._by_seed()
        missing = [seed for seed in seeds if seed is None or seed not in others]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            first = "an episode without a seed" if missing[0] is None else f"seed {missing[0]}"
            raise ValueError(
                f"expected the seeds of the run that is compared against; it lacks {first}{more}"
            )
        if len(set(seeds)) < len(seeds):
            raise ValueError("expected each seed once, to compare it with that of the other run")
        if all(outcome is None for outcome in others.values()):
            raise ValueError(f"the run that is compared against has no {self.of} in any episode")
        return _Difference(self, others)


class _Difference:
    """The state of `DifferenceDecided`."""

    def __init__(self, rule: DifferenceDecided, others: dict[int, float | None]) -> None:
        self._of = rule.of
        self._others = others
        self._test = SignTest(rule.odds, rule.confidence, rule.power)

    def add(self, episode: EpisodeResult) -> Stopping | None:
        assert episode.seed is not None
        own, other = _outcome(episode, self._of), self._others[episode.seed]
        if own is not None and other is not None and own != other:
            self._test.add(own > other)
        return self._found()

    def _found(self) -> Stopping | None:
        test = self._test
        for is_met, decision in (
            (test.is_better, StopDecision.BETTER),
            (test.is_worse, StopDecision.WORSE),
            (test.is_even, StopDecision.NO_DIFFERENCE),
        ):
            if is_met:
                return Stopping(decision, test.interval)
        return None

    def undecided(self) -> Stopping:
        return Stopping(StopDecision.UNDECIDED, self._test.interval)


def _check_subject(of: str) -> None:
    if of not in ("success", "reward"):
        raise ValueError(f"of={of!r} is not 'success' or 'reward'")


def _outcome(episode: EpisodeResult, of: str) -> float | None:
    """Return what an episode is compared by; None if it is not known."""
    if of == "success":
        return episode.counted_success
    return None if math.isnan(episode.reward) else episode.reward
