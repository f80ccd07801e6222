"""Conversion of a space's values to cells of columns, one column for each leaf, and back.

The name of a leaf's column is its root and its path, as written by `rlmesh.spaces.path_text`:
"observation", "observation['camera']", "action[0]['arm']". Spaces other than Dict and Tuple:

- Sequence: "…[:]" and what follows, a list of the elements' cells; also "….length".
- OneOf: "….choice", the index of the alternative, and "…[0]", "…[1]" and what follows, null for the
  alternatives that were not chosen.
- Graph: "….nodes" and "….edges" and what follows, lists of the features' cells, and "….edge_links";
  the last two are null without edges. Features that are no array have a "….length" too.

Within a Sequence every column is a list, within a nested Sequence a list of lists, and so on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.dtypes import DTYPES, DType
from rlmesh.spaces import Space, path_text
from rlmesh.spaces._base import NumericSpace
from rlmesh.spaces._integer import IntegerSpace
from rlmesh.spaces._stacking import stack, unstack
from rlmesh.tensor import Tensor

__all__ = ["Cell", "Column", "Columns"]

Cell = Any
"""The type of a cell: bytes of numbers, text, None, or a list of cells."""

PACKED_BYTES = 4096
"""Smallest size in bytes from which an array of uint8, such as an image, is packed.

As a list of numbers it takes Parquet ten times as long and twice the space.
"""

_INT64 = DTYPES["int64"]

_LINK = spaces.Box(0, 2**31 - 1, (2,), "int32")
"""The space of an edge link: a source and a target node."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Name of the column.
        dtype: Element type; None: text.
        shape: Shape of the numbers in a cell.
        lists: Number of lists that a cell is nested in.
        packed: Whether the numbers are stored as bytes instead of one by one.
        nullable: Whether a cell, within its lists, may be None.
    """

    name: str
    dtype: DType | None
    shape: tuple[int, ...] = ()
    lists: int = 0
    packed: bool = False
    nullable: bool = False

    @property
    def size(self) -> int:
        """Number of elements of a cell."""
        return math.prod(self.shape)


class Columns:
    """The columns of one space.

    Args:
        space: The space.
        root: Prefix of the columns' names ("observation").
        nullable: Whether a value may be missing.
    """

    def __init__(self, space: Space[Any], root: str, *, nullable: bool = False) -> None:
        self.space = space
        columns = _columns(space, root)
        self.columns = tuple(replace(c, nullable=nullable or c.nullable) for c in columns)
        self._codec = SpaceCodec(space, NATIVE, root=root, validation="off")

    def cells(self, value: Any) -> list[Cell]:
        """Return the cells of a value with arrays of any library; cells own their memory.

        Raises:
            InvalidValueError: If `value` does not belong to the space.
        """
        return _cells(self.space, self._codec.decode(self._codec.encode(value)))

    def value(self, cells: Sequence[Cell], backend: ArrayBackend) -> Any:
        """Return the value of a list of cells."""
        value = _value(self.space, iter(cells))
        if backend is NATIVE:
            return value
        return SpaceCodec(self.space, backend, validation="off").decode(self._codec.encode(value))


def _columns(space: Space[Any], name: str) -> Iterator[Column]:
    if isinstance(space, (spaces.Dict, spaces.Tuple, spaces.OneOf)):
        if isinstance(space, spaces.OneOf):
            yield Column(f"{name}.choice", _INT64)
        chosen = isinstance(space, spaces.OneOf)
        for key, child in space.children:
            for column in _columns(child, name + path_text((key,))):
                yield replace(column, nullable=chosen or column.nullable)
    elif isinstance(space, spaces.Sequence):
        yield Column(f"{name}.length", _INT64)
        for column in _columns(space.feature_space, f"{name}[:]"):
            # Pandas reads lists of numbers, but no lists of binaries of fixed size.
            yield replace(column, lists=column.lists + 1, packed=False)
    elif isinstance(space, spaces.Graph):
        for part, features in _graph_parts(space):
            if isinstance(features, NumericSpace):
                yield Column(f"{name}.{part}", features.dtype, features.shape, 1)
                continue
            for column in _columns(_stacked(features), f"{name}.{part}"):
                yield replace(column, nullable=True)
    else:
        shape = space.shape or ()
        large = space.dtype is DTYPES["uint8"] and math.prod(shape) >= PACKED_BYTES
        yield Column(name, space.dtype, shape, packed=large)


def _graph_parts(space: spaces.Graph) -> list[tuple[str, Space[Any]]]:
    """Return the parts of a graph, each with the space of its elements."""
    return [*((str(key), part) for key, part in space.children), ("edge_links", _LINK)]


def _stacked(features: Space[Any]) -> spaces.Sequence:
    """Return the space of a graph's features that are no array: they are stored as a stack."""
    return spaces.Sequence(features, stack=True)


