"""Rendered images in a terminal.

An image is drawn in half-block characters: each shows two pixels, one above the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from rlmesh._reporting.words import escape_control_chars
from rlmesh.tensor import Tensor

__all__ = ["HalfBlocks", "ansi_text", "draws_frames", "is_frame"]

Pixel = tuple[int, int, int]

_COLOURS = re.compile(r"(\x1b\[[0-9;]*m)")

_UPPER = "\u2580"


def is_frame(value: object) -> bool:
    """Return whether a value is an image: uint8 (height, width, 3)."""
    return (
        isinstance(value, Tensor)
        and str(value.dtype) == "uint8"
        and len(value.shape) == 3
        and value.shape[2] == 3
        and value.size > 0
    )


def draws_frames(console: Console) -> bool:
    """Return whether a console can draw an image: with colours and the half-block character."""
    coloured = console.color_system is not None and not console.no_color
    return coloured and not console.options.ascii_only


def ansi_text(frame: str) -> Text:
    """Return an image of render mode "ansi", with colours; other control sequences are escaped."""
    parts = _COLOURS.split(frame)
    # Every other part is a colour sequence.
    safe = [part if i % 2 else escape_control_chars(part, "\n") for i, part in enumerate(parts)]
    return Text.from_ansi("".join(safe))


class HalfBlocks:
    """An image for rich, as large as fits, and never larger than the original.

    Args:
        frame: uint8 (height, width, 3).
        rows: Number of lines that the image may take.
    """

    def __init__(self, frame: Tensor, rows: int) -> None:
        self._frame = frame
        self._rows = max(1, rows)

    def pixels(self, columns: int) -> list[list[Pixel]]:
        """Return an even number of rows of pixels, scaled to fit `columns` characters."""
        height, width, _ = self._frame.shape
        scale = min(columns / width, 2 * self._rows / height, 1.0)
        wide, high = max(1, int(width * scale)), max(2, int(height * scale) // 2 * 2)
        xs, ys = _samples(width, wide), _samples(height, high)
        return [[self._mean(x, y) for x in xs] for y in ys]

    def _mean(self, xs: tuple[int, int], ys: tuple[int, int]) -> Pixel:
        """Return the mean of four pixels, so that thin lines do not vanish."""
        data, width = self._frame.buffer, self._frame.shape[1]
        offsets = [3 * (y * width + x) for y in ys for x in xs]
        red, green, blue = (sum(data[p + c] for p in offsets) // 4 for c in range(3))
        return red, green, blue

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = self.pixels(options.max_width)
        for upper, lower in zip(rows[::2], rows[1::2]):
            for text, style in _runs(upper, lower):
                yield Segment(text, style)
            yield Segment.line()


def _samples(length: int, count: int) -> list[tuple[int, int]]:
    """Return two positions within each of `count` parts of `length`."""
    return [
        (int((i + 0.25) * length / count), min(length - 1, int((i + 0.75) * length / count)))
        for i in range(count)
    ]


def _runs(upper: list[Pixel], lower: list[Pixel]) -> Iterator[tuple[str, Style]]:
    """Yield runs of characters with the same style."""
    pairs = list(zip(upper, lower))
    begun = 0
    for i in range(1, len(pairs) + 1):
        if i == len(pairs) or pairs[i] != pairs[begun]:
            yield _UPPER * (i - begun), _style(*pairs[begun])
            begun = i


@lru_cache(maxsize=65_536)
def _style(upper: Pixel, lower: Pixel) -> Style:
    return Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))
