"""One suite that every `ArrayBackend` passes: leaves, bounds, memory, dynamic values."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rlmesh._codec import SpaceCodec
from rlmesh.backends import NATIVE, DynamicArray
from rlmesh.dtypes import DTYPES, DType, dtype
from rlmesh.errors import CodecError, InvalidValueError
from rlmesh.spaces import Discrete, Graph, GraphInstance, MultiDiscrete
from tests.backends.libraries import DTYPE_NAMES, Library, bits, bounded, leaf_of, open_library
from tests.cases import for_each

pytestmark = pytest.mark.usefixtures("no_warnings")

ELEMENTS = [DTYPES[name] for name in DTYPE_NAMES]
SHAPES = ((), (0,), (3,), (2, 0, 3), (2, 3, 4))
INT64, UINT64, FLOAT64 = (DTYPES[name] for name in ("int64", "uint64", "float64"))


def need(library: Library, element: DType) -> None:
    if not library.has(element):
        pytest.skip(f"{library.name} has no {element}")


def kind(value: object) -> str:
    return type(value).__name__


# Leaves


@for_each("count", [None, 0, 1, 3])
@for_each("shape", SHAPES)
@for_each("element", ELEMENTS, ids=str)
def test_the_bits_of_a_leaf_stay(
    library: Library, element: DType, shape: tuple[int, ...], count: int | None
) -> None:
    need(library, element)
    leaf = leaf_of(element, shape)
    backend, full = library.backend, leaf.batch_shape(count)
    data = bits(element, math.prod(full))
    for copy in (True, False):
        array = backend.from_bytes(data, leaf, count, copy)
        assert isinstance(array, library.array_type)
        assert tuple(array.shape) == full
        assert str(array.dtype).rpartition(".")[2] == element.name
        assert backend.to_bytes(array) == data
        again = backend.as_leaf(array, leaf, count)
        assert backend.to_bytes(again) == data
        assert backend.to_bytes(backend.as_leaf(again, leaf, count)) == data


@for_each("element", ELEMENTS, ids=str)
def test_the_bits_of_the_other_byte_order_stay(library: Library, element: DType) -> None:
    need(library, element)
    numpy = pytest.importorskip("rlmesh_numpy").BACKEND
    for shape in SHAPES:
        leaf = leaf_of(element, shape)
        data = bits(element, math.prod(shape))
        array = numpy.from_bytes(data, leaf, None, copy=True)
        swapped = array.astype(array.dtype.newbyteorder(">"))
        leaved = library.backend.as_leaf(swapped, leaf, None)
        assert library.backend.to_bytes(leaved) == data


def test_the_bits_of_a_list_of_scalars_stay(library: Library) -> None:
    element = DTYPES["bfloat16"]
    need(library, element)
    leaf = leaf_of(element, (3,))
    data = b"\x81\x7f\x85\xff\x80\x3f"
    scalars = list(pytest.importorskip("rlmesh_numpy").BACKEND.from_bytes(data, leaf, None, True))
    for value in (scalars, tuple(scalars)):
        assert library.backend.to_bytes(library.backend.as_leaf(value, leaf, None)) == data


@for_each("carrier", ["numpy", "torch", "jax-x64"])
@for_each("element", ELEMENTS, ids=str)
def test_arrays_of_other_libraries_are_leaves(
    library: Library, element: DType, carrier: str
) -> None:
    with open_library(carrier) as other:
        for shape in SHAPES:
            leaf = leaf_of(element, shape)
            data = bits(element, math.prod(shape))
            array = other.backend.from_bytes(data, leaf, None, copy=True)
            leaved = library.backend.as_leaf(array, leaf, None)
            assert library.backend.to_bytes(leaved) == data


@for_each("element", ELEMENTS, ids=str)
def test_native_tensors_are_leaves(library: Library, element: DType) -> None:
    from rlmesh import Tensor

    for shape in SHAPES:
        data = bits(element, math.prod(shape))
        array = library.backend.as_leaf(Tensor(data, element, shape), leaf_of(element, shape), None)
        assert library.backend.to_bytes(array) == data


def test_jax_refuses_by_path_what_it_would_change(library: Library) -> None:
    if library.wide:
        pytest.skip("it changes nothing")
    for element in (INT64, UINT64, FLOAT64):
        for shape in ((), (2,), (0,)):
            data = element.pack([1] * math.prod(shape))
            with pytest.raises(CodecError, match=r"value: .*jax_enable_x64") as caught:
                library.backend.from_bytes(data, leaf_of(element, shape), None, copy=True)
            assert caught.value.path == "value"
            # To the wire nothing is lost.
            numbers = element.unpack(data)
            value: Any = list(numbers) if shape else numbers[0]
            array = library.backend.as_leaf(value, leaf_of(element, shape), None)
            assert library.backend.to_bytes(array) == data


@for_each("target", ["int32", "float32", "bfloat16"])
@for_each(
    "value",
    [[1, 2], [[1, 2, 3]], 1, [[1, 2], [3]], "abc", None, object(), {1, 2, 3}, {"a": 1}, 1j, b"abc"],
    ids=kind,
)
def test_what_is_no_leaf(library: Library, target: str, value: Any) -> None:
    with pytest.raises(InvalidValueError) as caught:
        library.backend.as_leaf(value, leaf_of(DTYPES[target], (3,)), None)
    assert caught.value.path == "value"
    assert caught.value.expected == f"{target} of shape (3,)"


@for_each("target", ["int32", "float32", "bfloat16"])
def test_the_shape_of_an_array_counts(library: Library, target: str) -> None:
    element = DTYPES[target]
    array = library.array(element, [1, 2, 3, 4], (2, 2))
    for shape in ((4,), (2, 2, 1), ()):
        with pytest.raises(InvalidValueError, match=r"\(2, 2\)"):
            library.backend.as_leaf(array, leaf_of(element, shape), None)
    with pytest.raises(InvalidValueError, match="shape"):
        library.backend.as_leaf(array, leaf_of(element, (2, 2)), 1)


def test_lists_of_nothing_and_of_scalars(library: Library) -> None:
    element = dtype("float32")
    empty = library.backend.as_leaf([], leaf_of(element, (2, 0, 3)), None)
    assert tuple(empty.shape) == (2, 0, 3)
    scalars = [library.array(element, [x], ()) for x in (1.5, 2.5)]
    array = library.backend.as_leaf(scalars, leaf_of(element, (2,)), None)
    assert library.backend.to_bytes(array) == element.pack([1.5, 2.5])


# Bounds


@for_each("count", [None, 1, 3])
@for_each("uniform", [True, False])
@for_each("element", ELEMENTS, ids=str)
def test_bounds(library: Library, element: DType, uniform: bool, count: int | None) -> None:
    need(library, element)
    low, high = (0, 0) if element.kind == "b" else (1, 5)
    leaf = bounded(element, (3,), *((low, high) if uniform else ([low] * 3, [high, high, high])))
    times = 1 if count is None else count
    good = element.pack([low, high, low] * times)
    for inside in (True, False):
        data = good if inside else good[: -element.itemsize] + element.pack([high + 1])
        array = library.backend.from_bytes(data, leaf, count, copy=True)
        words = library.backend.violation(library.backend.as_leaf(array, leaf, count), leaf)
        if inside:
            assert words is None
        else:
            assert words is not None and "outside [" in words
    assert library.backend.violation(library.backend.as_leaf(array, leaf, count), leaf), (
        "bounds that were looked at before"
    )


@for_each("uniform", [True, False])
@for_each("name", ["float16", "bfloat16", "float32", "float64"])
def test_nan_is_outside_and_infinity_inside(library: Library, name: str, uniform: bool) -> None:
    element = DTYPES[name]
    need(library, element)
    sides = (-math.inf, math.inf) if uniform else ([-math.inf] * 2, [math.inf] * 2)
    leaf = bounded(element, (2,), *sides)
    for numbers, inside in (
        ([math.inf, -math.inf], True),
        ([0.0, math.nan], False),
        ([-0.0, 1e4], True),
    ):
        array = library.array(element, numbers)
        words = library.backend.violation(array, leaf)
        assert (words is None) is inside
        assert inside or "nan" in str(words)


def test_bounds_an_element_differ(library: Library) -> None:
    element = dtype("float32")
    leaf = bounded(element, (2, 2), [0.0, -1.0, -math.inf, 5.0], [1.0, 0.0, math.inf, 5.0])
    good = [0.5, -0.5, 1e30, 5.0]
    assert library.backend.violation(library.array(element, good, (2, 2)), leaf) is None
    for i, bad in enumerate([1.5, 0.5, math.nan, 4.0]):
        numbers = [*good[:i], bad, *good[i + 1 :]]
        words = library.backend.violation(library.array(element, numbers, (2, 2)), leaf)
        assert words is not None and words.startswith(str(bad))


def test_bounds_of_64_bits_are_exact(library: Library) -> None:
    need(library, INT64)
    for element, numbers, low, high in (
        (INT64, [-(2**63)], -(2**63) + 1, 2**63 - 1),
        (INT64, [2**63 - 1], -(2**63), 2**63 - 2),
        (UINT64, [2**64 - 1], 0, 2**64 - 2),
        (UINT64, [0], 1, 2**64 - 1),
    ):
        for sides in ((low, high), ([low], [high])):
            leaf = bounded(element, (1,), *sides)
            words = library.backend.violation(library.array(element, numbers), leaf)
            assert words is not None and str(numbers[0]) in words
            near = low if numbers[0] < low else high
            assert library.backend.violation(library.array(element, [near]), leaf) is None


def test_nothing_is_outside_where_nothing_is(library: Library) -> None:
    element = dtype("float32")
    for sides in ((0.0, 1.0), ([0.0] * 2, [1.0] * 2)):
        leaf = bounded(element, (2,), *sides)
        array = library.backend.from_bytes(b"", leaf, 0, copy=True)
        assert library.backend.violation(array, leaf) is None


# Memory


@for_each("form", [bytearray, lambda data: memoryview(bytearray(data))])
@for_each("element", ELEMENTS, ids=str)
def test_a_copy_is_ones_own(library: Library, element: DType, form: Any) -> None:
    need(library, element)
    for size in (1, 3, 4096):
        data = bits(element, size)
        source = form(data)
        array = library.backend.from_bytes(source, leaf_of(element, (size,)), None, copy=True)
        source[:] = bytes(len(data))
        assert library.backend.to_bytes(array) == data
        if library.writable:
            array[...] = 0
            assert library.backend.to_bytes(array) == bytes(len(data))


def test_a_copy_of_bytes_leaves_them(library: Library) -> None:
    data = bytes(range(64))
    array = library.backend.from_bytes(data, leaf_of(dtype("uint8"), (64,)), None, copy=True)
    if library.writable:
        array[...] = 7
    assert data == bytes(range(64))


@for_each("form", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("name", ["numpy", "torch"])
@for_each("element", ELEMENTS, ids=str)
def test_a_view_is_no_copy(name: str, element: DType, form: Any) -> None:
    with open_library(name) as library:
        import numpy as np

        data = form(bits(element, 12))
        array = library.backend.from_bytes(data, leaf_of(element, (3, 4)), None, copy=False)
        address = array.ctypes.data if name == "numpy" else array.data_ptr()
        assert address == np.frombuffer(data, np.uint8).ctypes.data
        if name == "numpy":
            assert not array.flags.writeable
        del data
        assert library.backend.to_bytes(array) == bits(element, 12)


@for_each("element", ELEMENTS, ids=str)
def test_views_at_any_offset(library: Library, element: DType) -> None:
    need(library, element)
    data = bits(element, 6)
    for offset in range(1, 9):
        view = memoryview(bytes(offset) + data + b"x")[offset:-1]
        for copy in (True, False):
            array = library.backend.from_bytes(view, leaf_of(element, (2, 3)), None, copy)
            assert library.backend.to_bytes(array) == data


# Dynamic values


@for_each("shape", SHAPES)
@for_each("element", ELEMENTS, ids=str)
def test_dynamic_arrays(library: Library, element: DType, shape: tuple[int, ...]) -> None:
    data = bits(element, math.prod(shape))
    for form in (bytes, bytearray):
        source = form(data)
        value = library.backend.from_dynamic(DynamicArray(element, shape, source))
        if isinstance(source, bytearray):
            source[:] = bytes(len(data))
        back = library.backend.dynamic(value)
        assert back is not None
        assert (back.dtype, back.shape, bytes(back.data or b"")) == (element, shape, data)
        if library.writable and library.has(element):
            assert isinstance(value, library.array_type)
            value[...] = 0


@for_each("element", ELEMENTS, ids=str)
def test_dynamic_scalars(library: Library, element: DType) -> None:
    data = bits(element, 3)[-element.itemsize :]
    value = library.backend.from_dynamic(DynamicArray(element, None, data))
    if library.plain:
        assert isinstance(value, (bool, int, float))
        return
    import numpy as np

    assert isinstance(value, np.generic)
    back = library.backend.dynamic(value)
    assert back is not None
    assert (back.dtype, back.shape, bytes(back.data or b"")) == (element, None, data)


def test_dynamic_arrays_of_anything(library: Library) -> None:
    inner = library.array(dtype("float32"), [1.0, 2.0])
    elements = [None, "text", inner, {"a": 1}, [1, 2], (3,)]
    value = library.backend.from_dynamic(DynamicArray(None, (2, 3), None, elements))
    if library.plain:
        assert value == [elements[:3], elements[3:]]
        return
    assert value.shape == (2, 3)
    assert value[0, 2] is inner
    back = library.backend.dynamic(value)
    assert back is not None and back.dtype is None and back.shape == (2, 3)
    assert all(a is b for a, b in zip(back.elements, elements))


def test_dynamic_arrays_that_jax_would_change_are_numpys(library: Library) -> None:
    if library.wide:
        pytest.skip("it changes nothing")
    import numpy as np

    for element in (INT64, UINT64, FLOAT64):
        value = library.backend.from_dynamic(DynamicArray(element, (2,), bits(element, 2)))
        assert type(value) is np.ndarray and value.dtype.name == element.name


@for_each("value", [None, "text", 1, 2.5, [1], {"a": 1}, object(), int], ids=kind)
def test_what_is_no_dynamic_array(library: Library, value: object) -> None:
    assert library.backend.dynamic(value) is None


# Through the codec


def test_discrete_from_scalars(library: Library) -> None:
    codec = SpaceCodec(Discrete(5, start=2), library.backend)
    want = [INT64.pack([3])]
    for name in DTYPE_NAMES:
        element = DTYPES[name]
        if name != "bool" and library.has(element):
            assert codec.encode(library.array(element, [3], ())) == want
            with pytest.raises(InvalidValueError):
                codec.encode(library.array(element, [7], ()))
        if element.is_float and library.has(element):
            with pytest.raises(InvalidValueError):
                codec.encode(library.array(element, [2.5], ()))
    decoded = codec.decode(want)
    assert type(decoded) is library.integer and decoded == 3
    assert codec.encode_batch([3, 4], 2) == [INT64.pack([3, 4])]
    with pytest.raises(InvalidValueError):
        codec.encode_batch([3, 7], 2)
    int32 = dtype("int32")
    assert codec.encode_batch(library.array(int32, [3, 4]), 2) == [INT64.pack([3, 4])]


def test_multi_discrete_of_small_integers(library: Library) -> None:
    codec = SpaceCodec(MultiDiscrete([3, 4]), library.backend)
    int32 = dtype("int32")
    assert codec.encode(library.array(int32, [2, 3])) == [INT64.pack([2, 3])]
    with pytest.raises(InvalidValueError):
        codec.encode(library.array(int32, [2, 4]))


def test_graphs_are_those_that_the_spaces_take(library: Library) -> None:
    space = Graph(Discrete(3), None)
    codec = SpaceCodec(space, library.backend)
    slabs = SpaceCodec(space, NATIVE).encode(space.sample(num_nodes=2))
    if library.wide:  # JAX has no nodes of 64 bits without x64.
        graph = codec.decode(slabs)
        if library.plain:
            assert type(graph) is GraphInstance
        else:
            spaces = pytest.importorskip("gymnasium.spaces")
            assert type(graph) is spaces.GraphInstance
        assert codec.encode(graph) == slabs
    assert library.backend.graph_type._fields == GraphInstance._fields
