"""Values near a value: another element, type, layout, order or size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium.spaces as gs
import numpy as np
from hypothesis import strategies as st

__all__ = ["near_members"]

Draw = st.SearchStrategy[Any]

TYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
ODD: Draw = st.sampled_from([None, "", 0, -1, 1.5, True, (), [], {}, np.float32(0), 2**70])


def near_members(value: Any) -> Draw:
    """The value as it is, something near it, or something else altogether."""
    return st.one_of(st.just(value), _near(value), _near(value), ODD)


def _near(value: Any) -> Draw:
    if isinstance(value, np.ndarray):
        return _near_arrays(value)
    if getattr(value, "_fields", ()) == gs.GraphInstance._fields:
        return _near_graphs(gs.GraphInstance(*value))
    if isinstance(value, dict):
        return _near_dicts(value)
    if isinstance(value, tuple):
        return _near_tuples(value)
    if isinstance(value, str):
        return st.sampled_from([value + "a", value[1:], value[::-1], value * 2, value.encode()])
    assert isinstance(value, (int, np.integer))
    return _near_integers(int(value))


def _near_integers(value: int) -> Draw:
    def typed(name: str) -> Any:
        with np.errstate(all="ignore"):
            return np.array(value % 2**63).astype(name)[()]

    near = [value - 1, value + 1, -value, float(value), [value], str(value)]
    return st.sampled_from(near) | st.sampled_from(TYPES + FLOATS).map(typed)


@st.composite
def _near_arrays(draw: st.DrawFn, array: Any) -> Any:
    change = draw(st.sampled_from(list(_CHANGES)))
    with np.errstate(all="ignore"):
        return _CHANGES[change](draw, array.copy())


def _element(draw: st.DrawFn, array: Any) -> Any:
    if array.size:
        step = np.array(draw(st.sampled_from([-1, 1, 2, 100]))).astype(array.dtype)
        index = draw(st.integers(0, array.size - 1))
        one = array.reshape(-1)[index : index + 1]
        one[:] = ~one if array.dtype == bool else one + step
    return array


def _plain_nans(array: Any) -> Any:
    """Without what a NaN has but its sign: Python's floats do not keep that."""
    if array.dtype.kind != "f":
        return array
    plain = np.copysign(np.array(np.nan, array.dtype), array)
    return np.where(np.isnan(array), plain, array)


_CHANGES: dict[str, Callable[[st.DrawFn, Any], Any]] = {
    "element": _element,
    "type": lambda draw, a: a.astype(draw(st.sampled_from(TYPES + FLOATS))),
    "big-endian": lambda draw, a: a.astype(a.dtype.newbyteorder(">")),
    "list": lambda draw, a: _plain_nans(a).tolist(),
    "tuple": lambda draw, a: tuple(a) if a.ndim else (a,),
    "axis": lambda draw, a: a[None],
    "fewer": lambda draw, a: a[..., :-1] if a.ndim else a,
    "reversed": lambda draw, a: a[..., ::-1] if a.ndim else a,
    "transposed": lambda draw, a: a.T,
    "fortran": lambda draw, a: np.asfortranarray(a),
    "nan": lambda draw, a: a * np.nan if a.dtype.kind == "f" else a,
}


def _near_dicts(value: dict[Any, Any]) -> Draw:
    backwards = dict(reversed(value.items()))
    near = [backwards, {**value, "another": 0}, {k: value[k] for k in list(value)[1:]}]
    return st.one_of(st.sampled_from(near), *(_put(value, key) for key in value))


def _put(value: Any, key: Any) -> Draw:
    def put(part: Any) -> Any:
        if isinstance(value, dict):
            return {**value, key: part}
        parts = [*value[:key], part, *value[key + 1 :]]
        return gs.GraphInstance(*parts) if isinstance(value, gs.GraphInstance) else tuple(parts)

    return near_members(value[key]).map(put)


def _near_tuples(value: tuple[Any, ...]) -> Draw:
    near = [list(value), value[1:], (*value, 0), (*value, *value[-1:]), value[::-1]]
    return st.one_of(st.sampled_from(near), *(_put(value, i) for i in range(len(value))))


def _near_graphs(value: Any) -> Draw:
    links = np.zeros((1, 2), np.int32)
    near = [
        value._replace(edges=None),
        value._replace(edge_links=None),
        value._replace(edge_links=links),
        value._replace(edge_links=links + 3),
        tuple(value),
    ]
    if value.edge_links is not None:
        near += [value._replace(edge_links=value.edge_links.astype(t)) for t in ("i8", "u1", "f4")]
        near.append(value._replace(edge_links=value.edge_links[:, :1]))
    given = [i for i, part in enumerate(value) if part is not None]
    return st.one_of(st.sampled_from(near), *(_put(value, i) for i in given))
