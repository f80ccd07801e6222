"""Encoding of an episode's images as an MP4 file."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from rlmesh._recording.images import FrameError, Pixels, picture
from rlmesh._recording.optional import optional_import
from rlmesh._recording.writer import SingleFile

__all__ = ["EpisodeVideo", "VideoFileWriter"]

_OPTIONS = {"libx264": {"preset": "veryfast", "crf": "20"}, "libx265": {"preset": "veryfast"}}


class VideoFileWriter:
    """An encoder of images of one size into a file.

    Args:
        path: Path of the file.
        size: Width and height of each image, in pixels.
        fps: Images per second.
        codec: FFmpeg's name of the encoder.
    """

    def __init__(self, path: str, size: tuple[int, int], fps: float, codec: str) -> None:
        self._av: Any = optional_import("av", "VideoRecorder")
        self.size = size
        self._container = self._av.open(path, "w", format="mp4")
        try:
            # A denominator of 1001 covers the rates of television, such as 30000/1001.
            rate = Fraction(fps).limit_denominator(1001)
            options = dict(_OPTIONS.get(codec, {}))
            self._stream = self._container.add_stream(codec, rate=rate, options=options)
            self._stream.width, self._stream.height = size
            self._stream.pix_fmt = "yuv420p"
            # One thread, so that the run keeps the other cores.
            self._stream.codec_context.thread_count = 1
        except BaseException:
            self._container.close()
            raise

    def add(self, frame: Any) -> None:
        """Write an image, uint8 of shape (height, width, 3)."""
        self._write(self._av.VideoFrame.from_ndarray(frame, format="rgb24"))

    def finish(self) -> None:
        """Write the images that the encoder still holds, and close the file."""
        self._write(None)
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _write(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


class EpisodeVideo(SingleFile):
    """The video of an episode, in the size of its first image.

    Args:
        path: Path of the file.
        fps: Returns the images per second, when they are needed.
        codec: FFmpeg's name of the encoder.
        say: Called with a message about images that are left out.
    """

    def __init__(
        self, path: str, fps: Callable[[], float], codec: str, say: Callable[[str], None]
    ) -> None:
        super().__init__(path)
        self._fps = fps
        self._codec = codec
        self._say = say
        self._writer: VideoFileWriter | None = None
        self._left_out = False

    def add(self, item: Pixels) -> None:
        """Write an image; leave it out if it is not an image, or has another size."""
        try:
            frame = picture(item)
            size = (frame.shape[1], frame.shape[0])
            if self._writer is not None and size != self._writer.size:
                raise FrameError(f"expected a frame of {self._writer.size}, got one of {size}")
        except FrameError as error:
            self.leave_out(error)
            return
        if self._writer is None:
            self._writer = VideoFileWriter(self.unfinished, size, self._fps(), self._codec)
        self._writer.add(frame)

    def leave_out(self, error: Exception) -> None:
        """Report, once for each video, that an image is left out."""
        if not self._left_out:
            self._left_out = True
            self._say(f"{self.path}: a frame is left out: {type(error).__name__}: {error}")

    def finish(self) -> None:
        """Complete the file; an episode without an image gets none."""
        if self._writer is not None:
            self._writer.finish()
            os.replace(self.unfinished, self.path)
