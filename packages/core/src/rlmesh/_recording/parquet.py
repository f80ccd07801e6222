"""Episodes as Parquet: one file for each episode, one row for each step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rlmesh._recording.arrow import array_of, field_of
from rlmesh._recording.columns import Cell
from rlmesh._recording.optional import optional_import
from rlmesh._recording.rows import First, Info, Item, Last, Layout, Row
from rlmesh._recording.writer import SingleFile
from rlmesh._wire.stored import space_to_bytes

__all__ = ["ParquetEpisode", "schema_of"]

MOST_BYTES = 64 << 20
"""Size in bytes of cells in memory from which they are written as a row group."""

ROW_BYTES = 512
"""Estimated size of a row in bytes besides its cells: most of the memory of small observations."""


def schema_of(layout: Layout) -> Any:
    """Return the `pyarrow.Schema` of a file.

    Its metadata has both spaces as serialised `rlmesh.proto.spaces.v1.Space`, under
    "rlmesh.observation_space" and "rlmesh.action_space".
    """
    pa = optional_import("pyarrow", "TrajectoryRecorder")
    scalars = {
        "episode": pa.int64(),
        "seed": pa.uint64(),
        "step": pa.int64(),
        "reward": pa.float64(),
        "terminated": pa.bool_(),
        "truncated": pa.bool_(),
        "info": pa.string(),
        "info_proto": pa.binary(),
        "reset_info": pa.string(),
        "reset_info_proto": pa.binary(),
    }
    fields = [pa.field(name, kind) for name, kind in scalars.items()]
    values = (*layout.observation.columns, *layout.action.columns)
    # The columns of the values come after "step", as documented by `TrajectoryRecorder`.
    fields[3:3] = [field_of(column) for column in values]
    fields += [field_of(column) for column in layout.final.columns]
    metadata = {
        "rlmesh.observation_space": space_to_bytes(layout.observation.space),
        "rlmesh.action_space": space_to_bytes(layout.action.space),
    }
    return pa.schema(fields, metadata)


class ParquetEpisode(SingleFile):
    """The file of an episode.

    Args:
        path: Path of the file.
        episode: Position of the episode in the run.
        seed: Seed of the episode; None: unseeded.
        layout: Conversion of values to cells.
    """

    def __init__(self, path: str, episode: int, seed: int | None, layout: Layout) -> None:
        super().__init__(path)
        self._episode, self._seed, self._layout = episode, seed, layout
        self._schema = schema_of(layout)
        self._rows: list[Row] = []
        self._size = 0
        self._first: Info | None = None
        self._last: list[Cell] | None = None
        self._writer: Any = None

    def add(self, item: Item) -> None:
        """Keep an item in memory; write the rows in memory if they are large enough."""
        if isinstance(item, First):
            self._first = item.info
        elif isinstance(item, Last):
            self._last = item.observation
        else:
            # Before the new row, because the last row is written with the final observation.
            if self._size >= MOST_BYTES:
                self._write()
            self._rows.append(item)
            self._size += ROW_BYTES + _size(item.observation) + _size(item.action)
            self._size += len(item.info.text) + len(item.info.data)

    def finish(self) -> None:
        """Complete the file; an episode without a step gets none."""
        if self._rows:
            self._write()
        if self._writer is not None:
            self._writer.close()
            os.replace(self.unfinished, self.path)

    def _write(self) -> None:
        if self._writer is None:
            parquet = optional_import("pyarrow.parquet", "TrajectoryRecorder")
            self._writer = parquet.ParquetWriter(
                self.unfinished,
                self._schema,
                compression="zstd",
                use_dictionary=["info", "info_proto"],  # The other columns seldom repeat.
                # Statistics of arrays, such as the smallest image, are of no use.
                write_statistics=["episode", "seed", "step", "reward"],
            )
        self._writer.write_table(self._table())
        self._rows, self._size = [], 0

    def _table(self) -> Any:
        pa = optional_import("pyarrow", "TrajectoryRecorder")
        rows, count = self._rows, len(self._rows)
        begins, final = self._first, self._last
        self._first = None
        values = {
            "episode": [self._episode] * count,
            "seed": [self._seed] * count,
            "step": [row.step for row in rows],
            "reward": [row.reward for row in rows],
            "terminated": [row.terminated for row in rows],
            "truncated": [row.truncated for row in rows],
            "info": [row.info.text for row in rows],
            "info_proto": [row.info.data for row in rows],
            "reset_info": [begins and begins.text, *[None] * (count - 1)],
            "reset_info_proto": [begins and begins.data, *[None] * (count - 1)],
        }
        arrays = {
            name: pa.array(cells, self._schema.field(name).type) for name, cells in values.items()
        }
        layout = self._layout
        nothing: list[list[Cell]] = [[None] * len(layout.final.columns)] * (count - 1)
        for columns, table in (
            (layout.observation.columns, [row.observation for row in rows]),
            (layout.action.columns, [row.action for row in rows]),
            (layout.final.columns, [*nothing, final or [None] * len(layout.final.columns)]),
        ):
            for i, column in enumerate(columns):
                arrays[column.name] = array_of(column, [cells[i] for cells in table])
        return pa.table([arrays[name] for name in self._schema.names], schema=self._schema)


def _size(cells: Sequence[Cell]) -> int:
    return sum(
        _size(cell) if isinstance(cell, list) else len(cell) for cell in cells if cell is not None
    )