def _cells(space: Space[Any], value: Any) -> list[Cell]:
    """Return the cells of a native value; all None if the value is None."""
    if value is None:
        return [None for _ in _columns(space, "")]
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        return [cell for key, child in space.children for cell in _cells(child, value[key])]
    if isinstance(space, spaces.OneOf):
        chosen = int(value[0])
        parts = [value[1] if i == chosen else None for i in range(len(space))]
        below = [cell for child, part in zip(space, parts) for cell in _cells(child, part)]
        return [_INT64.pack([chosen]), *below]
    if isinstance(space, spaces.Sequence):
        child = space.feature_space
        items = (unstack(child, value) or []) if space.stack else value
        rows = [_cells(child, item) for item in items]
        below = [[row[i] for row in rows] for i, _ in enumerate(_columns(child, ""))]
        return [_INT64.pack([len(items)]), *below]
    if isinstance(space, spaces.Graph):
        return [
            cell
            for part, features in _graph_parts(space)
            for cell in _feature_cells(features, getattr(value, part))
        ]
    return [value if isinstance(space, spaces.Text) else _bytes(space, value)]


def _feature_cells(features: Space[Any], stack: Any) -> list[Cell]:
    if isinstance(features, NumericSpace):
        return [_elements(stack)]
    return _cells(_stacked(features), stack)


def _bytes(space: Space[Any], value: Any) -> bytes:
    assert space.dtype is not None
    return value.tobytes() if isinstance(value, Tensor) else space.dtype.pack([value])


def _elements(array: Tensor | None) -> list[bytes] | None:
    if array is None:
        return None
    step = math.prod(array.shape[1:]) * array.dtype.itemsize
    return [bytes(array.buffer[i * step : (i + 1) * step]) for i in range(array.shape[0])]


def _value(space: Space[Any], cells: Iterator[Cell]) -> Any:
    """Return the native value of the next cells; None if they are those of no value."""
    if isinstance(space, spaces.Dict):
        return {key: _value(child, cells) for key, child in space.children}
    if isinstance(space, spaces.Tuple):
        return tuple(_value(child, cells) for child in space)
    if isinstance(space, spaces.OneOf):
        choice = next(cells)
        values = [_value(child, cells) for child in space]
        index = None if choice is None else int(_INT64.unpack(choice)[0])
        return None if index is None else (index, values[index])
    if isinstance(space, spaces.Sequence):
        return _sequence(space, cells)
    if isinstance(space, spaces.Graph):
        return _graph(space, cells)
    cell = next(cells)
    if cell is None or isinstance(space, spaces.Text):
        return cell
    assert space.dtype is not None and space.shape is not None
    if isinstance(space, IntegerSpace):
        return int(space.dtype.unpack(cell)[0])
    return Tensor(cell, space.dtype, space.shape)


def _sequence(space: spaces.Sequence, cells: Iterator[Cell]) -> Any:
    child = space.feature_space
    length = next(cells)
    columns = [next(cells) for _ in _columns(child, "")]
    if length is None:
        return None
    count = int(_INT64.unpack(length)[0])
    items = [_value(child, iter([column[i] for column in columns])) for i in range(count)]
    return stack(child, items) if space.stack else tuple(items)


def _graph(space: spaces.Graph, cells: Iterator[Cell]) -> Any:
    parts: dict[str, Any] = {"edges": None}
    for part, features in _graph_parts(space):
        if not isinstance(features, NumericSpace):
            parts[part] = _value(_stacked(features), cells)
            continue
        cell = next(cells)
        parts[part] = None
        if cell is not None:
            parts[part] = Tensor(b"".join(cell), features.dtype, (len(cell), *features.shape))
    return None if parts["nodes"] is None else spaces.GraphInstance(**parts)
