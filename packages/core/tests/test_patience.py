"""When to look for the next frame, and when to sleep."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from rlmesh._transport.socket import spin_wait as patience
from rlmesh._transport.socket.spin_wait import (
    LEAD_NS,
    LONG_NS,
    MAX_PREEMPTED,
    MAX_SKIPPED,
    PREEMPTED_NS,
    PROBE_NS,
    SHORT_NS,
    SPIN_NS,
    SpinWait,
)

Waiting = tuple[SpinWait, socket.socket, socket.socket]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    """A waiting object on a machine with two free cores, and the socket that writes to it."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    ticks = itertools.count(0, 10_000)
    monkeypatch.setattr(patience, "perf_counter_ns", lambda: next(ticks))
    here, there = socket.socketpair()
    with here, there:
        yield SpinWait(here), here, there


def test_it_looks_only_after_a_short_wait(waiting: Waiting) -> None:
    one, _, other = waiting
    other.send(b"x")
    assert not one.spin()  # Nothing is known yet.
    one.record_wait(SHORT_NS)
    assert not one.spin()
    one.record_wait(SHORT_NS - 1)
    assert one.spin()


@pytest.mark.parametrize(("flowing", "limit"), [(False, PROBE_NS), (True, SPIN_NS)])
def test_it_does_not_look_for_long(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch, flowing: bool, limit: int
) -> None:
    one, here, other = waiting
    one.record_wait(0)
    if flowing:
        other.send(b"x")
        assert one.spin()
        here.recv(1)
    ticks = iter(range(0, 100 * limit, limit // 4))
    monkeypatch.setattr(patience, "perf_counter_ns", lambda: next(ticks))
    assert not one.spin()
    assert limit < next(ticks) < 2 * limit


def test_it_hardly_looks_where_others_want_the_core(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, here, other = waiting
    one.record_wait(0)
    turn = PREEMPTED_NS + 1
    ticks = itertools.count(0, turn)
    with monkeypatch.context() as crowd:
        crowd.setattr(patience, "perf_counter_ns", lambda: next(ticks))
        looked, real = [0], one._poll
        one._poll = lambda timeout: looked.append(1) or real(timeout)  # type: ignore[assignment]
        waits = 40_000
        for _ in range(waits):
            assert not one.spin()
            one.record_wait(0)
        assert len(looked) < 30 + waits / MAX_PREEMPTED
        one._poll = real
    monkeypatch.setattr(patience, "perf_counter_ns", lambda: 0)
    other.send(b"x")
    for _ in range(MAX_PREEMPTED + 1):  # They have gone.
        if one.spin():
            break
    assert all(one.spin() for _ in range(100))
    here.recv(1)


@pytest.mark.parametrize(("distance", "few"), [(1, True), (400, False)])
def test_only_a_core_that_is_lost_often_is_one_that_others_want(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch, distance: int, few: bool
) -> None:
    one, here, other = waiting
    one.record_wait(0)
    ticks = itertools.count(0, PREEMPTED_NS + 1)
    monkeypatch.setattr(patience, "perf_counter_ns", lambda: next(ticks))
    waits, looks, good = 40_000, 0, 0
    for _ in range(waits):
        there = good < distance
        if there:
            other.send(b"x")
        before = one._skipped
        found = one.spin()
        if found or one._skipped <= before:
            looks, good = looks + 1, good + 1 if there else 0
        if not found:
            one.record_wait(0)
        if there:
            here.recv(1)
    assert looks < waits / 20 if few else looks > waits * 0.9


def test_after_failures_it_looks_ever_more_seldom(waiting: Waiting) -> None:
    one, here, other = waiting
    one.record_wait(0)
    looked = []
    real = one._poll
    one._poll = lambda timeout: looked.append(1) or real(timeout)  # type: ignore[assignment]
    counts = []
    for _ in range(1200):
        before = len(looked)
        one.spin()
        counts.append(len(looked) > before)
    gaps = [i for i, looks in enumerate(counts) if looks]
    distances = [b - a for a, b in itertools.pairwise(gaps)]
    assert distances == sorted(distances)
    assert distances[:3] == [2, 4, 8]
    assert max(distances) == MAX_SKIPPED + 1
    other.send(b"x")
    while not one.spin():
        pass
    assert one.spin() and one.spin()  # It was not in vain: no wait is passed over any more.
    here.recv(1)
    assert not one.spin()
    assert not one.spin()
    other.send(b"x")
    assert one.spin()


def test_with_one_core_the_peer_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    here, there = socket.socketpair()
    with here, there:
        one = SpinWait(here)
        one.record_wait(0)
        there.send(b"x")
        assert not one.spin()


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how many seconds it has slept with an alarm; no bytes have ever ended that."""
    record_wait: list[float] = []

    def select(read: Any, write: Any, other: Any, seconds: float) -> tuple[Any, Any, Any]:
        record_wait.append(seconds)
        return [], [], []

    monkeypatch.setattr(patience.select, "select", select)
    return record_wait


LONGER = SHORT_NS + 3 * SPIN_NS


def test_it_is_awake_before_the_end_of_a_wait_like_the_two_before(
    waiting: Waiting, sleeps: list[float]
) -> None:
    one, _, other = waiting
    one.record_wait(LONGER + SPIN_NS // 2)
    one.record_wait(LONGER)
    other.send(b"x")
    assert one.spin()
    assert sleeps == [(LONGER - LEAD_NS) / 1e9]


@pytest.mark.parametrize(
    "waits",
    [(LONGER,), (LONGER, LONGER + SPIN_NS), (LONGER, LONG_NS), (LONG_NS, LONG_NS), (LONGER, 0)],
)
def test_it_does_not_expect_the_end_of_waits_that_differ_or_are_long(
    waiting: Waiting, sleeps: list[float], waits: tuple[int, ...]
) -> None:
    one, _, other = waiting
    for wait in waits:
        one.record_wait(wait)
    other.send(b"x")
    assert one.spin() == (waits[-1] < SHORT_NS)
    assert not sleeps


def test_bytes_end_its_sleep(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _, other = waiting
    one.record_wait(LONG_NS - 1)
    one.record_wait(LONG_NS - 1)
    monkeypatch.setattr(one, "_poll", None)  # There is nothing left to look for.
    other.send(b"x")
    assert one.spin()


def test_an_end_that_does_not_come_as_expected_is_expected_more_seldom(
    waiting: Waiting, sleeps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _, other = waiting
    ticks = itertools.count(0, LEAD_NS // 2)
    monkeypatch.setattr(patience, "perf_counter_ns", lambda: next(ticks))
    one.record_wait(LONGER)
    one.record_wait(LONGER)
    assert not one.spin()
    looked_for = next(ticks)
    assert looked_for < 5 * LEAD_NS
    one.record_wait(LONGER - looked_for)  # The rest of a wait that was like the others.
    assert not one.spin() and len(sleeps) == 1
    other.send(b"x")
    assert one.spin() and len(sleeps) == 2


def test_a_descriptor_that_select_does_not_take_is_waited_for_all_the_same(
    waiting: Waiting, sleeps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, here, other = waiting
    monkeypatch.setattr(socket.socket, "fileno", lambda self: 1024)
    one = SpinWait(here)
    one.record_wait(LONGER)
    one.record_wait(LONGER)
    other.send(b"x")
    assert not one.spin()
    assert not sleeps
