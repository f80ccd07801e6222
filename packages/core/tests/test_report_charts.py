"""Charts: what is drawn is what was given."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from rlmesh._reporting.charts import (
    Bar,
    Dots,
    Mean,
    Share,
    bars,
    dots,
    histogram,
    means,
    panels,
    shares,
)
from rlmesh._reporting.markers import colour_of
from rlmesh._reporting.markup import element, written
from rlmesh._reporting.scale import Scale
from rlmesh.results import Interval
from tests.pages_read import Read


def drawn(chart: Any) -> Read:
    return Read(written(chart))


def places(page: Read) -> list[tuple[float, float]]:
    """The middle of each marker."""
    paths = [value for name, value in page.attributes if name == "d"]
    found = [re.match(r"M(\S+) ([^m]+)m", path) for path in paths]
    return [(float(match[1]), float(match[2])) for match in found if match]


def test_a_histogram_counts_each_number_once() -> None:
    numbers = [0.0, 0.1, 0.5, 0.5, 0.9, 1.0, 1.0, 1.0, 0.3]
    page = drawn(histogram([numbers], "reward"))
    bins = [re.fullmatch(r"(\S+) to (\S+): (\d+)", text) for text in page.texts["title"]]
    assert all(bins) and sum(int(found[3]) for found in bins if found) == len(numbers)
    assert [int(found[3]) for found in bins if found] == [3, 2, 4]


def test_a_number_between_two_bins_is_in_the_upper_one() -> None:
    page = drawn(histogram([[0.0, 0.0, 2.0, 4.0]], "reward"))
    assert page.texts["title"] == ["0 to 2: 2", "2 to 4: 2"]


@pytest.mark.parametrize("numbers", [[1.0] * 5, [1e308, -1e308], [5e-324, 0.0], []])
def test_a_histogram_of_odd_numbers(numbers: list[float]) -> None:
    page = drawn(histogram([numbers], "reward"))
    counts = [int(text.rpartition(": ")[2]) for text in page.texts.get("title", [])]
    assert sum(counts) == len(numbers)


def test_dots_stand_in_order_and_leave_out_what_is_not_finite() -> None:
    page = drawn(dots([Dots([3.0, math.nan, 1.0, 2.0], list("abcd"))], "reward", "seed"))
    assert page.texts["title"] == ["seed a: 3", "seed c: 1", "seed d: 2"]
    xs, ys = zip(*places(page))
    assert list(xs) == sorted(xs)
    assert ys[0] < ys[2] < ys[1]  # Upwards is less.


def test_histograms_above_one_another_have_equal_bins_and_the_names_of_their_series() -> None:
    series = [[0.0, 0.0, 1.0, 4.0], [4.0], [], [2.0, 2.0]]
    page = drawn(panels(series, ["a: x", "b: <y>", "c", "d: z"], "reward"))
    assert page.texts["title"] == ["0 to 2: 3", "2 to 4: 1", "2 to 4: 1", "2 to 4: 2"]
    assert {"a: x", "b: <y>", "c", "d: z"} <= set(page.texts["text"])
    fills = [value for name, value in page.attributes if name == "fill" and value[0] == "#"]
    assert fills == [colour_of(place) for place in (0, 0, 1, 3)]


def test_means_stand_between_the_ends_of_their_intervals() -> None:
    rows = [Mean("a: x", 2.0, Interval(1.0, 4.0)), Mean("b: y", 3.0, None, 1)]
    page = drawn(means(rows, "mean reward"))
    (x, _), (beside, _) = places(page)
    ends = [float(value) for name, value in page.attributes if name in ("x1", "x2")]
    low, high = min(ends[2:]), max(e for e in ends if x < e)
    assert low < x < beside < high and {"a: x: 2", "b: y: 3"} <= set(page.texts["text"])


def test_bars_are_as_long_as_their_parts() -> None:
    page = drawn(bars([Bar("one", [1.0, 3.0]), Bar("two", [2.0, 0.0])], ["p", "q"], "seconds"))
    widths = [float(value) for name, value in page.attributes if name == "width"]
    assert widths[1] == pytest.approx(3 * widths[0], rel=1e-4)
    assert widths[2] == pytest.approx(2 * widths[0], rel=1e-4) and widths[3] == 0
    assert "one, q: 3" in page.texts["title"]


def test_shares_have_their_interval() -> None:
    page = drawn(shares([Share("", 0.5, Interval(0.25, 0.75), "1 of 2")], "share"))
    (width,) = (float(value) for name, value in page.attributes if name == "width")
    ends = [float(value) for name, value in page.attributes if name in ("x1", "x2")]
    middle = width + 56
    assert "1 of 2" in page.texts["text"]
    assert middle - width / 2 in ends and middle + width / 2 in ends


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-7.0, 12.0, [-5.0, 0.0, 5.0, 10.0]),
        (0.0, 100.0, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert Scale(low, high, 0, 1).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (-1.7e308, 1.7e308),
        (0.0, 5e-324),
        (1e16, 1e16 + 2),
        (3.0, 3.0),
        (0.0, 0.0),
        (1e308, 1e308),
        (-1.79e308, -1.79e308),
    ],
)
def test_a_scale_of_odd_numbers(low: float, high: float) -> None:
    scale = Scale(low, high, 10, 20)
    assert 10 <= scale(low) <= scale(high) <= 20
    assert 0 < len(scale.ticks()) <= 9 and all(map(math.isfinite, scale.ticks()))
    edges = scale.edges(4)
    assert edges == sorted(edges) and len(edges) == 5


def test_elements_escape_what_stands_in_them() -> None:
    made = element("p", "<", element("b", "&"), ">", class_='"<', aria_label=None, x=1 / 3)
    assert written(made) == '<p class="&quot;<" x="0.333333">&lt;<b>&amp;</b>&gt;</p>'
    with pytest.raises(AssertionError):
        written(element("style", "</style>"))
