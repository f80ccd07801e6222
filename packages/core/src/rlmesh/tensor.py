"""`Tensor`: an immutable array of numbers that needs no array library.

NumPy and PyTorch view it without a copy (`numpy.asarray(t)`, `torch.as_tensor(t)`), through the
array interface.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any, SupportsIndex, overload

from rlmesh.dtypes import DType, DTypeLike
from rlmesh.dtypes import dtype as as_dtype

__all__ = ["Tensor"]


class Tensor:
    """A read-only array of fixed shape and element type.

    Attributes:
        dtype: Element type.
        shape: Extent of each dimension; `()` for one element.
        buffer: The elements as a read-only, one-dimensional view of bytes: C order, little-endian.

    Args:
        buffer: A C-contiguous buffer of exactly the elements' bytes.
        dtype: Element type.
        shape: Extent of each dimension. None: one dimension.

    Raises:
        ValueError: If the buffer's size is not that of the shape and type.
    """

    __slots__ = ("buffer", "dtype", "shape")

    buffer: memoryview
    dtype: DType
    shape: tuple[int, ...]

    def __init__(self, buffer: Any, dtype: DTypeLike, shape: Sequence[int] | None = None) -> None:
        element = as_dtype(dtype)
        view = memoryview(buffer)
        # cast() refuses a view with a zero in its shape, so an empty view is replaced.
        view = view.cast("B") if view.nbytes else memoryview(b"")
        extents = (view.nbytes // element.itemsize,) if shape is None else tuple(shape)
        if view.nbytes != math.prod(extents) * element.itemsize:
            raise ValueError(
                f"expected {math.prod(extents) * element.itemsize} bytes for {element} of shape "
                f"{extents}, got {view.nbytes}"
            )
        object.__setattr__(self, "buffer", view.toreadonly())
        object.__setattr__(self, "dtype", element)
        object.__setattr__(self, "shape", extents)

    @classmethod
    def of(cls, values: object, dtype: DTypeLike) -> Tensor:
        """Return a tensor of nested lists or tuples of numbers.

        Raises:
            ValueError: If the nesting is ragged.
            OverflowError: If a number does not fit `dtype`.
        """
        element = as_dtype(dtype)
        shape, flat = _flatten(values)
        return cls(element.pack(flat), element, shape)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Tensor is immutable; cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Tensor is immutable; cannot delete {name!r}")

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the elements in bytes."""
        return self.buffer.nbytes

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.dtype.typestr,
            # NumPy reads a missing buffer of size 0 as "allocate one", so an empty tensor exports
            # one byte that is never read.
            "data": self.buffer if self.buffer.nbytes else bytearray(1),
        }

    def tobytes(self) -> bytes:
        """Return the bytes of the elements: C order, little-endian."""
        return self.buffer.tobytes()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers; one number for a 0-d tensor."""
        return nest(list(self.dtype.unpack(self.buffer)), self.shape)

    def item(self) -> float:
        """Return the only element.

        Raises:
            ValueError: If there is not exactly one.
        """
        if self.size != 1:
            raise ValueError(f"item() needs one element, this tensor has {self.size}")
        return self.dtype.unpack(self.buffer)[0]

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-dimensional Tensor")
        return self.shape[0]

    @overload
    def __getitem__(self, index: slice) -> Tensor: ...

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        """Return a part of the first dimension.

        Args:
            index: An integer, for one element or sub-tensor; or a slice, for a tensor of as many
                dimensions. Both are views of the same memory, except a slice with a step other
                than 1, which is a copy.

        Raises:
            IndexError: If the integer is out of range.
            TypeError: If `index` is neither an integer nor a slice, or the tensor has no
                dimension.
        """
        if not self.shape:
            raise TypeError("a 0-dimensional Tensor has no index; item() returns its element")
        if isinstance(index, slice):
            return self._sliced(index)
        try:
            at = operator.index(index)
        except TypeError:
            raise TypeError(
                f"expected an integer or a slice of the first dimension, got {index!r:.100}; for "
                f"other indices view the Tensor with numpy.asarray(tensor)"
            ) from None
        length, inner = self.shape[0], self.shape[1:]
        if not -length <= at < length:
            raise IndexError(f"index {at} is out of range for length {length}")
        step = math.prod(inner) * self.dtype.itemsize
        start = (at % length) * step
        part = Tensor(self.buffer[start : start + step], self.dtype, inner)
        return part if inner else part.item()

    def _sliced(self, index: slice) -> Tensor:
        rows = range(*index.indices(self.shape[0]))
        inner = self.shape[1:]
        size = math.prod(inner) * self.dtype.itemsize
        part: Any
        if rows.step == 1:
            part = self.buffer[rows.start * size : rows.stop * size]
        else:
            part = b"".join([self.buffer[i * size : (i + 1) * size] for i in rows])
        return Tensor(part, self.dtype, (len(rows), *inner))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            return NotImplemented
        return (self.dtype, self.shape) == (other.dtype, other.shape) and (
            self.buffer == other.buffer
        )

    def __hash__(self) -> int:
        return hash((self.dtype.name, self.shape, self.buffer.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Tensor, (self.tobytes(), self.dtype.name, self.shape))

    def __repr__(self) -> str:
        # An extent of 0 counts as 1, because printing many empty lists takes space too.
        if math.prod(n or 1 for n in self.shape) > 16:
            return f"Tensor(shape={self.shape}, dtype={self.dtype})"
        return f"Tensor({self.tolist()}, dtype={self.dtype})"


def _flatten(values: object) -> tuple[tuple[int, ...], list[float]]:
    if not isinstance(values, (list, tuple)):
        return (), [values]  # type: ignore[list-item]
    parts = [_flatten(v) for v in values]
    shapes = {shape for shape, _ in parts}
    if len(shapes) > 1:
        raise ValueError(f"ragged nesting: elements of shapes {sorted(shapes)}")
    inner = shapes.pop() if shapes else ()
    return (len(values), *inner), [x for _, flat in parts for x in flat]


def nest(flat: list[Any], shape: tuple[int, ...]) -> Any:
    """Return elements in C order as nested lists of `shape`; the element itself for `()`."""
    if not shape:
        return flat[0]
    step = math.prod(shape[1:])
    return [nest(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
