"""`MLflow`: a run in MLflow."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Collection, Mapping
from typing import Any

from rlmesh._optional import optional_import
from rlmesh._policy.events import RunStartEvent
from rlmesh._trackers.figures import EpisodeFigures, summary_figures, video_files, write_report
from rlmesh._trackers.tensorboard import settings_of
from rlmesh._trackers.tracker import OnError, Tracker
from rlmesh.results import EpisodeResult, RunResult

__all__ = ["MLflow"]

MAX_PARAMETER = 500
"""Largest number of characters of a parameter that every release and store of MLflow takes."""

MAX_BATCH = 100
"""Largest number of parameters of one request."""


class MLflow(Tracker):
    """A tracker that logs to MLflow, by a client of its own: the active run is not touched.

    The settings are parameters (cut at 500 characters), the figures are metrics, and the page, the
    table, the document and the videos are artifacts.

    A resumed evaluation makes a new run, which has all episodes. Pass `run_id=` to continue the
    earlier one: episodes that it has are not logged again.

    Args:
        experiment: Name of the experiment, which is created if it does not exist.
        run_id: Id of an existing run to log to; None: a new one.
        run_name: Name of a new run; None: as MLflow names it.
        tracking_uri: Address of the server or store; None: as MLflow finds it.
        videos: As for `Tracker`.
        on_error: As for `Tracker`.

    Raises:
        ImportError: If MLflow is not installed.
    """

    def __init__(
        self,
        experiment: str = "Default",
        *,
        run_id: str | None = None,
        run_name: str | None = None,
        tracking_uri: str | None = None,
        videos: str | os.PathLike[str] | None = None,
        on_error: OnError = "warn",
    ) -> None:
        super().__init__(videos=videos, on_error=on_error)
        self._library = optional_import("mlflow", "MLflow", "mlflow")
        self._experiment, self._run_name = experiment, run_name
        self._continued, self._tracking_uri = run_id, tracking_uri
        self._client: Any = None
        self._run_id = ""

    def _start(self, event: RunStartEvent) -> Collection[int]:
        self._client = self._library.MlflowClient(self._tracking_uri)
        if self._continued is not None:
            self._run_id = self._continued
            self._client.update_run(self._run_id, status="RUNNING")
            past = self._client.get_metric_history(self._run_id, "episode/index")
            return {int(metric.value) for metric in past}
        found = self._client.get_experiment_by_name(self._experiment)
        experiment_id = (
            self._client.create_experiment(self._experiment)
            if found is None
            else found.experiment_id
        )
        run = self._client.create_run(experiment_id, run_name=self._run_name)
        self._run_id = run.info.run_id
        self._parameters(event)
        return ()

    def _parameters(self, event: RunStartEvent) -> None:
        facts = [("model_id", event.model_id), ("env_id", event.env_id)]
        pairs = [*facts, ("episodes", str(event.episodes)), *settings_of(event)]
        parameter = self._library.entities.Param
        made = [parameter(name, value[:MAX_PARAMETER]) for name, value in pairs if value]
        for i in range(0, len(made), MAX_BATCH):
            self._client.log_batch(self._run_id, params=made[i : i + MAX_BATCH])

    def _episode(self, episode: EpisodeResult, figures: EpisodeFigures) -> None:
        numbers = dict(figures.numbers)
        if episode.seed is not None and float(episode.seed) == episode.seed:
            numbers["episode/seed"] = float(episode.seed)
        if episode.task:
            same = {k: v for k, v in numbers.items() if k.startswith("episode/")}
            numbers.update({f"{k}/{episode.task}": v for k, v in same.items()})
        self._metrics(numbers, figures.count)

    def _finish(self, run: RunResult) -> None:
        status = "FINISHED" if self._is_whole(run) else "FAILED"
        try:
            self._metrics(summary_figures(run), len(run.episodes))
            if run.stopping is not None:
                decision = run.stopping.decision.value
                self._client.set_tag(self._run_id, "stopping.decision", decision)
            with tempfile.TemporaryDirectory() as folder:
                write_report(run, folder, None)
                self._client.log_artifacts(self._run_id, folder)
            for path in video_files(self._videos):
                self._client.log_artifact(self._run_id, path, "videos")
        except Exception:
            status = "FAILED"
            raise
        finally:
            self._client.set_terminated(self._run_id, status)

    def _metrics(self, numbers: Mapping[str, float], step: int) -> None:
        metric, now = self._library.entities.Metric, int(time.time() * 1000)
        made = [metric(_name(key), value, now, step) for key, value in numbers.items()]
        for i in range(0, len(made), MAX_BATCH):
            self._client.log_batch(self._run_id, metrics=made[i : i + MAX_BATCH])


def _name(text: str) -> str:
    """Return the name of a metric with only the characters that MLflow takes in one."""
    return re.sub(r"[^\w./ -]", "_", text, flags=re.ASCII)[:250]
