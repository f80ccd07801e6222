"""A run as an HTML page that loads nothing, and as a fragment for notebooks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rlmesh._reporting import charts, words
from rlmesh._reporting.csv_table import csv_text
from rlmesh._reporting.figures import endpoint_figures, figure, figures, run_names
from rlmesh._reporting.markup import Content, Element, download, element, table, written
from rlmesh._reporting.style import STYLE
from rlmesh._version import __version__
from rlmesh.results import EpisodeResult, Interval, RunResult, compare

__all__ = ["fragment", "page"]

MAX_ROWS = 5_000
"""Largest number of episodes in a page's table."""

MAX_ROWS_OF_FRAGMENT = 20
"""Largest number of episodes in a notebook's table."""

MAX_OPEN_ROWS = 50
"""Largest number of episodes in a table that is not folded."""

MAX_CELL = 80
"""Largest number of characters of a cell in the table of episodes."""

MAX_FAILURES = 100
"""Largest number of errors that are shown in full."""

MAX_CHARACTERS = 1_000
"""Largest number of characters of a metadata value."""

# The browser then loads and runs nothing, whatever text the page contains.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_FIXED = (
    "Intervals are of 95%. Reward: BCa bootstrap (Efron and Tibshirani, 1993, chapter 14). "
    "Success: Wilson's score interval (1927); its difference: method 10 of Newcombe (1998). Means "
    "over tasks: Student's interval of Satterthwaite (1946), and the score interval with the "
    "effective number of episodes of Korn and Graubard (1998)."
)
_STOPPED = (
    "A rule could stop the run: its interval holds, and those of a fixed number of episodes "
    "would not, and are left out."
)


def _methods(run: RunResult, other: RunResult | None) -> str:
    stopped = run.stopping is not None or (other is not None and other.stopping is not None)
    return _STOPPED if stopped else _FIXED


