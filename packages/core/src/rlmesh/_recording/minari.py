"""Episodes as a Minari dataset in its "parquet" format: one folder for each episode.

The files are those that Minari 0.5.4 reads, written without Minari: `metadata.json`, and for
episode 3 "3/part-0.parquet" and "3/metadata.json". A folder gets its name when it is complete, and
is part of the dataset once the dataset's metadata counts it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlmesh import spaces
from rlmesh._recording.arrow import array_of
from rlmesh._recording.columns import Cell, Column, Columns
from rlmesh._recording.optional import optional_import
from rlmesh._recording.rows import First, Info, Item, Last, Layout, Row
from rlmesh._recording.writer import EpisodeFile
from rlmesh.errors import SpaceError
from rlmesh.spaces import Space, path_text

__all__ = ["MinariDataset", "MinariEpisode"]

MINARI_VERSION = "0.5.4"
"""First version of Minari that reads images that are not JPEG."""

_SPACES = "a Box, Discrete, MultiBinary, MultiDiscrete, Text, Dict or Tuple"
"""The spaces that Minari has."""

_NAME = re.compile(r"[-_\w]+")


class MinariDataset:
    """A dataset that episodes are added to.

    Args:
        path: Folder of the dataset; its name is the dataset's.

    Raises:
        ValueError: If Minari does not allow the name.
    """

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(os.path.abspath(path))
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"expected a folder name of letters, digits, '-' and '_', as Minari requires, got "
                f"{self.name!r}"
            )
        self.folder = os.path.join(path, "data")
        self._spaces: dict[str, str] = {}
        self._steps: list[int] = []
        self._bytes = 0

    def begin(self, layout: Layout) -> None:
        """Write the dataset's metadata.

        Raises:
            SpaceError: If Minari has no such space.
            OSError: If the metadata cannot be written.
        """
        self._spaces = {
            "observation_space": json.dumps(space_json(layout.observation.space, "observation")),
            "action_space": json.dumps(space_json(layout.action.space, "action")),
        }
        os.makedirs(self.folder, exist_ok=True)
        while os.path.exists(path := os.path.join(self.next, "metadata.json")):
            with open(path, encoding="utf-8") as file:
                self._count(json.load(file)["total_steps"])
        self._write()

    @property
    def next(self) -> str:
        """Folder of the next episode."""
        return os.path.join(self.folder, str(len(self._steps)))

    def add(self, steps: int) -> None:
        """Count the next episode in the metadata."""
        self._count(steps)
        self._write()

    def _count(self, steps: int) -> None:
        self._bytes += os.path.getsize(os.path.join(self.next, "part-0.parquet"))
        self._steps.append(steps)

    def _write(self) -> None:
        facts = {
            "dataset_id": self.name,
            "minari_version": MINARI_VERSION,
            "data_format": "parquet",
            "jpeg_encoding": False,
            "total_episodes": len(self._steps),
            "total_steps": sum(self._steps),
            "dataset_size": round(self._bytes / 1e6, 1),
            **self._spaces,
        }
        path = os.path.join(self.folder, "metadata.json")
        _write_json(f"{path}.part", facts)
        os.replace(f"{path}.part", path)


class MinariEpisode(EpisodeFile):
    """The folder of an episode; episodes are numbered in the order in which they end.

    Args:
        dataset: The dataset.
        episode: Position of the episode in the run.
        seed: Seed of the episode; None: unseeded.
        layout: Conversion of values to cells.
    """

    def __init__(
        self, dataset: MinariDataset, episode: int, seed: int | None, layout: Layout
    ) -> None:
        super().__init__(os.path.join(dataset.folder, f"episode {episode} of the run"))
        self._dataset, self._layout = dataset, layout
        self._facts = {"episode": episode} if seed is None else {"episode": episode, "seed": seed}
        self._rows: list[Row] = []
        self._infos: list[Info] = []
        self._last: list[Cell] | None = None

    def add(self, item: Item) -> None:
        """Keep an item in memory, because Minari needs each episode as one row group."""
        if isinstance(item, First):
            self._infos.append(item.info)
        elif isinstance(item, Last):
            self._last = item.observation
        else:
            self._rows.append(item)
            self._infos.append(item.info)

    def finish(self) -> None:
        """Write the episode, unless it has no step."""
        if not self._rows or self._last is None:
            return
        parquet = optional_import("pyarrow.parquet", "TrajectoryRecorder")
        path = self._dataset.next
        shutil.rmtree(self.unfinished, ignore_errors=True)  # Left by a run that was killed.
        os.makedirs(self.unfinished)
        table = self._table()
        file = os.path.join(self.unfinished, "part-0.parquet")
        parquet.write_table(
            table,
            file,
            compression="zstd",
            row_group_size=len(table),
            use_dictionary=False,
            write_statistics=False,
        )
        facts = {"id": int(os.path.basename(path)), "total_steps": len(self._rows), **self._facts}
        _write_json(os.path.join(self.unfinished, "metadata.json"), facts)
        os.replace(self.unfinished, path)
        self._dataset.add(len(self._rows))

    def abandon(self) -> None:
        """Remove the files that were written."""
        shutil.rmtree(self.unfinished, ignore_errors=True)

    def _table(self) -> Any:
        pa = optional_import("pyarrow", "TrajectoryRecorder")
        rows, layout = self._rows, self._layout
        assert self._last is not None
        observations = [*(row.observation for row in rows), self._last]
        # Minari needs as many rows in every column as there are observations, and ignores the last
        # row of the other columns.
        actions: list[list[Cell]] = [*(row.action for row in rows), [None] * len(rows[0].action)]
        infos = {
            "json": [info.text for info in self._infos],
            "proto": [base64.b64encode(info.data).decode() for info in self._infos],
        }
        values = {
            "observations": _nested_rows(layout.observation, observations),
            "actions": _nested_rows(layout.action, actions),
            "rewards": pa.array([*(row.reward for row in rows), 0.0], pa.float64()),
            "terminations": pa.array([*(row.terminated for row in rows), False]),
            "truncations": pa.array([*(row.truncated for row in rows), False]),
            "infos": pa.StructArray.from_arrays(
                [pa.array(cells, pa.string()) for cells in infos.values()], names=list(infos)
            ),
        }
        return pa.table(values)


def _nested_rows(columns: Columns, rows: Sequence[Sequence[Cell]]) -> Any:
    cells = ((column, [row[i] for row in rows]) for i, column in enumerate(columns.columns))
    return _nested(columns.space, cells)


def _nested(space: Space[Any], columns: Iterator[tuple[Column, list[Cell]]]) -> Any:
    """Return the columns in Minari's form: a struct for a Dict or Tuple."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        pa = optional_import("pyarrow", "TrajectoryRecorder")
        arrays = {str(key): _nested(child, columns) for key, child in space.children}
        return pa.StructArray.from_arrays(list(arrays.values()), names=list(arrays))
    column, cells = next(columns)
    if column.dtype is None:
        return array_of(column, cells)
    nothing = bytes(column.size * column.dtype.itemsize)
    # Every number is a list of one, except that of a Discrete.
    shape = column.shape if isinstance(space, spaces.Discrete) else (column.size,)
    listed = Column(column.name, column.dtype, shape)
    return array_of(listed, [nothing if cell is None else cell for cell in cells])


