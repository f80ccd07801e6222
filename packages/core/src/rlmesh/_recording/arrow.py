"""Conversion of cells to Arrow arrays and back.

A number of shape () is Arrow's type of the same dtype. An array is a list of its elements in C
order: of fixed size, or of any size if it may be null, because not every reader of Parquet supports
nulls among lists of fixed size. Three kinds differ:

- bfloat16, which Arrow lacks, becomes its bits as uint16.
- An array without elements becomes an empty list.
- A large array of uint8, such as an image, becomes binary of fixed size, except within a Sequence.

The metadata of a field has "dtype" and, for arrays, "shape" as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from rlmesh._recording.columns import Cell, Column
from rlmesh._recording.optional import optional_import

__all__ = ["array_of", "cells_of", "field_of"]


def _arrow() -> Any:
    return optional_import("pyarrow", "TrajectoryRecorder")


def _numpy() -> Any:
    return optional_import("numpy", "TrajectoryRecorder")


def field_of(column: Column) -> Any:
    """Return the `pyarrow.Field` of a column."""
    facts = {"dtype": "text" if column.dtype is None else column.dtype.name}
    if column.shape:
        facts["shape"] = json.dumps(column.shape)
    kind = _leaf_type(column)
    for _ in range(column.lists):
        kind = _arrow().list_(kind)
    return _arrow().field(column.name, kind, metadata=facts)


def _leaf_type(column: Column) -> Any:
    if column.dtype is None:
        return _arrow().string()
    if column.packed:
        return _arrow().binary(column.size)
    kind = _element_type(column)
    if not column.shape:
        return kind
    return _arrow().list_(kind, column.size) if _is_fixed(column) else _arrow().list_(kind)


def _is_fixed(column: Column) -> bool:
    """Return whether arrays are lists of fixed size, which in Parquet cannot be 0."""
    return column.size > 0 and not column.nullable


def _element_type(column: Column) -> Any:
    assert column.dtype is not None
    name = column.dtype.name
    return _arrow().from_numpy_dtype("uint16" if name == "bfloat16" else name)


def array_of(column: Column, cells: Sequence[Cell]) -> Any:
    """Return the `pyarrow.Array` of a column's cells; None becomes null."""
    if all(cell is None for cell in cells):
        return _arrow().nulls(len(cells), field_of(column).type)
    return _array(column, cells, column.lists)


def _array(column: Column, cells: Sequence[Cell], lists: int) -> Any:
    if lists == 0:
        return _leaf_array(column, cells)
    pa = _arrow()
    offsets: list[int | None] = []
    end = 0
    for cell in cells:
        offsets.append(None if cell is None else end)
        end += len(cell or ())
    below = [item for cell in cells for item in cell or ()]
    values = _array(column, below, lists - 1)
    return pa.ListArray.from_arrays(pa.array([*offsets, end], pa.int32()), values)


def _leaf_array(column: Column, cells: Sequence[Cell]) -> Any:
    pa, np = _arrow(), _numpy()
    if column.dtype is None:
        return pa.array(cells, pa.string())
    count = len(cells)
    is_listed = not column.packed and bool(column.shape)
    if is_listed and not _is_fixed(column):
        return _varying(column, cells)
    nothing = bytes(column.size * column.dtype.itemsize)
    data = b"".join([nothing if cell is None else cell for cell in cells])
    bits = None
    if any(cell is None for cell in cells):
        valid = np.array([cell is not None for cell in cells])
        bits = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    data = _as_arrow(column, data)
    if not is_listed:
        return pa.Array.from_buffers(_leaf_type(column), count, [bits, pa.py_buffer(data)])
    buffers = [None, pa.py_buffer(data)]
    elements = pa.Array.from_buffers(_element_type(column), count * column.size, buffers)
    return pa.Array.from_buffers(_leaf_type(column), count, [bits], children=[elements])


def _varying(column: Column, cells: Sequence[Cell]) -> Any:
    """Return arrays as lists of any size."""
    pa = _arrow()
    ends = [0]
    for cell in cells:
        ends.append(ends[-1] + (0 if cell is None else column.size))
    data = _as_arrow(column, b"".join([cell for cell in cells if cell is not None]))
    buffers = [None, pa.py_buffer(data)]
    elements = pa.Array.from_buffers(_element_type(column), ends[-1], buffers)
    starts = [None if cell is None else start for cell, start in zip(cells, ends)]
    return pa.ListArray.from_arrays(pa.array([*starts, ends[-1]], pa.int32()), elements)


def _as_arrow(column: Column, data: bytes) -> bytes:
    """Return the elements in Arrow's layout, in which bools are single bits."""
    assert column.dtype is not None
    if column.dtype.name != "bool":
        return data
    np = _numpy()
    bits: bytes = np.packbits(np.frombuffer(data, "bool"), bitorder="little").tobytes()
    return bits


def cells_of(column: Column, array: Any) -> list[Cell]:
    """Return the cells of a column as they were written."""
    return _cells(column, array, column.lists)


def _cells(column: Column, array: Any, lists: int) -> list[Cell]:
    if lists == 0:
        return _leaf_cells(column, array)
    below = _cells(column, array.values, lists - 1)
    ends = array.offsets.to_pylist()
    valid = array.is_valid().to_pylist()
    return [below[ends[i] : ends[i + 1]] if known else None for i, known in enumerate(valid)]


def _leaf_cells(column: Column, array: Any) -> list[Cell]:
    if column.dtype is None:
        return list(array.to_pylist())
    valid = array.is_valid().to_pylist()
    if column.shape and not column.packed and not _is_fixed(column):
        return _varying_cells(column, array, valid)
    elements, start = array, 0
    if column.packed:
        start = array.offset * (column.size - 1)  # `_data` already skips one byte for each cell.
    elif column.shape:
        elements, start = array.values, array.offset * column.size
    step = column.size * column.dtype.itemsize
    data = _data(column, elements)[start * column.dtype.itemsize :] if step else b""
    cells = [bytes(data[i * step : (i + 1) * step]) for i in range(len(valid))]
    return [cell if known else None for cell, known in zip(cells, valid)]


def _varying_cells(column: Column, array: Any, valid: list[bool]) -> list[Cell]:
    assert column.dtype is not None
    step = column.dtype.itemsize
    data = _data(column, array.values)
    ends = array.offsets.to_pylist()
    cells = [bytes(data[i * step : j * step]) for i, j in pairwise(ends)]
    return [cell if known else None for cell, known in zip(cells, valid)]


def _data(column: Column, elements: Any) -> Any:
    """Return the bytes of the elements; those of null elements are undefined."""
    assert column.dtype is not None
    buffer = elements.buffers()[1]
    if buffer is None:
        return bytes(len(elements) * column.dtype.itemsize)
    if column.dtype.name == "bool":
        np = _numpy()
        bits = np.unpackbits(np.frombuffer(buffer, "uint8"), bitorder="little")
        return bits[elements.offset : elements.offset + len(elements)].tobytes()
    return memoryview(buffer)[elements.offset * column.dtype.itemsize :]
