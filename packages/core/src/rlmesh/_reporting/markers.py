"""Colours and shapes that tell the series of a chart apart."""

from __future__ import annotations

from rlmesh._reporting.markup import Element, element

__all__ = ["COLOURS", "GREY", "colour_of", "glyph_of", "marker"]

GREY = "#999999"

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours of series, by Okabe and Ito; distinct for people with colour blindness."""

_CROSS = "m-4 -2.5l1.5 -1.5 2.5 2.5 2.5 -2.5 1.5 1.5 -2.5 2.5 2.5 2.5 -1.5 1.5 -2.5 -2.5 -2.5 2.5z"

_PATHS = (
    ("\N{BLACK CIRCLE}", "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z"),
    ("\N{BLACK DIAMOND}", "m0 -4l4 4l-4 4l-4 -4z"),
    ("\N{BLACK SQUARE}", "m-3 -3h6v6h-6z"),
    ("\N{BLACK UP-POINTING TRIANGLE}", "m0 -4l4 7h-8z"),
    ("\N{BLACK DOWN-POINTING TRIANGLE}", "m0 4l4 -7h-8z"),
    ("\N{HEAVY GREEK CROSS}", "m-1 -4h2v3h3v2h-3v3h-2v-3h-3v-2h3z"),
    ("\N{HEAVY MULTIPLICATION X}", _CROSS),
)
"""A character and a path for each shape; the path begins at the middle of the shape."""


def colour_of(place: int) -> str:
    """Return the colour of a series by its place; the colours repeat."""
    return COLOURS[place % len(COLOURS)]


def _shape(place: int) -> tuple[str, str]:
    # Where the colours repeat, the shapes are shifted, so that 42 series look different.
    again, first = divmod(place, len(COLOURS))
    return _PATHS[(first + again) % len(_PATHS)]


def glyph_of(place: int) -> str:
    """Return a character that looks like the marker of a series."""
    return _shape(place)[0]


def marker(place: int, x: float, y: float, title: str = "", opacity: float = 1.0) -> Element:
    """Return the marker of a series, which differs from others without colours too."""
    words = element("title", title) if title else None
    path = f"M{x:.6g} {y:.6g}{_shape(place)[1]}"
    return element("path", words, d=path, fill=colour_of(place), fill_opacity=opacity)
