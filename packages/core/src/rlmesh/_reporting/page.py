"""A run as an HTML page that loads nothing, and as a fragment for notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rlmesh._reporting import charts, words
from rlmesh._reporting.csv_table import csv_text
from rlmesh._reporting.figures import figure, figures
from rlmesh._reporting.markup import Element, download, element, table, written
from rlmesh._reporting.style import STYLE
from rlmesh._version import __version__
from rlmesh.results import EpisodeResult, RunResult, compare

__all__ = ["fragment", "page"]

MAX_ROWS = 5_000
"""Largest number of episodes in a page's table."""

MAX_ROWS_OF_FRAGMENT = 20
"""Largest number of episodes in a notebook's table."""

MAX_FAILURES = 100
"""Largest number of errors that are shown in full."""

MAX_CHARACTERS = 1_000
"""Largest number of characters of a metadata value."""

# The browser then loads and runs nothing, whatever text the page contains.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_METHODS = (
    "Intervals are of 95%. Reward: BCa bootstrap (Efron and Tibshirani, 1993, chapter 14). "
    "Success: Wilson's score interval (1927); its difference: method 10 of Newcombe (1998)."
)


def page(run: RunResult, title: str | None = None, compared: RunResult | None = None) -> str:
    """Return the page; see `RunResult.to_html`."""
    name = words.heading(run) if title is None else title
    main = element(
        "main",
        element("h1", name),
        _facts(run),
        *_tasks(run),
        *([] if compared is None else _comparison(run, compared)),
        *_charts(run, compared),
        *_endpoints(run),
        *_episodes(run, MAX_ROWS, download("CSV", "episodes.csv", "text/csv", csv_text(run))),
        *_failures(run),
        *_settings(run, compared),
        *_metadata(run),
        element("footer", f"{_METHODS} Made by rlmesh {__version__}."),
        class_="rlmesh",
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", name),
        element("style", STYLE),
    )
    html = element("html", head, element("body", main, class_="rlmesh-page"), lang="en")
    return f"<!DOCTYPE html>\n{written(html)}\n"


def fragment(run: RunResult) -> str:
    """Return the run's figures and episodes, for embedding in another page."""
    return written(
        element(
            "div",
            element("style", STYLE),
            element("strong", words.heading(run)),
            _facts(run),
            *_tasks(run),
            *_endpoints(run),
            *_episodes(run, MAX_ROWS_OF_FRAGMENT),
            class_="rlmesh",
        )
    )


def _facts(run: RunResult) -> Element:
    return _listed(words.facts(run))


def _listed(pairs: Sequence[tuple[str, str]]) -> Element:
    parts = [(element("dt", name), element("dd", value)) for name, value in pairs]
    return element("dl", *(part for pair in parts for part in pair))


def _charts(run: RunResult, other: RunResult | None) -> list[Element]:
    if not run.episodes:
        return []
    drawn = element("div", *figures(run, other), class_="charts")
    runs = [run] if other is None else [run, other]
    lost = sum(not math.isfinite(reward) for one in runs for reward in one.rewards)
    note = f"Rewards that are not finite are not drawn: {lost}."
    return [
        element("h2", "Charts"),
        drawn,
        *([element("p", note, class_="note")] if lost else []),
    ]


def _comparison(run: RunResult, other: RunResult) -> list[Element]:
    result = compare(run, other)
    success = ""
    if result.success_difference is not None:
        success = f"{result.success_difference:+.4g}, 95% {result.success_interval}"
    pairs = [
        ("a", words.heading(run)),
        ("b", words.heading(other)),
        ("pairs", f"{result.n_pairs} of equal seeds"),
        ("reward, a - b", f"{result.reward_difference:+.4g}, 95% {result.reward_interval}"),
        ("success, a - b", success),
        ("a beside b", f"{result.wins} wins, {result.ties} ties, {result.losses} losses"),
        ("errors", f"in {result.errors} of the pairs" if result.errors else ""),
    ]
    gains = [x for x in result.differences if math.isfinite(x)]
    drawn = charts.histogram([gains], "reward, a - b")
    return [
        element("h2", "Comparison"),
        _listed([(name, value) for name, value in pairs if value]),
        element("div", figure("Difference of reward of each pair", drawn), class_="charts"),
    ]


def _tasks(run: RunResult) -> list[Element]:
    rows = words.task_rows(run)
    if not rows:
        return []
    return [element("h2", "Tasks"), _scrolled(words.TASK_COLUMNS, rows)]


def _endpoints(run: RunResult) -> list[Element]:
    rows = words.endpoint_rows(run)
    if not rows:
        return []
    return [element("h2", "Endpoints"), _scrolled(words.ENDPOINT_COLUMNS, rows)]


def _episodes(run: RunResult, max_rows: int, file: Element | None = None) -> list[Element]:
    columns, rows, left_out = words.episode_rows(run, max_rows)
    if not rows:
        return []
    note = f"{left_out} episodes in the middle are left out."
    return [
        element("h2", "Episodes", file),
        _scrolled(columns, rows),
        *([element("p", note, class_="note")] if left_out else []),
    ]


def _scrolled(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Element:
    numbers = {column for column in columns if words.is_number(column)}
    return element("div", table(columns, rows, numbers), class_="scroll")


def _failures(run: RunResult) -> list[Element]:
    failed = [episode for episode in run.episodes if episode.error is not None]
    if not failed:
        return []
    listed = [_failure(episode) for episode in failed[:MAX_FAILURES]]
    left_out = len(failed) - len(listed)
    if left_out:
        listed.append(element("p", f"{left_out} more are left out.", class_="note"))
    return [element("h2", "Errors"), *listed]


def _failure(episode: EpisodeResult) -> Element:
    error = episode.error
    assert error is not None
    at_path = f" at {error.path}" if error.path else ""
    kind = error.exception_type or "error"
    task = f" of {episode.task}" if episode.task else ""
    summary = element("summary", f"Episode {episode.index}{task}: {kind}{at_path}")
    traceback = element("pre", error.traceback) if error.traceback else None
    return element("details", summary, element("pre", error.message), traceback)


def _settings(run: RunResult, other: RunResult | None) -> list[Element]:
    """Return the settings of a run, and of the run that it is compared with."""
    runs = {"Settings": run} if other is None else {"Settings of a": run, "Settings of b": other}
    return [
        part
        for title, one in runs.items()
        if (pairs := words.settings(one))
        for part in (element("h2", title), _listed(pairs))
    ]


def _metadata(run: RunResult) -> list[Element]:
    if not run.metadata:
        return []
    pairs = [(str(key), _told(value)) for key, value in run.metadata.items()]
    return [element("h2", "Metadata"), _listed(pairs)]


def _told(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
