"""A run's episodes as comma-separated values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.info_json import info_to_json
from rlmesh._wire.run_settings import utf8_text
from rlmesh.backends import NATIVE
from rlmesh.results import EpisodeResult, RunResult

__all__ = ["COLUMNS", "csv_text"]

COLUMNS = (
    *("index", "task", "seed", "reward", "steps", "end", "success"),
    *("seconds", "predict_seconds", "step_seconds", "wait_seconds", "started_at"),
    *("endpoint", "env_id", "instruction", "options", "warnings", "error_type", "error"),
)
"""Columns of the table."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a text that a spreadsheet would evaluate."""


def csv_text(run: RunResult) -> str:
    """Return a line of `COLUMNS` and one for each episode; see `RunResult.to_csv`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # As RFC 4180 has it.
    writer.writerow(COLUMNS)
    encoder = DynamicEncoder(NATIVE)
    for episode in run.episodes:
        row = _row(episode, encoder)
        writer.writerow([_cell(row[name]) for name in COLUMNS])
    return out.getvalue()


def _row(episode: EpisodeResult, encoder: DynamicEncoder) -> Mapping[str, Any]:
    error, options, timing = episode.error, episode.options, episode.timing
    return {
        "index": episode.index,
        "task": episode.task,
        "seed": episode.seed,
        "reward": float(episode.reward),
        "steps": episode.steps,
        "end": episode.end.value,
        "success": None if episode.success is None else str(bool(episode.success)).lower(),
        "seconds": timing.total,
        "predict_seconds": timing.predict,
        "step_seconds": timing.step,
        "wait_seconds": timing.wait,
        "started_at": episode.started_at or None,
        "endpoint": episode.endpoint,
        "env_id": episode.env_id,
        "instruction": episode.instruction,
        "options": None if options is None else _json(info_to_json(options, encoder, "options")),
        "warnings": _json(dict(episode.warnings)) if episode.warnings else None,
        "error_type": None if error is None else error.exception_type,
        "error": None if error is None else error.message,
    }


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _cell(value: Any) -> str:
    """Return the text of a cell, with an apostrophe before what a spreadsheet would evaluate."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    # Readers end a text at a NUL, and the writer of Python 3.10 refuses it.
    text = utf8_text(str(value)).replace("\0", "\N{REPLACEMENT CHARACTER}")
    is_formula = isinstance(value, str) and text.startswith(_FORMULAS)
    return f"'{text}" if is_formula else text
