"""`StopWatch`: shows a stopping rule the episodes of a run in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rlmesh._logs import logger
from rlmesh.results import EpisodeResult, StopDecision, Stopping
from rlmesh.stopping import Tally

__all__ = ["StopWatch"]

_log = logger("rlmesh.evaluate")


class StopWatch:
    """Shows a rule each episode once all before it have ended, so that their speed decides nothing.

    Args:
        tally: State of the rule.

    Raises:
        TypeError: If `tally` is not what a rule's `begin` returns.

    Attributes:
        count: Number of episodes, from the first on, that the rule has seen.
    """

    def __init__(self, tally: Tally) -> None:
        if not (callable(getattr(tally, "add", None)) and hasattr(tally, "undecided")):
            kind = type(tally).__name__
            raise TypeError(f"begin() of the rule for until= returned a {kind}; expected a Tally")
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
            found = self._tally.add(episode)
            if found is not None and not isinstance(found, Stopping):
                kind = type(found).__name__
                raise TypeError(f"add() of the rule for until= returned a {kind}, not a Stopping")
            self._found = found

    def stopping(self, finished: int) -> Stopping:
        """Return how the rule has ended.

        Args:
            finished: Number of all finished episodes.
        """
        if self._found is not None:
            return replace(self._found, discarded=finished - self.count)
        try:
            return self._tally.undecided()
        except Exception:
            # The episodes matter more than what the rule has to report of them.
            _log.exception("undecided() of the rule for until= failed")
            return Stopping(StopDecision.UNDECIDED)
