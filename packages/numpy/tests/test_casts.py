"""Casts examine every number, and print no warning."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from rlmesh.backends import Leaf
from rlmesh.dtypes import dtype
from rlmesh.errors import InvalidValueError
from rlmesh_numpy._backend import BACKEND
from rlmesh_numpy._dtypes import numpy_dtype

BITS = {"float16": "<u2", "bfloat16": "<u2", "float32": "<u4", "float64": "<u8"}
SIGNALLING = {"float16": 0x7D00, "bfloat16": 0x7F81, "float32": 0x7F80_0001, "float64": 0x7FF << 52}


def nans(name: str, order: str) -> Any:
    """A quiet and a signalling NaN, infinities and numbers, in either byte order."""
    quiet = np.array([float("nan")], np.float64).astype(numpy_dtype(dtype(name)))
    loud = np.array([SIGNALLING[name] + (name == "float64")], BITS[name]).view(quiet.dtype)
    rest = np.array([np.inf, -np.inf, 1.0], quiet.dtype)
    array = np.concatenate([quiet, loud, rest])
    return array.astype(array.dtype.newbyteorder(order)) if name != "bfloat16" else swapped(array)


def swapped(array: Any) -> Any:
    """bfloat16 in the other byte order, as NumPy's own byteswap gives it."""
    return array.byteswap().view(array.dtype.newbyteorder(">"))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("target", ["float16", "bfloat16", "float32", "float64", "int32", "bool"])
@pytest.mark.parametrize("source", list(BITS))
def test_no_number_makes_numpy_warn(source: str, target: str, order: str) -> None:
    pytest.importorskip("ml_dtypes")
    array = nans(source, order)
    leaf = Leaf("x", dtype(target), array.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if target in ("int32", "bool"):
            with pytest.raises(InvalidValueError):
                BACKEND.as_leaf(array, leaf, None)
        else:
            BACKEND.to_bytes(BACKEND.as_leaf(array, leaf, None))
