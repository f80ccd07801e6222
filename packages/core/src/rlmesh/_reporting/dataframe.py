"""A run's episodes as a pandas data frame."""

from __future__ import annotations

from typing import Any

from rlmesh._reporting.optional import needed
from rlmesh.results import EpisodeResult, RunResult

__all__ = ["dataframe"]

_TYPES = {
    "index": "uint64",
    "seed": "UInt64",
    "reward": "float64",
    "steps": "uint64",
    "end": "object",
    "success": "boolean",
    "seconds": "float64",
    "predict_seconds": "float64",
    "step_seconds": "float64",
    "wait_seconds": "float64",
    "endpoint": "object",
    "env_id": "object",
    "error": "object",
    "error_type": "object",
    "started_at": "float64",
    "task": "object",
    "instruction": "object",
    "options": "object",
    "final_info": "object",
    "warnings": "object",
}
"""Types of the columns, independent of the episodes, so that seeds above 2**53 stay exact."""


def dataframe(run: RunResult) -> Any:
    """Return one row for each episode, in order; see `RunResult.to_dataframe`."""
    pandas = needed("pandas", "to_dataframe()")
    rows = [_row(episode) for episode in run.episodes]
    return pandas.DataFrame(
        {
            name: pandas.Series([row[i] for row in rows], dtype=kind)
            for i, (name, kind) in enumerate(_TYPES.items())
        }
    )


def _row(episode: EpisodeResult) -> tuple[Any, ...]:
    error = episode.error
    return (
        episode.index,
        episode.seed,
        episode.reward,
        episode.steps,
        episode.end.value,
        episode.success,
        episode.timing.total,
        episode.timing.predict,
        episode.timing.step,
        episode.timing.wait,
        episode.endpoint,
        episode.env_id,
        None if error is None else error.message,
        None if error is None else error.exception_type,
        episode.started_at,
        episode.task,
        episode.instruction,
        episode.options,
        episode.final_info,
        dict(episode.warnings),
    )
