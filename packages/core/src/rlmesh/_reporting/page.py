"""A run as an HTML page that loads nothing, and as a fragment for notebooks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from rlmesh._reporting import words
from rlmesh._reporting.compared import comparison
from rlmesh._reporting.csv_table import csv_text
from rlmesh._reporting.figures import endpoint_figures, figures, run_names
from rlmesh._reporting.markup import Content, Element, download, element, written
from rlmesh._reporting.parts import folded, listed, scrolled
from rlmesh._reporting.style import STYLE
from rlmesh._reporting.words import escape_control_chars
from rlmesh._version import __version__
from rlmesh.results import EpisodeResult, RunResult

__all__ = ["fragment", "page"]

MAX_ROWS = 5_000
"""Largest number of episodes in a page's table."""

MAX_ROWS_OF_FRAGMENT = 20
"""Largest number of episodes in a notebook's table."""

MAX_OPEN_ROWS = 50
"""Largest number of episodes in a table that is not folded."""

MAX_CELL = 80
"""Largest number of characters of a cell in the table of episodes."""

MAX_TITLED = 2
"""Largest number of runs that the title of a page names."""

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


def _methods(runs: Sequence[RunResult]) -> str:
    return _FIXED if all(run.stopping is None for run in runs) else _STOPPED


def page(
    run: RunResult,
    title: str | None = None,
    compared: RunResult | Sequence[RunResult] | None = None,
    videos: Mapping[int, str] | None = None,
) -> str:
    """Return the page; see `RunResult.to_html`."""
    others = [compared] if isinstance(compared, RunResult) else list(compared or ())
    runs = [run, *others]
    name = _title(runs) if title is None else title
    main = element(
        "main",
        element("h1", name),
        *(comparison(runs) if others else [_facts(run), *_tasks(run)]),
        *_charts(runs),
        *_of_each(runs, lambda one, of: _failures(one, f"Errors{of}", _links(one, run, videos))),
        *_of_each(runs, _endpoints),
        *_of_each(runs, lambda one, of: _episodes(one, MAX_ROWS, of, _links(one, run, videos))),
        *_of_each(runs, lambda one, of: _pairs(f"Settings{of}", words.settings(one))),
        *_of_each(runs, lambda one, of: _pairs(f"Metadata{of}", _metadata(one))),
        element("footer", f"{_methods(runs)} Made by rlmesh {__version__}."),
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


def _of_each(
    runs: Sequence[RunResult], section: Callable[[RunResult, str], list[Element]]
) -> list[Element]:
    """Return a section of each run, with " of a: policy" as the end of its title if several are."""
    ends = [""] if len(runs) == 1 else [f" of {name}" for name in run_names(runs)]
    return [part for run, end in zip(runs, ends) for part in section(run, end)]


def _links(
    one: RunResult, first: RunResult, videos: Mapping[int, str] | None
) -> Mapping[int, str] | None:
    """Return the links to videos, which are those of the first run."""
    return videos if one is first else None


def _title(runs: Sequence[RunResult]) -> str:
    if len(runs) > MAX_TITLED:
        envs = {run.env_id for run in runs}
        env = envs.pop() if len(envs) == 1 else ""
        return f"{len(runs)} runs in {escape_control_chars(env)}" if env else f"{len(runs)} runs"
    return ", compared with ".join(map(words.heading, runs))


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
    return listed(words.facts(run))


def _charts(runs: Sequence[RunResult]) -> list[Element]:
    if not runs[0].episodes:
        return []
    drawn = element("div", *figures(runs), class_="charts")
    lost = sum(not math.isfinite(reward) for one in runs for reward in one.rewards)
    note = f"Rewards that are not finite are not drawn: {lost}."
    return [
        element("h2", "Charts"),
        drawn,
        *([element("p", note, class_="note")] if lost else []),
    ]


def _tasks(run: RunResult) -> list[Element]:
    columns, rows = words.task_table(run)
    if not rows:
        return []
    return [element("h2", "Tasks"), scrolled(columns, rows)]


def _endpoints(run: RunResult, of: str = "", *, drawn: bool = True) -> list[Element]:
    """Return the endpoints, folded: they say how a run was played, and not how well."""
    columns, rows = words.endpoint_table(run)
    if not rows:
        return []
    drawings = endpoint_figures(run, _letter(of)) if drawn else []
    charts = element("div", *drawings, class_="charts") if drawn else None
    return [folded(f"Endpoints{of}", scrolled(columns, rows), charts)]


def _episodes(
    run: RunResult,
    max_rows: int,
    of: str | None = None,
    videos: Mapping[int, str] | None = None,
) -> list[Element]:
    """Return the table of episodes, with their file unless `of`, the end of its title, is None."""
    columns, rows, left_out = words.episode_rows(run, max_rows)
    if not rows:
        return []
    cells: list[Sequence[Content]] = [tuple(map(_short, row)) for row in rows]
    if videos:
        columns = (*columns, "video")
        cells = [(*cell, _video(int(row[0]), videos)) for row, cell in zip(rows, cells)]
    note = f"{left_out} episodes in the middle are left out."
    file = None if of is None else element("p", _csv(run, of))
    return [
        folded(
            f"Episodes{of or ''} ({len(run.episodes)})",
            file,
            scrolled(columns, cells),
            element("p", note, class_="note") if left_out else None,
            is_open=len(rows) <= MAX_OPEN_ROWS,
        )
    ]


def _csv(run: RunResult, of: str) -> Element:
    name = f"episodes-{_letter(of)}".rstrip("-")
    return download("CSV", f"{name}.csv", "text/csv", csv_text(run))


def _letter(of: str) -> str:
    """Return the letter of a run at the end of a title; names of files have no name of a model."""
    return of.partition(":")[0].removeprefix(" of ")


def _short(cell: str) -> str:
    """Return a cell, cut to one or two lines: errors are listed in full apart, and in the CSV."""
    return cell if len(cell) <= MAX_CELL else f"{cell[:MAX_CELL]}…"


def _video(episode: int, videos: Mapping[int, str] | None) -> Element | None:
    link = None if videos is None else videos.get(episode)
    return None if link is None else element("a", "video", href=link)


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


def _pairs(title: str, pairs: Sequence[tuple[str, str]]) -> list[Element]:
    return [element("h2", title), listed(pairs)] if pairs else []


def _metadata(run: RunResult) -> list[tuple[str, str]]:
    return [(str(key), _cut(value)) for key, value in run.metadata.items()]


def _cut(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
