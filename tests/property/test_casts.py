"""Numbers of any type into a leaf of any type: exactly as F-6 of the contract requires."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlmesh.backends import Leaf
from rlmesh.dtypes import DTYPES, DType
from rlmesh.errors import InvalidValueError
from tests.backends.libraries import LIBRARIES, Library, open_library
from tests.property.strategies import numbers_of

# Bits of the significand, and the exponents of the smallest subnormal and of the largest number.
FORMS = {
    "float16": (11, -24, 15),
    "bfloat16": (8, -133, 127),
    "float32": (24, -149, 127),
    "float64": (53, -1074, 1023),
}


def nearest(number: float, element: DType) -> bytes | None:
    """The number rounded once, ties to even, by exact arithmetic; None: it becomes infinite."""
    if isinstance(number, float) and not math.isfinite(number):
        return element.pack([number])
    digits, smallest, largest = FORMS[element.name]
    exact = Fraction(number)
    if not exact:
        return element.pack([math.copysign(0.0, number)])
    size = abs(exact)
    top = size.numerator.bit_length() - size.denominator.bit_length()
    top -= size < Fraction(2) ** top
    step = Fraction(2) ** max(top - digits + 1, smallest)
    rounded = round(exact / step) * step
    if abs(rounded) >= Fraction(2) ** (largest + 1):
        return None
    return element.pack([math.copysign(float(abs(rounded)), number)])


def expected_bytes(numbers: list[Any], element: DType) -> bytes | None:
    """The bytes of the numbers as elements of the type; None if one cannot be sent."""
    parts: list[bytes | None] = []
    for number in numbers:
        if element.is_float:
            parts.append(nearest(number, element))
        elif isinstance(number, float) and not number.is_integer():
            parts.append(None)
        else:
            low, high = element.limits
            inside = low <= number <= high
            parts.append(element.pack([int(number)]) if inside else None)
    return None if None in parts else b"".join(part for part in parts if part is not None)


@pytest.fixture(scope="module", params=[name for name in LIBRARIES if name != "jax"])
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    with open_library(request.param) as opened:
        yield opened


def check(library: Library, value: Any, numbers: list[Any], element: DType) -> None:
    leaf = Leaf("value", element, (len(numbers),))
    want = expected_bytes(numbers, element)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if want is None:
            with pytest.raises(InvalidValueError) as caught:
                library.backend.as_leaf(value, leaf, None)
            assert caught.value.path == "value"
        else:
            assert library.backend.to_bytes(library.backend.as_leaf(value, leaf, None)) == want


ELEMENTS = st.sampled_from(list(DTYPES.values()))
NUMBERS = st.one_of(
    st.sampled_from(list(DTYPES.values())).flatmap(numbers_of),
    st.integers(-(2**70), 2**70),
    # Near the middle between two bfloat16, float16 or float32.
    st.builds(
        lambda high, low, shift: ((high << 61) + (1 << 60 >> low)) >> shift,
        st.integers(0, 7),
        st.sampled_from([7, 10, 23]),
        st.integers(0, 40),
    ).map(lambda x: x + 1),
    st.builds(math.ldexp, st.integers(-(2**53), 2**53), st.integers(-200, 80)),
)


@given(numbers=st.lists(NUMBERS, max_size=3), element=ELEMENTS)
@example(numbers=[2**53 + 1, 1.0], element=DTYPES["int64"])
@example(numbers=[2**64 - 1, 1.0], element=DTYPES["uint64"])
@example(numbers=[10**30, 1], element=DTYPES["float64"])
@example(numbers=[2**60 + 2**36 + 1], element=DTYPES["float32"])
@example(numbers=[1 + 2**-8 + 2**-40], element=DTYPES["bfloat16"])
@example(numbers=[2**40 + 2**32 + 1], element=DTYPES["bfloat16"])
@example(numbers=[2**63 + 2**55 + 1], element=DTYPES["bfloat16"])
def test_python_numbers(library: Library, numbers: list[Any], element: DType) -> None:
    for form in (list, tuple):
        check(library, form(numbers), numbers, element)
    if len(numbers) == 1:
        leaf = Leaf("value", element, ())
        want = expected_bytes(numbers, element)
        if want is not None:
            assert library.backend.to_bytes(library.backend.as_leaf(numbers[0], leaf, None)) == want


@given(data=st.data(), source=ELEMENTS, element=ELEMENTS)
def test_arrays_of_every_library(
    library: Library, data: st.DataObject, source: DType, element: DType
) -> None:
    numbers = data.draw(st.lists(numbers_of(source), max_size=3))
    check(library, library.array(source, numbers), numbers, element)
    if library.name != "native":
        from rlmesh import Tensor

        check(library, Tensor(source.pack(numbers), source), numbers, element)


@given(data=st.data(), element=ELEMENTS)
def test_lists_of_numpys_scalars(library: Library, data: st.DataObject, element: DType) -> None:
    np = pytest.importorskip("numpy")
    sources = [d for d in DTYPES.values() if d.name != "bfloat16"]
    scalars = st.sampled_from(sources).flatmap(
        lambda d: numbers_of(d).map(lambda x: np.array(x, d.name)[()])
    )
    values = data.draw(st.lists(scalars | NUMBERS, max_size=3))
    numbers = [x.item() if isinstance(x, np.generic) else x for x in values]
    check(library, values, numbers, element)
