"""Conversion between native spaces and Gymnasium's, lossless both ways."""

from __future__ import annotations

import inspect
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import gymnasium.spaces as gs
import numpy as np
import numpy.typing as npt

from rlmesh import spaces as native
from rlmesh.dtypes import DType
from rlmesh.errors import SpaceError
from rlmesh.tensor import Tensor
from rlmesh_numpy._custom_spaces import custom_space, standard_space
from rlmesh_numpy._dtypes import dtype_of, numpy_dtype

__all__ = ["spaces_from_gymnasium", "spaces_to_gymnasium"]

Array = npt.NDArray[Any]

_HAS_SORT_KEYS = "sort_keys" in inspect.signature(gs.Dict).parameters
"""Whether this Gymnasium can keep the order of a plain mapping's keys (since 1.4)."""

MAX_UNIFORM_BYTES = 8 * 1024 * 1024
"""Bytes of bounds up to which uniform ones become arrays of their own, as Gymnasium makes them."""


def spaces_from_gymnasium(space: gs.Space[Any]) -> native.Space[Any]:
    """Return the native space that equals a Gymnasium space.

    Raises:
        SpaceError: If the contract has no such kind of space; the error has its path.
    """
    return _from(space, ())


def _from(space: Any, path: tuple[str | int, ...]) -> native.Space[Any]:
    custom = custom_space(space)
    if custom is not None:
        return _from_standard(custom.to_standard(space), space, path)
    # The nearest class comes first, also if the table has a class and one that derives from it.
    convert = next((_FROM[cls] for cls in type(space).__mro__ if cls in _FROM), None)
    if convert is not None:
        try:
            return convert(space, path)
        except SpaceError as error:
            if error.path or not path:
                raise
            # The native space refused its arguments without knowing its own path.
            raise SpaceError(error.message, path=native.path_text(path)) from None
    standard = standard_space(space)
    if standard is not None:
        return _from(standard, path)
    raise SpaceError(
        f"the contract has no space of type {_name(space)}; rlmesh.numpy.register_space("
        f"{type(space).__name__}, to_standard) sends its values as those of a standard space",
        path=native.path_text(path),
    )


def _from_standard(standard: Any, space: Any, path: tuple[str | int, ...]) -> native.Space[Any]:
    if not isinstance(standard, tuple(_FROM)) or custom_space(standard) is not None:
        raise SpaceError(
            f"expected a space of gymnasium.spaces from what is registered for {_name(space)}, got "
            f"{standard!r:.200}",
            path=native.path_text(path),
        )
    return _from(standard, path)


def _name(space: Any) -> str:
    return f"{type(space).__module__}.{type(space).__name__}"


def _element(dtype: Any, path: tuple[str | int, ...]) -> DType:
    element = dtype_of(np.dtype(dtype))
    if element is None:
        raise SpaceError(f"the contract has no element type {dtype}", path=native.path_text(path))
    return element


def _bytes(array: Any, element: DType) -> bytes:
    return np.asarray(array).astype(numpy_dtype(element)).tobytes()


