"""Links from a page to the videos of a run's episodes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import quote

from rlmesh._recording.recorder import file_stem
from rlmesh.results import EpisodeResult

__all__ = ["video_links"]


def video_links(
    episodes: Iterable[EpisodeResult],
    folder: str | os.PathLike[str],
    page: str | os.PathLike[str] | None,
) -> dict[int, str]:
    """Return the link to each episode's video, by the episode's position in the run.

    Args:
        episodes: The episodes; those without a video are left out.
        folder: Folder of a `VideoRecorder`.
        page: File of the page; the links are relative to its folder. None: to the current folder.
    """
    start = os.path.dirname(os.path.abspath(page)) if page is not None else os.getcwd()
    links = {}
    for episode in episodes:
        path = os.path.join(folder, f"{file_stem(episode.index, episode.seed)}.mp4")
        if os.path.isfile(path):
            # The first part of "a:b.mp4" would be a scheme.
            relative = os.path.relpath(os.path.abspath(path), start).replace(os.sep, "/")
            links[episode.index] = quote(relative if relative.startswith(".") else f"./{relative}")
    return links
