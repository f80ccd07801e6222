"""`StopWatch`: shows a stopping rule the episodes of a run in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rlmesh.results import EpisodeResult, Stopping
from rlmesh.stopping import Tally

__all__ = ["StopWatch"]


class StopWatch:
    """Shows a rule each episode once all before it have ended, so that their speed decides nothing.

    Args:
        tally: State of the rule.

    Attributes:
        count: Number of episodes, from the first on, that the rule has seen.
    """

    def __init__(self, tally: Tally) -> None:
        self.count = 0
        self._tally = tally
        self._found: Stopping | None = None

    @property
    def has_decided(self) -> bool:
        """Whether the run stops."""
        return self._found is not None

    def look(self, episodes: Mapping[int, EpisodeResult]) -> None:
        """Show the rule the episodes that it has not seen.

        Args:
            episodes: The finished episodes by their position.
        """
        while self._found is None and (episode := episodes.get(self.count)) is not None:
            self.count += 1
            self._found = self._tally.add(episode)

    def stopping(self, finished: int) -> Stopping:
        """Return how the rule has ended.

        Args:
            finished: Number of all finished episodes.
        """
        if self._found is None:
            return self._tally.undecided()
        return replace(self._found, discarded=finished - self.count)
