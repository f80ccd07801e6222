"""A plain JSON document -> the run that it was written from."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from rlmesh._reporting.json_document import SCHEMA_VERSION
from rlmesh._wire.info_json import info_from_json
from rlmesh._wire.results import run_from_protojson
from rlmesh.adapters import Finding
from rlmesh.backends import ArrayBackend
from rlmesh.errors import CodecError
from rlmesh.results import (
    EpisodeEnd,
    EpisodeFailure,
    EpisodeResult,
    Interval,
    RunResult,
    RunSettings,
    StopDecision,
    Stopping,
    TaskSettings,
    Timing,
)
from rlmesh.results._statistics import UNKNOWN

__all__ = ["run_of_json"]

_DECISIONS = {decision.value: decision for decision in StopDecision}
_ENDS = {end.value: end for end in EpisodeEnd}
_LIMITS = frozenset(("execution_horizon", "max_batch_size", "max_episode_steps"))


def run_of_json(text: str | bytes, backend: ArrayBackend) -> RunResult:
    """Return the run in a document, or in protobuf's JSON; see `RunResult.from_json`.

    Raises:
        CodecError: If it is neither, with the path of what is wrong.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"not a RunResult in JSON: {error}") from None
    if not isinstance(value, dict) or "schema_version" not in value:
        return run_from_protojson(text, backend)
    version = value["schema_version"]
    if type(version) is not int or version != SCHEMA_VERSION:
        expected = f"expected {SCHEMA_VERSION}, got {version!r:.60}; read it with a newer rlmesh"
        raise CodecError(expected, path="schema_version")
    return _run(_Object(value, ""), backend)


def _run(run: _Object, backend: ArrayBackend) -> RunResult:
    return RunResult(
        episodes=tuple(_episode(one, backend) for one in run.objects("episodes")),
        env_id=run.text("env_id"),
        model_id=run.text("model_id"),
        timing=_timing(run),
        instruction=run.optional_text("instruction"),
        started_at=run.number("started_at", 0.0),
        metadata=info_from_json(run.get("metadata", {}), backend, "metadata"),
        spec_version=run.text("spec_version"),
        settings=_settings(run.object("settings")),
        warnings=run.counts("warnings"),
        resume_differences=run.texts("resume_differences"),
        stopping=None if run.get("stopping") is None else _stopping(run.object("stopping")),
        findings=tuple(map(_finding, run.objects("findings"))),
    )


def _stopping(source: _Object) -> Stopping:
    decision = _DECISIONS.get(source.text("decision"))
    if decision is None:
        raise source.wrong("decision", f"one of {', '.join(_DECISIONS)}")
    ends = source.get("interval")
    known = isinstance(ends, list) and len(ends) == 2 and all(type(e) in (int, float) for e in ends)
    if ends is not None and not known:
        raise source.wrong("interval", "two numbers or null")
    interval = UNKNOWN if ends is None else Interval(float(ends[0]), float(ends[1]))
    return Stopping(decision, interval, source.unsigned("discarded"))


def _finding(source: _Object) -> Finding:
    texts = {name: source.text(name) for name in ("path", "rule", "seen", "check", "task")}
    return Finding(**texts, level="info" if source.text("level") == "info" else "caution")


def _timing(source: _Object) -> Timing:
    return Timing(
        total=source.number("seconds", 0.0),
        predict=source.number("predict_seconds", 0.0),
        step=source.number("step_seconds", 0.0),
        wait=source.number("wait_seconds", 0.0),
    )


def _settings(source: _Object) -> RunSettings:
    facts: dict[str, Any] = {}
    for field in fields(RunSettings):
        name, default = field.name, field.default
        if name in _LIMITS:
            facts[name] = None if source.get(name) is None else source.unsigned(name)
        elif name == "max_episode_seconds":
            facts[name] = source.optional_number(name)
        elif name == "tasks":
            facts[name] = tuple(map(_task, source.objects(name)))
        elif isinstance(default, bool):
            facts[name] = source.flag(name)
        elif isinstance(default, str):
            facts[name] = source.text(name)
        elif isinstance(default, tuple):
            facts[name] = source.texts(name)
        else:
            facts[name] = source.named_texts(name)
    return RunSettings(**facts)


def _task(source: _Object) -> TaskSettings:
    texts = (field.name for field in fields(TaskSettings) if field.name != "episodes")
    return TaskSettings(
        episodes=source.unsigned("episodes"), **{name: source.text(name) for name in texts}
    )


