"""Arrays of NumPy and others, which core reads without importing a library."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh.dtypes import DTYPES
from rlmesh.spaces import Box
from rlmesh.spaces._arrays import can_cast

np = pytest.importorskip("numpy")


@pytest.mark.parametrize(
    "source",
    [name for name in DTYPES if name != "bfloat16"],
)
def test_casts_are_numpys(source: str) -> None:
    for name, target in DTYPES.items():
        if name != "bfloat16":
            assert can_cast(DTYPES[source], target) == np.can_cast(source, name), (source, name)


def test_arrays_as_bounds() -> None:
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64", "int16", "uint8"):
        low = rng.integers(0, 50, (2, 3))
        high = (low + rng.integers(0, 50, (2, 3))).astype(dtype)
        mine = Box(low, high, dtype=dtype)
        assert np.array_equal(np.asarray(mine.low), low)
        assert np.array_equal(np.asarray(mine.high), high)
        assert mine == Box(low.tolist(), high[:, ::-1][:, ::-1].astype(">f8"), dtype=dtype)


def test_box_without_a_dtype_of_ours() -> None:
    value = np.zeros((2,), "float32")
    value.flags.writeable = False
    assert value in Box(0, 1, (2,))


def test_objects_that_numpy_can_convert() -> None:
    class Foreign:
        def __array__(self) -> Any:
            return np.array([0.1, 0.2], "float32")

    assert Foreign() in Box(0, 1, (2,))
    assert Foreign() not in Box(0.5, 1, (2,))


def test_bfloat16_of_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = np.array([0.5, 1.0], ml_dtypes.bfloat16)
    assert value in Box(0, 1, (2,), "bfloat16")
    assert value not in Box(0.6, 1, (2,), "bfloat16")
    assert Box(value, value, dtype="bfloat16").low.tolist() == [0.5, 1.0]
    for name in ("float16", "float32", "float64", "int8", "uint8", "int16", "bool"):
        bf = DTYPES["bfloat16"]
        assert can_cast(DTYPES[name], bf) == np.can_cast(name, ml_dtypes.bfloat16), name
        assert can_cast(bf, DTYPES[name]) == np.can_cast(ml_dtypes.bfloat16, name), name
