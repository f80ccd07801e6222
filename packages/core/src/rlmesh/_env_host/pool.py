"""`PooledEnvHost`: an environment for each session, made when one opens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from rlmesh._env_host.env_thread import Stream
from rlmesh._logs import logger
from rlmesh._session.server_session import Servicer
from rlmesh.backends import ArrayBackend
from rlmesh.errors import ClosedError, SpaceError
from rlmesh.specs import EnvContract

__all__ = ["PooledEnvHost", "Worker"]

_log = logger("rlmesh.server")


class Worker(Servicer, Protocol):
    """A thread or process that runs one environment. It serves one session and ends with it.

    Attributes:
        contract: Contract of its environment; None: the environment is not made yet.
        backend: Backend of the arrays in its infos; known once it is made.
        ended: Whether it is over.
    """

    contract: EnvContract | None
    backend: ArrayBackend
    ended: bool

    @property
    def is_current(self) -> bool:
        """Whether the caller is on its thread."""
        ...

    @property
    def is_free(self) -> bool:
        """Whether no stream sits on its thread."""
        ...

    def make(self, alive: Callable[[], bool] = ...) -> EnvContract:
        """Make the environment, unless it is made; raises what its factory raises.

        Args:
            alive: Return whether a client still waits for it; if none does, it is given up.
        """
        ...

    def offer(self, stream: Stream) -> bool:
        """Lend its thread to a client's stream, or refuse."""
        ...

    def stop(self) -> None:
        """Take no more calls; returns at once."""
        ...


class PooledEnvHost:
    """Makes an environment for each session; see `EnvHost`.

    One environment is made at once, because it has the contract.

    Args:
        new_worker: Makes a worker without its environment, which is made later.
        capacity: Maximum number of sessions open at once.
        spares: Number of environments that are kept ready for new sessions.
        lends: Whether workers have threads to lend to streams.

    Raises:
        Exception: If the first environment cannot be made.
    """

    waits_for_calls = False  # A process may be ended, and a thread left behind.
    is_current = False  # Nothing is called on the thread of `run`.

    def __init__(
        self, new_worker: Callable[[], Worker], capacity: int, spares: int, *, lends: bool
    ) -> None:
        self.capacity = capacity
        self._lends = lends
        self._new_worker = new_worker
        self._spares = spares
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        first = new_worker()
        self._idle: list[Worker] = [first]
        self._held: list[Worker] = []
        self._refilling = False
        self._asked = False  # For spares, since the last one was begun.
        try:
            self.contract = first.make()
            self.backend = first.backend
        except BaseException:
            first.release()
            raise
        self._refill()

    def take(self, alive: Callable[[], bool]) -> Servicer:
        """See `EnvHost`."""
        worker = self._choose()
        try:
            self._check(worker.make(alive))
        except BaseException:
            worker.release()
            raise
        self._refill()
        return worker

    def offer(self, stream: Stream) -> bool:
        """See `EnvHost`: a worker's thread; the session that the stream opens takes that worker."""
        if not self._lends:
            return False
        with self._lock:
            free = [w for w in self._idle if w.is_free and not w.ended]
            worker = min(free, key=lambda w: w.contract is None, default=None)
            if worker is None:
                if self._stopping.is_set():
                    return False
                worker = self._new_worker()
                self._idle.append(worker)
            return worker.offer(stream)

    def run(self) -> None:
        """See `EnvHost`."""
        self._stopping.wait()

    def stop(self) -> None:
        """See `EnvHost`."""
        self._stopping.set()
        for worker in self._all():
            worker.stop()

    def close(self) -> None:
        """See `EnvHost`."""
        self._stopping.set()
        threads = [
            threading.Thread(target=worker.release, name="rlmesh-close", daemon=True)
            for worker in self._all()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _all(self) -> list[Worker]:
        with self._lock:
            self._forget_ended()
            return [*self._idle, *self._held]

    def _forget_ended(self) -> None:
        self._idle = [w for w in self._idle if not w.ended]
        self._held = [w for w in self._held if not w.ended]

    def _choose(self) -> Worker:
        """Choose the worker of the caller's thread, else one that is ready, else a new one.

        A worker with a thread that is lent to another stream belongs to that stream.
        """
        with self._lock:
            if self._stopping.is_set():
                raise ClosedError("the server is shutting down")
            self._forget_ended()
            free = [w for w in self._idle if w.is_current or w.is_free]
            order = sorted(free, key=lambda w: (not w.is_current, w.contract is None))
            if order:
                worker = order[0]
                self._idle.remove(worker)
            else:
                worker = self._new_worker()
            self._held.append(worker)
            return worker

    def _check(self, contract: EnvContract) -> None:
        """Check that an environment has the contract of the first one."""
        for fact in ("observation_space", "action_space", "vector", "num_envs", "autoreset_mode"):
            mine, first = getattr(contract, fact), getattr(self.contract, fact)
            if mine != first:
                raise SpaceError(
                    f"factory() has made an environment whose {fact} is {mine!r:.200}; that of the "
                    f"first one is {first!r:.200}, and clients were told that"
                )

    def _refill(self) -> None:
        """Keep the spares ready, without letting the caller wait for them."""
        with self._lock:
            self._asked = True
            if self._refilling or not self._spares or self._stopping.is_set():
                return
            self._refilling = True
            threading.Thread(target=self._make_spares, name="rlmesh-spares", daemon=True).start()

    def _make_spares(self) -> None:
        while (worker := self._next_spare()) is not None:
            try:
                worker.make()
            except BaseException:
                _log.exception("a spare environment cannot be made")
                worker.release()
                with self._lock:
                    self._refilling = self._asked  # Else the next session tries again.
                    if not self._refilling:
                        return
                continue
            with self._lock:
                if worker in self._held:  # The server may have been closed meanwhile.
                    self._held.remove(worker)
                    self._idle.append(worker)

    def _next_spare(self) -> Worker | None:
        """Return a worker that is to be a spare, held while it is made; None: there are enough."""
        with self._lock:
            self._forget_ended()
            ready = sum(w.contract is not None for w in self._idle)
            if ready >= self._spares or self._stopping.is_set():
                self._refilling = False
                return None
            self._asked = False
            worker = self._new_worker()
            self._held.append(worker)
            return worker
