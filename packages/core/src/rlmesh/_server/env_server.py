"""`EnvServer`: serves an environment to clients in other processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

from rlmesh._env_host.attributes import check_names
from rlmesh._env_host.base import EnvHostConfig
from rlmesh._env_host.make_env_host import Pool, make_env_host
from rlmesh._env_host.servicer_provider import EnvServicerProvider
from rlmesh._server.arguments import resolve_server_arguments
from rlmesh._server.base import BaseServer
from rlmesh._server.listeners import transport_capabilities
from rlmesh._server.recording import new_telemetry
from rlmesh._session.session_manager import SessionManager
from rlmesh._session.versions import this_server
from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.services import ENV_SERVICE
from rlmesh.adapters import EnvTags
from rlmesh.options import TLS, ServeOptions
from rlmesh.specs import AutoresetMode, Capability, EnvContract, SessionTerms

__all__ = ["EnvServer"]


class EnvServer(BaseServer):
    """Serves an environment: the one that is given, or a new one for each session.

    With `env` one client at a time holds it, and it is only ever called from one thread: the
    caller's with `serve`, one of the server's own with `start`. With `factory` each session has an
    environment of its own, which is made when the session opens and closed when it ends, and is
    called from one thread, or from the main thread of a process, that is its own too.

    Args:
        env: A Gymnasium environment, a vector of them, or an object of the same shape
            (`rlmesh.types.EnvLike`, `VectorEnvLike`). A list of environments of Gymnasium, or of
            functions that make them, is served as a vector (`gymnasium.vector.SyncVectorEnv`).
        address: "host:port", "tcp://host:port", "grpcs://host:port" (TLS), "unix:///path" or a bare
            port; of frames alone, without gRPC: "frames://host:port", "framess://host:port" (TLS)
            or "frames+unix:///path". An IPv6 address is in brackets ("[::1]:5555"). None: made of
            `host`, `port` and `path`; without these, loopback and a free port.
        host: Host name or IP address; loopback by default.
        port: TCP port; 0 picks a free one.
        path: Path of a Unix socket.
        options: How to serve; None: from the variables `RLMESH_...`
            (`ServeOptions.from_environment`).
        tags: What the leaves of the environment's spaces mean.
        token: Bearer token that clients must show; empty: none.
        tls: Certificates; clients then connect to `grpcs://host:port` or `framess://host:port`.
        framework: Library of the environment's actions: "native", "numpy", "torch" or "jax".
            None: arrays of NumPy for Gymnasium's spaces, native values for those of
            `rlmesh.spaces`. What the environment returns may be of any of them, always.
        device: Device of the actions, for "torch" and "jax"; None: that library's default.
        factory: Makes an environment, instead of `env`. It is called once at first, to know the
            spaces, and the first session gets that environment.
        max_sessions: How many sessions may be open at once, with `factory`.
        workers: Kind of workers of `factory`'s environments. "thread": threads of this process,
            which share its interpreter. "process": a new process for each (POSIX), so N use N
            cores, and one that dies is an `EnvCrashedError` and nothing more. `factory` is sent
            there by cloudpickle, or by pickle if that is not installed.
        spares: How many environments are kept ready for sessions that will open.
        expose: Names of methods and attributes of the environment, or of a wrapper of it, that
            clients may call, read and write; no others are reached.
        autoreset_mode: When the lanes of a list of environments start their next episode:
            `rlmesh.specs.AutoresetMode`, Gymnasium's, or its value ("NextStep", the default,
            "SameStep", "Disabled").
        announce: Folder in which the server writes a file with its address once clients can
            connect, and removes it when it stops; see `rlmesh.endpoints.Directory`. None: none.

    Raises:
        AddressError: If the address is none, or cannot be bound.
        TypeError: If `env` lacks a space or a method, or `factory` cannot be sent to a process.
        SpaceError: If a space is of a kind that the contract does not have, or its values are too
            large for a message.
        LimitError: If the contract is too large for a message.
        ImportError: If `env` is Gymnasium's and rlmesh-numpy is not installed, or `framework`'s
            package is not.
        ValueError: If there is no such framework, or it has no devices and one is given; if not
            exactly one of `env` and `factory` is given, or an argument needs the other one.
        EnvError: If `factory` fails in a process; what it raises in a thread is raised as it is.
    """

    def __init__(
        self,
        env: Any = None,
        address: str | int | None = None,
        *,
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
        options: ServeOptions | None = None,
        tags: EnvTags | None = None,
        token: str = "",
        tls: TLS | None = None,
        framework: str | None = None,
        device: object | None = None,
        factory: Callable[[], Any] | None = None,
        max_sessions: int = 1,
        workers: Literal["thread", "process"] = "thread",
        spares: int = 0,
        expose: Sequence[str] = (),
        autoreset_mode: AutoresetMode | str | None = None,
        announce: str | os.PathLike[str] | None = None,
    ) -> None:
        where, options, expose_tracebacks = resolve_server_arguments(
            address, host, port, path, tls, options
        )
        pool = Pool(max_sessions, workers, spares)
        if autoreset_mode is not None:
            autoreset_mode = AutoresetMode(getattr(autoreset_mode, "value", autoreset_mode))
        config = EnvHostConfig(
            tags,
            framework,
            device,
            options.validation,
            expose_tracebacks,
            check_names(expose),
            autoreset_mode,
            options.sim_time,
        )
        self._env_host = make_env_host(env, factory, config, options, pool)
        self._contract = self._env_host.contract
        try:
            manager = self._new_manager(options, expose_tracebacks)
            manager.check_description()
            backend = self._env_host.backend
            telemetry = new_telemetry(self._contract.id, lambda: EnvWireCodec(backend).read_reply)
            super().__init__(self._env_host, manager, options, self._contract.id, telemetry)
            self._announced_in = announce
            self._bind(ENV_SERVICE, where, token, tls, manager)
            self._listen_beside(token, tls)
        except BaseException:
            if factory is not None:
                self._env_host.close()
            raise

    def _new_manager(self, options: ServeOptions, expose_tracebacks: bool) -> SessionManager:
        can = {
            Capability.RENDER,
            Capability.QUEUE,
            Capability.ATTRIBUTES,
            Capability.STEP_MANY,
            Capability.PROGRESS,
            Capability.OBSERVATION_VIEW,
            *transport_capabilities(options),
        }
        if self._contract.autoreset_mode is AutoresetMode.DISABLED:
            can.add(Capability.PARTIAL_RESET)
        return SessionManager(
            served=self._contract,
            server=this_server(frozenset(can)),
            terms=SessionTerms(options.grace_period, MAX_MESSAGE_BYTES, options.idle_timeout),
            servicers=EnvServicerProvider(self._env_host),
            codec=EnvWireCodec(self._env_host.backend),
            expose_tracebacks=expose_tracebacks,
        )

    @property
    def env_contract(self) -> EnvContract:
        """Contract that clients receive."""
        return self._contract

    @property
    def spec(self) -> EnvContract:
        """Alias of `env_contract`."""
        return self._contract

    def __repr__(self) -> str:
        return f"EnvServer({self._contract.id!r}, {self._address!r})"
