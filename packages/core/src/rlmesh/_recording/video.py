"""`VideoRecorder`: videos of episodes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from rlmesh._recording.environment import fps_of, spaces_of
from rlmesh._recording.episode_video import EpisodeVideo
from rlmesh._recording.grid import MAX_VIDEOS, write_grid
from rlmesh._recording.images import Drawings, Pixels, leaf_path, pixels_of, value_at
from rlmesh._recording.optional import optional_import
from rlmesh._recording.recorder import Recorder, file_stem, recorded

__all__ = ["VideoRecorder", "video_of_before"]

DEFAULT_FPS = 30.0


class VideoRecorder(Recorder):
    """A recorder of episodes as MP4: hooks for an evaluation, or for a loop with `wrap`.

    A video is written in a thread of its own during its episode, under a hidden name
    (".episode_0_seed_3.mp4.part"), and gets its final name when the episode has ended: every
    visible file can be played, however the process ends. What cannot be recorded causes a
    `RecordingWarning` that names the file, and is listed in `failures`; the run goes on. The same
    holds for a video that would replace one of an earlier run.

    Args:
        path: A folder for "episode_{index}_seed_{seed}.mp4" of each episode ("_seed_…" is left out
            without a seed); or a file "….mp4" for all of them side by side, at most 64, written
            when the run has ended. Until then the episodes are in the folder "….mp4.episodes";
            those that the file does not show stay there.
        source: "render": the result of the environment's `render()` after the reset and each step.
            "observation": the observation if it is an image, or the only image in it. Anything else
            is the path of an image in the observation: "['camera'][0]" or "camera/0".
        fps: Images per second; None: from the environment's contract, else 30.
        episodes: Returns whether an episode is recorded, by its number in the run; None: all are.
        codec: FFmpeg's name of the encoder.
        resume: Whether videos are added to existing ones; one of the same name is replaced.

    Raises:
        ImportError: If PyAV or NumPy is not installed.
        ValueError: If there is no such encoder, or `fps` is not above 0.
        FileExistsError: If there are videos of an earlier run, and `resume` is False.
        OSError: If the folder cannot be created.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        source: str = "render",
        fps: float | None = None,
        episodes: Callable[[int], bool] | None = None,
        codec: str = "libx264",
        resume: bool = False,
    ) -> None:
        optional_import("numpy", "VideoRecorder")
        av = optional_import("av", "VideoRecorder")
        try:
            av.codec.Codec(codec, "w")
        except ValueError as error:
            raise ValueError(f"expected an encoder that FFmpeg has, got codec={codec!r}") from error
        if fps is not None and not 0 < fps < math.inf:
            raise ValueError(f"expected fps above 0, got {fps}")
        super().__init__(path, episodes, resume)
        there = video_of_before(self.path)
        if there is not None and not resume:
            raise FileExistsError(
                f"expected no video of an earlier run, but {there} is there; use another path, or "
                f"resume=True to add to it"
            )
        self._is_grid, self._folder = _folder_of(self.path)
        os.makedirs(self._folder, exist_ok=True)
        self._source, self._codec = source, codec
        self._fps = None if fps is None else float(fps)
        self._videos: dict[int, str] = {}
        self._said_fps: float | None = None
        self._leaf: tuple[Any, ...] | None = None
        self._drawings = Drawings()

    def on_run_start(self, event: Any) -> None:
        """Begin or continue a run; a grid includes the videos made before the run was cut short."""
        for episode in event.finished:
            self._videos[episode.index] = self._path(episode.index, episode.seed)
        super().on_run_start(event)

    def _begin(self, event: Any) -> EpisodeVideo:
        os.makedirs(self._folder, exist_ok=True)  # The grid of an earlier run may have removed it.
        path = self._vacant(self._path(event.episode, event.seed))
        self._videos[event.episode] = path
        return EpisodeVideo(path, self._rate, self._codec, self._say)

    def _path(self, episode: int, seed: int | None) -> str:
        return os.path.join(self._folder, f"{file_stem(episode, seed)}.mp4")

    def _rate(self) -> float:
        return self._fps or self._said_fps or DEFAULT_FPS

    def _start(self, file: EpisodeVideo, event: Any) -> None:
        self._video(file, event, event.observation, self._drawings.after_reset)

    def _step(self, file: EpisodeVideo, event: Any) -> None:
        self._video(file, event, event.next_observation, self._drawings.after_step)

    def _video(
        self,
        video: EpisodeVideo,
        event: Any,
        observation: Any,
        draw: Callable[[Any, int | None], list[Pixels]],
    ) -> None:
        env = getattr(event, "env", None)
        if self._said_fps is None:
            self._said_fps = fps_of(env)
        try:
            if self._source == "render":
                frames = draw(env, getattr(event, "lane", None))
            else:
                if self._leaf is None:
                    self._leaf = leaf_path(self._source, spaces_of(env)[0])
                frames = [pixels_of(value_at(observation, self._leaf))]
        except Exception as error:  # The next image may succeed.
            video.leave_out(error)
            return
        for frame in frames:
            self._writer.add(video, frame)

    def _complete(self) -> None:
        videos = [path for _, path in sorted(self._videos.items()) if os.path.exists(path)]
        if not (self._is_grid and videos):
            return
        try:
            write_grid(videos, self._vacant(self.path), self._rate(), self._codec)
            self._remove(videos[:MAX_VIDEOS])
        except Exception as error:
            self._say(f"{self.path}: not recorded: {type(error).__name__}: {error}")
        self._videos.clear()

    def _remove(self, videos: list[str]) -> None:
        """Remove the videos in a grid, unfinished files of a killed run, and an empty folder."""
        unfinished = [name for name in os.listdir(self._folder) if name.startswith(".")]
        for path in [*videos, *(os.path.join(self._folder, name) for name in unfinished)]:
            os.remove(path)
        if not os.listdir(self._folder):
            os.rmdir(self._folder)


def video_of_before(path: str | os.PathLike[str]) -> str | None:
    """Return a video that an earlier run wrote to the `path` of a `VideoRecorder`, or None."""
    is_grid, folder = _folder_of(os.fspath(path))
    if is_grid and os.path.exists(path):
        return os.fspath(path)
    return next((os.path.join(folder, name) for name in recorded(folder, ".mp4")), None)


def _folder_of(path: str) -> tuple[bool, str]:
    """Return whether a `path` is that of a grid, and the folder of its episodes' videos."""
    is_grid = path.lower().endswith(".mp4")
    return is_grid, f"{path}.episodes" if is_grid else path
