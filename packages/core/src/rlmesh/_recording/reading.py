"""Reads episodes from Parquet, as the values that were recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rlmesh._recording.arrow import cells_of
from rlmesh._recording.columns import Columns
from rlmesh._recording.optional import optional_import
from rlmesh._recording.rows import Layout
from rlmesh._wire.stored import info_from_bytes, space_from_bytes
from rlmesh.backends import NATIVE, ArrayBackend

__all__ = ["Trajectory", "read_trajectories"]


@dataclass(frozen=True)
class Trajectory:
    """A recorded episode of n steps.

    Attributes:
        episode: Position of the episode in the run, from 0.
        seed: Seed of the reset; None: unseeded.
        observations: n + 1 observations: the one before each action, and the one after the last.
        actions: The n actions.
        rewards: The n rewards.
        terminated: Whether the task reached its own end.
        truncated: Whether the environment cut the episode short.
        infos: The n infos of the steps.
        reset_info: Info of the reset.
    """

    episode: int
    seed: int | None
    observations: tuple[Any, ...]
    actions: tuple[Any, ...]
    rewards: tuple[float, ...]
    terminated: bool
    truncated: bool
    infos: tuple[dict[Any, Any], ...]
    reset_info: dict[Any, Any]


def read_trajectories(
    path: str | os.PathLike[str], *, backend: ArrayBackend = NATIVE
) -> Iterator[Trajectory]:
    """Yield the episodes of a `TrajectoryRecorder` with format="parquet", in order.

    Args:
        path: Folder of the recorder, or the file of one episode.
        backend: Backend that makes the arrays, such as `rlmesh.numpy.BACKEND`.

    Raises:
        ImportError: If PyArrow is not installed.
        OSError: If a file cannot be read.
    """
    parquet = optional_import("pyarrow.parquet", "read_trajectories")
    source = os.fspath(path)
    files = [source]
    if os.path.isdir(source):
        names = [name for name in os.listdir(source) if name.endswith(".parquet")]
        files = [os.path.join(source, name) for name in names]
    for file in sorted(files, key=lambda f: _first_of(parquet, f)):
        yield _trajectory(parquet.read_table(file, partitioning=None), backend)


def _first_of(parquet: Any, path: str) -> int:
    column = parquet.read_table(path, columns=["episode"], partitioning=None)["episode"]
    return int(column[0].as_py())


def _trajectory(table: Any, backend: ArrayBackend) -> Trajectory:
    metadata = table.schema.metadata
    layout = Layout(
        *(space_from_bytes(metadata[f"rlmesh.{kind}_space".encode()]) for kind in _KINDS)
    )
    rows = {name: table[name].to_pylist() for name in _SCALARS}
    infos = tuple(info_from_bytes(data, backend) for data in rows["info_proto"])
    final = _values(layout.final, table.slice(len(table) - 1), backend)
    return Trajectory(
        episode=rows["episode"][0],
        seed=rows["seed"][0],
        observations=(*_values(layout.observation, table, backend), *final),
        actions=tuple(_values(layout.action, table, backend)),
        rewards=tuple(rows["reward"]),
        terminated=rows["terminated"][-1],
        truncated=rows["truncated"][-1],
        infos=infos,
        reset_info=info_from_bytes(rows["reset_info_proto"][0] or b"", backend),
    )


_KINDS = ("observation", "action")
_SCALARS = (
    *("episode", "seed", "reward", "terminated", "truncated"),
    *("info_proto", "reset_info_proto"),
)


def _values(columns: Columns, table: Any, backend: ArrayBackend) -> list[Any]:
    cells = [cells_of(c, table[c.name].combine_chunks()) for c in columns.columns]
    return [columns.value([column[i] for column in cells], backend) for i in range(len(table))]
