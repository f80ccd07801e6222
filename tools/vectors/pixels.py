"""Pictures of the vectors, and their pixels as Pillow and OpenCV have them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Picture", "jpeg", "picture", "resized"]


@dataclass(frozen=True)
class Picture:
    """An image of whole numbers, its pixels as rows of tuples of channels.

    Attributes:
        rows: The pixels.
    """

    rows: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and number of channels."""
        return len(self.rows), len(self.rows[0]), len(self.rows[0][0])

    @property
    def flat(self) -> list[int]:
        """The numbers, by height, width, channels."""
        return [number for row in self.rows for pixel in row for number in pixel]

    @property
    def planes(self) -> list[int]:
        """The numbers, by channels, height, width."""
        count = self.shape[2]
        return [pixel[c] for c in range(count) for row in self.rows for pixel in row]

    def clockwise(self, turns: int) -> Picture:
        """Return the picture after clockwise quarter turns: the last row is the first column."""
        rows = self.rows
        for _ in range(turns):
            rows = tuple(zip(*rows[::-1]))
        return Picture(rows)

    def mirrored(self) -> Picture:
        """Return the picture with left and right exchanged."""
        return Picture(tuple(row[::-1] for row in self.rows))

    def cut(self, top: int, left: int, height: int, width: int) -> Picture:
        """Return a part of the picture."""
        return Picture(tuple(row[left : left + width] for row in self.rows[top : top + height]))

    def nearest(self, height: int, width: int) -> Picture:
        """Return the picture in another size: pixels in which the middle of a new one lies."""
        own = self.shape
        down, across = (
            [(2 * i + 1) * old // (2 * new) for i in range(new)]
            for old, new in ((own[0], height), (own[1], width))
        )
        return Picture(tuple(tuple(self.rows[y][x] for x in across) for y in down))

    def padded(self, height: int, width: int, fill: tuple[int, ...]) -> Picture:
        """Return the picture in the middle of a larger one, half rounded down above and left."""
        own = self.shape
        top, left = (height - own[0]) // 2, (width - own[1]) // 2
        rows = [[fill] * width for _ in range(height)]
        for y, row in enumerate(self.rows):
            rows[top + y][left : left + own[1]] = row
        return Picture(tuple(map(tuple, rows)))

    def each(self, function: Callable[[tuple[int, ...]], Sequence[int]]) -> Picture:
        """Return the picture with a function of each pixel."""
        return Picture(tuple(tuple(tuple(function(p)) for p in row) for row in self.rows))


def picture(height: int, width: int, channels: int, seed: int = 1) -> Picture:
    """Return a picture of shades that differ from pixel to pixel, from 0 to 255."""
    state = seed
    shades: list[int] = []
    for _ in range(height * width * channels):
        # The generator of Knuth's MMIX, of which the upper bits are the better ones.
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        shades.append(state >> 56)
    return _of(shades, height, width, channels)


def _of(flat: Sequence[int], height: int, width: int, channels: int) -> Picture:
    numbers = iter(flat)
    return Picture(
        tuple(
            tuple(tuple(int(next(numbers)) for _ in range(channels)) for _ in range(width))
            for _ in range(height)
        )
    )


_PILLOW = ("bilinear", "bicubic", "lanczos", "box")
_OPENCV = {"linear": "INTER_LINEAR", "area": "INTER_AREA", "cubic": "INTER_CUBIC"}


def resized(source: Picture, height: int, width: int, resampler: str) -> Picture:
    """Return a picture of three channels in another size, as the resampler's library has it."""
    library, _, name = resampler.partition("_")
    rows, columns, channels = source.shape
    if library == "pillow":
        from PIL import Image

        made = Image.frombytes("RGB", (columns, rows), bytes(source.flat))
        data = made.resize((width, height), getattr(Image.Resampling, name.upper())).tobytes()
    else:
        import cv2
        import numpy as np

        pixels = np.array(source.flat, "u1").reshape(source.shape)
        data = cv2.resize(
            pixels, (width, height), interpolation=getattr(cv2, _OPENCV[name])
        ).tobytes()
    return _of(data, height, width, channels)


def jpeg(source: Picture, quality: int) -> Picture:
    """Return a picture of three channels as a reader of its JPEG sees it, written by Pillow."""
    from PIL import Image

    rows, columns, channels = source.shape
    file = io.BytesIO()
    Image.frombytes("RGB", (columns, rows), bytes(source.flat)).save(
        file, format="JPEG", quality=quality
    )
    file.seek(0)
    return _of(Image.open(file).tobytes(), rows, columns, channels)
