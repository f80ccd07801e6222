"""Memory of large values is reused, but never while anything refers to it."""

from __future__ import annotations

import gc
import sys
from typing import Any

import numpy as np
import pytest

from rlmesh._reusable_buffer import ReceivedBuffer
from rlmesh.backends import Leaf
from rlmesh.dtypes import dtype
from rlmesh_numpy._backend import BACKEND
from rlmesh_numpy._memory import RECYCLED_BYTES

SHAPE = (300, 300)
counted = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="references are not counted"
)


def received(leaf: Leaf, fill: int) -> Any:
    array = BACKEND.from_bytes(bytes([fill]) * leaf.nbytes, leaf, None, True)
    assert array.flags.writeable and (array == fill).all()
    return array


@pytest.fixture
def leaf() -> Leaf:
    return Leaf("x", dtype("uint8"), SHAPE)


@counted
def test_memory_that_nobody_refers_to_is_used_again(leaf: Leaf) -> None:
    assert leaf.nbytes >= RECYCLED_BYTES
    places = set()
    held = received(leaf, 0)
    for fill in range(1, 20):
        held = received(leaf, fill)  # The one before goes once this one is there.
        places.add(held.ctypes.data)
    assert len(places) == 2


@pytest.mark.parametrize(
    "hold",
    [
        lambda array: array,
        lambda array: array[5:7, ::-1].T,
        lambda array: memoryview(array),
        lambda array: array.view(np.int8)[0],
        lambda array: np.asarray(array).reshape(-1)[10:],
        lambda array: np.frombuffer(array, np.uint8),
        lambda array: [array],
        lambda array: array.flat,
        lambda array: np.lib.stride_tricks.sliding_window_view(array, (2, 2)),
    ],
)
def test_what_somebody_holds_is_never_written_again(leaf: Leaf, hold: Any) -> None:
    held = [hold(received(leaf, fill)) for fill in range(1, 6)]
    for fill in range(100, 120):
        received(leaf, fill)
    for fill, one in enumerate(held, 1):
        values = one[0] if isinstance(one, list) else np.asarray(one)
        assert (np.asarray(values).view(np.uint8) == fill).all()


def test_other_libraries_hold_it_too(leaf: Leaf) -> None:
    torch = pytest.importorskip("torch")
    held = [torch.from_numpy(received(leaf, fill))[10:] for fill in range(1, 6)]
    for fill in range(100, 120):
        received(leaf, fill)
    assert [int(one[0, 0]) for one in held] == [1, 2, 3, 4, 5]


def test_little_is_kept(leaf: Leaf) -> None:
    held = [received(leaf, fill) for fill in range(50)]
    del held
    gc.collect()
    assert len(leaf.cache["numpy.memory"]._kept) == 2


def test_memory_starts_on_a_cache_line(leaf: Leaf) -> None:
    held = [received(leaf, fill) for fill in range(5)]
    assert [array.ctypes.data % 64 for array in held] == [0] * 5


def test_batches_of_other_sizes_have_their_own(leaf: Leaf) -> None:
    for count in (1, 3, 2, 1):
        batch = BACKEND.from_bytes(bytes([count]) * leaf.nbytes * count, leaf, count, True)
        assert batch.shape == (count, *SHAPE) and (batch == count).all()


@pytest.mark.parametrize(("offset", "kept"), [(0, True), (8, True), (3, False)])
def test_a_message_that_is_given_is_the_value(offset: int, kept: bool) -> None:
    leaf = Leaf("x", dtype("float64"), (RECYCLED_BYTES // 8,))
    memory = ReceivedBuffer(-1, 2 * RECYCLED_BYTES)
    data = memoryview(memory)[offset : offset + RECYCLED_BYTES]
    array = BACKEND.from_bytes(data, leaf, None, True)
    assert array.flags.writeable and array.flags.aligned
    assert np.shares_memory(array, np.frombuffer(data, np.uint8)) == kept
    array[:] = 1.5
    assert (BACKEND.from_bytes(data, leaf, None, False) == (1.5 if kept else 0)).all()
