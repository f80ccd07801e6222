"""`TensorBoard`: a run as event files of TensorBoard."""

from __future__ import annotations

import glob
import os
import sys
import time
from collections.abc import Collection, Mapping
from typing import Any

from rlmesh._optional import optional_import
from rlmesh._policy.events import RunStartEvent
from rlmesh._reporting.table import text
from rlmesh._reporting.words import settings
from rlmesh._trackers.figures import EpisodeFigures, summary_figures, write_report
from rlmesh._trackers.tracker import OnError, Tracker
from rlmesh.results import EpisodeResult, RunResult

__all__ = ["TensorBoard"]


SUFFIX = ".rlmesh"


class TensorBoard(Tracker):
    """A tracker that writes event files of TensorBoard into a folder.

    Scalars are logged for each episode and for the summary; the settings, each episode's task and
    seed, and the summary are texts. The page, the table and the document of the run are written
    beside the event files: `result.html`, `episodes.csv` and `result.json`.

    Args:
        folder: The folder of this run.
        resume: Whether the tracker's event files of an earlier run may be replaced; the new file
            has all episodes of the journal. Those of other programs stay.
        videos: As for `Tracker`; the page has links to them.
        on_error: As for `Tracker`.

    Raises:
        ImportError: If tensorboard is not installed.
        FileExistsError: If the folder has event files of an earlier run, and `resume` is False.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        resume: bool = False,
        videos: str | os.PathLike[str] | None = None,
        on_error: OnError = "warn",
    ) -> None:
        super().__init__(videos=videos, on_error=on_error)
        self.folder = os.fspath(folder)
        for name in ("tensorboard", *_MODULES.values()):
            optional_import(name, "TensorBoard", "tensorboard")
        self._library = {name: sys.modules[module] for name, module in _MODULES.items()}
        self._writer: Any = None
        if self._files() and not resume:
            raise FileExistsError(
                f"{self.folder} has event files of an earlier run; use another folder for each "
                f"run, or resume=True to replace them"
            )

    def _files(self) -> list[str]:
        """Return the event files of trackers, which end in a suffix of their own."""
        return glob.glob(os.path.join(glob.escape(self.folder), f"*tfevents*{SUFFIX}"))

    def _start(self, event: RunStartEvent) -> Collection[int]:
        for path in self._files():
            os.remove(path)
        self._writer = self._library["writer"].EventFileWriter(self.folder, filename_suffix=SUFFIX)
        pairs = [("model", event.model_id), ("environment", event.env_id)]
        self._text("settings", 0, _aligned([*pairs, *settings_of(event)]))
        self._writer.flush()
        return ()

    def _episode(self, episode: EpisodeResult, figures: EpisodeFigures) -> None:
        self._scalars(figures.count, figures.numbers)
        self._text("episode", figures.count, _aligned(list(figures.texts.items())))
        self._writer.flush()

    def _finish(self, run: RunResult) -> None:
        try:
            count = len(run.episodes)
            self._scalars(count, summary_figures(run))
            self._text("summary", count, text(run))
            write_report(run, self.folder, self._videos)
        finally:
            self._writer.close()

    def _scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        value = self._library["summary"].Summary.Value
        values = [value(tag=name, simple_value=number) for name, number in numbers.items()]
        self._add(step, summary=self._library["summary"].Summary(value=values))

    def _text(self, tag: str, step: int, words: str) -> None:
        # Markdown shows indented lines as they are, whatever a peer has written in them.
        indented = "\n".join(f"    {line}" for line in words.splitlines())
        self._add(step, summary=self._library["text"].text_pb(tag, indented))

    def _add(self, step: int, **content: Any) -> None:
        event = self._library["event"].Event(wall_time=time.time(), step=step, **content)
        self._writer.add_event(event)


_MODULES = {
    "writer": "tensorboard.summary.writer.event_file_writer",
    "event": "tensorboard.compat.proto.event_pb2",
    "summary": "tensorboard.compat.proto.summary_pb2",
    "text": "tensorboard.plugins.text.summary_v2",
}


def settings_of(event: RunStartEvent) -> list[tuple[str, str]]:
    """Return the settings of a run that starts, as pairs of name and text."""
    return settings(RunResult((), settings=event.settings))


def _aligned(pairs: list[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in pairs)
