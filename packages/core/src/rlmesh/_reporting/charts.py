"""Charts as inline SVG, without libraries, scripts or external files."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from rlmesh._reporting.markers import COLOURS, GREY, colour_of, marker
from rlmesh._reporting.markup import Element, element
from rlmesh._reporting.scale import Scale
from rlmesh._reporting.words import number
from rlmesh.results import Interval

__all__ = [
    "PART_COLOURS",
    "Bar",
    "Dots",
    "Mean",
    "Share",
    "bars",
    "dots",
    "histogram",
    "means",
    "panels",
    "shares",
    "svg_file",
]

PART_COLOURS = (*COLOURS[:3], GREY)
"""Colours of the parts of a bar."""

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 468, 12, 216
ROW = 34
LEGEND = 16
"""Height of a line of a legend."""

OPACITY = 0.85

MAX_OPAQUE = 400
"""Largest number of dots of a series that are not drawn fainter, because they would overlap."""

NAMESPACE = "http://www.w3.org/2000/svg"
MAX_DOTS = 2_000
MAX_BINS = 30
PANEL = 72
"""Height of a histogram among several."""

# Attributes instead of classes, because a notebook may drop the style sheet.
_GRID: dict[str, object] = {"stroke": "#888888", "stroke-opacity": 0.25}
_AXIS: dict[str, object] = {"stroke": "#888888"}
_INTERVAL: dict[str, object] = {"stroke": "currentColor", "stroke-width": 1.5}


@dataclass(frozen=True)
class Dots:
    """A series of `dots`: the number and the name of each position, from left to right."""

    numbers: Sequence[float]
    names: Sequence[str]


@dataclass(frozen=True)
class Bar:
    """A row of `bars`: its name, and the length of each part."""

    name: str
    parts: Sequence[float]


@dataclass(frozen=True)
class Share:
    """A row of `shares`: its name, a number between 0 and 1, and its interval if it is known."""

    name: str
    value: float
    interval: Interval | None
    words: str
    colour: int = 0


@dataclass(frozen=True)
class Mean:
    """A row of `means`: its name, a number, its interval if it is known, and its series."""

    name: str
    value: float
    interval: Interval | None
    place: int = 0


def histogram(series: Sequence[Sequence[float]], label: str) -> Element:
    """Return a histogram of one series or a few, with bins of equal width.

    Args:
        series: Few series of finite numbers; of many, see `panels`.
        label: Name of the quantity.
    """
    across, edges, counts = _binned(series)
    # Bars side by side: where one covered another, there would be a colour that no legend has.
    width = max((RIGHT - LEFT) / (len(edges) - 1) - 2, 1.0) / max(len(series), 1)
    up = Scale(0, max([1, *(n for one in counts for n in one)]), BOTTOM, TOP)
    drawn = [
        rect
        for place, one in enumerate(counts)
        for rect in _bins(one, edges, across, up, BOTTOM, place, place * width, width)
    ]
    ticks = _ticks_below(across, [(x, number(x)) for x in across.ticks()], label)
    return _drawing(f"Histogram: {label}", [*_ticks_beside(up, "episodes", True), *ticks, *drawn])


def panels(
    series: Sequence[Sequence[float]], names: Sequence[str], label: str, first: int = 0
) -> Element:
    """Return a histogram for each of many series, one above the other, with equal bins and scales.

    Args:
        series: Series of finite numbers.
        names: Name of each series.
        label: Name of the quantity.
        first: Place of the first series among all colours.
    """
    across, edges, counts = _binned(series)
    width = max((RIGHT - LEFT) / (len(edges) - 1) - 2, 1.0)
    most = max([1, *(n for one in counts for n in one)])
    drawn: list[Element] = []
    for place, (one, name) in enumerate(zip(counts, names)):
        top, bottom = TOP + PANEL * place, TOP + PANEL * (place + 1)
        up = Scale(0, most, bottom, top + 18)
        drawn += [
            element("text", name, x=LEFT, y=top + 12),
            element("text", number(most), text_anchor="end", x=LEFT - 6, y=up(most) + 4),
            _line(LEFT, up(most), RIGHT, up(most), _GRID),
            _line(LEFT, bottom, RIGHT, bottom, _AXIS),
            *_bins(one, edges, across, up, bottom, first + place, 0.0, width),
        ]
    bottom = TOP + PANEL * len(series)
    ticks = _ticks_below(across, [(x, number(x)) for x in across.ticks()], label, bottom)
    return _drawing(f"Histograms: {label}", [*ticks, *drawn], bottom + HEIGHT - BOTTOM)


def _binned(series: Sequence[Sequence[float]]) -> tuple[Scale, list[float], list[list[int]]]:
    """Return the scale across, the ends of the bins, and the counts of each series."""
    across = Scale.around([x for one in series for x in one], LEFT, RIGHT)
    longest = max(map(len, series), default=0)
    edges = across.edges(max(1, min(MAX_BINS, math.ceil(math.sqrt(longest)))))
    return across, edges, [_counted(one, edges) for one in series]


def _bins(
    counts: Sequence[int],
    edges: Sequence[float],
    across: Scale,
    up: Scale,
    bottom: float,
    place: int,
    shift: float,
    width: float,
) -> list[Element]:
    """Return the bars of one series."""
    return [
        element(
            "rect",
            element("title", f"{number(edges[i])} to {number(edges[i + 1])}: {n}"),
            fill=colour_of(place),
            fill_opacity=OPACITY,
            x=across(edges[i]) + 1 + shift,
            y=up(n),
            width=width,
            height=bottom - up(n),
        )
        for i, n in enumerate(counts)
        if n
    ]


def _counted(numbers: Sequence[float], edges: Sequence[float]) -> list[int]:
    counts = [0] * (len(edges) - 1)
    for x in numbers:
        counts[min(max(bisect.bisect_right(edges, x) - 1, 0), len(counts) - 1)] += 1
    return counts


def dots(series: Sequence[Dots], label: str, below: str, *, whole: bool = False) -> Element:
    """Return a chart with a dot for each number of each series, in order.

    Args:
        series: The series; numbers that are not finite are left out.
        label: Name of the quantity.
        below: Name of the positions.
        whole: Whether the numbers are whole numbers, from 0.
    """
    places = max((len(one.numbers) for one in series), default=0)
    kept = range(0, places, max(1, math.ceil(places / MAX_DOTS)))
    finite = [x for one in series for x in one.numbers if math.isfinite(x)]
    up = Scale.around(finite, BOTTOM - 4, TOP + 4, zero=whole)
    across = Scale(0, max(places - 1, 1), LEFT + 8, RIGHT - 8)
    opacity = OPACITY if places <= MAX_OPAQUE else OPACITY / 2
    drawn = [
        marker(place, across(i), up(one.numbers[i]), _words(below, one, i), opacity)
        for place, one in enumerate(series)
        for i in kept
        if i < len(one.numbers) and math.isfinite(one.numbers[i])
    ]
    names = series[0].names if series else ()
    some = [int(x) for x in across.ticks(whole=True) if 0 <= x < len(names)]
    ticks = _ticks_below(across, [(i, names[i]) for i in some], below)
    return _drawing(label, [*_ticks_beside(up, label, whole), *ticks, *drawn])


def _words(below: str, one: Dots, i: int) -> str:
    return f"{below} {one.names[i]}: {number(one.numbers[i])}"


def bars(rows: Sequence[Bar], names: Sequence[str], label: str) -> Element:
    """Return a chart with a bar for each row, made of parts; `names` are those of the parts."""
    longest = max((sum(row.parts) for row in rows), default=0.0)
    across = Scale.around([longest], LEFT, RIGHT, zero=True)
    bottom = TOP + ROW * len(rows)
    drawn: list[Element] = []
    for i, row in enumerate(rows):
        drawn.append(element("text", row.name, x=LEFT, y=TOP + ROW * i + 10))
        start = 0.0
        for place, part in enumerate(row.parts):
            x = across(start)
            drawn.append(
                element(
                    "rect",
                    element("title", f"{row.name}, {names[place]}: {number(part)}"),
                    fill=PART_COLOURS[place],
                    x=x,
                    y=TOP + ROW * i + 14,
                    width=max(across(start + part) - x, 0.0),
                    height=14,
                )
            )
            start += part
    ticks = _ticks_below(across, [(x, number(x)) for x in across.ticks()], label, bottom)
    return _drawing(label, [*ticks, *drawn], bottom + HEIGHT - BOTTOM)


def shares(rows: Sequence[Share], label: str) -> Element:
    """Return a chart with a bar between 0 and 1 for each row, with its interval."""
    across = Scale(0, 1, LEFT, RIGHT)
    bottom = TOP + ROW * len(rows)
    drawn: list[Element] = []
    for i, row in enumerate(rows):
        y = TOP + ROW * i
        drawn += [
            element("text", f"{row.name}: {row.words}".lstrip(": "), x=LEFT, y=y + 10),
            element(
                "rect",
                fill=colour_of(row.colour),
                fill_opacity=OPACITY,
                x=LEFT,
                y=y + 14,
                height=14,
                width=across(row.value) - LEFT,
            ),
        ]
        drawn += _whiskers(row.interval, across, y + 21)
    ticks = _ticks_below(across, [(x, number(x)) for x in across.ticks()], label, bottom)
    return _drawing(label, [*ticks, *drawn], bottom + HEIGHT - BOTTOM)


def means(rows: Sequence[Mean], label: str) -> Element:
    """Return a chart with a marker for each row, with its interval."""
    known = [end for row in rows for end in row.interval or ()]
    across = Scale.around([*known, *(row.value for row in rows)], LEFT + 8, RIGHT - 8)
    bottom = TOP + ROW * len(rows)
    drawn: list[Element] = []
    for i, row in enumerate(rows):
        y = TOP + ROW * i
        drawn.append(element("text", f"{row.name}: {number(row.value)}", x=LEFT, y=y + 10))
        drawn += _whiskers(row.interval, across, y + 21)
        drawn.append(marker(row.place, across(row.value), y + 21))
    ticks = _ticks_below(across, [(x, number(x)) for x in across.ticks()], label, bottom)
    return _drawing(label, [*ticks, *drawn], bottom + HEIGHT - BOTTOM)


def _whiskers(interval: Interval | None, across: Scale, y: float) -> list[Element]:
    if interval is None:
        return []
    low, high = map(across, interval)
    return [
        _line(low, y, high, y, _INTERVAL),
        _line(low, y - 4, low, y + 4, _INTERVAL),
        _line(high, y - 4, high, y + 4, _INTERVAL),
    ]


def _ticks_beside(up: Scale, label: str, whole: bool) -> list[Element]:
    middle = (TOP + BOTTOM) / 2
    turned = f"rotate(-90 12 {middle:g})"
    parts = [element("text", label, text_anchor="middle", x=12, y=middle, transform=turned)]
    for tick in up.ticks(whole):
        y = up(tick)
        parts.append(_line(LEFT, y, RIGHT, y, _GRID))
        parts.append(element("text", number(tick), text_anchor="end", x=LEFT - 6, y=y + 4))
    return parts


def _ticks_below(
    across: Scale, ticks: Sequence[tuple[float, str]], label: str, bottom: float = BOTTOM
) -> list[Element]:
    middle = (LEFT + RIGHT) / 2
    parts = [
        _line(LEFT, bottom, RIGHT, bottom, _AXIS),
        element("text", label, text_anchor="middle", x=middle, y=bottom + 38),
    ]
    # Only some names are drawn if long ones, such as seeds of 20 digits, would overlap.
    room = (RIGHT - LEFT) / max(len(ticks), 1)
    every = max(1, math.ceil(max((7 * len(name) + 8 for _, name in ticks), default=0) / room))
    for tick, name in ticks[::every]:
        x = across(tick)
        parts.append(_line(x, bottom, x, bottom + 4, _AXIS))
        parts.append(element("text", name, text_anchor="middle", x=x, y=bottom + 18))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, look: dict[str, object]) -> Element:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **look)


def svg_file(drawing: Element, key: Sequence[Element] = ()) -> str:
    """Return a chart as the content of an SVG file, with its legend below.

    Args:
        drawing: The chart.
        key: Groups of the legend, each at the origin of its line.
    """
    _, _, width, height = map(float, (drawing.get("viewBox") or "").split())
    legend = [
        element("g", line, transform=f"translate({LEFT} {height + LEGEND * i:g})")
        for i, line in enumerate(key)
    ]
    box = f"0 0 {width:g} {height + LEGEND * len(key):g}"
    # A file has neither the style sheet nor the text colour of the page.
    look = {
        "fill": "currentColor",
        "color": "#1c2126",
        "font_size": 11,
        "font_family": "sans-serif",
    }
    root = element("svg", *drawing, *legend, xmlns=NAMESPACE, viewBox=box, **look)
    return ElementTree.tostring(root, encoding="unicode")


def _drawing(label: str, parts: Sequence[Element], height: float = HEIGHT) -> Element:
    look = {"fill": "currentColor", "font-size": 11}
    box = f"0 0 {WIDTH} {height:g}"
    return element("svg", *parts, viewBox=box, role="img", aria_label=label, **look)