def _episode(source: _Object, backend: ArrayBackend) -> EpisodeResult:
    end = _ENDS.get(source.text("end"))
    if end is None:
        raise source.wrong("end", f"one of {', '.join(_ENDS)}")

    def mapping(name: str) -> Any:
        value = source.get(name)
        return None if value is None else info_from_json(value, backend, source.path_of(name))

    return EpisodeResult(
        index=source.unsigned("index"),
        seed=None if source.get("seed") is None else source.unsigned("seed"),
        reward=source.number("reward", float("nan")),
        steps=source.unsigned("steps"),
        end=end,
        success=None if source.get("success") is None else source.flag("success"),
        env_id=source.text("env_id"),
        timing=_timing(source),
        endpoint=source.text("endpoint"),
        error=None if source.get("error") is None else _failure(source.object("error")),
        final_info=mapping("final_info"),
        started_at=source.number("started_at", 0.0),
        task=source.text("task"),
        instruction=source.optional_text("instruction"),
        options=mapping("options"),
        warnings=source.counts("warnings"),
    )


def _failure(source: _Object) -> EpisodeFailure:
    texts = ("message", "exception_type", "traceback", "path", "expected", "actual")
    exit_code = source.get("exit_code")
    return EpisodeFailure(
        **{name: source.text(name) for name in texts},
        code=source.integer("code") if source.get("code") is not None else 0,
        exit_code=None if exit_code is None else source.integer("exit_code"),
    )


class _Object:
    """An object of the document, with checks of the types of its fields.

    Unknown fields are ignored, and a field that is missing is read like null.

    Raises:
        CodecError: From each method, if a field has another type; the path names the field.
    """

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise CodecError(f"expected an object, got {value!r:.60}", path=path)
        self._value = value
        self._path = path

    def path_of(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def wrong(self, name: str, expected: str) -> CodecError:
        actual = f"{self._value.get(name)!r:.60}"
        return CodecError(f"expected {expected}, got {actual}", path=self.path_of(name))

    def get(self, name: str, default: Any = None) -> Any:
        return self._value.get(name, default)

    def object(self, name: str) -> _Object:
        return _Object(self.get(name, {}), self.path_of(name))

    def objects(self, name: str) -> list[_Object]:
        values = self.get(name, [])
        if not isinstance(values, list):
            raise self.wrong(name, "a list")
        return [_Object(value, f"{self.path_of(name)}[{i}]") for i, value in enumerate(values)]

    def text(self, name: str) -> str:
        return self.optional_text(name) or ""

    def optional_text(self, name: str) -> str | None:
        value = self.get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(name, "a text or null")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.wrong(name, "a list of texts")
        return tuple(values)

    def named_texts(self, name: str) -> dict[str, str]:
        values = self.get(name, {})
        texts = isinstance(values, dict) and all(isinstance(v, str) for v in values.values())
        if not texts:
            raise self.wrong(name, "an object with texts")
        return dict(values)

    def counts(self, name: str) -> dict[str, int]:
        source = self.object(name)
        return {kind: source.unsigned(kind) for kind in source._value}

    def flag(self, name: str) -> bool:
        value = self.get(name, False)
        if not isinstance(value, bool):
            raise self.wrong(name, "a bool")
        return value

    def integer(self, name: str) -> int:
        value = self.get(name)
        if isinstance(value, str) and value.startswith("0x"):
            try:
                return int(value, 16)
            except ValueError:
                raise self.wrong(name, "hexadecimal digits after 0x") from None
        if type(value) is not int:
            raise self.wrong(name, "an integer, or a text of its hexadecimal digits")
        return value

    def unsigned(self, name: str) -> int:
        value = self.integer(name)
        if not 0 <= value < 2**64:
            raise self.wrong(name, "0 to 2**64 - 1")
        return value

    def optional_number(self, name: str) -> float | None:
        """Return a number, also one that is not finite; None if it is missing."""
        noted = self.object("non_finite").get(name)
        if noted is not None:
            if noted not in ("nan", "inf", "-inf"):
                raise CodecError(
                    f"expected nan, inf or -inf, got {noted!r:.60}",
                    path=f"{self.path_of('non_finite')}.{name}",
                )
            return float(noted)
        value = self.get(name)
        if value is None:
            return None
        if type(value) not in (int, float):
            raise self.wrong(name, "a number or null")
        try:
            return float(value)
        except OverflowError:
            raise self.wrong(name, "a number within the range of float64") from None

    def number(self, name: str, missing: float) -> float:
        number = self.optional_number(name)
        return missing if number is None else number
