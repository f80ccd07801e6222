"""Splits the slabs of a batch into the slabs of runs of its values."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from rlmesh import spaces
from rlmesh._codec.base import spans
from rlmesh.backends import Buffer
from rlmesh.errors import CodecError

__all__ = ["split_batch"]

_HAS_EDGES, _HAS_LINKS = 1, 2
"""Flags of a graph (V-10)."""

_MAX_WORK = 2**20
"""Maximum number of parts that are read: some have no bytes, so that a message may claim many."""


def split_batch(
    space: spaces.Space[Any], slabs: Sequence[Buffer], counts: Sequence[int]
) -> list[list[Buffer]]:
    """Return the slabs of each run of values of a batch.

    Only sizes are read, so that values may be invalid. It is slower than decoding, and serves to
    find the invalid value.

    Args:
        space: The space of the values.
        slabs: Slabs of the batch.
        counts: Number of values of each run.

    Raises:
        CodecError: If the slabs do not have the sizes that they state, or are too many.
    """
    cutter = _Cutter(slabs, len(counts))
    cutter.split_batch(space, list(counts))
    cutter.finish()
    return cutter.runs


class _Cutter:
    """Splits one slab after another (V-2); `runs` has the slabs of each run."""

    def __init__(self, slabs: Sequence[Buffer], runs: int) -> None:
        self.runs: list[list[Buffer]] = [[] for _ in range(runs)]
        self._slabs: Iterator[Buffer] = iter(slabs)
        self._work = 0

    def finish(self) -> None:
        if next(self._slabs, None) is not None:
            raise CodecError("there are more slabs than the space has", rule="V-3")

    def split_batch(self, space: spaces.Space[Any], counts: list[int]) -> None:
        self._work += len(counts)
        if self._work > _MAX_WORK:
            raise CodecError(f"more than {_MAX_WORK} parts to cut", rule="M-4")
        if isinstance(space, (spaces.Dict, spaces.Tuple)):
            for _, child in space.children:
                self.split_batch(child, counts)
        elif isinstance(space, spaces.Sequence):
            self.split_batch(space.feature_space, [sum(run) for run in self._lengths(counts)])
        elif isinstance(space, spaces.OneOf):
            chosen = self._lengths(counts)
            for index, child in space.children:
                self.split_batch(child, [run.count(index) for run in chosen])
        elif isinstance(space, spaces.Graph):
            self._cut_graphs(space, counts)
        elif isinstance(space, spaces.Text):
            self._take([sum(run) for run in self._lengths(counts)])
        else:
            assert space.dtype is not None
            size = math.prod(space.shape or ()) * space.dtype.itemsize
            self._take([size * n for n in counts])

    def _cut_graphs(self, space: spaces.Graph, counts: list[int]) -> None:
        flags = [bytes(run) for run in self._take(counts)]
        nodes = [sum(run) for run in self._lengths(counts)]
        edges = self._lengths(counts)

        def joined(bit: int) -> list[int]:
            return [
                sum(n for flag, n in zip(flags[i], run) if flag & bit)
                for i, run in enumerate(edges)
            ]

        self._take([8 * n for n in joined(_HAS_LINKS)])
        self.split_batch(space.node_space, nodes)
        if space.edge_space is not None:
            self.split_batch(space.edge_space, joined(_HAS_EDGES))

    def _lengths(self, counts: list[int]) -> list[tuple[int, ...]]:
        """Return the next slab as uint32, those of each run."""
        return [
            struct.unpack(f"<{len(run) // 4}I", run) for run in self._take([4 * n for n in counts])
        ]

    def _take(self, sizes: list[int]) -> list[memoryview]:
        """Return the next slab, cut into pieces of these sizes."""
        slab = memoryview(next(self._slabs, b""))
        if len(slab) != sum(sizes):
            raise CodecError.of_rule("V-4", f"{sum(sizes)} bytes", str(len(slab)))
        pieces = [slab[start:end] for start, end in spans(sizes)]
        for run, piece in zip(self.runs, pieces):
            run.append(piece)
        return pieces
