"""A run's figures and episodes as text, shared by all forms of a report."""

from __future__ import annotations

import datetime
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, fields

from rlmesh._printable import escape_control_chars
from rlmesh.results import (
    EpisodeEnd,
    EpisodeResult,
    Interval,
    RunResult,
    StopDecision,
    Stopping,
    TaskSettings,
)
from rlmesh.results._statistics import wilson_interval

__all__ = [
    "COLUMNS",
    "endpoint_table",
    "episode_rows",
    "escape_control_chars",
    "facts",
    "heading",
    "number",
    "run_table",
    "settings",
    "success_share",
    "task_table",
    "tasks_of_runs",
    "warnings",
    "without_empty",
]

COLUMNS = (
    *("#", "task", "seed", "reward", "steps", "end", "success", "seconds", "endpoint"),
    *("warnings", "error"),
)
"""Columns of the table of episodes."""

TASK_COLUMNS = (*("task", "episodes", "reward", "95%", "success", "success 95%", "errors"),)
"""Columns of the table of tasks."""

ENDPOINT_COLUMNS = (
    *("endpoint", "episodes", "reward", "95%", "success"),
    *("seconds", "predict", "step", "wait"),
)
"""Columns of the table of endpoints."""

SUMS = "sums over endpoints and lanes"
"""Remark on the parts of a run's time, which may therefore exceed its total."""

_UNKNOWN = ""
_TEXTS = frozenset(
    (
        "end",
        "success",
        "endpoint",
        "warnings",
        "error",
        "95%",
        "task",
        "success 95%",
        "difference",
        "model",
        "video",
    )
)
_ALWAYS = frozenset(("#", "seed", "reward", "steps", "end"))
"""Columns of the table of episodes that are there even if all their cells are empty."""


def is_number(column: str) -> bool:
    """Return whether a column's cells are aligned like numbers."""
    return column not in _TEXTS


def number(value: float) -> str:
    """Return a number with up to six digits."""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def heading(run: RunResult) -> str:
    """Return the names of the model and the environment, as a heading."""
    names = [escape_control_chars(name) for name in (run.model_id, run.env_id) if name]
    return " in ".join(names) or "Run"


def facts(run: RunResult) -> list[tuple[str, str]]:
    """Return the run's figures as pairs of name and text."""
    found = [("episodes", _ends(run)), ("reward", _reward(run))]
    if run.success_rate is not None:
        found.append(("success", _success(run)))
    if run.stopping is not None:
        found.append(("stopped", _stopping(run, run.stopping)))
    found += _over_tasks(run)
    found.append(("steps", _steps(run)))
    if run.seconds:
        found.append(("time", _time(run)))
    if run.instruction is not None:
        found.append(("instruction", escape_control_chars(run.instruction)))
    if run.started_at:
        found.append(("started", moment(run.started_at)))
    if run.warnings:
        found.append(("warnings", warnings(run.warnings)))
    found += [(one.level, escape_control_chars(str(one))) for one in run.findings]
    found += [("resumed with", escape_control_chars(text)) for text in run.resume_differences]
    return found


_DECISIONS = {
    StopDecision.UNDECIDED: "not by its rule, which was not met",
    StopDecision.PRECISE: "the interval is narrow enough",
    StopDecision.BETTER: "better than the other run",
    StopDecision.WORSE: "worse than the other run",
    StopDecision.NO_DIFFERENCE: "no difference of that size to the other run",
}
"""What a stopping rule has found, in words."""


def _stopping(run: RunResult, stopping: Stopping) -> str:
    """Return how the stopping rule has ended, with the interval that holds for it."""
    rule = f" ({escape_control_chars(run.settings.until)})" if run.settings.until else ""
    text = f"{_DECISIONS[stopping.decision]}{rule}"
    if not math.isnan(stopping.interval.low):
        text += f"; interval for a run with this rule: {stopping.interval}"
    discarded = f"; {stopping.discarded} later episodes left out" if stopping.discarded else ""
    return text + discarded


def _over_tasks(run: RunResult) -> list[tuple[str, str]]:
    """Return the unweighted means over the tasks of a suite; other figures are over episodes."""
    count = len(run.by_task())
    if not count:
        return []
    same = f"unweighted mean of {count} tasks"
    reward = f"{same}: {number(run.macro_mean_reward)}"
    found = [("reward by task", reward + _with_interval(run, run.macro_reward_interval()))]
    if run.macro_success_rate is not None:
        interval = _with_interval(run, run.macro_success_interval())
        found.append(("success by task", f"{same}: {run.macro_success_rate:.4g}{interval}"))
    return found


