"""Memory that is reused once nothing refers to it, and never before."""

from __future__ import annotations

import sys

import pytest

from rlmesh._reusable_buffer import ReceiveBuffers, ReceivedBuffer, ReusableBuffer, is_given, joined
from tests.inside import kept_by

counted = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="references are not counted"
)


@counted
def test_memory_that_no_value_keeps_is_used_again() -> None:
    memory = ReceiveBuffers()
    held, owners = memory.take(100_000), set()
    for size in range(100_001, 100_020):
        held = memory.take(size)  # The one before goes once this one is there.
        assert len(held) == size
        owners.add(id(held.obj))
    assert len(owners) == 2


def test_memory_that_a_value_keeps_is_not() -> None:
    memory = ReceiveBuffers()
    views = []
    for fill in range(5):
        view = memory.take(50_000)
        view[:] = bytes([fill]) * 50_000
        views.append(view[10:20])
    assert [bytes(view) for view in views] == [bytes([fill]) * 10 for fill in range(5)]


def test_memory_of_another_size_is_not_used_for_long() -> None:
    memory = ReceiveBuffers()
    for size in (10_000_000, 1_000, 1_000, 1_000):
        assert len(memory.take(size).obj) < 2 * size + 10_000  # type: ignore[arg-type]
    assert all(len(kept) < 10_000 for kept in kept_by(memory))


@counted
def test_what_somebody_refers_to_is_not_handed_out() -> None:
    kept: ReusableBuffer[bytearray] = ReusableBuffer()
    first = kept.keep(bytearray(10))
    kept.keep(bytearray(20))
    assert kept.unused(10, 15) is None
    assert len(kept.unused(10, 25) or b"") == 20
    view = memoryview(first)
    del first
    assert kept.unused(10, 15) is None
    del view
    assert len(kept.unused(10, 15) or b"") == 10
    assert kept.unused(1, 9) is None and kept.unused(21, 99) is None


def test_the_newest_are_kept() -> None:
    kept: ReusableBuffer[bytearray] = ReusableBuffer()
    sizes = [len(kept.keep(bytearray(size))) for size in (1, 2, 3)]
    assert [len(memory) for memory in kept._kept] == sizes[1:]


def test_what_is_not_given() -> None:
    for data in (b"x", bytearray(b"x"), memoryview(b"x"), memoryview(bytearray(b"x"))):
        assert not is_given(data)
    assert is_given(memoryview(ReceivedBuffer(-1, 10))[2:])


def test_joined_parts_are_given() -> None:
    whole = joined([b"ab", b"", memoryview(b"cde")])
    assert bytes(whole) == b"abcde" and is_given(whole) and not whole.readonly
    assert is_given(whole[1:3]) and bytes(joined([])) == b""
