"""Charts as inline SVG, without libraries, scripts or external files."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from rlmesh._reporting.markup import Element, element
from rlmesh._reporting.scale import Scale
from rlmesh._reporting.words import number
from rlmesh.results import Interval

__all__ = [
    "COLOURS",
    "Bar",
    "Dots",
    "Share",
    "bars",
    "dots",
    "histogram",
    "shares",
    "svg_file",
]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#999999")
"""Colours of series and parts, by Okabe and Ito; distinct for people with colour blindness."""

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
MAX_ROWS = 20
"""Largest number of rows of a bar chart."""

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


def histogram(series: Sequence[Sequence[float]], label: str) -> Element:
    """Return a histogram of one or two series, with bins of equal width.

    Args:
        series: One or two series of finite numbers.
        label: Name of the quantity.
    """
    numbers = [x for one in series for x in one]
    across = Scale.around(numbers, LEFT, RIGHT)
    longest = max(map(len, series), default=0)
    count = max(1, min(MAX_BINS, math.ceil(math.sqrt(longest))))
    edges = across.edges(count)
    counts = [_counted(one, edges) for one in series]
    # Bars side by side: where one covered another, there would be a colour that no legend has.
    width = max((RIGHT - LEFT) / count - 2, 1.0) / max(len(series), 1)
    up = Scale(0, max([1, *(n for one in counts for n in one)]), BOTTOM, TOP)
    drawn = [
        element(
            "rect",
            element("title", f"{number(edges[i])} to {number(edges[i + 1])}: {n}"),
            fill=COLOURS[place],
            fill_opacity=OPACITY,
            x=across(edges[i]) + 1 + place * width,
            y=up(n),
            width=width,
            height=BOTTOM - up(n),
        )
        for place, one in enumerate(counts)
        for i, n in enumerate(one)
        if n
    ]
    ticks = _ticks_below(across, [(x, number(x)) for x in across.ticks()], label)
    return _drawing(f"Histogram: {label}", [*_ticks_beside(up, "episodes", True), *ticks, *drawn])


def _counted(numbers: Sequence[float], edges: Sequence[float]) -> list[int]:
    counts = [0] * (len(edges) - 1)
    for x in numbers:
        counts[min(max(bisect.bisect_right(edges, x) - 1, 0), len(counts) - 1)] += 1
    return counts


def dots(series: Sequence[Dots], label: str, below: str, *, whole: bool = False) -> Element:
    """Return a chart with a dot for each number of each series, in order.

    Args:
        series: One or two series; numbers that are not finite are left out.
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
        _dot(place, across(i), up(one.numbers[i]), _words(below, one, i), opacity)
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


def _dot(place: int, x: float, y: float, title: str, opacity: float) -> Element:
    """Return a disk, or a diamond for the second series, which differs without colours too."""
    look = {"fill": COLOURS[place], "fill_opacity": opacity}
    words = element("title", title)
    if place == 0:
        return element("circle", words, cx=x, cy=y, r=3, **look)
    return element("path", words, d=f"M{x:.6g} {y - 4:.6g}l4 4l-4 4l-4 -4z", **look)


def bars(rows: Sequence[Bar], names: Sequence[str], label: str) -> Element:
    """Return a chart with a bar for each row, made of parts; `names` are those of the parts."""
    rows = rows[:MAX_ROWS]
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
                    fill=COLOURS[place],
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
    rows = rows[:MAX_ROWS]
    across = Scale(0, 1, LEFT, RIGHT)
    bottom = TOP + ROW * len(rows)
    drawn: list[Element] = []
    for i, row in enumerate(rows):
        y = TOP + ROW * i
        drawn += [
            element("text", f"{row.name}: {row.words}".lstrip(": "), x=LEFT, y=y + 10),
            element(
                "rect",
                fill=COLOURS[row.colour],
                fill_opacity=OPACITY,
                x=LEFT,
                y=y + 14,
                height=14,
                width=across(row.value) - LEFT,
            ),
        ]
        if row.interval is not None:
            low, high = map(across, row.interval)
            drawn += [
                _line(low, y + 21, high, y + 21, _INTERVAL),
                _line(low, y + 17, low, y + 25, _INTERVAL),
                _line(high, y + 17, high, y + 25, _INTERVAL),
            ]
    ticks = _ticks_below(across, [(x, number(x)) for x in across.ticks()], label, bottom)
    return _drawing(label, [*ticks, *drawn], bottom + HEIGHT - BOTTOM)


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


def svg_file(drawing: Element, key: Sequence[str] = ()) -> str:
    """Return a chart as the content of an SVG file, with a legend of the names of the colours."""
    _, _, width, height = map(float, (drawing.get("viewBox") or "").split())
    legend: list[Element] = []
    for i, name in enumerate(key):
        y = height + LEGEND * i
        legend.append(element("rect", fill=COLOURS[i], x=LEFT, y=y, width=10, height=10))
        legend.append(element("text", name, x=LEFT + 16, y=y + 9))
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
