"""Arithmetic on the arrays of a backend, in its own library and on the device where they are.

Core imports no array library, and NumPy 1.26 and PyTorch have no `__array_namespace__`, so the
array API standard cannot be asked of the arrays themselves. It is not needed: the few functions
that the adapters call (`stack`, `concatenate`, `where`, `moveaxis`, `flip`, `sqrt`, ...) have one
name and one order of arguments in NumPy, `jax.numpy` and PyTorch, and whoever holds a backend has
imported its library. What differs (casts, constants, dtypes) goes through the backend. Nothing is
copied to another library or device, but what comes as a value of another library.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlmesh._problem import Problem
from rlmesh.backends import ArrayBackend, Leaf
from rlmesh.dtypes import DTYPES, DType
from rlmesh.errors import AdapterError, InvalidValueError, RLMeshError

__all__ = ["FLOAT32", "FLOAT64", "LARGEST", "Arrays", "Numbers"]

FLOAT32 = DTYPES["float32"]
FLOAT64 = DTYPES["float64"]

LARGEST = 3.4e38
"""Almost the largest float32: constants are to be smaller."""

# The smallest number that rounds to infinity: halfway beyond the largest.
_INFINITE = {
    "float16": 65_520.0,
    "bfloat16": (2 - 2.0**-8) * 2.0**127,
    "float32": (2 - 2.0**-24) * 2.0**127,
}
_NAMESPACES = {"numpy": "numpy", "torch": "torch", "jax": "jax.numpy"}


@dataclass(frozen=True, eq=False)
class Numbers:
    """Constants of a conversion: one number, or an array that broadcasts against a feature.

    Attributes:
        values: The numbers in C order.
        shape: Their extents; `()` for one number.
        cache: The same as arrays, by dtype and device.
    """

    values: tuple[float, ...]
    shape: tuple[int, ...] = ()
    cache: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    @property
    def is_zero(self) -> bool:
        """Whether it is the one number 0."""
        return self.shape == () and self.values == (0.0,)

    @property
    def is_one(self) -> bool:
        """Whether it is the one number 1."""
        return self.shape == () and self.values == (1.0,)

    def combine(self, other: Numbers, function: Callable[[float, float], float]) -> Numbers:
        """`function` of the numbers of both, pairwise; one number stands for all."""
        shape = self.shape or other.shape
        size = max(len(self.values), len(other.values))
        ours, theirs = (n.values * (size if len(n.values) == 1 else 1) for n in (self, other))
        return Numbers(tuple(map(function, ours, theirs)), shape)


class Arrays:
    """What conversions ask of a backend's array library.

    Args:
        backend: The backend.

    Attributes:
        xp: The library's functions.
        type: Class of its arrays.

    Raises:
        AdapterError: If the backend has no arithmetic (the native one).
    """

    def __init__(self, backend: ArrayBackend) -> None:
        name = _NAMESPACES.get(backend.name)
        if name is None:
            expected = "a backend with arithmetic: numpy, torch or jax"
            fix = "use the model of rlmesh.numpy, rlmesh.torch or rlmesh.jax"
            raise AdapterError([Problem("backend", expected, backend.name, fix)])
        self.xp: Any = sys.modules[name]
        self._backend = backend
        self._is_torch = backend.name == "torch"
        self._dtypes: dict[str, Any] = {}
        self.type: type[Any] = type(self._made(FLOAT32, (0,), b""))

    def _made(self, element: DType, shape: Sequence[int], data: bytes) -> Any:
        leaf = Leaf("constant", element, tuple(shape))
        return self._backend.from_bytes(data, leaf, None, copy=True)

    def lack(self, element: DType) -> str | None:
        """Why the library cannot hold elements of a type; None: it can."""
        try:
            self._dtype(element)
        except (ImportError, RLMeshError, TypeError, ValueError) as error:
            return str(error).removeprefix("constant: ")
        return None

    def held(self, element: DType) -> DType:
        """The type, or one that the library has for its numbers where it lacks that."""
        narrow = DTYPES.get(element.name.replace("64", "32"), element)
        return next(e for e in (element, narrow, DTYPES["int64"], FLOAT32) if self.lack(e) is None)

    def _dtype(self, element: DType) -> Any:
        known = self._dtypes.get(element.name)
        if known is None:
            known = self._dtypes[element.name] = self._made(element, (0,), b"").dtype
        return known

    def working(self, *elements: DType | None) -> DType:
        """The type to calculate in: float64 where one of the types needs it and it can be had.

        float32 holds every element of the narrower types exactly.
        """
        wide = any(e is not None and e.itemsize >= (8 if e.is_float else 4) for e in elements)
        return FLOAT64 if wide and self.lack(FLOAT64) is None else FLOAT32

    def element(self, array: Any, path: str) -> DType:
        """Element type of an array of the library.

        Raises:
            InvalidValueError: If it is none of the contract.
        """
        name = getattr(array.dtype, "name", None) or str(array.dtype).partition(".")[2]
        found = DTYPES.get(name)
        if found is None:
            raise InvalidValueError(path, "an array of numbers", f"one of {name}")
        return found

    def take(self, value: Any, path: str, default: DType) -> Any:
        """`value` as an array of the library, itself where it is one.

        Args:
            value: An array of any library, a number, or nested lists of numbers.
            path: Where it stands, for messages.
            default: Element type for numbers that have none, or one that the library lacks.

        Raises:
            InvalidValueError: If it is not numbers of one shape.
        """
        if isinstance(value, self.type):
            self.element(value, path)
            return value
        name = getattr(value, "dtype", None)
        own = DTYPES.get(str(getattr(name, "name", name)).rpartition(".")[2])
        element = default if own is None or self.lack(own) is not None else own
        leaf = Leaf(path, element, _extents(value))
        data = self._backend.to_bytes(self._backend.as_leaf(value, leaf, None))
        return self._backend.from_bytes(data, leaf, None, copy=True)

    def own(self, value: Any) -> Any:
        """An array, for what NumPy gives as one of its scalars."""
        return value if isinstance(value, self.type) else self.xp.asarray(value)

    def cast(self, array: Any, element: DType) -> Any:
        """An array in another type, each number rounded once."""
        dtype = self._dtype(element)
        if array.dtype == dtype:
            return array
        return array.to(dtype) if self._is_torch else array.astype(dtype)

    def copy(self, array: Any) -> Any:
        """The same numbers in memory of their own."""
        return array.clone() if self._is_torch else array.copy()

    def constant(self, numbers: Numbers, like: Any) -> Any:
        """Constants to calculate with: a number, or an array of the type and device of `like`."""
        if numbers.shape == ():
            return numbers.values[0]
        device = str(like.device) if self._is_torch else ""
        key = (str(like.dtype), device)
        known = numbers.cache.get(key)
        if known is None:
            element = self.element(like, "constant")
            known = self._made(element, numbers.shape, element.pack(numbers.values))
            known = known.to(like.device) if self._is_torch else known
            numbers.cache[key] = known
        return known

    def exact(self, array: Any, target: DType, path: str) -> Any:
        """An array in another type, as CONTRACT.md F-6 allows: nothing lost but float precision.

        Raises:
            InvalidValueError: If a number is not one of the type; says which.
        """
        source = self.element(array, path)
        if source.name == target.name:
            return self.cast(array, target)  # Their order of bytes may differ.
        lost = self._lost(array, source, target)
        if lost is not None and bool(lost.any()):
            first = array[lost].reshape(-1)[0]
            raise InvalidValueError(path, f"numbers of {target}", f"{_number(first)}")
        return self.cast(array, target)

    def _lost(self, array: Any, source: DType, target: DType) -> Any | None:
        """Where a cast would lose more than float precision; None: nowhere, whatever they are."""
        xp = self.xp
        if target.is_float:
            # Among the integers only float16 ends.
            narrow = target.itemsize < source.itemsize if source.is_float else True
            if not narrow or (target.name != "float16" and not source.is_float):
                return None
            size = abs(array if source.is_float else self.cast(array, FLOAT32))
            return (size >= _INFINITE[target.name]) & xp.isfinite(size)
        low, high = target.limits
        if source.is_float:
            array = self.cast(array, FLOAT32) if source.itemsize == 2 else array
            whole = xp.isfinite(array) & (xp.round(array) == array)
            # 2.0**63 is the first float beyond int64; every limit but those of 64 bits is a float.
            return ~(whole & (array >= float(low)) & (array < float(high + 1)))
        least, most = source.limits
        if source.kind == "b" or (low <= least and most <= high):
            return None
        under = (array < low) if low > least else (array < least)
        return under | ((array > high) if high < most else (array > most))


def _number(element: Any) -> Any:
    return element.item() if hasattr(element, "item") else element


def _extents(value: Any) -> tuple[int, ...]:
    """Extents of an array, a number, or nested lists; ragged ones are the backend's to refuse."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return tuple(int(n) for n in shape)
    extents: list[int] = []
    while isinstance(value, (list, tuple)):
        extents.append(len(value))
        value = value[0] if value else None
        if hasattr(value, "shape"):
            return (*extents, *_extents(value))
    return tuple(extents)
