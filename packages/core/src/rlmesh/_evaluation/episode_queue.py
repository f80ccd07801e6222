"""`EpisodeQueue`: the episodes of a run, as a queue over its endpoints."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence

from rlmesh._evaluation.episode import PlannedEpisode
from rlmesh.results import WarningKind

__all__ = ["EpisodeQueue"]


class EpisodeQueue:
    """The episodes that are to be played, in the order of the run.

    Args:
        seeds: Seed of each episode; episodes past the last seed run unseeded.
        count: Number of episodes; None: endless.
        finished: Positions of the episodes that are finished already.
    """

    def __init__(
        self, seeds: Sequence[int], count: int | None, finished: Collection[int] = ()
    ) -> None:
        self._seeds = seeds
        self._count = count
        self._finished = frozenset(finished)
        self._next = 0
        self._again: deque[PlannedEpisode] = deque()
        self._skip()

    def _skip(self) -> None:
        while self._next in self._finished:
            self._next += 1

    @property
    def has_more(self) -> bool:
        """Whether an episode is waiting to be played."""
        return bool(self._again) or self._count is None or self._next < self._count

    def take(self, endpoint: int, others: Iterable[int], *, alone: bool) -> PlannedEpisode | None:
        """Return the next episode for an endpoint, or None if there is none now.

        An episode that failed goes to another endpoint if possible.

        Args:
            endpoint: Number of the endpoint.
            others: Numbers of the other active endpoints.
            alone: Whether the endpoint plays nothing else.
        """
        elsewhere = list(others)
        for planned in self._again:
            if planned.is_suspect and not alone:
                continue
            if endpoint in planned.failed_on and not planned.failed_on.issuperset(elsewhere):
                continue
            self._again.remove(planned)
            return planned
        if self._count is not None and self._next >= self._count:
            return None
        index = self._next
        self._next += 1
        self._skip()
        return PlannedEpisode(index, int(self._seeds[index]) if index < len(self._seeds) else None)

    def give_back(self, planned: PlannedEpisode) -> None:
        """Queue an episode to be played again, before those that have not begun."""
        planned.warnings[WarningKind.EPISODE_RETRIED] += 1
        self._again.append(planned)
