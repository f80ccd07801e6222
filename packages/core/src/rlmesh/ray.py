"""Environments in Ray actors as the endpoints of an evaluation; needs the extra `[ray]`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from rlmesh._evaluation.endpoint import Endpoint
from rlmesh._optional import optional_import
from rlmesh.options import ServeOptions

__all__ = ["EnvPool"]

Self = TypeVar("Self", bound="EnvPool")


class _Actor:
    """An actor with the server of one environment; a restart makes another one."""

    def __init__(
        self, make: Callable[[], Any], token: str, options: ServeOptions | None, lent: Any
    ) -> None:
        from rlmesh._server.env_server import EnvServer

        ray = optional_import("ray", "EnvPool", "ray")
        # The environment is made and called in one thread of the server (N-12).
        arguments = {"host": ray.util.get_node_ip_address(), **lent}
        self._server = EnvServer(factory=make, token=token, options=options, **arguments)
        self._server.start()

    def address(self) -> str:
        """Return the address of the server."""
        return self._server.address

    def stop(self) -> None:
        """Stop the server."""
        self._server.shutdown()


class _ActorEndpoint:
    """The endpoint of an actor; see `rlmesh.Endpoint`."""

    def __init__(self, name: str, actor: Any, token: str, patience: float) -> None:
        self.name = name
        self.token = token
        self._actor = actor
        self._patience = patience

    def resolve(self) -> str:
        """Return the address of the actor's server, once Ray has started it again if it ended."""
        ray = optional_import("ray", "EnvPool", "ray")
        address: str = ray.get(self._actor.address.remote(), timeout=self._patience)
        return address


class EnvPool:
    """Environments in Ray actors, each with a server of its own, for `evaluate`.

        with rlmesh.ray.EnvPool(make_env, 16, num_cpus=1) as pool:
            result = rlmesh.evaluate(model, pool, seeds=range(1000))

    An actor listens on the address of its node and asks for a token that only this pool has. If an
    actor is killed, its episode is played elsewhere, and the one that Ray starts in its place joins
    the run again; results are those of a run without it. A run begins with the first actor that is
    ready, and the others join as they become so. The pool outlives runs, until it is closed.

    Args:
        make: Makes one environment; Ray sends it to the actors.
        count: Number of actors.
        num_cpus: CPUs that Ray keeps for each actor.
        num_gpus: GPUs that Ray keeps for each actor.
        runtime_env: Ray's description of an actor's software (`{"pip": ["ale-py"]}`); rlmesh-core
            has to be a part of it.
        max_restarts: Number of times that Ray starts each actor again; -1: any number.
        at_least: Number of actors that a run waits for before it begins.
        patience: Seconds that an actor may take to start, or to start again.
        options: How the servers serve.
        **server: More arguments of `rlmesh.EnvServer`, such as `tags` and `expose`, or `host` for
            another address than the node's.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If `count` or `at_least` is below 1, or `at_least` above `count`.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        count: int,
        *,
        num_cpus: float = 1,
        num_gpus: float = 0,
        runtime_env: Mapping[str, Any] | None = None,
        max_restarts: int = -1,
        at_least: int = 1,
        patience: float = 120.0,
        options: ServeOptions | None = None,
        **server: Any,
    ) -> None:
        if not 1 <= at_least <= count:
            raise ValueError(f"expected 1 <= at_least <= count, got {at_least} and {count}")
        ray = optional_import("ray", "EnvPool", "ray")
        self.name = f"pool of {count} Ray actors"
        self.at_least = at_least
        self.patience = patience
        self._ray = ray
        token = secrets.token_urlsafe(32)
        kind = ray.remote(_Actor).options(
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            max_restarts=max_restarts,
            runtime_env=None if runtime_env is None else dict(runtime_env),
        )
        self._actors = [kind.remote(make, token, options, server) for _ in range(count)]
        self._endpoints = [
            _ActorEndpoint(f"actor {i}", actor, token, patience)
            for i, actor in enumerate(self._actors)
        ]

    def poll(self) -> Sequence[Endpoint]:
        """Return the endpoints of all actors; see `rlmesh.endpoints.Pool`."""
        return self._endpoints

    @property
    def actors(self) -> Sequence[Any]:
        """The handles of the actors."""
        return tuple(self._actors)

    def close(self) -> None:
        """Stop the servers and end the actors; may be called again."""
        actors, self._actors, self._endpoints = self._actors, [], []
        stopping = [actor.stop.remote() for actor in actors]
        self._ray.wait(stopping, num_returns=len(stopping), timeout=10.0) if stopping else None
        for actor in actors:
            self._ray.kill(actor, no_restart=True)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
