"""`SuccessTally`: how many episodes succeeded, of those that count."""

from __future__ import annotations

from collections.abc import Iterable

from rlmesh.results._episode import EpisodeResult

__all__ = ["SuccessTally"]


class SuccessTally:
    """Counts successes, of a finished run or while its episodes end.

    Episodes that reported success or failure count, and so do those that ended with an error, as
    failures.

    Args:
        episodes: Episodes to count.
        is_reported: Whether success is reported elsewhere in the run of these episodes.
    """

    def __init__(
        self, episodes: Iterable[EpisodeResult] = (), *, is_reported: bool = False
    ) -> None:
        self._successes = self._counted = 0
        self._is_reported = is_reported
        for episode in episodes:
            self.add(episode)

    def add(self, episode: EpisodeResult) -> None:
        """Count an episode."""
        self._is_reported = self._is_reported or episode.success is not None
        if episode.counted_success is not None:
            self._counted += 1
            self._successes += episode.counted_success

    @property
    def counts(self) -> tuple[int, int]:
        """Number of successes, and of the episodes that count.

        The result is (0, 0) if no episode reported success or failure.
        """
        return (self._successes, self._counted) if self._is_reported else (0, 0)

    @property
    def rate(self) -> float | None:
        """Share of successes; None if no episode reported success or failure."""
        successes, counted = self.counts
        return successes / counted if counted else None
