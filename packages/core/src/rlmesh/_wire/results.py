"""RunResult and EpisodeResult <-> their messages, bytes and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

from google.protobuf import json_format
from rlmesh_proto.eval.v1 import result_pb2
from rlmesh_proto.session.v1 import error_pb2

from rlmesh._messages.env import Failure
from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh._wire.enums import EnumMap
from rlmesh._wire.failures import failure_from_wire, failure_to_wire
from rlmesh._wire.parsing import parse_message
from rlmesh._wire.run_settings import (
    digest,
    settings_from_wire,
    settings_to_wire,
    unsigned,
    utf8_text,
)
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.adapters import Finding
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError
from rlmesh.results import (
    EpisodeEnd,
    EpisodeFailure,
    EpisodeResult,
    Interval,
    RunResult,
    StopDecision,
    Stopping,
    Timing,
)

__all__ = [
    "check_keys",
    "episodes_digest",
    "read_episode",
    "read_finding",
    "read_stopping",
    "run_from_bytes",
    "run_from_protojson",
    "run_to_bytes",
    "run_to_protojson",
    "write_episode",
    "write_finding",
    "write_stopping",
]

RESERVED = "rlmesh."
"""What the keys of metadata begin with that are the schema's own."""

ENV_ID = "rlmesh.env_id"
"""Key of metadata under which a run's environment stands that was written before it had a field."""

_DECISIONS = EnumMap(StopDecision, result_pb2.StopDecision, "STOP_DECISION")
_ENDS = EnumMap(EpisodeEnd, result_pb2.EpisodeEnd, "EPISODE_END")
# The last ones: errors that versions of protobuf raise for JSON that is not an object.
_NOT_JSON = (json_format.Error, ValueError, RecursionError, TypeError, AttributeError)
_TEXTS = tuple(field.name for field in fields(Finding))
_FACTS = tuple(field.name for field in fields(EpisodeFailure))


# Runs.


def run_to_bytes(run: RunResult, backend: ArrayBackend) -> bytes:
    """Return the serialised `RunResult`.

    Args:
        run: The run.
        backend: Backend of the arrays in its infos and metadata.

    Raises:
        ValueError: If a number does not fit its field, or metadata has a reserved key.
    """
    return _run_message(run, backend).SerializeToString(deterministic=True)


def run_from_bytes(data: bytes, backend: ArrayBackend) -> RunResult:
    """Return the run of a serialised `RunResult`.

    Raises:
        CodecError: If it is not one, or breaks a rule of the contract.
    """
    message = result_pb2.RunResult()
    parse_message(message, data)
    return _read_run(message, backend)


def run_to_protojson(run: RunResult, backend: ArrayBackend, indent: int | None) -> str:
    """Return the `RunResult` in protobuf's JSON; arguments and errors as of `run_to_bytes`."""
    return json_format.MessageToJson(_run_message(run, backend), indent=indent)


def run_from_protojson(text: str | bytes, backend: ArrayBackend) -> RunResult:
    """Return the run of a `RunResult` in protobuf's JSON; fields of a newer spec are ignored.

    Raises:
        CodecError: If it is not one, or breaks a rule of the contract.
    """
    message = result_pb2.RunResult()
    try:
        json_format.Parse(text, message, ignore_unknown_fields=True)
    except _NOT_JSON as error:
        raise CodecError(f"not a RunResult in protobuf's JSON: {error}") from None
    return _read_run(message, backend)


def _run_message(run: RunResult, backend: ArrayBackend) -> result_pb2.RunResult:
    message = result_pb2.RunResult()
    encoder = DynamicEncoder(backend)
    for i, episode in enumerate(run.episodes):
        write_episode(episode, message.episodes.add(), encoder, f"episodes[{i}]")
    message.model_id = utf8_text(run.model_id)
    # Whatever it was read from: this is the version of the messages that are written here.
    message.spec_version = SPEC_VERSION
    _write_timing(run.timing, message.timing)
    if run.instruction is not None:
        message.instruction = utf8_text(run.instruction)
    message.started_at = run.started_at
    check_keys(run.metadata)
    message.env_id = utf8_text(run.env_id)
    if run.metadata:
        encoder.map(run.metadata, message.metadata, "metadata")
    settings_to_wire(run.settings, message.settings)
    _write_counts(run.warnings, message.warnings, "warnings")
    message.resume_differences.extend(map(utf8_text, run.resume_differences))
    if run.stopping is not None:
        write_stopping(run.stopping, message.stopping)
    for one in run.findings:
        write_finding(one, message.findings.add())
    return message


