"""Any tree of Python objects, as an environment may put it into an info."""

from __future__ import annotations

import datetime
from collections import OrderedDict, UserDict, deque, namedtuple
from enum import Enum
from typing import Any

import numpy as np
from hypothesis import strategies as st

__all__ = ["any_infos"]

Draw = st.SearchStrategy[Any]
Point = namedtuple("Point", "x y")


class Word(str, Enum):
    """An enumeration with members that are text."""

    A = "a"


class Silent:
    """An object with a repr that raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Alike:
    """Objects of one repr, which are not equal."""

    def __repr__(self) -> str:
        return "alike"


class Other:
    """An object with a lone surrogate in its repr."""

    def __repr__(self) -> str:
        return "\ud800"


_DTYPES = [
    *("?", "i1", ">i2", "<u8", "e", ">f4", "d", "g", "F", "D", "G", "U3", "S3", "V4"),
    *("M8[D]", "m8[s]", "O"),
    [("x", "i4"), ("y", "O")],
]
_SHAPES = [(), (0,), (3,), (2, 2), (0, 3), (2**20, 0), (2**31, 0), (1,) * 32, (1,) * 40]
_FITTING = _SHAPES if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else _SHAPES[:-1]


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """An array, or a scalar, of any dtype; of objects with some of them."""
    dtype = np.dtype(draw(st.sampled_from(_DTYPES)))
    shape = draw(st.sampled_from(_FITTING))
    array = np.zeros(shape, dtype)
    if dtype.kind == "O" and array.size:
        array[(0,) * array.ndim] = draw(st.sampled_from([None, array, [array], Silent(), 1 << 70]))
    elif dtype == np.dtype(bool) and array.size:
        array = np.full(shape, 2, "u1").view(bool)
    return array[(0,) * array.ndim] if array.size and draw(st.booleans()) else array


_sizes = st.sampled_from([0, 63, 64, 127, 8 * 65_536 - 1, 8 * 65_536, 8 * 70_000])
_long: Draw = st.tuples(st.sampled_from(["k", "é", b"k"]), st.sampled_from([32_768, 65_537]))
_texts = st.text(max_size=4) | st.sampled_from(["\ud800", "\\ud800"])
_keys: Draw = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.builds(
            lambda bits, less, sign: sign * ((1 << bits) - less),
            _sizes,
            st.integers(-1, 1),
            st.sampled_from([1, -1]),
        ),
        st.floats(),
        st.builds(float, st.just("nan")),
        _texts,
        st.sampled_from(["nan", "alike", "1", "(1,)"]),
        st.binary(max_size=3) | _long.map(lambda parts: parts[0] * parts[1]),
        st.builds(np.float64, st.floats()),
        st.builds(np.int64, st.integers(-9, 9)),
        st.sampled_from([np.bool_(True), np.str_("a"), np.bytes_(b"a"), Word.A, Ellipsis, int]),
        st.sampled_from([np.longdouble(1), np.datetime64("2020"), datetime.date(2020, 1, 1), 1j]),
        st.builds(Silent) | st.builds(Alike) | st.builds(Other),
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.frozensets(inner, max_size=2)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=4,
)


def _trees(inner: Draw) -> Draw:
    lists = st.lists(inner, max_size=4)
    maps = st.dictionaries(_keys, inner, max_size=4)
    return st.one_of(
        lists,
        lists.map(tuple),
        lists.map(deque),
        maps,
        maps.map(OrderedDict),
        maps.map(UserDict),
        st.builds(Point, inner, inner),
        st.builds(_deep, inner, st.sampled_from([1, 20, 24, 60]), st.booleans()),
        lists.map(_cycle),
        lists.map(lambda parts: [parts, parts, parts]),
    )


def _deep(value: Any, count: int, mapped: bool) -> Any:
    for _ in range(count):
        value = {"x": value} if mapped else (value,)
    return value


def _cycle(parts: list[Any]) -> Any:
    parts.append({"up": parts, "children": [{"parent": parts} for _ in range(3)]})
    return parts


def any_infos() -> Draw:
    """Any info of any objects."""
    leaves = st.one_of(_keys, arrays(), st.sets(st.integers(), max_size=3))
    return st.dictionaries(_keys, st.recursive(leaves, _trees, max_leaves=6), max_size=3)
