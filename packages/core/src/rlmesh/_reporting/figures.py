"""The charts of a run, or of several that are compared."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from string import ascii_lowercase

from rlmesh._reporting import charts
from rlmesh._reporting.markers import colour_of, glyph_of, marker
from rlmesh._reporting.markup import Element, download, element
from rlmesh._reporting.words import SUMS, has_sums, success_share
from rlmesh.results import EpisodeResult, RunResult, Timing

__all__ = ["distribution", "endpoint_figures", "figure", "figures", "run_names"]

STAGES = ("predict", "step", "wait", "other")
"""Names of the parts of the time; `other` is the total minus the first three."""

MAX_BESIDE = 2
"""Largest number of series in a histogram with their bars side by side."""

MAX_ROWS = 20
"""Largest number of endpoints in a chart."""


def figure(
    caption: str,
    drawing: Element,
    key: Sequence[str] = (),
    *,
    parts: bool = False,
    file: str = "",
) -> Element:
    """Return a chart with its caption.

    Args:
        caption: Title of the chart.
        drawing: The chart.
        key: Names of the series or parts; empty if there is only one.
        parts: Whether they are the parts of bars; otherwise they have markers.
        file: Beginning of the name of the chart's file; empty: the caption.
    """
    named = [element("span", _sign(i, parts), name, class_="named") for i, name in enumerate(key)]
    name = re.sub("[^a-z0-9]+", "-", (file or caption).lower()).strip("-")
    lines = [_line(i, one, parts) for i, one in enumerate(key)]
    save = download("SVG", f"{name}.svg", "image/svg+xml", charts.svg_file(drawing, lines))
    return element("figure", element("figcaption", caption, *named, save), drawing)


def _sign(place: int, parts: bool) -> Element:
    """Return what stands before a name in a legend of the page."""
    if parts:
        colour = charts.PART_COLOURS[place]
        return element("span", class_="key", style=f"background: {colour}")
    return element("span", glyph_of(place), class_="mark", style=f"color: {colour_of(place)}")


def _line(place: int, name: str, parts: bool) -> Element:
    """Return a line of a legend of a file."""
    sign = (
        element("rect", fill=charts.PART_COLOURS[place], x=0, y=0, width=10, height=10)
        if parts
        else marker(place, 5.0, 5.0)
    )
    return element("g", sign, element("text", name, x=16, y=9))


def run_names(runs: Sequence[RunResult]) -> tuple[str, ...]:
    """Return the names of runs in tables and legends: "a: policy" and "b: baseline"."""
    return tuple(f"{_letters(i)}: {run.model_id}".rstrip(": ") for i, run in enumerate(runs))


def _letters(place: int) -> str:
    """Return "a" to "z", then "aa" and so on."""
    more, last = divmod(place, len(ascii_lowercase))
    return (_letters(more - 1) if more else "") + ascii_lowercase[last]


def figures(runs: Sequence[RunResult]) -> list[Element]:
    """Return the charts of a run, combined with those of other runs of the same seeds."""
    key = () if len(runs) == 1 else run_names(runs)
    below, rewards = _series(runs, lambda episode: episode.reward)
    _, steps = _series(runs, lambda episode: float(episode.steps))
    found = [
        *([] if len(runs) == 1 else _means(runs)),
        distribution("Rewards", "reward", [one.rewards for one in runs], key),
        figure(f"Reward by {below}", charts.dots(rewards, "reward", below), key),
        figure(f"Steps by {below}", charts.dots(steps, "steps", below, whole=True), key),
    ]
    times = [bar for name, one in _named(runs) for bar in _time(name or "run", one.timing)]
    if times:
        caption = f"Time (parts: {SUMS})" if any(map(has_sums, runs)) else "Time"
        drawn = charts.bars(times, STAGES, "seconds")
        found.append(figure(caption, drawn, STAGES, parts=True))
    shares = [
        share for i, (name, one) in enumerate(_named(runs)) for share in _share(name, one, one, i)
    ]
    if shares:
        found.append(figure("Success", charts.shares(shares, "share of successes")))
    return found


def distribution(
    caption: str,
    label: str,
    series: Sequence[Sequence[float]],
    key: Sequence[str],
    *,
    max_beside: int = MAX_BESIDE,
    first: int = 0,
) -> Element:
    """Return histograms of the finite numbers of series, side by side or one above the other.

    Args:
        caption: Title of the chart.
        label: Name of the quantity.
        series: The series.
        key: Name of each series; empty if there is only one.
        max_beside: Largest number of series side by side.
        first: Place of the first series among all colours, if they are one above the other.
    """
    finite = [[x for x in one if math.isfinite(x)] for one in series]
    if len(finite) > max_beside:
        return figure(caption, charts.panels(finite, key, label, first))
    return figure(caption, charts.histogram(finite, label), key if len(finite) > 1 else ())


def _means(runs: Sequence[RunResult]) -> list[Element]:
    """Return the chart of the mean rewards, with the intervals that hold for them."""
    rows = []
    for i, (name, run) in enumerate(_named(runs)):
        interval = run.reward_interval() if run.stopping is None else None
        known = interval is not None and not math.isnan(interval.low)
        if math.isfinite(run.mean_reward):
            rows.append(charts.Mean(name, run.mean_reward, interval if known else None, i))
    return [figure("Mean reward", charts.means(rows, "mean reward"))] if rows else []


def endpoint_figures(run: RunResult, file: str = "") -> list[Element]:
    """Return the charts of the endpoints of a run; `file` begins the names of their files."""
    parts = list(run.by_endpoint().items())[:MAX_ROWS]
    times = [bar for name, part in parts for bar in _time(name, part.timing)]
    shares = [share for name, part in parts for share in _share(name, part, run)]
    found = []
    if times:
        caption = "Time by endpoint"
        drawn = charts.bars(times, STAGES, "seconds")
        found.append(figure(caption, drawn, STAGES, parts=True, file=f"{caption} {file}"))
    if shares:
        caption = "Success by endpoint"
        drawn = charts.shares(shares, "share of successes")
        found.append(figure(caption, drawn, file=f"{caption} {file}"))
    return found


def _series(
    runs: Sequence[RunResult], number: Callable[[EpisodeResult], float]
) -> tuple[str, list[charts.Dots]]:
    """Return the name of the positions (seeds, if unique in each run), and the series."""
    seeds = [[episode.seed for episode in run.episodes] for run in runs]
    seeded = all(None not in one and len(set(one)) == len(one) for one in seeds)
    series = []
    for run in runs:
        episodes = sorted(run.episodes, key=lambda e: e.seed or 0) if seeded else run.episodes
        names = [str(e.seed if seeded else e.index) for e in episodes]
        series.append(charts.Dots([number(episode) for episode in episodes], names))
    return "seed" if seeded else "episode", series


def _named(runs: Sequence[RunResult]) -> list[tuple[str, RunResult]]:
    return [("", runs[0])] if len(runs) == 1 else list(zip(run_names(runs), runs))


def _time(name: str, timing: Timing) -> list[charts.Bar]:
    bar = charts.Bar(name, _stages(timing))
    return [bar] if timing.total and all(map(math.isfinite, bar.parts)) else []


def _stages(timing: Timing) -> tuple[float, ...]:
    known = tuple(max(part, 0.0) for part in (timing.predict, timing.step, timing.wait))
    return (*known, max(timing.total - sum(known), 0.0))


def _share(name: str, part: RunResult, whole: RunResult, colour: int = 0) -> list[charts.Share]:
    successes, counted, interval = success_share(part, whole)
    if not counted:
        return []
    rate = successes / counted
    return [charts.Share(name, rate, interval, f"{successes} of {counted}", colour)]