def _read_run(message: result_pb2.RunResult, backend: ArrayBackend) -> RunResult:
    episodes = tuple(
        read_episode(episode, backend, f"episodes[{i}]")
        for i, episode in enumerate(message.episodes)
    )
    metadata = map_from_wire(message.metadata, backend, "metadata")
    env_id = metadata.pop(ENV_ID, _common_env_id(episodes))
    if message.HasField("env_id"):
        env_id = message.env_id
    if not isinstance(env_id, str):
        raise CodecError(f"expected text, got {env_id!r:.60}", path=f"metadata[{ENV_ID!r}]")
    # Other reserved keys are of a newer spec.
    metadata = {key: value for key, value in metadata.items() if not _is_reserved(key)}
    timing = _read_timing(message.timing)
    return RunResult(
        episodes,
        env_id=env_id,
        seconds=timing.total,
        model_id=message.model_id,
        timing=timing,
        instruction=message.instruction if message.HasField("instruction") else None,
        started_at=message.started_at,
        metadata=metadata,
        spec_version=message.spec_version,
        settings=settings_from_wire(message.settings),
        warnings=dict(message.warnings),
        resume_differences=tuple(message.resume_differences),
        stopping=read_stopping(message.stopping) if message.HasField("stopping") else None,
        findings=tuple(map(read_finding, message.findings)),
    )


def episodes_digest(episodes: Sequence[EpisodeResult]) -> str:
    """Return the digest of what is planned for episodes: seeds, instructions and options (T-10).

    Raises:
        InvalidValueError: If no wire type holds a value of the options exactly.
    """
    message = result_pb2.RunResult()
    encoder = DynamicEncoder(NATIVE, exact=True)
    for i, episode in enumerate(episodes):
        out = message.episodes.add()
        out.index = episode.index
        if episode.seed is not None:
            out.seed = episode.seed
        _write_plan(replace(episode, task=""), out, encoder, f"episodes[{i}]")
    return digest(message)


def check_keys(metadata: Mapping[Any, Any]) -> None:
    """Refuse the metadata of a run that has keys of the schema's own.

    Raises:
        ValueError: If a key begins with `RESERVED`.
    """
    reserved = [key for key in metadata if _is_reserved(key)]
    if reserved:
        words = f"expected keys that do not begin with {RESERVED!r}, got {reserved}"
        raise ValueError(f"metadata: {words}")


def _is_reserved(key: object) -> bool:
    return isinstance(key, str) and key.startswith(RESERVED)


def _common_env_id(episodes: tuple[EpisodeResult, ...]) -> str:
    """Return the id that all episodes of a run share; empty if they differ."""
    ids = {episode.env_id for episode in episodes}
    return ids.pop() if len(ids) == 1 else ""


# Episodes.


def _write_plan(
    episode: EpisodeResult, out: result_pb2.EpisodeResult, encoder: DynamicEncoder, path: str
) -> None:
    """Write what a suite has planned for an episode, except for its seed."""
    out.task = utf8_text(episode.task)
    if episode.instruction is not None:
        out.instruction = utf8_text(episode.instruction)
    if episode.options is not None:
        out.options.SetInParent()
        encoder.map(episode.options, out.options, f"{path}.options")


