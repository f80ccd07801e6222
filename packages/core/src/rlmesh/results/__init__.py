"""Results of episodes and runs, with statistics, files and reports.

A public name is imported when it is first used (PEP 562), because `import rlmesh` imports this
package, and a client or a server needs no results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlmesh._lazy import lazy_names

if TYPE_CHECKING:
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

_MODULES = {
    "Comparison": "_comparison",
    "EpisodeEnd": "_episode",
    "EpisodeFailure": "_episode",
    "EpisodeResult": "_episode",
    "Interval": "_statistics",
    "RunResult": "_run",
    "RunSettings": "_settings",
    "StopDecision": "_stopping",
    "Stopping": "_stopping",
    "TaskSettings": "_settings",
    "Timing": "_episode",
    "WarningKind": "_warnings",
    "compare": "_comparison",
    "merge": "_merge",
}
"""Module of each public name."""

__getattr__ = lazy_names(__name__, _MODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
