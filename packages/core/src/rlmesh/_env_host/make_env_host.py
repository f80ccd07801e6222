"""`make_env_host`: the `EnvHost` that a server's arguments request."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from rlmesh._env_host.base import EnvHost, EnvHostConfig
from rlmesh._env_host.pool import PooledEnvHost, Worker
from rlmesh._env_host.single import SingleEnvHost
from rlmesh._env_host.thread_worker import ThreadWorker
from rlmesh._session.server_session import RequestRefused
from rlmesh._wire.failures import raise_failure
from rlmesh.backends import contract_backend
from rlmesh.options import ServeOptions

__all__ = ["Pool", "make_env_host"]


@dataclass(frozen=True)
class Pool:
    """Number of environments of a factory, and kind of their workers; see `EnvServer`."""

    max_sessions: int = 1
    workers: Literal["thread", "process"] = "thread"
    spares: int = 0

    def __post_init__(self) -> None:
        if self.max_sessions < 1:
            raise ValueError(f"max_sessions={self.max_sessions}; expected 1 or more")
        if self.spares < 0:
            raise ValueError(f"spares={self.spares}; expected 0 or more")
        if self.workers not in ("thread", "process"):
            raise ValueError(f"workers={self.workers!r} is neither 'thread' nor 'process'")


def make_env_host(
    env: Any,
    factory: Callable[[], Any] | None,
    config: EnvHostConfig,
    options: ServeOptions,
    pool: Pool,
) -> EnvHost:
    """Make the host of a server's environments.

    Raises:
        ValueError: If the arguments do not go together.
        EnvError: If a process cannot make the first environment.
        Exception: What adopting the environment raises, or `factory` in a thread.
    """
    if (env is None) == (factory is None):
        raise ValueError("give either an environment, or factory=, which makes one a session")
    if options.call_timeout and (factory is None or pool.workers != "process"):
        raise ValueError(
            "call_timeout needs factory= and workers='process': a call that runs in this process "
            "cannot be ended"
        )
    if factory is None:
        if pool != Pool():
            raise ValueError("max_sessions, workers and spares need factory=, not an environment")
        return SingleEnvHost(config, config.describe_env(env))
    if not callable(factory):
        raise TypeError(f"factory={factory!r} cannot be called; give a function that makes one")
    new_worker = _worker_maker(factory, config, options, pool)
    lends = pool.workers == "thread"
    try:
        return PooledEnvHost(new_worker, pool.max_sessions, pool.spares, lends=lends)
    except RequestRefused as error:
        raise_failure(error.failure, "factory")
        raise


def _worker_maker(
    factory: Callable[[], Any],
    config: EnvHostConfig,
    options: ServeOptions,
    pool: Pool,
) -> Callable[[], Worker]:
    if pool.workers == "thread":
        return functools.partial(ThreadWorker, factory, config, options.close_timeout)
    if os.name != "posix":
        raise ValueError("workers='process' needs a POSIX system; workers='thread' runs anywhere")
    # It imports what only such a system has.
    from rlmesh._env_host.process_worker import ProcessWorker

    backend = contract_backend()
    limit = options.call_timeout or None
    return functools.partial(ProcessWorker, factory, config, backend, limit, options.close_timeout)
