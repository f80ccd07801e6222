"""`EpisodeQueue`: the episodes of a task, as a queue over its endpoints."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from rlmesh._evaluation.episode import PlannedEpisode
from rlmesh._evaluation.suite import PlannedTask
from rlmesh.results import WarningKind

__all__ = ["EpisodeQueue"]


class EpisodeQueue:
    """The episodes that are to be played, in the order of the run.

    Args:
        task: The task.
        finished: Positions, in the run, of the episodes that are finished already.
    """

    def __init__(self, task: PlannedTask, finished: Collection[int] = ()) -> None:
        self._task = task
        self._finished = frozenset(finished)
        self._next = task.first
        self._end = None if task.count is None else task.first + task.count
        self._again: deque[PlannedEpisode] = deque()
        self._skip()

    def _skip(self) -> None:
        while self._next in self._finished:
            self._next += 1

    @property
    def has_more(self) -> bool:
        """Whether an episode is waiting to be played."""
        return bool(self._again) or self._end is None or self._next < self._end

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
        if self._end is not None and self._next >= self._end:
            return None
        index = self._next
        self._next += 1
        self._skip()
        episode = self._task.episode(index)
        return PlannedEpisode(
            index,
            episode.seed,
            self._task.name,
            episode.options,
            self._task.instruction_of(episode),
        )

    def give_back(self, planned: PlannedEpisode) -> None:
        """Queue an episode to be played again, before those that have not begun."""
        planned.warnings[WarningKind.EPISODE_RETRIED] += 1
        self._again.append(planned)
