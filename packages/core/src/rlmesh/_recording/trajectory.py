"""`TrajectoryRecorder`: the steps of episodes as data."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rlmesh._recording.environment import spaces_of
from rlmesh._recording.minari import MinariDataset, MinariEpisode
from rlmesh._recording.optional import optional_import
from rlmesh._recording.parquet import ParquetEpisode
from rlmesh._recording.recorder import Recorder, file_stem
from rlmesh._recording.rows import Layout
from rlmesh._recording.writer import EpisodeFile

__all__ = ["TrajectoryRecorder"]


class TrajectoryRecorder(Recorder):
    """A recorder of the steps of episodes: hooks for an evaluation, or for a loop with `wrap`.

    Observations, actions, rewards, flags and infos are recorded exactly, for every space. The file
    of an episode gets its name when the episode has ended, and is complete then, however the
    process ends. What cannot be written causes a `RecordingWarning` that names the file, and is
    listed in `failures`; the run goes on. An episode without a step is not written.

    "parquet": `path` is a folder of "episode_{index}_seed_{seed}.parquet". It is read as one table
    by `pyarrow.parquet.read_table(path)` and `pandas.read_parquet(path)`, and as the original
    values by `read_trajectories(path)`. A row is a step:

    - episode, seed (null: unseeded), step: position of the step.
    - observation…, action…: a column for each leaf; see `rlmesh._recording.columns` for their names
      and `rlmesh._recording.arrow` for their types.
    - reward (float64), terminated, truncated.
    - info: JSON for readers; info_proto: the same without loss, for `read_trajectories`.
    - reset_info, reset_info_proto: those of the reset, in the first row of an episode, else null.
    - final_observation…: the observation after the last step, in the last row of an episode, else
      null.

    "minari": `path` is a dataset that Minari 0.5.4 reads by `minari.load_dataset(name)`, with
    MINARI_DATASETS_PATH set to the parent folder of `path`, or by `MinariDataset(path + "/data")`.
    Images are not converted to JPEG. Infos have the keys "json" and "proto" (in base64), because
    Minari needs the same keys in each. An episode is kept in memory until it ends. Minari has no
    Sequence, Graph or OneOf: a SpaceError ends the run at its first episode.

    Args:
        path: The folder, which is created if it is missing.
        format: "parquet" or "minari".
        episodes: Returns whether an episode is recorded, by its number in the run; None: all are.
        resume: Whether episodes are added to existing ones; a Parquet file of the same episode and
            seed is replaced.

    Raises:
        ImportError: If PyArrow or NumPy is not installed.
        ValueError: If there is no such format, or Minari does not allow the name of `path`.
        FileExistsError: If the folder has episodes, and `resume` is False.
        OSError: If the folder cannot be created.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        format: str = "parquet",  # noqa: A002 - the usual name for this parameter
        episodes: Callable[[int], bool] | None = None,
        resume: bool = False,
    ) -> None:
        if format not in ("parquet", "minari"):
            raise ValueError(f"expected format 'parquet' or 'minari', got {format!r}")
        optional_import("numpy", "TrajectoryRecorder")
        optional_import("pyarrow", "TrajectoryRecorder")
        # Imported now, because an import at the end of the process may fail.
        optional_import("pyarrow.parquet", "TrajectoryRecorder")
        super().__init__(path, episodes, resume)
        self._dataset = MinariDataset(self.path) if format == "minari" else None
        os.makedirs(self.path, exist_ok=True)
        there = [name for name in os.listdir(self.path) if not name.startswith(".")]
        if there and not resume:
            raise FileExistsError(
                f"{self.path}: expected an empty folder, but it has {sorted(there)[0]!r}; "
                f"pass resume=True to add to it"
            )
        self._layout: Layout | None = None
        self._reached: dict[int, Any] = {}

    def _begin(self, event: Any) -> EpisodeFile:
        layout = self._layout_of(event.env)
        if self._dataset is not None:
            return MinariEpisode(self._dataset, event.episode, event.seed, layout)
        name = f"{file_stem(event.episode, event.seed)}.parquet"
        path = self._vacant(os.path.join(self.path, name))
        return ParquetEpisode(path, event.episode, event.seed, layout)

    def _layout_of(self, env: Any) -> Layout:
        # Spaces of Gymnasium are converted and compiled only once.
        if self._layout is None:
            layout = Layout(*spaces_of(env))
            if self._dataset is not None:
                self._dataset.begin(layout)
            self._layout = layout
        return self._layout

    def _start(self, file: EpisodeFile, event: Any) -> None:
        self._reached.pop(event.episode, None)
        self._writer.add(file, self._layout_of(event.env).first(event))

    def _step(self, file: EpisodeFile, event: Any) -> None:
        self._reached[event.episode] = event.next_observation
        self._writer.add(file, self._layout_of(event.env).row(event))

    def _end(self, file: EpisodeFile, event: Any) -> None:
        layout = self._layout
        if event.episode in self._reached and layout is not None:
            self._writer.add(file, layout.last(self._reached.pop(event.episode)))
