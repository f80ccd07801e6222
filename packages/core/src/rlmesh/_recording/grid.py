"""Videos side by side in one video."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from rlmesh._recording.episode_video import VideoFileWriter
from rlmesh._recording.optional import optional_import

__all__ = ["write_grid"]

MAX_VIDEOS = 64
"""Largest number of videos in a grid; of more, the first ones are used."""

MAX_PIXELS = 1920
"""Largest length of a grid's longer side, in pixels; cells are scaled down to fit."""


def write_grid(videos: Sequence[str], path: str, fps: float, codec: str) -> None:
    """Write videos side by side, row by row; a video that has ended keeps its last image.

    Args:
        videos: Paths of the videos, at least one.
        path: Path of the new file, which has a hidden name until it is complete.
        fps: Images per second.
        codec: FFmpeg's name of the encoder.

    Raises:
        OSError: If a file cannot be read or written.
    """
    np, av = optional_import("numpy", "VideoRecorder"), optional_import("av", "VideoRecorder")
    unfinished = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.part")
    with ExitStack() as stack:
        opened = [stack.enter_context(av.open(video)) for video in videos[:MAX_VIDEOS]]
        columns = math.ceil(math.sqrt(len(opened)))
        rows = math.ceil(len(opened) / columns)
        width, height = _cell([video.streams.video[0] for video in opened], columns, rows)
        board = np.zeros((rows * height, columns * width, 3), "uint8")
        stack.callback(_remove, unfinished)  # Unless it has got its name by then.
        writer = VideoFileWriter(unfinished, (columns * width, rows * height), fps, codec)
        try:
            for pictures in _together([_pictures(f, width, height) for f in opened]):
                for i, picture in enumerate(pictures):
                    if picture is not None:
                        top, left = i // columns * height, i % columns * width
                        board[top : top + height, left : left + width] = picture
                writer.add(board)
            writer.finish()
        except BaseException:
            with suppress(Exception):  # A second error must not hide the first, or an interrupt.
                writer.close()
            raise
        os.replace(unfinished, path)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.remove(path)


def _cell(streams: Sequence[Any], columns: int, rows: int) -> tuple[int, int]:
    """Return the size of a cell: that of the largest video, scaled down to fit the grid."""
    width, height = max(s.width for s in streams), max(s.height for s in streams)
    scale = min(1.0, MAX_PIXELS / max(columns * width, rows * height))
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


def _pictures(video: Any, width: int, height: int) -> Iterator[Any]:
    for frame in video.decode(video=0):
        yield frame.reformat(width, height, "rgb24").to_ndarray()


def _together(videos: Sequence[Iterator[Any]]) -> Iterator[list[Any]]:
    """Yield the next image of each video, None for those that have ended, until all have."""
    while True:
        pictures = [next(video, None) for video in videos]
        if all(picture is None for picture in pictures):
            return
        yield pictures
