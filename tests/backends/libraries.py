"""The array libraries under one suite, with the properties of their arrays."""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

import rlmesh
from rlmesh.backends import NATIVE, ArrayBackend, Leaf
from rlmesh.dtypes import DTYPES, DType
from rlmesh.spaces import Bounds

__all__ = ["LIBRARIES", "Library", "bits", "bounded", "installed", "leaf_of", "open_library"]

OTHER = os.environ.get("RLMESH_TEST_LIBRARY", "")
"""A library of another package, as "module:name" of a `Library`, under the same suite."""

LIBRARIES = ("native", "numpy", "torch", "jax", "jax-x64", *filter(None, [OTHER]))


@dataclass(frozen=True)
class Library:
    """An array library and its backend.

    Attributes:
        name: Name of the library, for messages.
        backend: Its backend.
        array_type: Type of its arrays.
        model: Its `Model` class.
        writable: Whether they can be written.
        wide: Whether it has elements of 64 bits.
        plain: Whether typed scalars and arrays of any values are Python's numbers and lists, and
            graphs those of `rlmesh.spaces`; else they are NumPy's and Gymnasium's.
        integer: Type of a value of a Discrete of int64.
    """

    name: str
    backend: ArrayBackend
    array_type: type
    model: Callable[..., Any]
    writable: bool = False
    wide: bool = True
    plain: bool = False
    integer: type = int

    @property
    def has_arithmetic(self) -> bool:
        """Whether its arrays can be calculated with, so that adapters can use it."""
        return hasattr(self.backend, "arithmetic")

    def has(self, element: DType) -> bool:
        """Whether it has the element type."""
        return self.wide or element.itemsize < 8

    def array(
        self, element: DType, numbers: list[float], shape: tuple[int, ...] | None = None
    ) -> Any:
        """An array of its own."""
        extents = (len(numbers),) if shape is None else shape
        leaf = leaf_of(element, extents)
        return self.backend.from_bytes(element.pack(numbers), leaf, None, copy=True)


def installed(name: str) -> bool:
    """Whether the library and its backend can be imported."""
    if name == OTHER:
        return True
    package = name.partition("-")[0]
    needed = () if package == "native" else (package, f"rlmesh_{package}")
    return all(importlib.util.find_spec(module) is not None for module in needed)


@contextmanager
def open_library(name: str) -> Iterator[Library]:
    """Yield the library, configured as its name requires; skip if it is not installed."""
    if name == "native":
        yield Library(name, NATIVE, rlmesh.Tensor, rlmesh.Model, plain=True)
        return
    if name == OTHER:
        module, _, attribute = name.partition(":")
        yield getattr(importlib.import_module(module), attribute)
        return
    package = name.partition("-")[0]
    library = pytest.importorskip(package)
    ours = importlib.import_module(f"rlmesh_{package}")
    made = partial(Library, name, ours.BACKEND, model=ours.Model)
    if package == "numpy":
        yield made(array_type=library.ndarray, writable=True, integer=library.int64)
    elif package == "torch":
        yield made(array_type=library.Tensor, writable=True)
    else:
        jax = library
        before = jax.config.jax_enable_x64
        jax.config.update("jax_enable_x64", name == "jax-x64")
        try:
            yield made(array_type=jax.Array, wide=name == "jax-x64")
        finally:
            jax.config.update("jax_enable_x64", before)


def leaf_of(element: DType, shape: tuple[int, ...] = ()) -> Leaf:
    """A leaf without bounds."""
    return Leaf("value", element, shape)


def bounded(element: DType, shape: tuple[int, ...], low: Any, high: Any) -> Leaf:
    """A leaf with bounds: numbers for uniform ones, lists for one an element."""

    def bounds(side: Any) -> Bounds:
        uniform = not isinstance(side, list)
        return Bounds(element.pack([side] if uniform else side), uniform=uniform)

    return Leaf("value", element, shape, bounds(low), bounds(high))


# Floats by their bits: signs of zero, quiet and signalling NaN with payloads, both infinities, the
# smallest subnormal, the largest finite number.
_FLOATS = {
    "float16": "<H 0000 8000 7e00 7e2a 7d01 fe00 7c00 fc00 0001 7bff fbff 3c00",
    "bfloat16": "<H 0000 8000 7fc0 7fea 7f81 ffc0 7f80 ff80 0001 7f7f ff7f 3f80",
    "float32": "<I 00000000 80000000 7fc00000 7fc12345 7f800001 ffc00000 7f800000 ff800000 00000001"
    " 7f7fffff ff7fffff 3f800000",
    "float64": "<Q 0000000000000000 8000000000000000 7ff8000000000000 7ff8123456789abc"
    " 7ff0000000000001 fff8000000000000 7ff0000000000000 fff0000000000000 0000000000000001"
    " 7fefffffffffffff ffefffffffffffff 3ff0000000000000",
}


def bits(element: DType, count: int) -> bytes:
    """The bytes of `count` elements, awkward ones first, over and over."""
    if element.is_float:
        code, *words = _FLOATS[element.name].split()
        data = b"".join(struct.pack(code, int(word, 16)) for word in words)
    else:
        low, high = element.limits
        data = element.pack([low, high, 0, 1, high // 2, high - 1])
    times = math.ceil(count * element.itemsize / len(data))
    return (data * times)[: count * element.itemsize]


DTYPE_NAMES = tuple(DTYPES)
