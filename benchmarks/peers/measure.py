"""The clock of a client. It needs no library, because it runs in the process of every side."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Client", "Timing", "cpu_seconds", "quartiles", "time_clients"]

LEAST = 2
"""Smallest number of steps that are timed, however long they take."""

WARM = 0.3
"""Duration of the warm-up as a share of the time that is measured."""


class Client(Protocol):
    """The client of a side."""

    def reset(self, seed: int | None) -> Any:
        """Begin an episode and return the first observation."""

    def step(self, action: Any) -> tuple[Any, bool]:
        """Make a step; return the next observation, and whether the episode has ended."""

    def close(self) -> None:
        """Release the resources of the client."""


@dataclass(frozen=True)
class Timing:
    """The measurement of one process.

    Attributes:
        steps: Number of timed steps, of all endpoints together.
        q1: First quartile of a step, in microseconds.
        median: Median of a step, in microseconds.
        q3: Third quartile of a step, in microseconds.
        client_cpu: CPU time of the client's process per step, in microseconds.
        server_cpu: CPU time of the servers' processes per step; None if there are none.
        per_second: Steps per second, of all endpoints together, resets included.
    """

    steps: int
    q1: float
    median: float
    q3: float
    client_cpu: float
    server_cpu: float | None
    per_second: float


def time_clients(
    clients: Sequence[Client], actions: Sequence[Any], seconds: float, pids: Sequence[int]
) -> Timing:
    """Time the steps of one client, or of several at once with a thread for each.

    Args:
        clients: Clients that are connected and reset.
        actions: Actions to send, in turns.
        seconds: Seconds for which steps are timed; a warm-up precedes them.
        pids: Ids of the servers' processes.
    """
    _play_all(clients, actions, seconds * WARM, 1)
    own, theirs, begun = time.process_time(), cpu_seconds(pids), time.perf_counter()
    spent = _play_all(clients, actions, seconds, LEAST)
    elapsed = time.perf_counter() - begun
    own, theirs = time.process_time() - own, cpu_seconds(pids) - theirs
    q1, median, q3 = quartiles(spent)
    steps = len(spent)
    return Timing(
        steps=steps,
        q1=q1 / 1e3,
        median=median / 1e3,
        q3=q3 / 1e3,
        client_cpu=own / steps * 1e6,
        server_cpu=theirs / steps * 1e6 if pids else None,
        per_second=steps / elapsed,
    )


def _play_all(
    clients: Sequence[Client], actions: Sequence[Any], seconds: float, least: int
) -> list[int]:
    """Return the nanoseconds of every step; a single client steps in the calling thread."""
    if len(clients) == 1:
        return _play(clients[0], actions, seconds, least)
    spent: list[list[int]] = [[] for _ in clients]

    def play(index: int) -> None:
        spent[index] = _play(clients[index], actions, seconds, least)

    threads = [threading.Thread(target=play, args=(index,)) for index in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(spent):
        raise RuntimeError("the thread of a client failed, its traceback is on stderr")
    return [nanoseconds for each in spent for nanoseconds in each]


def _play(client: Client, actions: Sequence[Any], seconds: float, least: int) -> list[int]:
    """Return the nanoseconds of each step; resets are not timed."""
    spent: list[int] = []
    clock, step = time.perf_counter_ns, client.step
    deadline = clock() + int(seconds * 1e9)
    turn = 0
    while True:
        begun = clock()
        _, ended = step(actions[turn])
        now = clock()
        spent.append(now - begun)
        turn ^= 1
        if ended:
            client.reset(None)
        if now > deadline and len(spent) >= least:
            return spent


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return first quartile, median and third quartile of one value or more."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return q1, median, q3


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the CPU time of processes in seconds, ended threads included.

    The kernel has a clock for every process, with nanoseconds where /proc has hundredths of a
    second; its id is derived as in `clock_getcpuclockid(3)`.
    """
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)
