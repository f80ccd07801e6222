"""The part of a page that compares runs, by pairs of the first one and each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rlmesh._reporting import words
from rlmesh._reporting.figures import distribution, run_names
from rlmesh._reporting.markup import Element, element
from rlmesh._reporting.parts import listed, scrolled
from rlmesh.results import Comparison, Interval, RunResult, compare

__all__ = ["comparison", "pairwise"]

COLUMNS = (
    "difference",
    "reward",
    "95%",
    "success",
    "success 95%",
    "wins",
    "ties",
    "losses",
    "errors",
)


def pairwise(runs: Sequence[RunResult], confidence: float = 0.95) -> list[Comparison]:
    """Return the comparison of the first run with each other one.

    Raises:
        ValueError: If the runs' seeds do not pair, or `confidence` is not between 0 and 1.
    """
    found: list[Comparison] = []
    for name, other in zip(run_names(runs)[1:], runs[1:]):
        try:
            found.append(compare(runs[0], other, confidence))
        except ValueError as error:
            if len(runs) == 2:
                raise
            letter = name.partition(":")[0]
            raise ValueError(f"run {letter}, as b beside a: {error}") from error
    return found


def comparison(runs: Sequence[RunResult]) -> list[Element]:
    """Return the figures of two runs or more: by task first, then overall, then by pairs."""
    names = run_names(runs)
    named = dict(zip(names, runs))
    results = pairwise(runs)
    columns, rows = words.tasks_of_runs(named)
    tasks = [element("h2", "Tasks"), scrolled(columns, rows)] if rows else []
    return [
        *tasks,
        element("h2", "Comparison"),
        scrolled(*words.run_table(named)),
        *(_one_pair(results[0]) if len(results) == 1 else _pairs(names, results)),
        element("div", _differences(names, results), class_="charts"),
        *(part for name, run in named.items() for part in (element("h2", name), _facts(run))),
    ]


def _facts(run: RunResult) -> Element:
    return listed(words.facts(run))


def _one_pair(result: Comparison) -> list[Element]:
    pairs = [
        ("pairs", f"{result.n_pairs} of equal seeds"),
        ("reward, a - b", _difference(result.reward_difference, result.reward_interval)),
        ("success, a - b", _difference(result.success_difference, result.success_interval)),
        ("a beside b", f"{result.wins} wins, {result.ties} ties, {result.losses} losses"),
        ("errors", f"in {result.errors} of the pairs" if result.errors else ""),
    ]
    return [listed([(name, value) for name, value in pairs if value])]


def _pairs(names: Sequence[str], results: Sequence[Comparison]) -> list[Element]:
    """Return a table with a row for each other run."""
    rows = [
        (
            f"{names[0]} - {name}",
            f"{result.reward_difference:+.4g}",
            _known(result.reward_interval),
            "" if result.success_difference is None else f"{result.success_difference:+.4g}",
            _known(result.success_interval),
            *map(str, (result.wins, result.ties, result.losses)),
            str(result.errors or ""),
        )
        for name, result in zip(names[1:], results)
    ]
    note = (
        f"Differences of {results[0].n_pairs} pairs of equal seeds each. Each interval alone has "
        f"its confidence; there is no correction for their number."
    )
    return [
        scrolled(*words.without_empty(COLUMNS, rows, COLUMNS[:3])),
        element("p", note, class_="note"),
    ]


def _differences(names: Sequence[str], results: Sequence[Comparison]) -> Element:
    if len(results) == 1:
        gains = [results[0].differences]
        return distribution("Difference of reward of each pair", "reward, a - b", gains, ())
    key = [f"{names[0]} - {name}" for name in names[1:]]
    series = [result.differences for result in results]
    caption = "Difference of reward of each pair"
    # A difference has the colour of the other run.
    return distribution(caption, "difference of reward", series, key, max_beside=1, first=1)


def _difference(difference: float | None, interval: Interval | None) -> str:
    if difference is None:
        return ""
    known = _known(interval)
    return f"{difference:+.4g}, 95% {known}" if known else f"{difference:+.4g}"


def _known(interval: Interval | None) -> str:
    return "" if interval is None or math.isnan(interval.low) else str(interval)
