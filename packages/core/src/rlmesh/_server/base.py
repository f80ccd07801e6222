"""`BaseServer`: start, stop and end of a server, for environments and models."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from rlmesh._announcements import announce, withdraw
from rlmesh._logs import facts, logger, warn
from rlmesh._server.listeners import listen_beside
from rlmesh._server.recording import Telemetry
from rlmesh._server.signals import stop_on_signals
from rlmesh._session.server_connection import ServerConnection
from rlmesh._session.session_manager import SessionManager
from rlmesh._transport.address import Address
from rlmesh._transport.socket.doorkeeper import Doorkeeper
from rlmesh._transport.socket.frames_alone import FramesAloneServer
from rlmesh._transport.socket.server import FramesServer
from rlmesh.options import TLS, ServeOptions

__all__ = ["BaseServer", "ServingLoop"]

_log = logger("rlmesh.server")

_SLACK_SECONDS = 0.5
"""Seconds that a stop may take beyond the times of its options, for example on a busy machine."""

Self = TypeVar("Self", bound="BaseServer")


class ServingLoop(Protocol):
    """The loop that calls the environment or model that is served."""

    waits_for_calls: bool
    """Whether `run` returns only after the call that is running."""

    @property
    def is_current(self) -> bool:
        """Whether the caller is on the thread that `run` blocks."""
        ...

    def run(self) -> None:
        """Run until `stop`; block."""
        ...

    def stop(self) -> None:
        """Take no more calls, and make `run` return; returns at once."""
        ...

    def close(self) -> None:
        """Close what is served, after `run` has returned or if it was never called."""
        ...


class _Transport(Protocol):
    """The listener at the server's own address: gRPC, or frames."""

    address: Address

    def start(self) -> None:
        """Accept connections."""
        ...

    def drain(self) -> None:
        """Report that the server is about to stop."""
        ...

    def stop(self, grace: float) -> None:
        """Refuse new sessions, and end open connections after `grace` seconds."""
        ...


