"""Comparison of two runs of the same seeds, episode by episode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlmesh.results._episode import EpisodeEnd, EpisodeResult
from rlmesh.results._run import RunResult
from rlmesh.results._statistics import (
    UNKNOWN,
    Interval,
    bootstrap_interval,
    check_confidence,
    mean,
    paired_interval,
)

__all__ = ["Comparison", "compare"]

Pair = tuple[EpisodeResult, EpisodeResult]

MAX_NAMED = 5
"""Largest number of seeds that an error names."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of a run `a` with a run `b` of the same seeds. Differences are `a` minus `b`.

    Attributes:
        pairs: The two episodes of each seed, in the order of `a`.
        confidence: Probability with which each interval covers its quantity.
        reward_difference: Mean difference of the pairs' rewards; NaN without pairs.
        reward_interval: Bootstrap interval of `reward_difference`; see `RunResult.reward_interval`.
            NaN twice if a stopping rule may have ended a run, because it is for a fixed number of
            episodes.
        wins: Number of pairs in which `a` has the larger reward.
        ties: Number of pairs with equal rewards.
        losses: Number of pairs in which `b` has the larger reward. A pair with a reward of NaN
            counts as none of the three.
        success_difference: Difference of the success rates, among the pairs in which both
            environments reported success or failure, or an error ended the episode, which counts
            as a failure; None if no episode of the pairs reported success or failure.
        success_interval: Interval of `success_difference`, by method 10 of Newcombe (1998) for
            paired proportions; None if there is no such pair, and NaN twice for the same reason.
        errors: Number of pairs in which one or both episodes ended with an error. They count with
            the reward reached until then.
    """

    pairs: tuple[Pair, ...]
    confidence: float
    reward_difference: float
    reward_interval: Interval
    wins: int
    ties: int
    losses: int
    success_difference: float | None
    success_interval: Interval | None
    errors: int

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    @property
    def differences(self) -> tuple[float, ...]:
        """Difference of reward of each pair, in order."""
        return tuple(a.reward - b.reward for a, b in self.pairs)

    def __repr__(self) -> str:
        return f"<Comparison of {self}>"

    def _repr_html_(self) -> str:
        rows = [("reward", f"{self.reward_difference:+.4g}", str(self.reward_interval))]
        if self.success_difference is not None:
            rows.append(("success", f"{self.success_difference:+.4g}", str(self.success_interval)))
        cells = "".join(
            f"<tr><th>{name}</th><td>{difference}</td><td>{interval}</td></tr>"
            for name, difference, interval in rows
        )
        head = f"<tr><th></th><th>difference</th><th>{100 * self.confidence:.4g}%</th></tr>"
        counts = f"{self.n_pairs} pairs: {self.wins} wins, {self.ties} ties, {self.losses} losses"
        errors = f", {self.errors} with an error" if self.errors else ""
        return f"<table>{head}{cells}</table><p>{counts}{errors}</p>"

    def __str__(self) -> str:
        text = (
            f"{self.n_pairs} pairs: reward {self.reward_difference:+.4g} {self.reward_interval}, "
            f"{self.wins} wins, {self.ties} ties, {self.losses} losses"
        )
        if self.success_difference is not None:
            text += f"; success {self.success_difference:+.4g} {self.success_interval}"
        if self.errors:
            text += f"; {self.errors} with an error"
        return f"{text} (intervals of {100 * self.confidence:.4g}%)"


def compare(a: RunResult, b: RunResult, confidence: float = 0.95) -> Comparison:
    """Compare two runs by pairs of episodes of the same task and seed, in whatever order.

    Pairing removes the difficulty of a seed from the difference, so that fewer episodes suffice to
    distinguish two models.

    Args:
        a: A run.
        b: Another run of the same seeds.
        confidence: Probability with which each interval covers its quantity.

    Returns:
        The comparison, `a` minus `b`. Its reward interval is that of the mean of the pairs'
        differences by the BCa bootstrap (Efron and Tibshirani, 1993, chapter 14); the success
        interval is by method 10 of Newcombe (Statistics in Medicine 17, 1998, 2635-2650).

    Raises:
        ValueError: If an episode has no seed, a run has a seed twice, or one run has a seed that
            the other lacks (the message names them), or if `confidence` is not between 0 and 1.
    """
    check_confidence(confidence)
    pairs = _paired(a, b)
    gains = [x.reward - y.reward for x, y in pairs]
    ties = sum(x.reward == y.reward for x, y in pairs)
    difference, interval = _successes(pairs, confidence)
    is_fixed = a.stopping is None and b.stopping is None
    if interval is not None and not is_fixed:
        interval = UNKNOWN
    return Comparison(
        pairs=pairs,
        confidence=confidence,
        reward_difference=mean(gains),
        reward_interval=bootstrap_interval(gains, confidence) if is_fixed else UNKNOWN,
        wins=sum(x.reward > y.reward for x, y in pairs),
        ties=ties,
        losses=sum(x.reward < y.reward for x, y in pairs),
        success_difference=difference,
        success_interval=interval,
        errors=sum(EpisodeEnd.ERROR in (x.end, y.end) for x, y in pairs),
    )


Key = tuple[str, int]
"""The type of what pairs episodes: the name of the task, and the seed."""


def _paired(a: RunResult, b: RunResult) -> tuple[Pair, ...]:
    first, second = _by_seed("a", a), _by_seed("b", b)
    only = [f"{name} alone has {_named(keys)}" for name, keys in _alone(first, second)]
    if only:
        raise ValueError(f"expected two runs of the same seeds: {'; '.join(only)}")
    return tuple((episode, second[key]) for key, episode in first.items())


def _by_seed(name: str, run: RunResult) -> dict[Key, EpisodeResult]:
    unseeded = [episode.index for episode in run.episodes if episode.seed is None]
    if unseeded:
        raise ValueError(
            f"expected a seed for each episode, but {name} has none for {_listed(unseeded)} (by "
            f"index); run it with seeds="
        )
    keyed = [((e.task, e.seed), e) for e in run.episodes if e.seed is not None]
    twice = [key for key, count in Counter(key for key, _ in keyed).items() if count > 1]
    if twice:
        raise ValueError(
            f"expected each seed once, but {name} has {_named(twice)} more often; compare the runs "
            f"of by_endpoint() if each endpoint played all seeds"
        )
    return dict(keyed)


def _alone(
    first: dict[Key, EpisodeResult], second: dict[Key, EpisodeResult]
) -> Iterable[tuple[str, list[Key]]]:
    sides = (("a", first.keys() - second.keys()), ("b", second.keys() - first.keys()))
    return ((name, sorted(keys)) for name, keys in sides if keys)


def _named(keys: Sequence[Key]) -> str:
    return _listed([f"{seed} of {task!r}" if task else seed for task, seed in keys])


def _listed(words: Sequence[object]) -> str:
    named = ", ".join(map(str, words[:MAX_NAMED]))
    more = len(words) - MAX_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _successes(pairs: Sequence[Pair], confidence: float) -> tuple[float | None, Interval | None]:
    if all(episode.success is None for pair in pairs for episode in pair):
        return None, None
    counts = Counter(
        (a.counted_success, b.counted_success)
        for a, b in pairs
        if a.counted_success is not None and b.counted_success is not None
    )
    if not counts:
        return None, None
    both, first = counts[True, True], counts[True, False]
    second, neither = counts[False, True], counts[False, False]
    difference = (first - second) / counts.total()
    return difference, paired_interval(both, first, second, neither, confidence)