def _with_interval(run: RunResult, interval: Interval | None) -> str:
    """Return an interval as the end of a text; nothing if it is not known or does not hold."""
    known = interval is not None and not math.isnan(interval.low) and run.stopping is None
    return f", 95% {interval}" if known else _UNKNOWN


def warnings(counts: Mapping[str, int]) -> str:
    """Return the number of warnings of each kind as text, such as "2 episode retried"."""
    words = (f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())
    return escape_control_chars(", ".join(words))


def settings(run: RunResult) -> list[tuple[str, str]]:
    """Return the settings of a run as pairs of name and text; those not given are left out."""
    found = ((f.name, getattr(run.settings, f.name)) for f in fields(run.settings))
    return [
        (name.replace("_", " "), escape_control_chars(_setting(value)))
        for name, value in found
        if value not in (None, "", (), False) and value != {}
    ]


def _setting(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in sorted(value.items()))
    if isinstance(value, tuple):
        return " ".join(map(_part, value))
    return "yes" if value is True else str(value)


def _part(value: object) -> str:
    if not isinstance(value, TaskSettings):
        return str(value)
    return f"{value.name!r}: {value.episodes} episodes in {value.env_id}, {value.episodes_digest};"


def _ends(run: RunResult) -> str:
    ends = ", ".join(f"{count} {end.value}" for end, count in run.ends.items())
    return f"{len(run.episodes)}: {ends}" if ends else "0"


def _reward(run: RunResult) -> str:
    if not run.episodes:
        return _UNKNOWN
    text = f"mean {number(run.mean_reward)}, std {number(run.std_reward)}"
    interval = _interval(run)
    text = f"{text}, 95% {interval}" if interval else text
    others = run.without_errors()
    return text + _apart(run, f"mean {number(others.mean_reward)}" if others.episodes else "none")


def _apart(run: RunResult, figure: str) -> str:
    """Return a figure of the episodes without an error; nothing if no episode ended with one."""
    return f" (without errors: {figure})" if EpisodeEnd.ERROR in run.ends else ""


def _interval(run: RunResult, whole: RunResult | None = None) -> str:
    """Return the interval of the mean reward of a run, or of a part of a whole one.

    A run that a rule may have stopped has none: the interval is for a fixed number of episodes.
    """
    if (whole or run).stopping is not None:
        return _UNKNOWN
    interval = run.reward_interval()
    return _UNKNOWN if math.isnan(interval.low) else str(interval)


def _success(run: RunResult) -> str:
    successes, reported = run.success_counts
    text = f"{successes} of {reported}, {successes / reported:.4g}"
    if run.stopping is None:
        text += f", 95% {run.success_interval()}"
    others = "{} of {}".format(*run.without_errors().success_counts)
    rule = escape_control_chars(run.settings.success_words)
    return text + _apart(run, others) + (f"; {rule}" if rule else "")


def _steps(run: RunResult) -> str:
    rate = run.steps_per_second
    return f"{run.total_steps}" if math.isnan(rate) else f"{run.total_steps}, {rate:.4g} a second"


def _time(run: RunResult) -> str:
    timing = run.timing
    stages = {"predict": timing.predict, "step": timing.step, "wait": timing.wait}
    parts = ", ".join(f"{name} {seconds:.4g} s" for name, seconds in stages.items() if seconds)
    total = f"{timing.total:.4g} s"
    summed = f" ({SUMS})" if has_sums(run) else ""
    return f"{total}: {parts}{summed}" if parts else total


def has_sums(run: RunResult) -> bool:
    """Return whether the parts of a run's time are sums of what went on at the same time."""
    timing = run.timing
    parts = timing.predict + timing.step + timing.wait
    return parts > timing.total or len(run.by_endpoint()) > 1