class BaseServer:
    """A server of environments or of a model.

    Args:
        host: Loop that calls what is served.
        manager: Manager of the sessions.
        options: Options of the server.
        title: Name of what is served.
        telemetry: What is recorded; None: nothing is.
    """

    def __init__(
        self,
        host: ServingLoop,
        manager: SessionManager,
        options: ServeOptions,
        title: str,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._host = host
        self._manager = manager
        self._options = options
        self._title = title
        self._telemetry = telemetry
        self._frames: Sequence[FramesServer] = ()
        self._websocket_address: str | None = None
        self._lock = threading.Lock()
        self._runner: threading.Thread | None = None
        self._drain: threading.Thread | None = None
        self._stops_at = float("inf")
        self._hurry = threading.Event()
        self._begun = False
        self._started = 0.0
        self._serving = 0
        self._stopped = threading.Event()
        self._closing = threading.Event()
        self._finished = threading.Event()
        self._left_behind = False
        self._announced_in: str | os.PathLike[str] | None = None
        self._announcement: Path | None = None

    def _bind(
        self,
        service: str,
        where: Address,
        token: str,
        tls: TLS | None,
        lender: Any = None,
    ) -> None:
        """Bind the address, without accepting connections yet.

        Args:
            service: Full name of the service.
            where: Address to bind.
            token: Bearer token that clients must show; empty: none.
            tls: Certificates.
            lender: Lender of threads for streams over gRPC (`StreamHost`); None: the pool runs
                all of them.

        Raises:
            AddressError: If the address cannot be bound.
            OSError: If a certificate cannot be read.
        """
        connect = partial(ServerConnection, self._manager)
        self._transport: _Transport
        if where.is_frames:
            self._transport = FramesAloneServer(
                where,
                Doorkeeper(service, token, refused=self._manager.report_wrong_token),
                tls,
                partial(connect, describes=True),
                self._manager.farewell,
            )
        else:
            # Here, because a server of frames alone works without grpcio.
            from rlmesh._transport.grpc.server import FrameService, GrpcServer

            served = FrameService(
                name=service,
                describe=lambda: self._manager.description,
                connect=connect,
                shutdown=self._stop_on_request if self._options.remote_shutdown else None,
                refused=self._manager.report_wrong_token,
            )
            self._transport = GrpcServer(served, where, token, host=lender, tls=tls)
        self._service = service
        self._address = str(self._transport.address)
        if not where.is_local and not token and (tls is None or tls.authority is None):
            warn(
                f"{self._address} can be reached from other hosts and asks for neither a token nor "
                f"a certificate",
                RuntimeWarning,
                stacklevel=3,
            )

    def _listen_beside(self, token: str, tls: TLS | None) -> None:
        """Bind the listeners beside that of the address; see `listen_beside`."""
        where, manager = self._transport.address, self._manager
        try:
            beside = listen_beside(self._options, where, self._service, token, tls, manager)
        except BaseException:
            self._transport.stop(0)
            raise
        self._frames, manager.offers, self._websocket_address = beside
        if self._telemetry is not None:
            self._telemetry.begin(self._address, manager, self._host)

    @property
    def websocket_address(self) -> str | None:
        """Address of the WebSocket ("ws://127.0.0.1:5556/rlmesh"); None: the server has none."""
        return self._websocket_address

    @property
    def address(self) -> str:
        """The resolved address, scheme included ("tcp://127.0.0.1:5555")."""
        return self._address

    def serve(self, *, on_ready: Callable[[], object] | None = None) -> None:
        """Serve until `shutdown`, SIGINT or SIGTERM; blocks.

        The caller's thread is the one that calls what is served. A signal ends the process if
        a call has not returned soon after `drain_timeout` and `close_timeout` together.

        Args:
            on_ready: Called once clients can connect.

        Raises:
            RuntimeError: If the server has been started before.
        """
        limit = self._options.drain_timeout + self._options.close_timeout
        if not self._host.waits_for_calls:
            # Its calls are on other threads, so that this thread returns once they are given up.
            limit += self._close_seconds
        with stop_on_signals(self._begin_stop, limit):
            self._begin()
            self._run(on_ready)

    def start(self) -> None:
        """Serve in the background, on a thread of the server's own.

        Raises:
            RuntimeError: If the server has been started before.
        """
        self._begin()
        self._runner = threading.Thread(target=self._run, name="rlmesh-served", daemon=True)
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
        """Stop serving and close what is served; returns when that is done.

        A call that has not returned soon after `drain_timeout` and `close_timeout` together, or a
        `close` that takes longer than `close_timeout`, is left behind on its thread, with an error
        in the log. May be called again, and from any thread; in the thread that calls what is
        served, or that is in `serve`, it returns at once, and the server stops after the call that
        is running.
        """
        with self._lock:
            begun, self._begun = self._begun, True
        if not begun:
            self._stop_transports(0)
            self._host.close()
            self._finished.set()
            return
        self._begin_stop()
        if not (self._host.is_current or self._serving == threading.get_ident()):
            self._finished.wait()
            if self._runner is not None and not self._left_behind:
                self._runner.join()

    def __enter__(self: Self) -> Self:
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

    def _begin(self) -> None:
        with self._lock:
            if self._begun:
                raise RuntimeError(f"the server of {self._address} has been started before")
            self._begun = True
        # Accepting begins here, so that start() returns a server that can be connected to.
        for frames in self._frames:
            frames.start()
        self._transport.start()
        if self._announced_in is not None:
            self._announcement = announce(self._announced_in, self._address, self._title)
        self._started = time.monotonic()
        _log.info(
            "serving %s on %s",
            self._title,
            self._address,
            extra=facts("serving", id=self._title, address=self._address),
        )
        if self._websocket_address is not None:
            _log.info("browsers reach %s at %s", self._title, self._websocket_address)

    def _run(self, on_ready: Callable[[], object] | None = None) -> None:
        self._serving = threading.get_ident()
        try:
            self._host_until_stopped(on_ready)
        finally:
            self._begin_stop()
            self._stopped.wait()
            self._closing.set()
            self._host.close()
            self._log_stop()
            self._finished.set()

    def _log_stop(self) -> None:
        seconds = time.monotonic() - self._started
        words = "stopped serving %s on %s after %.1f s"
        known = facts("stopped", id=self._title, address=self._address, seconds=round(seconds, 3))
        _log.info(words, self._title, self._address, seconds, extra=known)

    def _host_until_stopped(self, on_ready: Callable[[], object] | None) -> None:
        try:
            if on_ready is not None:
                on_ready()
        except BaseException:
            self._begin_stop()
            raise
        finally:
            self._host.run()  # If it is stopped, it refuses the clients that have connected.

    def _stop_on_request(self, request: bytes) -> None:
        """Stop after the time that a `Shutdown` gives open sessions (K-8, K-9)."""
        from rlmesh._wire.drain import read_drain_seconds

        self._begin_stop(read_drain_seconds(request))

    def _begin_stop(self, drain: float = 0.0) -> None:
        """Admit no new session, and stop after `drain` seconds; returns at once.

        A later call may shorten the time, and never lengthens it.
        """
        if self._announcement is not None:
            withdraw(self._announcement)
        self._manager.drain()
        with self._lock:
            self._stops_at = min(self._stops_at, time.monotonic() + drain)
            self._hurry.set()
            if self._drain is None:
                _log.info(
                    "stopping, open sessions have %g s",
                    max(drain, self._options.drain_timeout),
                    extra=facts("stopping", sessions=self._manager.count),
                )
                # A thread of its own: that of what is served may wait for a stream that this ends.
                # A daemon, because a process that Ctrl-C ends during a stop must not wait for it.
                self._drain = threading.Thread(
                    target=self._drain_and_stop, name="rlmesh-drain", daemon=True
                )
                self._drain.start()
        if not drain:
            self._end_sessions()

    def _end_sessions(self) -> None:
        """Take no more calls, and end sessions after the call that is running."""
        self._manager.stop()
        self._host.stop()

    def _drain_and_stop(self) -> None:
        self._transport.drain()
        while (left := self._stops_at - time.monotonic()) > 0:
            self._hurry.wait(left)
            self._hurry.clear()
        self._end_sessions()
        begun = time.monotonic()
        options = self._options
        # A running call is answered if it ends within the time that its end is waited for anyway.
        extra = options.close_timeout if self._host.waits_for_calls else 0.0
        grace = options.drain_timeout + extra
        try:
            self._stop_transports(grace)
        finally:
            self._stopped.set()
        # A call without a client has the same time, and close has its own after a call that ends.
        left = max(begun + grace - time.monotonic(), 0.0) + _SLACK_SECONDS
        if not (self._closing.wait(left) and self._finished.wait(self._close_seconds)):
            self._leave_behind(time.monotonic() - begun)

    @property
    def _close_seconds(self) -> float:
        """Seconds that closing what is served takes at most."""
        # A worker may wait for a call that is running before it closes.
        times = 1 if self._host.waits_for_calls else 2
        return times * self._options.close_timeout + _SLACK_SECONDS

    def _leave_behind(self, seconds: float) -> None:
        """End the stop although the thread that calls what is served has not returned."""
        _log.error(
            "%s on %s: a call or close() has not returned %.1f s after the server was stopped "
            "(drain_timeout and close_timeout); its thread is left behind",
            self._title,
            self._address,
            seconds,
        )
        self._left_behind = True
        self._finished.set()

    def _stop_transports(self, grace: float) -> None:
        begun = time.monotonic()
        self._transport.stop(grace)
        for frames in self._frames:
            frames.stop(max(0.0, grace - (time.monotonic() - begun)))
        self._manager.end()
