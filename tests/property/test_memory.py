"""Views if a view is promised, owned memory if that is promised, judged by the addresses."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import event, given

from rlmesh import Tensor
from rlmesh._codec import SpaceCodec
from rlmesh.backends import NATIVE
from rlmesh.dtypes import DTYPES
from tests.backends.libraries import Library, leaf_of
from tests.property.strategies import arrays_of, spaces_and_values

np = pytest.importorskip("numpy")

Span = tuple[int, int]


def span(array: Any) -> Span:
    """First and last address of an array's memory, which is contiguous."""
    if isinstance(array, Tensor):
        array = np.frombuffer(array.buffer, np.uint8)
    if isinstance(array, np.ndarray):
        return array.ctypes.data, array.ctypes.data + array.nbytes - 1
    if hasattr(array, "data_ptr"):
        start = array.data_ptr()
        return start, start + array.element_size() * array.numel() - 1
    start = array.unsafe_buffer_pointer()
    return start, start + array.nbytes - 1


def slab_spans(slabs: list[Any]) -> list[Span]:
    return [span(np.frombuffer(slab, np.uint8)) for slab in slabs if len(slab)]


def inside(part: Span, whole: Span) -> bool:
    return whole[0] <= part[0] and part[1] <= whole[1]


def apart(a: Span, b: Span) -> bool:
    return a[1] < b[0] or b[1] < a[0]


@given(drawn=spaces_and_values())
def test_views(libraries: dict[str, Library], drawn: tuple[Any, list[Any]]) -> None:
    space, values = drawn
    slabs = SpaceCodec(space, NATIVE, validation="off").encode_values(values)
    for name in ("native", "numpy", "torch"):
        if name in libraries:
            codec = SpaceCodec(space, libraries[name].backend, validation="off")
            batch = codec.decode_batch(slabs, len(values), copy=False)
            for array in arrays_of(batch):
                event(name)
                step = getattr(array, "itemsize", 1)
                viewed = any(inside(span(array), slab) for slab in slab_spans(slabs))
                # PyTorch takes aligned memory alone.
                assert viewed or (name == "torch" and step > 1)
                if name == "numpy":
                    assert not array.flags.writeable


@given(drawn=spaces_and_values())
def test_copies(libraries: dict[str, Library], drawn: tuple[Any, list[Any]]) -> None:
    """Each array of a value is the caller's own: written, it changes no other and no slab."""
    space, values = drawn
    slabs = SpaceCodec(space, NATIVE, validation="off").encode_values(values)
    kept = [bytes(slab) for slab in slabs]
    for name in ("numpy", "torch"):
        if name in libraries:
            codec = SpaceCodec(space, libraries[name].backend, validation="off")
            decoded = (
                codec.decode_batch(slabs, len(values)),
                codec.decode_values(slabs, len(values)),
            )
            arrays = list(arrays_of(decoded))
            spans = [span(array) for array in arrays]
            ordered = sorted(spans)
            assert all(apart(a, b) for a, b in itertools.pairwise(ordered))
            assert all(apart(a, b) for a in spans for b in slab_spans(slabs))
            for array in arrays:
                array[...] = 0
            assert slabs == kept


@given(drawn=spaces_and_values())
def test_mutable_slabs_may_be_used_again(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]]
) -> None:
    """What was decoded as a copy stays as it is when a transport overwrites its buffer."""
    space, values = drawn
    slabs = SpaceCodec(space, NATIVE, validation="off").encode_values(values)
    for library in libraries.values():
        codec = SpaceCodec(space, library.backend, validation="off")
        buffers = [bytearray(slab) for slab in slabs]
        decoded = codec.decode_batch([memoryview(b) for b in buffers], len(values))
        for buffer in buffers:
            buffer[:] = b"\xff" * len(buffer)
        assert codec.encode_batch(decoded, len(values)) == slabs


@given(drawn=spaces_and_values())
def test_what_is_a_leaf_already_is_not_copied(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]]
) -> None:
    space, values = drawn
    slabs = SpaceCodec(space, NATIVE, validation="off").encode_values(values)
    for name, library in libraries.items():
        codec = SpaceCodec(space, library.backend, validation="off")
        for array in arrays_of(codec.decode_batch(slabs, len(values))):
            element = getattr(array.dtype, "name", str(array.dtype).rpartition(".")[2])
            leaf = leaf_of(DTYPES[element], tuple(array.shape))
            again = library.backend.as_leaf(array, leaf, None)
            assert again is array or (name == "torch" and span(again) == span(array))
