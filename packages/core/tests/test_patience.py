"""When to look for the next frame, and when to sleep."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator

import pytest

from rlmesh._transport import patience
from rlmesh._transport.patience import LOOK_NS, MOST_SKIPPED, PROBE_NS, SHORT_NS, Patience

Waiting = tuple[Patience, socket.socket, socket.socket]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    """One who waits, on a machine with two cores, and who writes to it."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    here, there = socket.socketpair()
    with here, there:
        yield Patience(here), here, there


def test_it_looks_only_after_a_short_wait(waiting: Waiting) -> None:
    one, _, other = waiting
    other.send(b"x")
    assert not one.look()  # Nothing is known yet.
    one.slept(SHORT_NS)
    assert not one.look()
    one.slept(SHORT_NS - 1)
    assert one.look()


@pytest.mark.parametrize(("flowing", "limit"), [(False, PROBE_NS), (True, LOOK_NS)])
def test_it_does_not_look_for_long(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch, flowing: bool, limit: int
) -> None:
    one, here, other = waiting
    one.slept(0)
    if flowing:
        other.send(b"x")
        assert one.look()
        here.recv(1)
    ticks = iter(range(0, 100 * limit, limit // 4))
    monkeypatch.setattr(patience, "perf_counter_ns", lambda: next(ticks))
    assert not one.look()
    assert next(ticks) < 2 * limit


def test_after_failures_it_looks_ever_more_seldom(waiting: Waiting) -> None:
    one, here, other = waiting
    one.slept(0)
    looked = []
    real = one._poll
    one._poll = lambda timeout: looked.append(1) or real(timeout)  # type: ignore[assignment]
    counts = []
    for _ in range(1200):
        before = len(looked)
        one.look()
        counts.append(len(looked) > before)
    gaps = [i for i, looks in enumerate(counts) if looks]
    distances = [b - a for a, b in itertools.pairwise(gaps)]
    assert distances == sorted(distances)
    assert distances[:3] == [2, 4, 8]
    assert max(distances) == MOST_SKIPPED + 1
    other.send(b"x")
    while not one.look():
        pass
    assert one.look() and one.look()  # It was not in vain: no wait is passed over any more.
    here.recv(1)
    assert not one.look()
    assert not one.look()
    other.send(b"x")
    assert one.look()


def test_with_one_core_the_peer_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    here, there = socket.socketpair()
    with here, there:
        one = Patience(here)
        one.slept(0)
        there.send(b"x")
        assert not one.look()
