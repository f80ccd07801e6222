"""The array libraries under one suite, with the properties of their arrays."""

from __future__ import annotations

import importlib
import importlib.util
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from rlmesh.backends import NATIVE, ArrayBackend, Leaf
from rlmesh.dtypes import DTYPES, DType
from rlmesh.spaces import Bounds

__all__ = ["LIBRARIES", "Library", "bits", "bounded", "installed", "leaf_of", "open_library"]

LIBRARIES = ("native", "numpy", "torch", "jax", "jax-x64")


@dataclass(frozen=True)
class Library:
    """An array library and its backend.

    Attributes:
        name: One of `LIBRARIES`.
        backend: Its backend.
        array_type: Type of its arrays.
        writable: Whether they can be written.
        wide: Whether it has elements of 64 bits.
    """

    name: str
    backend: ArrayBackend
    array_type: type
    writable: bool = False
    wide: bool = True

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
    package = name.partition("-")[0]
    needed = () if package == "native" else (package, f"rlmesh_{package}")
    return all(importlib.util.find_spec(module) is not None for module in needed)


@contextmanager
def open_library(name: str) -> Iterator[Library]:
    """Yield the library, configured as its name requires; skip if it is not installed."""
    if name == "native":
        from rlmesh import Tensor

        yield Library(name, NATIVE, Tensor)
        return
    package = name.partition("-")[0]
    pytest.importorskip(package)
    backend = importlib.import_module(f"rlmesh_{package}").BACKEND
    if package == "numpy":
        yield Library(name, backend, importlib.import_module("numpy").ndarray, writable=True)
    elif package == "torch":
        yield Library(name, backend, importlib.import_module("torch").Tensor, writable=True)
    else:
        jax = importlib.import_module("jax")
        before = jax.config.jax_enable_x64
        jax.config.update("jax_enable_x64", name == "jax-x64")
        try:
            yield Library(name, backend, jax.Array, wide=name == "jax-x64")
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