def space_json(space: Space[Any], path: str) -> dict[str, Any]:
    """Return a space in the form that Minari writes.

    Args:
        space: The space.
        path: Path of the space, for messages.

    Raises:
        SpaceError: If Minari has no such space, or cannot read its values.
    """
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        parts = {key: space_json(child, path + path_text((key,))) for key, child in space.children}
        _check(bool(parts), space, path, "one with sub-spaces")
        if isinstance(space, spaces.Tuple):
            return {"type": "Tuple", "subspaces": list(parts.values())}
        _check(all(isinstance(key, str) for key in parts), space, path, "keys that are strings")
        return {"type": "Dict", "subspaces": parts}
    return {"type": type(space).__name__, **_leaf_json(space, path)}


def _leaf_json(space: Space[Any], path: str) -> Mapping[str, Any]:
    _check(0 not in (space.shape or ()), space, path, "an array with elements")
    if isinstance(space, spaces.Text):
        lengths = {"max_length": space.max_length, "min_length": space.min_length}
        return {**lengths, "charset": space.charset}
    if isinstance(space, spaces.Discrete):
        fits = max(space.n + 1, space.start + space.n) <= 2**63
        _check(fits, space, path, "a Discrete of int64")
        return {"dtype": "int64", "start": space.start, "n": space.n}
    if isinstance(space, spaces.MultiBinary):
        return {"n": space.n}
    if isinstance(space, spaces.MultiDiscrete):
        lists = {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
        return {"dtype": str(space.dtype), **lists}
    _check(isinstance(space, spaces.Box), space, path, _SPACES)
    assert isinstance(space, spaces.Box)
    _check(space.dtype.name != "bfloat16", space, path, "a dtype of NumPy's")
    bounds = {"low": space.low.tolist(), "high": space.high.tolist()}
    return {"dtype": str(space.dtype), "shape": list(space.shape), **bounds}


def _check(holds: bool, space: Space[Any], path: str, wanted: str) -> None:
    if not holds:
        raise SpaceError(
            f"expected {wanted} for format='minari', got {space!r:.200}; format='parquet' takes "
            f"any space",
            path=path,
        )


def _write_json(path: str, facts: Mapping[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(facts, file)
