"""Casts that every `ArrayBackend` makes, and those that it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rlmesh.dtypes import DTYPES
from rlmesh.errors import InvalidValueError
from tests.backends.libraries import Library, leaf_of

pytestmark = pytest.mark.usefixtures("no_warnings")

ALLOWED: list[tuple[str, list[Any], str]] = [
    ("int64", [1, -2], "float32"),
    ("int64", [2**53 + 1], "float64"),
    ("int32", [2**24 + 1], "float32"),
    ("uint8", [255], "float16"),
    ("float64", [0.1, -0.1], "float32"),
    ("float64", [0.1, 1e-320], "float16"),
    ("float32", [0.1, 1.0000001], "bfloat16"),
    ("float64", [math.inf, -math.inf, -0.0], "float32"),
    ("float32", [math.inf, -math.inf, -0.0], "bfloat16"),
    ("float32", [65504.0], "float16"),
    ("bfloat16", [1.5, -3.0], "float32"),
    ("bfloat16", [3.0, -7.0], "int32"),
    ("float16", [2.0], "bfloat16"),
    ("float64", [2.0, -128.0], "int8"),
    ("float64", [-(2.0**63)], "int64"),
    ("float32", [2.0**63], "uint64"),
    ("float64", [1.0, 0.0], "bool"),
    ("int64", [1, 0], "bool"),
    ("int64", [2**63 - 1], "uint64"),
    ("uint64", [2**63 - 1], "int64"),
    ("uint16", [65535], "int32"),
    ("bool", [True, False], "int8"),
    ("bool", [True, False], "float32"),
    ("bool", [True, False], "bfloat16"),
]


REFUSED: list[tuple[str, list[Any], str]] = [
    ("float64", [1.0, 1e39], "float32"),
    ("float64", [-1e300], "float32"),
    ("float32", [70000.0], "float16"),
    ("int32", [70000], "float16"),
    ("float64", [1e39], "bfloat16"),
    ("float32", [3.4028234e38], "bfloat16"),
    ("float64", [2.5], "int8"),
    ("bfloat16", [0.5], "int8"),
    ("float64", [math.nan], "int64"),
    ("float32", [math.inf], "int64"),
    ("float64", [0.5], "bool"),
    ("int64", [2], "bool"),
    ("int64", [300], "uint8"),
    ("int64", [-1], "uint8"),
    ("float64", [256.0], "uint8"),
    ("uint64", [2**64 - 1], "int64"),
    ("int64", [-1], "uint64"),
    ("float64", [2.0**63], "int64"),
    ("float32", [2.0**64], "uint64"),
]


def values_of(library: Library, source: str, numbers: list[Any]) -> list[Any]:
    """The numbers in each form that a leaf may have."""
    forms: list[Any] = [list(numbers), tuple(numbers)]
    if library.has(DTYPES[source]):
        forms.append(library.array(DTYPES[source], numbers))
    return forms


@pytest.mark.parametrize(("source", "numbers", "target"), ALLOWED)
def test_casts_that_lose_float_precision_at_most(
    library: Library, source: str, numbers: list[Any], target: str
) -> None:
    element = DTYPES[target]
    # Tensors carry what their dtype has rounded already.
    exact = DTYPES[source].unpack(DTYPES[source].pack(numbers))
    for value, wanted in zip(values_of(library, source, numbers), (numbers, numbers, exact)):
        want = list(wanted) if element.is_float else [int(x) for x in wanted]
        leaf = leaf_of(element, (len(numbers),))
        array = library.backend.as_leaf(value, leaf, None)
        assert library.backend.to_bytes(array) == element.pack(want)
        batched = library.backend.as_leaf(value, leaf_of(element), len(numbers))
        assert library.backend.to_bytes(batched) == element.pack(want)


@pytest.mark.parametrize(("source", "numbers", "target"), REFUSED)
def test_casts_that_lose_more(
    library: Library, source: str, numbers: list[Any], target: str
) -> None:
    for value in values_of(library, source, numbers):
        leaf = leaf_of(DTYPES[target], (len(numbers),))
        with pytest.raises(InvalidValueError) as caught:
            library.backend.as_leaf(value, leaf, None)
        error = caught.value
        assert error.path == "value"
        assert error.expected == f"{target} of shape ({len(numbers)},)"
        assert "float32" not in error.actual or target == "float32"
        assert error.actual
