"""Conversion between `rlmesh.dtypes` and NumPy's dtypes; bfloat16 needs ml_dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from rlmesh.dtypes import DTYPES, DType

__all__ = ["dtype_of", "numpy_dtype"]

_NUMPY: dict[str, np.dtype[Any]] = {
    name: np.dtype(element.typestr) for name, element in DTYPES.items() if name != "bfloat16"
}


def numpy_dtype(element: DType) -> np.dtype[Any]:
    """Return NumPy's dtype, little-endian.

    Raises:
        ImportError: For bfloat16, if ml_dtypes is not installed.
    """
    found = _NUMPY.get(element.name)
    return _bfloat16() if found is None else found


def dtype_of(dtype: np.dtype[Any]) -> DType | None:
    """Return the `DType` of NumPy's dtype in either byte order; None for text and objects."""
    found = DTYPES.get(dtype.name)
    return found if found is not None and found.itemsize == dtype.itemsize else None


def _bfloat16() -> np.dtype[Any]:
    try:
        import ml_dtypes
    except ImportError as error:
        raise ImportError(
            'bfloat16 needs ml_dtypes: pip install "rlmesh-numpy[bfloat16]"'
        ) from error
    return _NUMPY.setdefault("bfloat16", np.dtype(ml_dtypes.bfloat16))
