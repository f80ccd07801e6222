"""The charts of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from rlmesh._reporting import charts
from rlmesh._reporting.markup import Element, download, element
from rlmesh._reporting.words import SUMS, has_sums, success_share
from rlmesh.results import EpisodeResult, RunResult, Timing

__all__ = ["endpoint_figures", "figure", "figures", "run_names"]

STAGES = ("predict", "step", "wait", "other")
"""Names of the parts of the time; `other` is the total minus the first three."""


def figure(caption: str, drawing: Element, key: Sequence[str] = ()) -> Element:
    """Return a chart with its caption.

    Args:
        caption: Title of the chart.
        drawing: The chart.
        key: Names of the colours; empty if there is only one.
    """
    colours = (f"background: {charts.COLOURS[i]}" for i in range(len(key)))
    named = [
        element("span", element("span", class_="key", style=colour), name, class_="named")
        for colour, name in zip(colours, key)
    ]
    name = re.sub("[^a-z0-9]+", "-", caption.lower()).strip("-")
    file = charts.svg_file(drawing, key)
    save = download("SVG", f"{name}.svg", "image/svg+xml", file)
    return element("figure", element("figcaption", caption, *named, save), drawing)


def run_names(runs: Sequence[RunResult]) -> tuple[str, ...]:
    """Return the names of two runs in legends: "a: policy" and "b: baseline"."""
    return tuple(f"{place}: {run.model_id}".rstrip(": ") for place, run in zip("ab", runs))


def figures(run: RunResult, other: RunResult | None = None) -> list[Element]:
    """Return the charts of a run, combined with those of another run of the same seeds."""
    runs = [run] if other is None else [run, other]
    key = () if other is None else run_names(runs)
    finite = [[x for x in one.rewards if math.isfinite(x)] for one in runs]
    below, rewards = _series(runs, lambda episode: episode.reward)
    _, steps = _series(runs, lambda episode: float(episode.steps))
    found = [
        figure("Rewards", charts.histogram(finite, "reward"), key),
        figure(f"Reward by {below}", charts.dots(rewards, "reward", below), key),
        figure(f"Steps by {below}", charts.dots(steps, "steps", below, whole=True), key),
    ]
    times = [bar for name, one in _named(runs) for bar in _time(name or "run", one.timing)]
    if times:
        caption = f"Time (parts: {SUMS})" if any(map(has_sums, runs)) else "Time"
        found.append(figure(caption, charts.bars(times, STAGES, "seconds"), STAGES))
    shares = [
        share for i, (name, one) in enumerate(_named(runs)) for share in _share(name, one, one, i)
    ]
    if shares:
        found.append(figure("Success", charts.shares(shares, "share of successes")))
    return found


def endpoint_figures(run: RunResult) -> list[Element]:
    """Return the charts of the endpoints of a run."""
    parts = run.by_endpoint().items()
    times = [bar for name, part in parts for bar in _time(name, part.timing)]
    shares = [share for name, part in parts for share in _share(name, part, run)]
    found = []
    if times:
        found.append(figure("Time by endpoint", charts.bars(times, STAGES, "seconds"), STAGES))
    if shares:
        drawn = charts.shares(shares, "share of successes")
        found.append(figure("Success by endpoint", drawn))
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