def _bounds(array: Array, element: DType) -> native.Bounds:
    data = _bytes(array, element)
    first = data[: element.itemsize]
    # One comparison of memory, because a loop over an image's elements would take a second.
    if data and data == first * (len(data) // element.itemsize):
        return native.Bounds(first, uniform=True)
    return native.Bounds(data, uniform=False)


def _from_box(space: gs.Box, path: tuple[str | int, ...]) -> native.Space[Any]:
    element = _element(space.dtype, path)
    shape = tuple(int(n) for n in space.shape)
    low, high = _bounds(space.low, element), _bounds(space.high, element)
    if element.is_integer:
        low = low.marked((~space.bounded_below).tobytes())
        high = high.marked((~space.bounded_above).tobytes())
    return native.Box(low, high, shape, element)


def _from_discrete(space: gs.Discrete, path: tuple[str | int, ...]) -> native.Space[Any]:
    element = _element(getattr(space, "dtype", np.int64), path)
    return native.Discrete(int(space.n), start=int(space.start), dtype=element)


def _from_multi_binary(space: gs.MultiBinary, path: tuple[str | int, ...]) -> native.Space[Any]:
    return native.MultiBinary(space.n if isinstance(space.n, int) else tuple(space.n))


def _from_multi_discrete(space: gs.MultiDiscrete, path: tuple[str | int, ...]) -> native.Space[Any]:
    element = _element(space.dtype, path)
    shape = tuple(int(n) for n in space.shape)
    nvec = Tensor(_bytes(space.nvec, element), element, shape)
    start = Tensor(_bytes(space.start, element), element, shape)
    return native.MultiDiscrete(nvec, element, start=start)


def _from_text(space: gs.Text, path: tuple[str | int, ...]) -> native.Space[Any]:
    return native.Text(
        int(space.max_length),
        min_length=int(space.min_length),
        charset="".join(space.character_list),
    )


def _from_dict(space: gs.Dict, path: tuple[str | int, ...]) -> native.Space[Any]:
    for key in space.spaces:
        if not isinstance(key, (str, int)) or isinstance(key, bool):
            raise SpaceError(
                f"a key of type {type(key).__name__}; expected str or int",
                path=native.path_text(path),
            )
    parts = {key: _from(part, (*path, key)) for key, part in space.spaces.items()}
    # Gymnasium has the flag since 1.4; before, it sorted the keys of every plain mapping.
    return native.Dict(parts, sort_keys=getattr(space, "sort_keys", True))


def _from_all(parts: Any, path: tuple[str | int, ...]) -> list[native.Space[Any]]:
    return [_from(part, (*path, i)) for i, part in enumerate(parts)]


def _from_graph(space: gs.Graph, path: tuple[str | int, ...]) -> native.Space[Any]:
    nodes = _from(space.node_space, (*path, "nodes"))
    edges = None if space.edge_space is None else _from(space.edge_space, (*path, "edges"))
    return native.Graph(nodes, edges)


_FROM: dict[type, Callable[[Any, tuple[str | int, ...]], native.Space[Any]]] = {
    gs.Box: _from_box,
    gs.Discrete: _from_discrete,
    gs.MultiBinary: _from_multi_binary,
    gs.MultiDiscrete: _from_multi_discrete,
    gs.Text: _from_text,
    gs.Dict: _from_dict,
    gs.Tuple: lambda space, path: native.Tuple(_from_all(space.spaces, path)),
    gs.Sequence: lambda space, path: native.Sequence(
        _from(space.feature_space, (*path, "*")), stack=space.stack
    ),
    gs.Graph: _from_graph,
    gs.OneOf: lambda space, path: native.OneOf(_from_all(space.spaces, path)),
}


def spaces_to_gymnasium(space: native.Space[Any]) -> gs.Space[Any]:
    """Return the Gymnasium space that equals a native space.

    Raises:
        SpaceError: If Gymnasium refuses it (bfloat16, a Discrete with an `n` beyond its own dtype,
            or a Discrete with a dtype before Gymnasium 1.2).
    """
    return _to(space, _uniform_bytes(space) > MAX_UNIFORM_BYTES)


def _uniform_bytes(space: native.Space[Any]) -> int:
    """Return the bytes of all bounds that the space stores as one element."""
    if isinstance(space, native.Box):
        size = math.prod(space.shape) * space.dtype.itemsize
        return size * (space.low_bounds.uniform + space.high_bounds.uniform)
    return sum(_uniform_bytes(part) for _, part in space.children)


def _to(space: native.Space[Any], views: bool) -> gs.Space[Any]:
    """Convert a space; with `views`, bounds of one element become arrays without memory."""
    try:
        return _TO[space.kind](space, views)
    except (AssertionError, OverflowError, TypeError, ValueError) as error:
        if isinstance(error, SpaceError):
            raise
        raise SpaceError(f"Gymnasium has no equal of {space!r}: {error}") from error


def _to_box(space: native.Box, views: bool) -> gs.Space[Any]:
    if views and (space.low_bounds.uniform or space.high_bounds.uniform):
        return _to_large_box(space)
    dtype = numpy_dtype(space.dtype)
    low, high = (_array(b, dtype, space.shape) for b in (space.low_bounds, space.high_bounds))
    box = gs.Box(low, high, space.shape, dtype.type)
    if space.dtype.is_integer:
        # The constructor would take infinities instead, which integer arrays cannot hold.
        box.bounded_below = _bounded(space.low_bounds, space.shape)
        box.bounded_above = _bounded(space.high_bounds, space.shape)
    return box


def _to_large_box(space: native.Box) -> gs.Space[Any]:
    """Make a box whose uniform bounds are read-only views of one element.

    A contract of a kilobyte may have bounds of gigabytes, and Gymnasium would make arrays of them.
    """
    dtype, shape = numpy_dtype(space.dtype), space.shape
    ends = (space.low_bounds, space.high_bounds)
    low, high = (np.ndarray((), dtype, buffer=b.data[: dtype.itemsize]) for b in ends)
    # Which of the first elements is the larger does not matter here: all have been compared.
    box: Any = gs.Box(min(low, high), max(low, high), (), dtype.type)
    box._shape = shape
    box.low, box.high = (_large_array(b, dtype, shape) for b in ends)
    if space.dtype.is_integer:
        box.bounded_below, box.bounded_above = (_large_mask(b, shape) for b in ends)
    else:
        box.bounded_below = _without_memory(-np.inf < _representative(box.low), shape)
        box.bounded_above = _without_memory(_representative(box.high) < np.inf, shape)
    made: gs.Space[Any] = box
    return made


def _large_array(bounds: native.Bounds, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if bounds.uniform:
        return np.broadcast_to(np.ndarray((), dtype, buffer=bounds.data).copy(), shape)
    return _array(bounds, dtype, shape)


def _large_mask(bounds: native.Bounds, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    if len(bounds.unbounded) > 1:
        return _bounded(bounds, shape)
    return np.broadcast_to(np.array(not bounds.unbounded), shape)


def _representative(array: Array) -> Array:
    """Return the one element of an array without memory, or the array."""
    return array.reshape(-1)[:1].reshape(()) if not any(array.strides) and array.size else array


def _without_memory(mask: Any, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    return np.broadcast_to(np.asarray(mask, np.bool_), shape)


def _bounded(bounds: native.Bounds, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    mask = bounds.unbounded
    if len(mask) <= 1:
        return np.full(shape, not mask)
    return ~np.frombuffer(mask, np.bool_).reshape(shape)


def _array(bounds: native.Bounds, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if bounds.uniform:
        return np.full(shape, np.ndarray((), dtype, buffer=bounds.data)[()], dtype)
    array: Array = np.ndarray(shape, dtype, buffer=bounds.data).copy()
    return array


def _to_discrete(space: native.Discrete, views: bool) -> gs.Space[Any]:
    # Gymnasium stores n in the dtype, where NumPy 1 would wrap it around without an error.
    max_ = space.dtype.limits[1]
    if space.n > max_:
        raise OverflowError(f"its n is at most that of {space.dtype}, {max_}")
    if space.dtype.name == "int64":
        return gs.Discrete(space.n, start=space.start)
    dtype = numpy_dtype(space.dtype).type
    return gs.Discrete(space.n, start=space.start, dtype=dtype)


def _to_multi_binary(space: native.MultiBinary, views: bool) -> gs.Space[Any]:
    return gs.MultiBinary(space.shape[0] if space.flat else list(space.shape))


def _to_multi_discrete(space: native.MultiDiscrete, views: bool) -> gs.Space[Any]:
    nvec, start = (np.array(np.asarray(t)) for t in (space.nvec, space.start))
    return gs.MultiDiscrete(nvec, dtype=numpy_dtype(space.dtype).type, start=start)


def _to_text(space: native.Text, views: bool) -> gs.Space[Any]:
    return gs.Text(space.max_length, min_length=space.min_length, charset=space.charset)


def _to_dict(space: native.Dict, views: bool) -> gs.Space[Any]:
    # An OrderedDict keeps its order; Gymnasium sorts the keys of any other mapping.
    parts: Any = OrderedDict((key, _to(part, views)) for key, part in space.children)
    if space.sort_keys or not _HAS_SORT_KEYS:
        return gs.Dict(parts)
    make: Any = gs.Dict
    unsorted: gs.Space[Any] = make(parts, sort_keys=False)
    return unsorted


def _to_graph(space: native.Graph, views: bool) -> gs.Space[Any]:
    parts = (space.node_space, space.edge_space)
    nodes, edges = (None if part is None else _to(part, views) for part in parts)
    make: Any = gs.Graph
    graph: gs.Space[Any] = make(nodes, edges)
    return graph


_TO: dict[str, Callable[[Any, bool], gs.Space[Any]]] = {
    "box": _to_box,
    "discrete": _to_discrete,
    "multi_binary": _to_multi_binary,
    "multi_discrete": _to_multi_discrete,
    "text": _to_text,
    "dict": _to_dict,
    "tuple": lambda s, views: gs.Tuple([_to(part, views) for _, part in s.children]),
    "sequence": lambda s, views: gs.Sequence(_to(s.feature_space, views), stack=s.stack),
    "graph": _to_graph,
    "one_of": lambda s, views: gs.OneOf([_to(part, views) for _, part in s.children]),
}
