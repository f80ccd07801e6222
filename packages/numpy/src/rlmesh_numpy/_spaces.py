"""Conversion between native spaces and Gymnasium's, lossless both ways."""

from __future__ import annotations

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
from rlmesh_numpy._dtypes import dtype_of, numpy_dtype

__all__ = ["spaces_from_gymnasium", "spaces_to_gymnasium"]

Array = npt.NDArray[Any]


def spaces_from_gymnasium(space: gs.Space[Any]) -> native.Space[Any]:
    """Return the native space that equals a Gymnasium space.

    Raises:
        SpaceError: If the contract has no such kind of space; the error has its path.
    """
    return _from(space, ())


def _from(space: Any, path: tuple[str | int, ...]) -> native.Space[Any]:
    for family, convert in _FROM.items():
        if isinstance(space, family):
            try:
                return convert(space, path)
            except SpaceError as error:
                if error.path or not path:
                    raise
                # The native space refused its arguments without knowing its own path.
                raise SpaceError(error.message, path=native.path_text(path)) from None
    raise SpaceError(
        f"the contract has no space of type {type(space).__module__}.{type(space).__name__}",
        path=native.path_text(path),
    )


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
    return native.Dict({key: _from(part, (*path, key)) for key, part in space.spaces.items()})


def _from_all(parts: Any, path: tuple[str | int, ...]) -> list[native.Space[Any]]:
    return [_from(part, (*path, i)) for i, part in enumerate(parts)]


def _from_graph(space: gs.Graph, path: tuple[str | int, ...]) -> native.Space[Any]:
    nodes = _from(space.node_space, (*path, "nodes"))
    edges = None if space.edge_space is None else _from(space.edge_space, (*path, "edges"))
    for part, name in ((nodes, "nodes"), (edges, "edges")):
        if part is not None and not isinstance(part, (native.Box, native.Discrete)):
            raise SpaceError(
                f"features of a graph are a box or discrete, not {part.kind}",
                path=native.path_text((*path, name)),
            )
    return native.Graph(nodes, edges)  # type: ignore[arg-type]


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
    try:
        return _TO[space.kind](space)
    except (AssertionError, OverflowError, TypeError, ValueError) as error:
        if isinstance(error, SpaceError):
            raise
        raise SpaceError(f"Gymnasium has no equal of {space!r}: {error}") from error


def _to_box(space: native.Box) -> gs.Space[Any]:
    dtype = numpy_dtype(space.dtype)
    low, high = (_array(b, dtype, space.shape) for b in (space.low_bounds, space.high_bounds))
    box = gs.Box(low, high, space.shape, dtype.type)
    if space.dtype.is_integer:
        # The constructor would take infinities instead, which integer arrays cannot hold.
        box.bounded_below = _bounded(space.low_bounds, space.shape)
        box.bounded_above = _bounded(space.high_bounds, space.shape)
    return box


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


def _to_discrete(space: native.Discrete) -> gs.Space[Any]:
    # Gymnasium stores n in the dtype, where NumPy 1 would wrap it around without an error.
    max_ = space.dtype.limits[1]
    if space.n > max_:
        raise OverflowError(f"its n is at most that of {space.dtype}, {max_}")
    if space.dtype.name == "int64":
        return gs.Discrete(space.n, start=space.start)
    dtype = numpy_dtype(space.dtype).type
    return gs.Discrete(space.n, start=space.start, dtype=dtype)


def _to_multi_binary(space: native.MultiBinary) -> gs.Space[Any]:
    return gs.MultiBinary(space.shape[0] if space.flat else list(space.shape))


def _to_multi_discrete(space: native.MultiDiscrete) -> gs.Space[Any]:
    nvec, start = (np.array(np.asarray(t)) for t in (space.nvec, space.start))
    return gs.MultiDiscrete(nvec, dtype=numpy_dtype(space.dtype).type, start=start)


def _to_text(space: native.Text) -> gs.Space[Any]:
    return gs.Text(space.max_length, min_length=space.min_length, charset=space.charset)


def _to_dict(space: native.Dict) -> gs.Space[Any]:
    # An OrderedDict keeps its order; Gymnasium sorts the keys of any other mapping.
    parts: Any = OrderedDict((key, spaces_to_gymnasium(part)) for key, part in space.children)
    return gs.Dict(parts)


def _to_graph(space: native.Graph) -> gs.Space[Any]:
    parts = (space.node_space, space.edge_space)
    nodes, edges = (None if part is None else spaces_to_gymnasium(part) for part in parts)
    make: Any = gs.Graph
    graph: gs.Space[Any] = make(nodes, edges)
    return graph


_TO: dict[str, Callable[[Any], gs.Space[Any]]] = {
    "box": _to_box,
    "discrete": _to_discrete,
    "multi_binary": _to_multi_binary,
    "multi_discrete": _to_multi_discrete,
    "text": _to_text,
    "dict": _to_dict,
    "tuple": lambda s: gs.Tuple([spaces_to_gymnasium(part) for _, part in s.children]),
    "sequence": lambda s: gs.Sequence(spaces_to_gymnasium(s.feature_space), stack=s.stack),
    "graph": _to_graph,
    "one_of": lambda s: gs.OneOf([spaces_to_gymnasium(part) for _, part in s.children]),
}
