"""`Joining`: watches the pools of a run for endpoints that join and leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from rlmesh._evaluation.directory import Pool
from rlmesh._evaluation.endpoint import Endpoint
from rlmesh._evaluation.task_group import TaskGroup
from rlmesh._evaluation.workers import Done, Results
from rlmesh._logs import logger
from rlmesh.errors import ConnectError

__all__ = ["WATCHER", "Joining"]

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
        self._begun = time.monotonic()

    def start(self) -> None:
        """Begin to look, if there is a pool."""
        self._begun = time.monotonic()
        if self._pools:
            threading.Thread(target=self._look, name="rlmesh-joining", daemon=True).start()

    def stop(self) -> None:
        """Look no more; returns at once."""
        self._stopped.set()

    def _look(self) -> None:
        failed: set[int] = set()
        while not self._stopped.is_set():
            for number, (pool, _) in enumerate(self._pools):
                now = time.perf_counter()
                try:
                    found = tuple(pool.poll())
                except Exception as error:
                    if number not in failed:
                        failed.add(number)
                        _log.warning("%s: poll() raised %r; it is asked again", pool.name, error)
                    continue
                failed.discard(number)
                self._results.put(Done(WATCHER, "poll", (number, found), None, now, now))
            self._stopped.wait(_POLL_SECONDS)

    def group(self, number: int) -> TaskGroup:
        """Return the task of a pool."""
        return self._pools[number][1]

    def changes(
        self, number: int, found: Sequence[Endpoint], known: Sequence[str]
    ) -> tuple[list[Endpoint], set[str]]:
        """Return the endpoints of a pool that are new, and the names of those that have left."""
        names = [endpoint.name for endpoint in found]
        new = [one for i, one in enumerate(found) if one.name not in (*known, *names[:i])]
        return new, set(known) - set(names)

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
        own = [pool for pool, its in self._pools if its is group]
        names = ", ".join(pool.name for pool in own)
        seconds = max((pool.patience for pool in own), default=0.0)
        return ConnectError(f"{names}: no endpoint that can be played has come in {seconds:g} s")