def page(
    run: RunResult,
    title: str | None = None,
    compared: RunResult | None = None,
    videos: Mapping[int, str] | None = None,
) -> str:
    """Return the page; see `RunResult.to_html`."""
    name = _title(run, compared) if title is None else title
    a, b = run_names([run, compared or run])
    main = element(
        "main",
        element("h1", name),
        *([_facts(run)] if compared is None else _comparison(run, compared)),
        *_tasks(run),
        *_charts(run, compared),
        *_failures(run, "Errors" if compared is None else f"Errors of {a}", videos),
        *([] if compared is None else _failures(compared, f"Errors of {b}")),
        *_endpoints(run),
        *_episodes(
            run, MAX_ROWS, videos, download("CSV", "episodes.csv", "text/csv", csv_text(run))
        ),
        *_settings(run, compared),
        *_metadata(run),
        element("footer", f"{_methods(run, compared)} Made by rlmesh {__version__}."),
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


def _title(run: RunResult, other: RunResult | None) -> str:
    if other is None:
        return words.heading(run)
    return f"{words.heading(run)}, compared with {words.heading(other)}"


def fragment(run: RunResult) -> str:
    """Return the run's figures and episodes, for embedding in another page."""
    return written(
        element(
            "div",
            element("style", STYLE),
            element("strong", words.heading(run)),
            _facts(run),
            *_tasks(run),
            *_endpoints(run, drawn=False),
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
    pairs = [
        ("pairs", f"{result.n_pairs} of equal seeds"),
        ("reward, a - b", _difference(result.reward_difference, result.reward_interval)),
        ("success, a - b", _difference(result.success_difference, result.success_interval)),
        ("a beside b", f"{result.wins} wins, {result.ties} ties, {result.losses} losses"),
        ("errors", f"in {result.errors} of the pairs" if result.errors else ""),
    ]
    gains = [x for x in result.differences if math.isfinite(x)]
    a, b = run_names([run, other])
    drawn = charts.histogram([gains], "reward, a - b")
    return [
        element("h2", "Comparison"),
        _scrolled(*words.run_table(dict(zip((a, b), (run, other))))),
        _listed([(name, value) for name, value in pairs if value]),
        element("div", figure("Difference of reward of each pair", drawn), class_="charts"),
        element("h2", a),
        _facts(run),
        element("h2", b),
        _facts(other),
    ]


def _difference(difference: float | None, interval: Interval | None) -> str:
    if difference is None:
        return ""
    is_known = interval is not None and not math.isnan(interval.low)
    return f"{difference:+.4g}, 95% {interval}" if is_known else f"{difference:+.4g}"


def _tasks(run: RunResult) -> list[Element]:
    columns, rows = words.task_table(run)
    if not rows:
        return []
    return [element("h2", "Tasks"), _scrolled(columns, rows)]


def _endpoints(run: RunResult, *, drawn: bool = True) -> list[Element]:
    """Return the endpoints, folded: they say how a run was played, and not how well."""
    columns, rows = words.endpoint_table(run)
    if not rows:
        return []
    charts = element("div", *endpoint_figures(run), class_="charts") if drawn else None
    return [_folded("Endpoints", _scrolled(columns, rows), charts)]


def _folded(title: str, *content: Element | None, is_open: bool = False) -> Element:
    summary = element("summary", element("h2", title))
    return element("details", summary, *content, open="" if is_open else None)


def _episodes(
    run: RunResult,
    max_rows: int,
    videos: Mapping[int, str] | None = None,
    file: Element | None = None,
) -> list[Element]:
    columns, rows, left_out = words.episode_rows(run, max_rows)
    if not rows:
        return []
    cells: list[Sequence[Content]] = [tuple(map(_short, row)) for row in rows]
    if videos:
        columns = (*columns, "video")
        cells = [(*cell, _video(int(row[0]), videos)) for row, cell in zip(rows, cells)]
    note = f"{left_out} episodes in the middle are left out."
    return [
        _folded(
            f"Episodes ({len(run.episodes)})",
            None if file is None else element("p", file),
            _scrolled(columns, cells),
            element("p", note, class_="note") if left_out else None,
            is_open=len(rows) <= MAX_OPEN_ROWS,
        )
    ]


def _short(cell: str) -> str:
    """Return a cell, cut to one or two lines: errors are listed in full apart, and in the CSV."""
    return cell if len(cell) <= MAX_CELL else f"{cell[:MAX_CELL]}…"


def _video(episode: int, videos: Mapping[int, str] | None) -> Element | None:
    link = None if videos is None else videos.get(episode)
    return None if link is None else element("a", "video", href=link)


def _scrolled(columns: Sequence[str], rows: Sequence[Sequence[Content]]) -> Element:
    numbers = {column for column in columns if words.is_number(column)}
    return element("div", table(columns, rows, numbers), class_="scroll")


def _failures(run: RunResult, title: str, videos: Mapping[int, str] | None = None) -> list[Element]:
    failed = [episode for episode in run.episodes if episode.error is not None]
    if not failed:
        return []
    listed = [_failure(episode, _video(episode.index, videos)) for episode in failed[:MAX_FAILURES]]
    left_out = len(failed) - len(listed)
    if left_out:
        listed.append(element("p", f"{left_out} more are left out.", class_="note"))
    return [element("h2", f"{title} ({len(failed)} of {len(run.episodes)} episodes)"), *listed]


def _failure(episode: EpisodeResult, video: Element | None) -> Element:
    error = episode.error
    assert error is not None
    at_path = f" at {error.path}" if error.path else ""
    kind = error.exception_type or "error"
    task = f" of {episode.task}" if episode.task else ""
    seed = "" if episode.seed is None else f", seed {episode.seed}"
    return element(
        "div",
        element("p", f"Episode {episode.index}{task}{seed}: {kind}{at_path} ", video),
        element("pre", error.message),
        None
        if not error.traceback
        else element("details", element("summary", "traceback"), element("pre", error.traceback)),
        class_="failure",
    )


def _settings(run: RunResult, other: RunResult | None) -> list[Element]:
    """Return the settings of a run, and of the run that it is compared with."""
    runs = {"Settings": run}
    if other is not None:
        a, b = run_names([run, other])
        runs = {f"Settings of {a}": run, f"Settings of {b}": other}
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
