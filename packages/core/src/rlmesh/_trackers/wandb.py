"""`WandB`: a run in Weights & Biases."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Mapping
from typing import Any

from rlmesh._optional import optional_import
from rlmesh._policy.events import RunStartEvent
from rlmesh._reporting.json_document import settings_object
from rlmesh._trackers.figures import EpisodeFigures, summary_figures, video_files, write_report
from rlmesh._trackers.tracker import OnError, Tracker
from rlmesh.results import EpisodeResult, RunResult

__all__ = ["WandB"]


class WandB(Tracker):
    """A tracker that logs to Weights & Biases.

    The settings are the run's config. At the end, the summary is the run's summary, the page is
    shown as `result`, and an artifact of type "evaluation" has the page, the table, the document
    and the videos. `mode="offline"` writes to local files.

    A resumed evaluation makes a new run, which has all episodes. Pass `id=` and `resume="must"` to
    continue the earlier one: the episodes of the journal are then not logged again.

    Args:
        project: Name of the project; None: as wandb finds it.
        config: Entries of the run's config beside the settings; None: none.
        videos: As for `Tracker`.
        on_error: As for `Tracker`.
        **arguments: Further arguments of `wandb.init`, such as `entity`, `name` and `mode`.

    Raises:
        ImportError: If wandb is not installed.
    """

    def __init__(
        self,
        project: str | None = None,
        *,
        config: Mapping[str, object] | None = None,
        videos: str | os.PathLike[str] | None = None,
        on_error: OnError = "warn",
        **arguments: Any,
    ) -> None:
        super().__init__(videos=videos, on_error=on_error)
        self._library = optional_import("wandb", "WandB", "wandb")
        self._arguments = {"project": project, **arguments}
        self._config = dict(config or {})
        self._run: Any = None

    def _start(self, event: RunStartEvent) -> Collection[int]:
        facts = {"model_id": event.model_id, "env_id": event.env_id, "episodes": event.episodes}
        config = {**facts, **settings_object(event.settings), **self._config}
        self._run = self._library.init(config=config, **self._arguments)
        self._run.define_metric("episodes_ended")
        for names in ("episode/*", "running/*"):
            self._run.define_metric(names, step_metric="episodes_ended")
        return {episode.index for episode in event.finished} if self._run.resumed else ()

    def _episode(self, episode: EpisodeResult, figures: EpisodeFigures) -> None:
        self._run.log({"episodes_ended": figures.count, **figures.numbers, **figures.texts})

    def _finish(self, run: RunResult) -> None:
        try:
            self._run.summary.update(summary_figures(run))
            if run.stopping is not None:
                self._run.summary["stopping/decision"] = run.stopping.decision.value
            self._attach(run)
        finally:
            self._run.finish(exit_code=0 if self._is_whole(run) else 1)

    def _attach(self, run: RunResult) -> None:
        artifact = self._library.Artifact(f"evaluation-{self._run.id}", type="evaluation")
        with tempfile.TemporaryDirectory() as folder:
            page, *others = write_report(run, folder, None)
            self._run.log({"result": self._library.Html(page, inject=False)})
            for path in (page, *others):
                artifact.add_file(path, name=os.path.relpath(path, folder))
            for path in video_files(self._videos):
                artifact.add_file(path, name=f"videos/{os.path.basename(path)}")
            self._run.log_artifact(artifact)
