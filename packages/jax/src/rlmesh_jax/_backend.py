"""The JAX backend of the codec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from rlmesh.backends import Arithmetic, Buffer, DynamicArray, Leaf
from rlmesh.dtypes import DType
from rlmesh.errors import CodecError, InvalidValueError
from rlmesh_numpy import BACKEND as NUMPY
from rlmesh_numpy import asarray as numpy_asarray
from rlmesh_numpy._casts import native

__all__ = ["BACKEND", "Device", "JaxBackend", "JaxDevice", "asarray", "keeps"]

Array = npt.NDArray[Any]
JaxDevice = Any
"""The type of a `jax.Device`, for which JAX publishes none."""
Device = Union[JaxDevice, str, None]
"""The type of a device, its platform ("gpu") or platform and id ("gpu:1"); None: JAX's default."""

_FIX = "enable it with jax.config.update('jax_enable_x64', True)"


class JaxBackend:
    """Leaves as `jax.Array`, committed to one device; see `rlmesh.backends.ArrayBackend`.

    Without `jax_enable_x64` JAX converts int64, uint64 and float64 silently to their 32-bit forms.
    Such leaves of an observation are refused, by path. Values on their way to the wire are not
    affected: anything but a `jax.Array` of the leaf's dtype goes through the NumPy backend and
    stays a NumPy array, because only its bytes are needed.

    Args:
        device: Device on which arrays are made; None: JAX's default device.
    """

    name = "jax"
    graph_type: type[Any] = NUMPY.graph_type
    arithmetic = Arithmetic(jnp)

    def __init__(self, device: Device = None) -> None:
        self._given = device
        self._device: JaxDevice | None = None

    @property
    def device(self) -> JaxDevice:
        """Device on which arrays are made; the first access starts JAX's platform."""
        if self._device is None:
            self._device = _device(self._given)
        return self._device

    def integer_type(self, dtype: DType) -> Callable[[int], Any]:
        """Return `int`; see `ArrayBackend`."""
        return int

    def as_leaf(self, value: Any, leaf: Leaf, count: int | None) -> jax.Array | Array:
        """Return an array of the leaf's dtype and shape; see `ArrayBackend.as_leaf`."""
        exact = leaf.dtype.name, leaf.batch_shape(count)
        if isinstance(value, jax.Array) and (value.dtype.name, value.shape) == exact:
            return value
        array: Array = NUMPY.as_leaf(value, leaf, count)
        return array

    def exact_bytes(self, value: Any, leaf: Leaf, check: bool) -> Buffer | None:
        """Return the bytes of a NumPy array that fits and is in bounds, or None."""
        return NUMPY.exact_bytes(value, leaf, check)

    def violation(self, array: jax.Array | Array, leaf: Leaf) -> str | None:
        """Describe the first element out of bounds; see `ArrayBackend.violation`."""
        # On the CPU this is a view; elsewhere a copy, which the array keeps for `to_bytes`.
        return NUMPY.violation(np.asarray(array), leaf)

    def to_bytes(self, array: jax.Array | Array) -> bytes:
        """Return the bytes of an array; see `ArrayBackend.to_bytes`."""
        return np.asarray(array).tobytes()

    def from_bytes(self, data: Buffer, leaf: Leaf, count: int | None, copy: bool) -> jax.Array:
        """Return a `jax.Array`, which is never writable; see `ArrayBackend.from_bytes`.

        Raises:
            CodecError: If JAX would change the dtype.
        """
        # JAX may use aligned memory of the host directly instead of copying it.
        held = bytes(data) if copy and not _is_immutable(data) else data
        view = NUMPY.from_bytes(held, leaf, count, copy=False)
        if not keeps(view.dtype):
            raise CodecError(_change(view.dtype), path=leaf.path)
        array: jax.Array = jax.device_put(view, self.device)
        return array

    def dynamic(self, value: object) -> DynamicArray | None:
        """Return the wire form of an array or NumPy value; see `ArrayBackend.dynamic`."""
        return NUMPY.dynamic(value)

    def from_dynamic(self, array: DynamicArray) -> Any:
        """Return a `jax.Array`; a NumPy value for typed scalars and for arrays of any values.

        An array that JAX would change stays a NumPy array, because an info must not fail a step.
        """
        value = NUMPY.from_dynamic(array)
        if array.dtype is None or array.shape is None or not keeps(value.dtype):
            return value
        return jax.device_put(value, self.device)


BACKEND = JaxBackend()
"""The JAX backend of the default device."""


def asarray(value: Any, device: Device = None) -> jax.Array:
    """Return `value` as a `jax.Array`, without a copy if possible.

    Args:
        value: An array or tensor of any library, a number, or nested lists or tuples of numbers,
            which get the dtype that `jax.numpy.asarray` gives them.
        device: Device that the array is committed to; None: its current device, or JAX's default
            device.

    Raises:
        InvalidValueError: If JAX would change the dtype of an array; the message has the fix.
        ValueError: If nested lists are ragged.
    """
    if not isinstance(value, (jax.Array, bool, int, float, complex, list, tuple)):
        value = native(numpy_asarray(value))
        if not keeps(value.dtype):
            expected = "an array that JAX holds unchanged"
            raise InvalidValueError("value", expected, f"{value.dtype}: {_change(value.dtype)}")
    array = jax.numpy.asarray(value)
    return array if device is None else jax.device_put(array, _device(device))


def keeps(dtype: np.dtype[Any]) -> bool:
    """Return whether JAX keeps the dtype; without x64 it converts elements of 64 bits."""
    return dtype.itemsize < 8 or jax.dtypes.canonicalize_dtype(dtype) == dtype


def _change(dtype: np.dtype[Any]) -> str:
    narrow = jax.dtypes.canonicalize_dtype(dtype)
    return f"without x64 JAX would turn {dtype} into {narrow}; {_FIX}"


def _is_immutable(data: Buffer) -> bool:
    return isinstance(data.obj if isinstance(data, memoryview) else data, bytes)


def _device(device: Device) -> JaxDevice:
    if device is None:
        # The configuration has None, a device, or the name of a platform.
        device = getattr(jax.config, "jax_default_device", None)
    if device is None:
        return jax.local_devices()[0]
    if isinstance(device, str):
        return _named_device(device)
    return device


def _named_device(name: str) -> JaxDevice:
    platform, _, number = name.partition(":")
    devices = jax.local_devices(backend=platform)
    for device in devices:
        if not number or str(device.id) == number:
            return device
    raise ValueError(f"no device {name!r}; {platform} has {[device.id for device in devices]}")
