"""Element types: numbers of the contract, NumPy dtypes, and conversions between them (F-6)."""

from typing import Any, Dict, Tuple

import numpy as np

from rlmesh_thin.faults import MALFORMED, UNSUPPORTED, Fault

__all__ = [
    "BFLOAT16",
    "INTEGERS",
    "NUMPY",
    "check_dtype",
    "converted",
    "little_endian",
    "number_of",
    "raw_bytes",
    "shape_text",
    "widened",
]

BFLOAT16 = 11
INTEGERS = range(2, 10)
# NumPy has no bfloat16: its 16 bits are the one field of a structure, which keeps them apart.
NUMPY: Dict[int, Any] = {
    1: np.dtype("?"),
    2: np.dtype("i1"),
    3: np.dtype("<i2"),
    4: np.dtype("<i4"),
    5: np.dtype("<i8"),
    6: np.dtype("u1"),
    7: np.dtype("<u2"),
    8: np.dtype("<u4"),
    9: np.dtype("<u8"),
    10: np.dtype("<f2"),
    BFLOAT16: np.dtype([("bfloat16", "<u2")]),
    12: np.dtype("<f4"),
    13: np.dtype("<f8"),
}
_NUMBERS = {(dtype.kind, dtype.itemsize): number for number, dtype in NUMPY.items()}


def number_of(dtype: Any) -> int:
    """Return the contract's number of a NumPy dtype; 0 if it has none."""
    if dtype.name == "bfloat16" or dtype.names == ("bfloat16",):
        return BFLOAT16
    return 0 if dtype.kind == "V" else _NUMBERS.get((dtype.kind, dtype.itemsize), 0)


def check_dtype(number: int, path: str, integers: bool = False) -> Any:
    """Return the NumPy dtype of a number; raise Fault if there is none (S-3)."""
    if number not in NUMPY:
        code = UNSUPPORTED if number else MALFORMED
        raise Fault(code, "S-3: expected a dtype of 1 to 13, got %d" % number, path)
    if integers and number not in INTEGERS:
        raise Fault(MALFORMED, "expected an integer dtype, got %s" % NUMPY[number], path)
    return NUMPY[number]


def little_endian(array: Any, number: int) -> Any:
    """Return an array of a dtype of the contract in C order and little-endian."""
    if number == BFLOAT16:
        return np.ascontiguousarray(array).view("<u2").view(NUMPY[number]).reshape(array.shape)
    if number == 1:
        array = np.ascontiguousarray(array).view("u1").reshape(array.shape) != 0
    # The call makes a dimension of its own for an array without any.
    return np.ascontiguousarray(array, NUMPY[number]).reshape(array.shape)


def raw_bytes(array: Any) -> Any:
    """Return the bytes of an array in C order; of a large one, a view of them."""
    if array.nbytes < 65536:
        return array.tobytes()
    return memoryview(array.reshape(-1).view(np.uint8))


def widened(array: Any, number: int) -> Any:
    """Return elements in a dtype that NumPy can compare: bfloat16 as float32."""
    if number != BFLOAT16:
        return array
    bits = np.atleast_1d(array).view("<u2").astype("<u4")
    return (bits << 16).view("<f4").reshape(array.shape)


def shape_text(array: Any) -> str:
    """Return shape and dtype of an array in words."""
    return "shape %s of %s" % (tuple(array.shape), array.dtype)


def converted(value: Any, number: int, dtype: Any, shape: Tuple[int, ...]) -> Any:
    """Return a value as an array of the shape and dtype of its leaf, by the table of F-6.

    Raises:
        ValueError: If it cannot be converted without a loss that F-6 does not allow; the two
            arguments are what was expected, and what came.
    """
    if type(value) is np.ndarray and value.dtype == dtype and value.shape == shape and number > 1:
        return value if value.flags.c_contiguous else np.ascontiguousarray(value)
    expected = "shape %s of %s" % (shape, "bfloat16" if number == BFLOAT16 else dtype)
    try:
        array = np.asarray(value)
    except Exception as error:
        raise ValueError(expected, "a %s: %s" % (type(value).__name__, error)) from None
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(expected, "an array with masked elements")
    if array.shape != shape:
        raise ValueError(expected, shape_text(array))
    source = number_of(array.dtype)
    if source == number:
        return little_endian(array, number)
    if BFLOAT16 in (source, number) or array.dtype.kind not in "biuf":
        raise ValueError(expected, shape_text(array))
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
        wrong = _lost(array, cast, dtype)
    if wrong:
        raise ValueError(expected, "%s with a value that %s cannot hold" % (array.dtype, dtype))
    return cast


def _lost(array: Any, cast: Any, dtype: Any) -> bool:
    """Return whether a conversion has changed a value more than by rounding."""
    if not array.size or array.dtype.kind == "b":
        return False
    if dtype.kind == "f":
        return bool((np.isinf(cast) & ~np.isinf(array)).any())
    if array.dtype.kind == "f" and not (
        np.isfinite(array).all() and (array == np.floor(array)).all()
    ):
        return True
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return int(array.min()) < int(low) or int(array.max()) > int(high)
