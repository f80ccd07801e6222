"""`Stopping`: how the rule that may stop a run early has ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rlmesh.results._statistics import UNKNOWN, Interval

__all__ = ["StopDecision", "Stopping"]


class StopDecision(Enum):
    """What a stopping rule has found."""

    UNDECIDED = "undecided"
    """The rule was not met when the run ended, by its last episode or otherwise."""

    PRECISE = "precise"
    """The interval is narrow enough."""

    BETTER = "better"
    """The run has more wins than losses against the other one."""

    WORSE = "worse"
    """The run has more losses than wins against the other one."""

    NO_DIFFERENCE = "no_difference"
    """A difference of the size that was asked for is excluded."""


@dataclass(frozen=True)
class Stopping:
    """How the stopping rule of a run has ended.

    Attributes:
        decision: What the rule has found.
        interval: Confidence interval of the quantity that the rule watches, which holds although
            the run could have stopped at other episodes: of the success rate, of the mean reward,
            or of the share of wins among wins and losses. NaN twice if it cannot be estimated.
        discarded: Number of episodes that had ended too when the rule was met, after the one that
            met it. They are in the journal, and in no figure, so that figures do not depend on the
            number of endpoints.
    """

    decision: StopDecision
    interval: Interval = UNKNOWN
    discarded: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval", Interval(*self.interval))
