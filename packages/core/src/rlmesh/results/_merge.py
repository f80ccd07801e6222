"""`merge`: one run of parts that were played elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlmesh.adapters import Finding
from rlmesh.results._differences import field_differences
from rlmesh.results._episode import NO_TIME, EpisodeResult, planned_episode, tasks_together
from rlmesh.results._journal_header import EPISODES_KEY
from rlmesh.results._run import RunResult
from rlmesh.results._settings import RunSettings, TaskSettings
from rlmesh.results._warnings import summed

__all__ = ["merge", "outcome_differences"]

_OUTCOME = ("reward", "steps", "end", "success")
"""Fields of an episode that are equal if it is repeated."""

_PLANNED = ("episodes", "episodes_digest")
"""Fields of the settings of a task that may differ between parts of a run."""

MAX_NAMED = 5
"""Largest number of differences that an error names."""

Key = tuple[bytes, int]
"""The type of what is equal for two records of one episode: a message, and how often it came."""


def merge(runs: Sequence[RunResult], *, names: Sequence[str] | None = None) -> RunResult:
    """Return the run whose parts were played elsewhere, such as on several machines.

    Parts belong together if model, environment, instruction and all settings are equal that decide
    whether a run may be resumed; of a suite, parts may have different tasks and episodes. An
    episode is known by its task, seed, options and instruction, and by how often these occurred
    before in its part. If several parts have an episode, its outcome (reward, steps, end and
    success) must be equal, and the first record is kept. Unseeded episodes are different ones,
    unless all their fields are equal.

    Args:
        runs: The parts, one or more. A journal is read by `RunResult.from_journal`.
        names: Name of each part in errors, such as its file; None: "runs[0]" and so on.

    Returns:
        The run. Episodes keep their index if no two of them have the same; otherwise they are
        numbered anew in the order of the parts, those of one task together. `timing` is the sum of
        the parts' timings (in seconds), `started_at` the earliest one. Versions, servers and values
        of metadata that differ are listed together.

    Raises:
        ValueError: If there is no part, parts do not belong together, or an episode has two
            outcomes; the message names what differs.
    """
    parts = list(runs)
    called = [f"runs[{i}]" for i in range(len(parts))] if names is None else list(names)
    if not parts:
        raise ValueError("expected a run or more to merge, got none")
    if len(called) != len(parts):
        raise ValueError(f"expected a name for each of {len(parts)} runs, got {len(called)}")
    for name, part in zip(called[1:], parts[1:]):
        found = list(_differences(parts[0], part))
        if found:
            raise ValueError(
                f"{name} is not of the same run as {called[0]}: {_listed(found)}; compare them, or "
                f"report each alone"
            )
    kept, used = _kept(parts, called)
    return replace(
        parts[0],
        episodes=_numbered(kept),
        env_id=_common([part.env_id for part in parts]),
        timing=sum((part.timing for part in used), NO_TIME),
        seconds=0.0,
        started_at=min((p.started_at for p in used if p.started_at), default=0.0),
        metadata=_metadata(parts),
        settings=_settings([part.settings for part in parts]),
        warnings=_warnings(used, kept),
        resume_differences=tuple(
            dict.fromkeys(text for part in parts for text in part.resume_differences)
        ),
        stopping=None,
        findings=_findings(parts),
    )


def outcome_differences(expected: EpisodeResult, actual: EpisodeResult) -> Iterator[str]:
    """Yield a text for each part of the outcome that differs: "reward: expected 1.0, got 2.0"."""
    for name in _OUTCOME:
        one, other = getattr(expected, name), getattr(actual, name)
        if one != other and not (one != one and other != other):  # NaN is equal to NaN.
            words = [getattr(value, "value", repr(value)) for value in (one, other)]
            yield f"{name}: expected {words[0]}, got {words[1]}"


def _differences(first: RunResult, other: RunResult) -> Iterator[str]:
    tasks = [*first.settings.tasks, *other.settings.tasks]
    # The id of a suite depends on which tasks its part has; each task has its own.
    ignored = {f for f in RunResult.__dataclass_fields__ if f not in ("model_id", "instruction")}
    yield from field_differences(first, other, ignored if tasks else ignored - {"env_id"})
    yield from replace(first.settings, tasks=()).differences(replace(other.settings, tasks=()))
    if bool(first.settings.tasks) != bool(other.settings.tasks):
        yield "tasks: expected only suites, or none"
    known = {task.name: task for task in first.settings.tasks}
    for task in other.settings.tasks:
        for text in field_differences(known.get(task.name, task), task, _PLANNED):
            yield f"task {task.name!r}: {text}"


def _keys(run: RunResult) -> Iterator[tuple[Key, EpisodeResult]]:
    before: Counter[bytes] = Counter()
    for episode in run.episodes:
        record = replace(episode, index=0)
        if episode.seed is not None:
            record = planned_episode(
                0,
                episode.seed,
                task=episode.task,
                instruction=episode.instruction,
                options=episode.options,
            )
        # The message, because arrays in options and infos cannot be compared or hashed.
        data = RunResult((record,)).to_bytes()
        yield (data, before[data]), episode
        before[data] += 1


def _kept(
    parts: Sequence[RunResult], names: Sequence[str]
) -> tuple[list[EpisodeResult], list[RunResult]]:
    """Return each episode once, and the parts that have one which no earlier part has.

    Raises:
        ValueError: If an episode has two outcomes.
    """
    known: dict[Key, tuple[str, EpisodeResult]] = {}
    used: list[RunResult] = []
    wrong: list[str] = []
    for name, part in zip(names, parts):
        before = len(known)
        for key, episode in _keys(part):
            first, one = known.setdefault(key, (name, episode))
            for text in outcome_differences(one, episode):
                task = f" of task {episode.task!r}" if episode.task else ""
                wrong.append(f"seed {episode.seed}{task} in {name} and {first}: {text}")
        if len(known) > before or not used:
            used.append(part)
    if wrong:
        raise ValueError(
            f"expected one outcome for each episode, but {_listed(wrong)}; the model, the "
            f"environment or the machines are not deterministic, or the parts are of other runs"
        )
    return [episode for _, episode in known.values()], used


def _numbered(episodes: Sequence[EpisodeResult]) -> tuple[EpisodeResult, ...]:
    if len({episode.index for episode in episodes}) == len(episodes):
        return tuple(sorted(episodes, key=lambda episode: episode.index))
    together = enumerate(tasks_together(episodes))
    return tuple(replace(episode, index=i) for i, episode in together)


def _settings(parts: Sequence[RunSettings]) -> RunSettings:
    names = dict.fromkeys(name for part in parts for name in part.versions)

    def joint(name: str) -> tuple[str, ...]:
        return tuple(sorted({text for part in parts for text in getattr(part, name)}))

    return replace(
        parts[0],
        versions={n: _common([part.versions.get(n, "") for part in parts], " | ") for n in names},
        env_servers=joint("env_servers"),
        hosts=joint("hosts"),
        env_hosts=joint("env_hosts"),
        adapter_advisories=joint("adapter_advisories"),
        model_hosts=joint("model_hosts"),
        model_server=_common([part.model_server for part in parts], " | "),
        tasks=_tasks(parts),
        command=parts[0].command if len({part.command for part in parts}) == 1 else (),
    )


def _findings(parts: Sequence[RunResult]) -> tuple[Finding, ...]:
    """Return the findings of all parts, of each task, path and rule the first one."""
    found: dict[tuple[str, str, str], Finding] = {}
    for one in (one for part in parts for one in part.findings):
        found.setdefault((one.task, one.path, one.rule), one)
    return tuple(found.values())


def _tasks(parts: Sequence[RunSettings]) -> tuple[TaskSettings, ...]:
    """Return each task once; what its parts were planned to play is known only if it is equal."""
    found: dict[str, TaskSettings] = {}
    for task in (task for part in parts for task in part.tasks):
        one = found.setdefault(task.name, task)
        if one.episodes_digest != task.episodes_digest:
            total = one.episodes + task.episodes
            found[task.name] = replace(one, episodes=total, episodes_digest="")
    return tuple(found.values())


def _metadata(parts: Sequence[RunResult]) -> Mapping[Any, Any]:
    keys = dict.fromkeys(key for part in parts for key in part.metadata if key != EPISODES_KEY)
    merged: dict[Any, Any] = {}
    for key in keys:
        values = [part.metadata[key] for part in parts if key in part.metadata]
        merged[key] = values[0] if len(set(map(repr, values))) == 1 else tuple(values)
    return merged


def _warnings(parts: Sequence[RunResult], kept: Sequence[EpisodeResult]) -> Mapping[str, int]:
    """Return the warnings of the kept episodes, and those of the parts outside of episodes."""
    counts: Counter[str] = Counter()
    for part in parts:
        own = Counter(part.warnings)
        own.subtract(summed(*(episode.warnings for episode in part.episodes)))
        counts += own
    return summed(counts, *(episode.warnings for episode in kept))


def _common(texts: Sequence[str], joint: str | None = None) -> str:
    """Return the text that all share; else the different ones joined, or an empty text."""
    different = list(dict.fromkeys(text for text in texts if text))
    if len(set(texts)) == 1:
        return texts[0]
    return "" if joint is None else joint.join(different)


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - MAX_NAMED
    return "; ".join(texts[:MAX_NAMED]) + (f"; and {more} more" if more > 0 else "")