def moment(unix_time: float) -> str:
    """Return a Unix time as text, in UTC; the number itself if no calendar date has it."""
    try:
        when = datetime.datetime.fromtimestamp(unix_time, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return number(unix_time)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def task_table(run: RunResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns, and a row for each task of a suite; no row if the run is not of one."""
    rows = [_figures_row(task, part, run) for task, part in run.by_task().items()]
    return without_empty(TASK_COLUMNS, rows)


def run_table(runs: Mapping[str, RunResult]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns, and a row for each run that is compared, by its name."""
    rows = [_figures_row(name, run, run) for name, run in runs.items()]
    return without_empty(("model", *TASK_COLUMNS[1:]), rows)


def tasks_of_runs(
    runs: Mapping[str, RunResult],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns, and a row for each task and each run that is compared, by its name."""
    parts = {name: run.by_task() for name, run in runs.items()}
    tasks = dict.fromkeys(task for one in parts.values() for task in one)
    rows = [
        (escape_control_chars(task), *_figures_row(name, parts[name][task], run))
        for task in tasks
        for name, run in runs.items()
        if task in parts[name]
    ]
    return without_empty(("task", "model", *TASK_COLUMNS[1:]), rows)


def _figures_row(name: str, part: RunResult, whole: RunResult) -> tuple[str, ...]:
    return (
        escape_control_chars(name),
        str(len(part.episodes)),
        f"{part.mean_reward:.4g}",
        _interval(part, whole),
        *_success_cells(part, whole),
        str(part.ends.get(EpisodeEnd.ERROR, "")),
    )


def success_share(part: RunResult, whole: RunResult) -> tuple[int, int, Interval | None]:
    """Return successes, the number of episodes that count, and the interval of the share.

    The part is a task or an endpoint of a run, or the whole of it. The interval is None if nothing
    counts, or a rule may have stopped the run.
    """
    successes, counted = part.success_counts
    known = counted and whole.stopping is None
    return successes, counted, wilson_interval(successes, counted, 0.95) if known else None


def _success_cells(part: RunResult, whole: RunResult) -> tuple[str, str]:
    """Return the number of successes and the interval of their share; empty if not known."""
    successes, counted, interval = success_share(part, whole)
    text = f"{successes} of {counted}" if counted else _UNKNOWN
    return text, _UNKNOWN if interval is None else str(interval)


def without_empty(
    columns: Sequence[str], rows: Sequence[tuple[str, ...]], always: Collection[str] = ()
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return a table without the columns in which all cells are empty."""
    kept = [i for i, name in enumerate(columns) if name in always or any(row[i] for row in rows)]
    return _pick(columns, kept), [_pick(row, kept) for row in rows]


def endpoint_table(run: RunResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns, and a row for each endpoint; no row if there is only one."""
    parts = run.by_endpoint()
    if len(parts) < 2:
        return (), []
    rows = [
        (
            escape_control_chars(endpoint),
            str(len(part.episodes)),
            f"{part.mean_reward:.4g}",
            _interval(part, run),
            _success_cells(part, run)[0],
            *(f"{seconds:.3g}" for seconds in astuple(part.timing)),
        )
        for endpoint, part in parts.items()
    ]
    return without_empty(ENDPOINT_COLUMNS, rows)


def episode_rows(
    run: RunResult, max_rows: int | None = None
) -> tuple[tuple[str, ...], list[tuple[str, ...]], int]:
    """Return the table of episodes.

    Args:
        run: The run.
        max_rows: Largest number of episodes; of more, the first and the last ones. None: all.

    Returns:
        The columns that are not empty, the rows, and the number of rows omitted in the middle.
    """
    episodes = run.episodes
    left_out = 0
    if max_rows is not None and len(episodes) > max_rows:
        left_out = len(episodes) - max_rows
        episodes = (
            *episodes[: max_rows - max_rows // 2],
            *episodes[len(episodes) - max_rows // 2 :],
        )
    rows = [_cells(episode) for episode in episodes]
    return *without_empty(COLUMNS, rows, _ALWAYS), left_out


def _pick(cells: Sequence[str], indices: Sequence[int]) -> tuple[str, ...]:
    return tuple(cells[i] for i in indices)


def _cells(episode: EpisodeResult) -> tuple[str, ...]:
    return (
        str(episode.index),
        escape_control_chars(episode.task),
        "" if episode.seed is None else str(episode.seed),
        number(episode.reward),
        str(episode.steps),
        episode.end.value,
        "" if episode.success is None else ("yes" if episode.success else "no"),
        f"{episode.seconds:.4g}" if episode.seconds else "",
        escape_control_chars(episode.endpoint),
        warnings(episode.warnings),
        "" if episode.error is None else escape_control_chars(episode.error.message),
    )
