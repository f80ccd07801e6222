"""Arithmetic on the arrays of a backend, in its own library and on the arrays' device.

NumPy 1.26 and PyTorch have no `__array_namespace__`, so the array API standard is not available
from the arrays themselves. It is not needed: the few functions that the adapters call have the same
name and order of arguments in NumPy, `jax.numpy` and PyTorch. The backend's `Arithmetic` has these
functions and what differs. Only values of other libraries are copied to another library or device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlmesh._optional import optional_import
from rlmesh._problem import Problem
from rlmesh.backends import Arithmetic, ArrayBackend, Leaf
from rlmesh.dtypes import DTYPES, DType
from rlmesh.errors import AdapterError, InvalidValueError, RLMeshError

__all__ = ["FLOAT32", "FLOAT64", "LARGEST", "LEAST", "Arrays", "Numbers", "holds"]

FLOAT32 = DTYPES["float32"]
FLOAT64 = DTYPES["float64"]

LARGEST = 3.4e38
"""Upper bound of constants: slightly below the largest float32."""

LEAST = 1.2e-38
"""Lower bound of factors and divisors: slightly above the smallest normal float32."""

# The smallest number that rounds to infinity: halfway beyond the largest finite number.
_INFINITE = {
    "float16": 65_520.0,
    "bfloat16": (2 - 2.0**-8) * 2.0**127,
    "float32": (2 - 2.0**-24) * 2.0**127,
}


def holds(element: DType, number: float) -> bool:
    """Return whether a type can hold a constant; of floats only precision may be lost."""
    if element.is_float:
        return abs(number) < min(_INFINITE.get(element.name, LARGEST), LARGEST)
    low, high = element.limits
    return low <= number <= high and number == round(number)


@dataclass(frozen=True, eq=False)
class Numbers:
    """Constants of a conversion: one number, or an array that broadcasts against a feature.

    Attributes:
        values: The numbers in C order.
        shape: Extents of the numbers; `()` for one number.
        cache: The numbers as arrays, by dtype and device.
    """

    values: tuple[float, ...]
    shape: tuple[int, ...] = ()
    cache: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    @property
    def is_zero(self) -> bool:
        """Whether the constant is the one number 0."""
        return self.shape == () and self.values == (0.0,)

    @property
    def is_one(self) -> bool:
        """Whether the constant is the one number 1."""
        return self.shape == () and self.values == (1.0,)

    def combine(self, other: Numbers, function: Callable[[float, float], float]) -> Numbers:
        """Return `function` of both constants, element by element; one number is broadcast."""
        shape = self.shape or other.shape
        size = max(len(self.values), len(other.values))
        ours, theirs = (n.values * (size if len(n.values) == 1 else 1) for n in (self, other))
        return Numbers(tuple(map(function, ours, theirs)), shape)


class Arrays:
    """The functions of a backend's array library that conversions need.

    Args:
        backend: The backend.

    Attributes:
        xp: The library's namespace of functions.
        type: Class of the library's arrays.

    Raises:
        AdapterError: If the backend has no `Arithmetic`, such as the native one.
    """

    def __init__(self, backend: ArrayBackend) -> None:
        arithmetic: Arithmetic | None = getattr(backend, "arithmetic", None)
        if arithmetic is None:
            expected = "a backend with arithmetic, such as numpy, torch or jax"
            fix = "use the model of rlmesh.numpy, rlmesh.torch or rlmesh.jax"
            raise AdapterError([Problem("backend", expected, backend.name, fix)])
        self.xp = arithmetic.namespace
        self._arithmetic = arithmetic
        self._backend = backend
        self._dtypes: dict[str, Any] = {}
        self.type: type[Any] = type(self._made(FLOAT32, (0,), b""))

    def _made(self, element: DType, shape: Sequence[int], data: bytes) -> Any:
        leaf = Leaf("constant", element, tuple(shape))
        return self._backend.from_bytes(data, leaf, None, copy=True)

    def zeros(self, element: DType, shape: Sequence[int]) -> Any:
        """Return zeros, on the backend's device."""
        return self._made(element, shape, bytes(element.itemsize * math.prod(shape)))

    def lack(self, element: DType) -> str | None:
        """Return the reason why the library cannot hold elements of a type, or None if it can."""
        try:
            self._dtype(element)
        except (ImportError, RLMeshError, TypeError, ValueError) as error:
            return str(error).removeprefix("constant: ")
        return None

    def held(self, element: DType) -> DType:
        """Return the type, or the type that the library uses for such numbers if it lacks it."""
        narrow = DTYPES.get(element.name.replace("64", "32"), element)
        return next(e for e in (element, narrow, DTYPES["int64"], FLOAT32) if self.lack(e) is None)

    def _dtype(self, element: DType) -> Any:
        known = self._dtypes.get(element.name)
        if known is None:
            known = self._dtypes[element.name] = self._made(element, (0,), b"").dtype
        return known

    def working(self, *elements: DType | None) -> DType:
        """Return the type to calculate in: float64 if a type needs it and the library has it.

        Otherwise float32, which holds every element of the narrower types exactly.
        """
        wide = any(e is not None and e.itemsize >= (8 if e.is_float else 4) for e in elements)
        return FLOAT64 if wide and self.lack(FLOAT64) is None else FLOAT32

    def element(self, array: Any, path: str) -> DType:
        """Return the element type of an array of the library.

        Raises:
            InvalidValueError: If the contract has no such type.
        """
        name = getattr(array.dtype, "name", None) or str(array.dtype).partition(".")[2]
        found = DTYPES.get(name)
        if found is None:
            raise InvalidValueError(path, "an array of numbers", f"one of {name}")
        return found

    def take(self, value: Any, path: str, default: DType) -> Any:
        """Return `value` as an array of the library; unchanged if it is one already.

        Args:
            value: An array of any library, a number, or nested lists of numbers.
            path: Path of the value, for messages.
            default: Element type for numbers without one, or with one that the library lacks.

        Raises:
            InvalidValueError: If `value` is not numbers of one shape.
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

    @property
    def is_numpy(self) -> bool:
        """Whether the library is NumPy: Pillow and OpenCV take its arrays as they are."""
        return self._backend.name == "numpy"

    def is_on_host(self, array: Any) -> bool:
        """Return whether an array is in the memory of the CPU, where libraries of images read it.

        The test is the device of the DLPack protocol, which every array library has; 1 is the CPU.
        """
        device = getattr(array, "__dlpack_device__", None)
        return self.is_numpy or (device is not None and device()[0] == 1)

    def to_numpy(self, array: Any) -> Any:
        """Return an array of the library as a NumPy array."""
        if self.is_numpy:
            return array
        np = optional_import("numpy", "encoding images", "images")
        leaf = Leaf("image", self.element(array, "image"), tuple(array.shape))
        data = self._backend.to_bytes(self._backend.as_leaf(array, leaf, None))
        return np.frombuffer(data, leaf.dtype.name).reshape(leaf.shape)

    def from_numpy(self, array: Any, like: Any) -> Any:
        """Return a NumPy array as one of the library, on the device of `like`."""
        if self.is_numpy:
            return array
        element = DTYPES[array.dtype.name]
        made = self._made(element, array.shape, array.tobytes())
        return self._arithmetic.to_device(made, self._arithmetic.device(like))

    def own(self, value: Any) -> Any:
        """Return an array, because NumPy may return one of its scalars instead."""
        return value if isinstance(value, self.type) else self.xp.asarray(value)

    def cast(self, array: Any, element: DType) -> Any:
        """Return an array in another type, each number rounded once."""
        dtype = self._dtype(element)
        if array.dtype == dtype:
            return array
        return self._arithmetic.astype(array, dtype)

    def copy(self, array: Any) -> Any:
        """Return a copy of an array."""
        return self._arithmetic.copy(array)

    def constant(self, numbers: Numbers, like: Any) -> Any:
        """Return constants to calculate with: a number, or an array of `like`'s type and device."""
        if numbers.shape == ():
            return numbers.values[0]
        device = self._arithmetic.device(like)
        key = (str(like.dtype), str(device))
        known = numbers.cache.get(key)
        if known is None:
            element = self.element(like, "constant")
            made = self._made(element, numbers.shape, element.pack(numbers.values))
            known = numbers.cache[key] = self._arithmetic.to_device(made, device)
        return known

    def exact(self, array: Any, target: DType, path: str) -> Any:
        """Return an array in another type. F-6: a cast loses nothing but float precision.

        Raises:
            InvalidValueError: If the type cannot hold a number; the message has that number.
        """
        source = self.element(array, path)
        if source.name == target.name:
            return self.cast(array, target)  # The byte order may still differ.
        lost = self._lost(array, source, target)
        if lost is not None and bool(lost.any()):
            first = array[lost].reshape(-1)[0]
            number = first.item() if hasattr(first, "item") else first
            raise InvalidValueError(path, f"numbers of {target}", f"{number}")
        return self.cast(array, target)

    def _lost(self, array: Any, source: DType, target: DType) -> Any | None:
        """Return a mask of where a cast loses more than float precision; None if it never can."""
        xp = self.xp
        if target.is_float:
            # float16 is the only float type that cannot hold the range of every integer type.
            narrow = target.itemsize < source.itemsize if source.is_float else True
            if not narrow or (target.name != "float16" and not source.is_float):
                return None
            size = abs(array if source.is_float else self.cast(array, FLOAT32))
            return (size >= _INFINITE[target.name]) & xp.isfinite(size)
        low, high = target.limits
        if source.is_float:
            array = self.cast(array, FLOAT32) if source.itemsize == 2 else array
            whole = xp.isfinite(array) & (xp.round(array) == array)
            # 2.0**63 is the first float beyond int64; all limits of fewer than 64 bits are exact.
            return ~(whole & (array >= float(low)) & (array < float(high + 1)))
        source_low, source_high = source.limits
        if source.kind == "b" or (low <= source_low and source_high <= high):
            return None
        under = (array < low) if low > source_low else (array < source_low)
        return under | ((array > high) if high < source_high else (array > source_high))


def _extents(value: Any) -> tuple[int, ...]:
    """Return the extents of an array, a number, or nested lists; ragged ones are not detected."""
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
