"""`Joining`: watches the pools of a run for endpoints that join and leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence

from rlmesh._evaluation.directory import Announced, Pool
from rlmesh._evaluation.endpoint import Endpoint
from rlmesh._evaluation.task_group import TaskGroup
from rlmesh._evaluation.workers import Done, Results
from rlmesh._logs import logger
from rlmesh.errors import ConnectError

__all__ = ["WATCHER", "Joining", "PooledKey"]

PooledKey = tuple[str, str]
"""Type of what an endpoint of a pool is known by: its name, and its announcement's file, if any."""

WATCHER = -1
"""Number of the watcher among the endpoints of `Done`."""

_POLL_SECONDS = 0.5
"""Seconds between two looks at a pool."""

_log = logger("rlmesh.evaluate")


class Joining:
    """The pools of a run, looked at by a thread that puts what it finds into the results.

    Args:
        pools: Each pool with the task that its endpoints play.
        results: Queue for what is found: a `Done` with the number of the pool and its endpoints.
    """

    def __init__(self, pools: Sequence[tuple[Pool, TaskGroup]], results: Results) -> None:
        self._pools = pools
        self._results = results
        self._stopped = threading.Event()
        self._alone_since: dict[int, float] = {}
        self._errors: dict[int, Exception] = {}
        self._begun = time.monotonic()

    def start(self) -> None:
        """Begin to look, if there is a pool."""
        self._begun = time.monotonic()
        if self._pools:
            threading.Thread(target=self._look, name="rlmesh-joining", daemon=True).start()

    def stop(self) -> None:
        """Look no more; returns at once."""
        self._stopped.set()

    @property
    def interval(self) -> float | None:
        """Seconds after which a pool may have lost the run's patience; None: there is no pool."""
        return _POLL_SECONDS if self._pools else None

    def _look(self) -> None:
        while not self._stopped.is_set():
            for number, (pool, _) in enumerate(self._pools):
                now = time.perf_counter()
                try:
                    found = _polled(pool)
                except Exception as error:
                    if self._stopped.is_set():
                        return  # The run has ended meanwhile.
                    if number not in self._errors:
                        _log.warning("%s: poll() raised %r; it is asked again", pool.name, error)
                    self._errors[number] = error
                    continue
                self._errors.pop(number, None)
                self._results.put(Done(WATCHER, "poll", (number, found), None, now, now))
            self._stopped.wait(_POLL_SECONDS)

    def group(self, number: int) -> TaskGroup:
        """Return the task of a pool."""
        return self._pools[number][1]

    def changes(
        self, found: Sequence[Endpoint], known: Collection[PooledKey]
    ) -> tuple[dict[PooledKey, Endpoint], set[PooledKey]]:
        """Return the endpoints of a pool that are new, and those of the known that have left."""
        present: dict[PooledKey, Endpoint] = {}
        for endpoint in found:
            file = endpoint.file if isinstance(endpoint, Announced) else ""
            present.setdefault((endpoint.name, file), endpoint)
        new = {key: endpoint for key, endpoint in present.items() if key not in known}
        return new, set(known) - set(present)

    def is_ready(self, group: TaskGroup) -> bool:
        """Return whether a task has the endpoints that it waits for, or has waited long enough."""
        missing = [
            pool
            for pool, own in self._pools
            if own is group and len(group.opened) < pool.at_least and self._has_time(pool)
        ]
        return not missing

    def _has_time(self, pool: Pool) -> bool:
        return time.monotonic() - self._begun < pool.patience

    def waits(self, group: TaskGroup) -> bool:
        """Return whether a task that has no endpoint may still get one."""
        own = [pool for pool, its in self._pools if its is group]
        if group.live or not own:
            self._alone_since.pop(id(group), None)
            return False
        since = self._alone_since.setdefault(id(group), time.monotonic())
        return time.monotonic() - since < max(pool.patience for pool in own)

    def error(self, group: TaskGroup) -> Exception:
        """Return the reason why a task without endpoints ends the run."""
        own = [i for i, (_, its) in enumerate(self._pools) if its is group]
        pools = [self._pools[number][0] for number in own]
        names = ", ".join(pool.name for pool in pools)
        seconds = max((pool.patience for pool in pools), default=0.0)
        failed = [self._errors[number] for number in own if number in self._errors]
        words = "".join(f"; poll() raised {type(error).__name__}: {error}" for error in failed)
        return ConnectError(
            f"{names}: no endpoint that can be played has come in {seconds:g} s{words}"
        )


def _polled(pool: Pool) -> tuple[Endpoint, ...]:
    """Return the present endpoints of a pool."""
    found = tuple(pool.poll())
    for endpoint in found:
        if not isinstance(endpoint, Endpoint):
            kind = type(endpoint).__name__
            raise TypeError(f"expected poll() to return endpoints, got a {kind}")
    return found
