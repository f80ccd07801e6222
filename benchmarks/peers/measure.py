"""The clock of a client. It needs nothing, since it runs in the process of every side."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Client", "Timing", "cpu_seconds", "quartiles", "time_clients"]

LEAST = 2
"""Steps that are timed however long they take; what a model waits seconds for shows in two."""

WARM = 0.3
"""What the warm-up takes, of the seconds that are timed."""


class Client(Protocol):
    """What a side connects."""

    def reset(self, seed: int | None) -> Any:
        """The first observation."""

    def step(self, action: Any) -> tuple[Any, bool]:
        """The next observation, and whether the episode has ended."""

    def close(self) -> None:
        """Release what it holds."""


@dataclass(frozen=True)
class Timing:
    """What one process measured.

    Attributes:
        steps: How many were timed, those of every endpoint together.
        q1: First quartile of a step, in microseconds.
        median: Median of a step, in microseconds.
        q3: Third quartile of a step, in microseconds.
        client_cpu: Microseconds of CPU time that a step took of the client's process.
        server_cpu: The same of the servers' processes; None where there are none.
        per_second: Steps a second, of all endpoints together, resets included.
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
        clients: Those that are connected, and reset.
        actions: What is sent, in turns.
        seconds: How long the steps are timed; they are warmed up before.
        pids: The servers' processes.
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
    """Nanoseconds of every step; a lone client steps in the thread that called, as models do."""
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
    """Nanoseconds of each step; a reset is not timed."""
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
    """First quartile, median and third quartile, of one value or more."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return q1, median, q3


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time that processes have taken, ended threads included.

    The kernel keeps a clock for every process, with nanoseconds where /proc has hundredths of a
    second; `clock_getcpuclockid(3)` derives its id so.
    """
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)
