"""`Lane`: a lane that an episode holds; and `Progress`, how far that episode is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rlmesh.acting import ActionPrefix

__all__ = ["Lane", "Progress"]


class Lane:
    """A lane that an episode holds; it is freed when the episode's context is deleted."""

    def __init__(self, number: int, free: Callable[[int], object]) -> None:
        self.number = number
        self._free = free

    def __del__(self) -> None:
        self._free(self.number)


class Progress:
    """How far the episode in a lane is.

    Args:
        needed: Number of the latest observations to keep for the next prediction; None: all.

    Attributes:
        known_step: Step of the next observation, if its context says it.
        expected: The same if each action that was returned is executed.
        agreed: Whether the server counts the same; if not, a prediction has failed.
        predicted: Step of the last prediction; -1: there was none.
        seen: Number of observations since then.
        watched: The latest of them, encoded, the oldest first.
        prefix: The actions that the next prediction continues; None: there are none.
    """

    __slots__ = ("agreed", "expected", "known_step", "predicted", "prefix", "seen", "watched")

    def __init__(self, needed: int | None) -> None:
        self.known_step: int | None = None
        self.expected = 0
        self.agreed = True
        self.predicted = -1
        self.seen = 0
        self.watched: deque[list[bytes]] = deque(maxlen=needed)
        self.prefix: ActionPrefix | None = None

    @property
    def step(self) -> int:
        """Step of the next observation."""
        if self.known_step is not None:
            return self.known_step
        return self.predicted + 1 + self.seen if self.seen else self.expected

    def asked(self, step: int) -> None:
        """Record a prediction that is not answered yet, or that fails."""
        self.known_step = self.prefix = None
        self.expected = self.predicted = step
        self.agreed = False
        self.seen = 0
        self.watched.clear()

    def answered(self, actions: int) -> None:
        """Record the answer to a prediction, with a number of actions."""
        self.expected += actions
        self.agreed = True
