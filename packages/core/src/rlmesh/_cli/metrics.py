"""The metrics of a server for Prometheus: `rlmesh serve --metrics`."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import socketserver
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import typer

from rlmesh._cli.sources import UsageProblem
from rlmesh._logs import facts, logger, warn
from rlmesh._optional import optional_import
from rlmesh._transport.address import Address
from rlmesh._transport.token import admits

__all__ = ["Metrics", "is_loopback", "metrics_served"]

_log = logger("rlmesh.cli")

_SECONDS = 10.0
"""Seconds that a scrape may take to send its request."""

_POLL_SECONDS = 0.1
"""Seconds in which the end of the server is noticed."""

_MAX_SCRAPES = 16
"""Max number of scrapes at once; each holds a thread."""

Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="HOST:PORT",
        help="serve metrics to Prometheus there, with the token of the server",
    ),
]

_Start = Callable[[str, list[tuple[str, str]]], object]
_App = Callable[[Mapping[str, Any], _Start], Iterable[bytes]]


@contextlib.contextmanager
def metrics_served(address: str | None, token: str) -> Generator[str | None, None, None]:
    """Record the metrics of the servers that are made in the block, and serve them by HTTP.

    Yields their URL, or None.

    Args:
        address: Host and port to listen on; None: no metrics are recorded.
        token: Bearer token that scrapes must show; empty: none.

    Raises:
        UsageProblem: If the address is none, cannot be bound, or the program records metrics
            already.
        ImportError: If the exporter is not installed.
    """
    if address is None:
        yield None
        return
    host, port = _host_and_port(address)
    app = _guarded(_new_app(), token, host)
    try:
        server = _Server((host, port), app)
    except OSError as error:
        raise UsageProblem(f"--metrics: {address}: {error.strerror or error}") from None
    threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name="rlmesh-metrics", daemon=True
    ).start()
    where = f"http://{Address('http', host, server.server_port).authority}/metrics"
    if not is_loopback(host):
        warn(
            f"{where} can be read from other hosts, without TLS"
            f"{'' if token else ' and without a token'}",
            RuntimeWarning,
            stacklevel=2,
        )
    _log.info("metrics at %s", where, extra=facts("metrics", address=where))
    try:
        yield where
    finally:
        server.shutdown()
        server.server_close()


def _host_and_port(address: str) -> tuple[str, int]:
    """Return the parts of an address: a port alone is one of loopback.

    Raises:
        UsageProblem: If it is none.
    """
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise UsageProblem(f"--metrics: expected host:port or a port, got {address!r:.80}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _new_app() -> _App:
    """Set up a provider of metrics for this process; return the application that shows them.

    Raises:
        UsageProblem: If the process has a provider already.
        ImportError: If a library is not installed.
    """
    what = "--metrics"
    exporter = optional_import("opentelemetry.exporter.prometheus", what, "metrics")
    sdk = optional_import("opentelemetry.sdk.metrics", what, "metrics")
    api = optional_import("opentelemetry.metrics", what, "metrics")
    client = optional_import("prometheus_client", what, "metrics")
    provider = sdk.MeterProvider(metric_readers=[exporter.PrometheusMetricReader()])
    api.set_meter_provider(provider)
    if api.get_meter_provider() is not provider:
        raise UsageProblem(
            "--metrics: this process has a provider of metrics already, which exports them; leave "
            "the option out"
        )
    app: _App = client.make_wsgi_app()
    return app


def _guarded(app: _App, token: str, host: str) -> _App:
    """Return an application that answers requests with the token alone, if there is one.

    Without a token, a page of another site could read the metrics of loopback by DNS rebinding, so
    that there requests must name loopback as their host.
    """

    def answer(environ: Mapping[str, Any], start: _Start) -> Iterable[bytes]:
        given = str(environ.get("HTTP_AUTHORIZATION", ""))
        if token and not admits(token.encode(), given):
            return _refuse(start, "401 Unauthorized", "the token of the server is needed")
        named = _named_host(str(environ.get("HTTP_HOST", "")))
        if not token and is_loopback(host) and not is_loopback(named):
            return _refuse(start, "421 Misdirected Request", "this is the metrics of loopback")
        if environ.get("PATH_INFO") not in ("/", "/metrics"):
            return _refuse(start, "404 Not Found", "the metrics are at /metrics")
        return app(environ, start)

    return answer


def _refuse(start: _Start, status: str, reason: str) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    if status.startswith("401"):
        headers.append(("WWW-Authenticate", "Bearer"))
    start(status, headers)
    return [f"{reason}\n".encode()]


def _named_host(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    return (host if colon and port.isdigit() else authority).strip("[]")


def is_loopback(host: str) -> bool:
    """Return whether a host, by its name or address, is this one over its loopback."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Handler(WSGIRequestHandler):
    """Answers one request of a connection, and writes no log of it."""

    timeout = _SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A server with a thread for each scrape."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, where: tuple[str, int], app: _App) -> None:
        self.address_family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(_MAX_SCRAPES)
        super().__init__(where, _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind, without asking a name service for the host's name as `HTTPServer` does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread, if fewer than the max number of others are busy."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See `socketserver.ThreadingMixIn`."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: the client has gone, or sent what is no request."""