def write_episode(
    episode: EpisodeResult, out: result_pb2.EpisodeResult, encoder: DynamicEncoder, path: str
) -> None:
    out.index = unsigned(episode.index, f"{path}.index")
    if episode.seed is not None:
        out.seed = unsigned(episode.seed, f"{path}.seed")
    out.reward = float(episode.reward)
    out.steps = unsigned(episode.steps, f"{path}.steps")
    out.end = _ENDS.to_wire(episode.end)
    if episode.success is not None:
        out.success = bool(episode.success)
    _write_timing(episode.timing, out.timing)
    out.endpoint = utf8_text(episode.endpoint)
    out.env_id = utf8_text(episode.env_id)
    if episode.error is not None:
        _write_failure(episode.error, out.error)
    if episode.final_info is not None:
        out.final_info.SetInParent()
        encoder.map(episode.final_info, out.final_info, f"{path}.final_info")
    out.started_at = episode.started_at
    _write_plan(episode, out, encoder, path)
    _write_counts(episode.warnings, out.warnings, f"{path}.warnings")


def _write_counts(counts: Mapping[str, int], out: Any, path: str) -> None:
    for kind, count in counts.items():
        out[utf8_text(kind)] = unsigned(count, f"{path}[{kind!r}]")


def read_episode(
    message: result_pb2.EpisodeResult, backend: ArrayBackend, path: str
) -> EpisodeResult:
    end = _ENDS.known(message.end)
    if end is None:
        words = f"an episode has no end that this version knows, but number {message.end}"
        raise CodecError(words, path=f"{path}.end", rule="G-3")
    timing = _read_timing(message.timing)

    def mapping(name: str) -> dict[Any, Any] | None:
        if not message.HasField(name):  # type: ignore[arg-type]
            return None
        return map_from_wire(getattr(message, name), backend, f"{path}.{name}")

    return EpisodeResult(
        index=message.index,
        seed=message.seed if message.HasField("seed") else None,
        reward=message.reward,
        steps=message.steps,
        end=end,
        success=message.success if message.HasField("success") else None,
        seconds=timing.total,
        env_id=message.env_id,
        timing=timing,
        endpoint=message.endpoint,
        error=_read_failure(message.error) if message.HasField("error") else None,
        final_info=mapping("final_info"),
        started_at=message.started_at,
        task=message.task,
        instruction=message.instruction if message.HasField("instruction") else None,
        options=mapping("options"),
        warnings=dict(message.warnings),
    )


def write_stopping(stopping: Stopping, out: result_pb2.Stopping) -> None:
    out.decision = _DECISIONS.to_wire(stopping.decision)
    out.low, out.high = stopping.interval
    out.discarded = unsigned(stopping.discarded, "stopping.discarded")


def read_stopping(message: result_pb2.Stopping) -> Stopping:
    return Stopping(
        _DECISIONS.read(message.decision, StopDecision.UNDECIDED, "stopping.decision"),
        Interval(message.low, message.high),
        message.discarded,
    )


def write_finding(finding: Finding, out: result_pb2.Finding) -> None:
    out.SetInParent()
    for name in _TEXTS:
        setattr(out, name, utf8_text(getattr(finding, name)))


def read_finding(message: result_pb2.Finding) -> Finding:
    # T-13: a level that is not known is a caution.
    level: Literal["info", "caution"] = "info" if message.level == "info" else "caution"
    texts = {name: getattr(message, name) for name in _TEXTS if name != "level"}
    return Finding(**texts, level=level)


def _write_timing(timing: Timing, out: result_pb2.Timing) -> None:
    out.total_seconds = timing.total
    out.predict_seconds = timing.predict
    out.step_seconds = timing.step
    out.wait_seconds = timing.wait


def _read_timing(message: result_pb2.Timing) -> Timing:
    return Timing(
        total=message.total_seconds,
        predict=message.predict_seconds,
        step=message.step_seconds,
        wait=message.wait_seconds,
    )


def _write_failure(failure: EpisodeFailure, out: error_pb2.Failure) -> None:
    out.SetInParent()
    failure_to_wire(Failure(**{name: getattr(failure, name) for name in _FACTS}), out)


def _read_failure(message: error_pb2.Failure) -> EpisodeFailure:
    failure = failure_from_wire(message)
    return EpisodeFailure(**{name: getattr(failure, name) for name in _FACTS})
