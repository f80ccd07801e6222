"""`EnvServer`: serves an environment to clients in other processes."""

from __future__ import annotations

import logging
import socket
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from rlmesh.options import TLS, ServeOptions
from rlmesh.specs import AutoresetMode

if TYPE_CHECKING:
    from rlmesh._hosting.frameworks import Framework
    from rlmesh._session.hub import SessionHub
    from rlmesh._transport.frames_server import FramesServer
    from rlmesh._transport.grpc_server import FrameService
    from rlmesh.adapters import EnvTags
    from rlmesh.specs import EnvContract

__all__ = ["EnvServer"]

_log = logging.getLogger("rlmesh.server")


class EnvServer:
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
            port. None: made of `host`, `port` and `path`; without these, loopback and a free port.
        host: Host name or IP address; loopback by default.
        port: TCP port; 0 picks a free one.
        path: Path of a Unix socket.
        options: How to serve; None: as the variables `RLMESH_...` say
            (`ServeOptions.from_environment`).
        tags: What the leaves of the environment's spaces mean.
        token: Bearer token that clients must show; empty: none.
        tls: Certificates; clients then connect to `grpcs://host:port`.
        framework: Whose values the environment's actions are: "native", "numpy", "torch" or "jax".
            None: arrays of NumPy for Gymnasium's spaces, native values for those of
            `rlmesh.spaces`. What the environment returns may be of any of them, always.
        device: Device of the actions, for "torch" and "jax"; None: that library's default.
        factory: Makes an environment, instead of `env`. It is called once at first, to know the
            spaces, and the first session gets that environment.
        max_sessions: How many sessions may be open at once, with `factory`.
        workers: Where the environments of `factory` live. "thread": in threads of this process, so
            they share its interpreter. "process": each in a new process (POSIX), so N of them use N
            cores, and one that dies is an `EnvCrashedError` and nothing more. `factory` is sent
            there by cloudpickle, or by pickle where that is not installed.
        spares: How many environments are kept ready for sessions that will open.
        expose: Names of methods and attributes of the environment, or of a wrapper of it, that
            clients may call, read and write; no others are reached.
        autoreset_mode: When the lanes of a list of environments start their next episode:
            `rlmesh.specs.AutoresetMode`, Gymnasium's, or its value ("NextStep", the default,
            "SameStep", "Disabled").

    Raises:
        AddressError: If the address is none, or cannot be bound.
        TypeError: If `env` lacks a space or a method, or `factory` cannot be sent to a process.
        SpaceError: If a space is of a kind that the contract does not have.
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
        framework: Framework | None = None,
        device: object | None = None,
        factory: Callable[[], Any] | None = None,
        max_sessions: int = 1,
        workers: Literal["thread", "process"] = "thread",
        spares: int = 0,
        expose: Sequence[str] = (),
        autoreset_mode: AutoresetMode | str | None = None,
    ) -> None:
        from rlmesh._hosting.attributes import check_names
        from rlmesh._hosting.base import House
        from rlmesh._hosting.establish import Pool, establish
        from rlmesh._transport.grpc_server import GrpcServer
        from rlmesh._transport.grpc_tls import secured

        options = options or ServeOptions.from_environment()
        where = secured(_address_of(address, host, port, path), tls, named="://" in str(address))
        tell = options.expose_tracebacks
        tell = where.is_local if tell is None else tell
        pool = Pool(max_sessions, workers, spares)
        if autoreset_mode is not None:
            autoreset_mode = AutoresetMode(getattr(autoreset_mode, "value", autoreset_mode))
        house = House(
            tags,
            framework,
            device,
            options.validation,
            tell,
            check_names(expose),
            autoreset_mode,
        )
        self._options = options
        self._hosting = establish(env, factory, house, options, pool)
        self._contract = self._hosting.contract
        self._hub = self._new_hub(tell)
        try:
            self._transport = GrpcServer(self._service(), where, token, host=self._hub, tls=tls)
            try:
                self._frames = self._new_frames_servers(token, tls)
            except BaseException:
                self._transport.stop(0)
                raise
        except BaseException:
            if factory is not None:
                self._hosting.close()
            raise
        self._address = str(self._transport.address)
        self._lock = threading.Lock()
        self._runner: threading.Thread | None = None
        self._drain: threading.Thread | None = None
        self._begun = False
        self._finished = threading.Event()
        if not where.is_local and not token and (tls is None or tls.authority is None):
            warnings.warn(
                f"{self._address} can be reached from other hosts and asks for neither a token nor "
                f"a certificate",
                RuntimeWarning,
                stacklevel=2,
            )

    def _new_hub(self, tell: bool) -> SessionHub:
        from rlmesh._session.hub import SessionHub
        from rlmesh._session.versions import this_peer
        from rlmesh._transport.grpc_options import MAX_MESSAGE_BYTES
        from rlmesh._wire.frames import EnvFrames
        from rlmesh.specs import Capability, SessionTerms

        grace = self._options.grace_period
        can = {
            Capability.RENDER,
            Capability.QUEUE,
            Capability.ATTRIBUTES,
            Capability.STEP_MANY,
        }
        if grace > 0:
            can.add(Capability.RESUME)
            if self._options.frames:
                can.add(Capability.FRAMES_UNIX)
            if self._options.frames_port is not None:
                can.add(Capability.FRAMES_TCP)
        return SessionHub(
            contract=self._contract,
            server=this_peer(socket.gethostname(), frozenset(can)),
            terms=SessionTerms(grace, MAX_MESSAGE_BYTES, self._options.idle_timeout),
            instances=self._hosting,
            frames=EnvFrames(self._hosting.backend),
            expose_tracebacks=tell,
        )

    def _new_frames_servers(self, token: str, tls: TLS | None) -> list[FramesServer]:
        """Where clients go on over frames, on this host and from others."""
        from functools import partial

        from rlmesh._transport import frames_local, frames_tcp
        from rlmesh._transport.frames_server import FramesServer

        options, hub = self._options, self._hub
        connect = partial(hub.connect, resumes=True)
        servers = []
        if options.frames_port is not None:
            admit = frames_tcp.doorkeeper(token, tls)
            listener = frames_tcp.listen(self._transport.address, options.frames_port)
            hub.frames_port = listener.getsockname()[1]
            servers.append(FramesServer(listener, admit, connect))
        if frames_local.SUPPORTED and options.frames and options.grace_period > 0:
            listener, hub.frames_unix = frames_local.listen()
            servers.append(FramesServer(listener, frames_local.admit, connect))
        return servers

    def _service(self) -> FrameService:
        from rlmesh._transport.grpc_server import FrameService
        from rlmesh._wire.frames import ENV_SERVICE

        return FrameService(
            name=ENV_SERVICE,
            describe=lambda: self._hub.description,
            connect=self._hub.connect,
            shutdown=self._begin_stop if self._options.remote_shutdown else None,
        )

    @property
    def address(self) -> str:
        """The resolved address, scheme included ("tcp://127.0.0.1:5555")."""
        return self._address

    @property
    def env_contract(self) -> EnvContract:
        """What clients are told of the environment."""
        return self._contract

    @property
    def spec(self) -> EnvContract:
        """Alias of `env_contract`."""
        return self._contract

    def serve(self, *, on_ready: Callable[[], object] | None = None) -> None:
        """Serve until `shutdown`, SIGINT or SIGTERM; blocks.

        The caller's thread is the one that calls the environment. A signal ends the process where
        a call has not returned `drain_timeout` and `close_timeout` after it.

        Args:
            on_ready: Called once clients can connect.

        Raises:
            RuntimeError: If the server has been started before.
        """
        from rlmesh._hosting.signals import stop_on_signals

        limit = self._options.drain_timeout + self._options.close_timeout
        with stop_on_signals(self._begin_stop, limit):
            self._begin()
            if on_ready is not None:
                on_ready()
            self._run()

    def start(self) -> None:
        """Serve in the background, on a thread of the server's own.

        Raises:
            RuntimeError: If the server has been started before.
        """
        self._begin()
        self._runner = threading.Thread(target=self._run, name="rlmesh-env", daemon=True)
        self._runner.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the server has stopped.

        Args:
            timeout: Seconds to wait at most; None: as long as it takes.

        Returns:
            Whether it has stopped.
        """
        return self._finished.wait(timeout)

    def shutdown(self) -> None:
        """Stop serving and close the environment; returns when that is done.

        May be called again, and from any thread; in the environment's own thread it returns at
        once, and the server stops after the call that is running.
        """
        with self._lock:
            begun, self._begun = self._begun, True
        if not begun:
            self._stop_transports(0)
            self._hosting.close()
            self._finished.set()
            return
        self._begin_stop()
        if not self._hosting.is_current:
            self._finished.wait()
            if self._runner is not None:
                self._runner.join()

    def __enter__(self) -> EnvServer:
        """Start in the background, unless started already."""
        if not self._begun:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.shutdown()

    def __repr__(self) -> str:
        return f"EnvServer({self._contract.id!r}, {self._address!r})"

    def _begin(self) -> None:
        with self._lock:
            if self._begun:
                raise RuntimeError(f"the server of {self._address} has been started before")
            self._begun = True
        # Accepting begins here, so that start() returns a server that can be connected to.
        for frames in self._frames:
            frames.start()
        self._transport.start()
        _log.info("serving %s on %s", self._contract.id, self._address)

    def _run(self) -> None:
        try:
            self._hosting.run()
        finally:
            self._begin_stop()
            assert self._drain is not None
            self._drain.join()
            self._hosting.close()
            self._finished.set()

    def _begin_stop(self) -> None:
        """Take no more calls, and end the open streams; returns at once."""
        self._hub.stop()
        self._hosting.stop()
        with self._lock:
            if self._drain is None:
                # A thread of its own: the environment's may be waiting for a stream that this ends.
                self._drain = threading.Thread(
                    target=self._stop_transports,
                    args=(self._options.drain_timeout,),
                    name="rlmesh-drain",
                )
                self._drain.start()

    def _stop_transports(self, grace: float) -> None:
        begun = time.monotonic()
        self._transport.stop(grace)
        for frames in self._frames:
            frames.stop(max(0.0, grace - (time.monotonic() - begun)))


def _address_of(
    address: str | int | None, host: str | None, port: int | None, path: str | None
) -> Any:
    from rlmesh._transport.address import Address, parse_address
    from rlmesh.errors import AddressError

    if address is not None:
        if (host, port, path) != (None, None, None):
            raise AddressError("give either an address, or host, port or path")
        return parse_address(address)
    if path is not None:
        if host is not None or port is not None:
            raise AddressError("give either path, or host and port")
        return Address("unix", path=path)
    return Address("tcp", host or "127.0.0.1", port or 0)
