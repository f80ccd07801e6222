"""A run as a plain JSON document (spec/schemas/run_result.schema.json).

Every field is there; what is missing is null. A number is a number: NaN and infinities, which JSON
does not have, are null, with the fact beside them in `non_finite`. An integer above 2**53 - 1,
which readers with double precision would change, is a text of its hexadecimal digits ("0x..."):
`pandas.read_json` would change a text of decimal digits to a float.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from rlmesh._version import __version__
from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.info_json import MAX_EXACT, info_to_json
from rlmesh._wire.results import check_keys
from rlmesh._wire.run_settings import unsigned, utf8_text
from rlmesh.adapters import Finding
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.results import (
    EpisodeEnd,
    EpisodeFailure,
    EpisodeResult,
    Interval,
    RunResult,
    RunSettings,
    Stopping,
    TaskSettings,
    Timing,
)

__all__ = [
    "CONFIDENCE",
    "SCHEMA_VERSION",
    "EpisodeObjects",
    "json_text",
    "run_facts",
    "settings_object",
]

SCHEMA_VERSION = 1
"""Version of the document; it rises when a field is removed, renamed or given another meaning."""

CONFIDENCE = 0.95
"""Probability with which an interval of the summary covers its quantity."""


def json_text(run: RunResult, backend: ArrayBackend, indent: int | None) -> str:
    """Return the document of a run; see `RunResult.to_json`."""
    return json.dumps(_document(run, backend), indent=indent, allow_nan=False)


def _document(run: RunResult, backend: ArrayBackend) -> dict[str, Any]:
    check_keys(run.metadata)
    encoder = DynamicEncoder(backend)
    facts = _Facts()
    return {
        **run_facts(run.model_id, run.env_id, run.instruction),
        "started_at": facts.time("started_at", run.started_at),
        **_timing(run.timing, facts),
        "non_finite": facts.non_finite,
        "summary": _summary(run),
        "settings": settings_object(run.settings),
        "warnings": _counts(run.warnings, "warnings"),
        "resume_differences": list(map(utf8_text, run.resume_differences)),
        "stopping": None if run.stopping is None else _stopping(run.stopping),
        "findings": list(map(_finding, run.findings)),
        "metadata": info_to_json(run.metadata, encoder, "metadata"),
        "episodes": [
            _episode(episode, encoder, f"episodes[{i}]") for i, episode in enumerate(run.episodes)
        ],
    }


def run_facts(model_id: str, env_id: str, instruction: str | None) -> dict[str, Any]:
    """Return the first fields of the document, which say what it is."""
    return {
        "schema_version": SCHEMA_VERSION,
        "spec_version": __version__,
        "model_id": _text(model_id),
        "env_id": _text(env_id),
        "instruction": None if instruction is None else utf8_text(instruction),
    }


class EpisodeObjects:
    """Makes the objects of episodes, for a reader that gets them one by one.

    Args:
        backend: Backend that encodes the arrays of infos.
    """

    def __init__(self, backend: ArrayBackend = NATIVE) -> None:
        self._encoder = DynamicEncoder(backend)

    def of(self, episode: EpisodeResult) -> dict[str, Any]:
        """Return the object of an episode, as it is in the document."""
        return _episode(episode, self._encoder, f"episodes[{episode.index}]")


class _Facts:
    """Numbers of one object of the document; those that are not finite are noted by name."""

    def __init__(self) -> None:
        self.non_finite: dict[str, str] = {}

    def number(self, name: str, value: float) -> float | None:
        """Return a number as JSON has it: null, and noted, if it is not finite."""
        number = float(value)
        if math.isfinite(number):
            return number
        self.non_finite[name] = repr(number)
        return None

    def time(self, name: str, value: float) -> float | None:
        """Return a Unix time; 0 means that it is not known, and is null."""
        missing = value == 0 and math.copysign(1.0, value) > 0
        return None if missing else self.number(name, value)


def _timing(timing: Timing, facts: _Facts) -> dict[str, float | None]:
    return {
        "seconds": facts.number("seconds", timing.total),
        "predict_seconds": facts.number("predict_seconds", timing.predict),
        "step_seconds": facts.number("step_seconds", timing.step),
        "wait_seconds": facts.number("wait_seconds", timing.wait),
    }


def _summary(run: RunResult) -> dict[str, Any]:
    facts = _Facts()
    figures = _figures(run, facts)
    # Without an error the figures are the same, and their bootstrap need not be repeated.
    has_errors = EpisodeEnd.ERROR in run.ends
    apart = _apart(run.without_errors()) if has_errors else _with_non_finite(figures, facts)
    return {
        "confidence": CONFIDENCE,
        **figures,
        "total_steps": _integer(run.total_steps),
        "steps_per_second": facts.number("steps_per_second", run.steps_per_second),
        "ends": {end.value: run.ends.get(end, 0) for end in EpisodeEnd},
        "warnings": _counts(run.warnings, "warnings"),
        "non_finite": facts.non_finite,
        "without_errors": apart,
        **_over_tasks(run),
    }


def _over_tasks(run: RunResult) -> dict[str, Any]:
    """Return the figures of each task of a suite, and their unweighted means."""
    parts = run.by_task()
    is_fixed = run.stopping is None
    return {
        "macro_mean_reward": _finite(run.macro_mean_reward),
        "macro_reward_interval": _ends(run.macro_reward_interval(CONFIDENCE)) if is_fixed else None,
        "macro_success_rate": run.macro_success_rate,
        "macro_success_interval": _ends(run.macro_success_interval(CONFIDENCE))
        if is_fixed
        else None,
        "tasks": [{"task": utf8_text(name), **_apart(part)} for name, part in parts.items()],
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _apart(run: RunResult) -> dict[str, Any]:
    facts = _Facts()
    return _with_non_finite(_figures(run, facts), facts)


def _with_non_finite(figures: dict[str, Any], facts: _Facts) -> dict[str, Any]:
    return {**figures, "non_finite": dict(facts.non_finite)}


def _figures(run: RunResult, facts: _Facts) -> dict[str, Any]:
    successes, trials = run.success_counts
    reported = run.success_rate is not None
    # The intervals of a fixed number of episodes do not hold for a run that a rule may stop.
    is_fixed = run.stopping is None
    return {
        "episodes": len(run.episodes),
        "mean_reward": facts.number("mean_reward", run.mean_reward),
        "std_reward": facts.number("std_reward", run.std_reward),
        "reward_interval": _ends(run.reward_interval(CONFIDENCE)) if is_fixed else None,
        "success_rate": run.success_rate,
        "successes": successes if reported else None,
        "success_trials": trials if reported else None,
        "success_interval": _ends(run.success_interval(CONFIDENCE)) if is_fixed else None,
    }


def _ends(interval: Interval | None) -> list[float] | None:
    """Return the two ends; null if the interval cannot be estimated."""
    known = interval is not None and all(map(math.isfinite, interval))
    return list(interval) if interval is not None and known else None


def settings_object(settings: RunSettings) -> dict[str, Any]:
    """Return the settings of a run, as they are in the document."""
    facts = _Facts()
    found: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, bool) or value is None:
            found[field.name] = value
        elif isinstance(value, str):
            found[field.name] = _text(value)
        elif field.name == "tasks":
            found["tasks"] = [_task(task, f"settings.tasks[{i}]") for i, task in enumerate(value)]
        elif isinstance(value, tuple):
            found[field.name] = list(map(utf8_text, value))
        elif isinstance(value, float):
            found[field.name] = facts.number(field.name, value)
        elif isinstance(value, int):
            found[field.name] = _integer(unsigned(value, f"settings.{field.name}"))
        else:
            found[field.name] = {utf8_text(k): utf8_text(v) for k, v in value.items()}
    return {**found, "non_finite": facts.non_finite}


def _stopping(stopping: Stopping) -> dict[str, Any]:
    return {
        "decision": stopping.decision.value,
        "interval": _ends(stopping.interval),
        "discarded": _integer(unsigned(stopping.discarded, "stopping.discarded")),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    texts = {name: utf8_text(value) for name, value in asdict(finding).items()}
    return {**texts, "task": _text(finding.task)}


def _task(task: TaskSettings, path: str) -> dict[str, Any]:
    facts = {field.name: getattr(task, field.name) for field in fields(task)}
    number = _integer(unsigned(facts.pop("episodes"), f"{path}.episodes"))
    name = utf8_text(facts.pop("name"))
    return {"name": name, "episodes": number, **{key: _text(v) for key, v in facts.items()}}


def _episode(episode: EpisodeResult, encoder: DynamicEncoder, path: str) -> dict[str, Any]:
    facts = _Facts()
    seed = episode.seed
    return {
        "index": _integer(unsigned(episode.index, f"{path}.index")),
        "seed": None if seed is None else _integer(unsigned(seed, f"{path}.seed")),
        "reward": facts.number("reward", episode.reward),
        "steps": _integer(unsigned(episode.steps, f"{path}.steps")),
        "end": episode.end.value,
        "success": None if episode.success is None else bool(episode.success),
        **_timing(episode.timing, facts),
        "endpoint": _text(episode.endpoint),
        "env_id": _text(episode.env_id),
        "started_at": facts.time("started_at", episode.started_at),
        "task": _text(episode.task),
        "instruction": None if episode.instruction is None else utf8_text(episode.instruction),
        "options": _mapping(episode.options, encoder, f"{path}.options"),
        "error": None if episode.error is None else _failure(episode.error),
        "warnings": _counts(episode.warnings, f"{path}.warnings"),
        "final_info": _mapping(episode.final_info, encoder, f"{path}.final_info"),
        "non_finite": facts.non_finite,
    }


def _mapping(values: Mapping[Any, Any] | None, encoder: DynamicEncoder, path: str) -> Any:
    return None if values is None else info_to_json(values, encoder, path)


def _failure(failure: EpisodeFailure) -> dict[str, Any]:
    facts = ((field.name, getattr(failure, field.name)) for field in fields(failure))
    return {name: _text(value) if isinstance(value, str) else value for name, value in facts}


def _counts(counts: Any, path: str) -> dict[str, Any]:
    return {
        utf8_text(kind): _integer(unsigned(count, f"{path}[{kind!r}]"))
        for kind, count in sorted(counts.items())
    }


def _integer(number: int) -> int | str:
    return number if abs(number) <= MAX_EXACT else hex(number)


def _text(text: str) -> str | None:
    """Return a text that is empty if it is missing."""
    return utf8_text(text) or None
