"""Results of episodes and runs, with statistics, files and reports."""

from __future__ import annotations

from rlmesh.results._comparison import Comparison, compare
from rlmesh.results._episode import EpisodeEnd, EpisodeFailure, EpisodeResult, Timing
from rlmesh.results._merge import merge
from rlmesh.results._run import RunResult
from rlmesh.results._settings import RunSettings, TaskSettings
from rlmesh.results._statistics import Interval
from rlmesh.results._stopping import StopDecision, Stopping
from rlmesh.results._warnings import WarningKind

__all__ = [
    "Comparison",
    "EpisodeEnd",
    "EpisodeFailure",
    "EpisodeResult",
    "Interval",
    "RunResult",
    "RunSettings",
    "StopDecision",
    "Stopping",
    "TaskSettings",
    "Timing",
    "WarningKind",
    "compare",
    "merge",
]
