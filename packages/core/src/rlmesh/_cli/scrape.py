"""`scrape`: the sessions and rates of servers, from their metrics."""

from __future__ import annotations

import http.client
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rlmesh._cli.sources import UsageProblem
from rlmesh._optional import optional_import
from rlmesh.errors import ConnectError

__all__ = ["MetricsAddress", "SampledServer", "SampledSession", "rate", "scrape"]

_MAX_BYTES = 16 * 1024 * 1024
"""Max number of bytes of an answer."""

_SERVER = "rlmesh_server_"


@dataclass(frozen=True)
class MetricsAddress:
    """Where the metrics of a process are.

    Attributes:
        text: The address as the user has written it.
        host: Host to connect to.
        port: Port to connect to.
        path: Path of the request.
    """

    text: str
    host: str
    port: int
    path: str = "/metrics"

    @classmethod
    def parse(cls, text: str) -> MetricsAddress:
        """Return an address: "host:port", a port of loopback, or "http://host:port/path".

        Raises:
            UsageProblem: If the text is none.
        """
        words = f"ADDRESS: expected host:port of `rlmesh serve --metrics`, got {text!r:.80}"
        scheme, separator, _ = text.partition("://")
        if separator and scheme != "http":
            raise UsageProblem(words)
        whole = text if separator else f"http://{'127.0.0.1:' if text.isdigit() else ''}{text}"
        try:
            parts = urlsplit(whole)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise UsageProblem(words) from None
        if not host or port is None or parts.username or parts.query:
            raise UsageProblem(words)
        return cls(text, host, port, parts.path if parts.path != "" else "/metrics")


@dataclass
class SampledSession:
    """One session of a server at the time of a scrape.

    Attributes:
        client: Name of the client that holds the session.
        held_seconds: Time since the session was opened.
        away_seconds: Time since it lost its connection; 0: it has one.
        steps: Number of its steps, of all lanes.
        requests: Number of its requests.
    """

    client: str
    held_seconds: float = 0.0
    away_seconds: float = 0.0
    steps: float = 0.0
    requests: float = 0.0


@dataclass
class SampledServer:
    """One server at the time of a scrape.

    Attributes:
        address: Address of the server.
        id: Name of what it serves.
        at: Time of the scrape (monotonic seconds).
        sessions: Number of open sessions.
        queue: Number of clients that wait for a session.
        steps: Number of steps of all sessions so far, of all lanes.
        episodes: Number of episodes that have ended.
        requests: Number of requests of all sessions so far.
        seconds: Time that these requests took.
        errors: Number of failures by code.
        holders: Open sessions by their ids.
    """

    address: str
    id: str
    at: float
    sessions: float = 0.0
    queue: float = 0.0
    steps: float = 0.0
    episodes: float = 0.0
    requests: float = 0.0
    seconds: float = 0.0
    errors: dict[str, float] = field(default_factory=dict)
    holders: dict[str, SampledSession] = field(default_factory=dict)


def rate(now: float, before: float | None, seconds: float) -> float | None:
    """Return the rate of a count a second; None if it is not known yet, or has begun again."""
    if before is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds


def scrape(where: MetricsAddress, token: str, timeout: float) -> list[SampledServer]:
    """Return the servers of a process, from its metrics.

    Raises:
        ConnectError: If the address does not answer with metrics of RLMesh.
        ImportError: If the library that reads metrics is not installed.
    """
    parser = optional_import("prometheus_client.parser", "rlmesh top", "metrics")
    text = _read(where, token, timeout)
    try:
        families = list(parser.text_string_to_metric_families(text))
    except ValueError as error:
        raise ConnectError(f"{where.text} has no metrics: {error}", address=where.text) from None
    at, servers = time.monotonic(), dict[tuple[str, str], SampledServer]()
    for family in families:
        for sample in family.samples:
            name, labels = sample.name, sample.labels
            if name.startswith(_SERVER) and math.isfinite(sample.value):
                key = labels.get("rlmesh_address", ""), labels.get("rlmesh_id", "")
                server = servers.setdefault(key, SampledServer(*key, at))
                _add(server, name[len(_SERVER) :], labels, sample.value)
    return [servers[key] for key in sorted(servers)]


def _add(server: SampledServer, name: str, labels: Mapping[str, str], value: float) -> None:
    if name in ("sessions", "queue"):
        setattr(server, name, value)
    elif name in ("steps_total", "episodes_total"):
        setattr(server, name[: -len("_total")], value)
    elif name == "request_duration_seconds_count":
        server.requests += value
    elif name == "request_duration_seconds_sum":
        server.seconds += value
    elif name == "errors_total":
        server.errors[labels.get("rlmesh_code", "")] = value
    elif name.startswith("session_") and "rlmesh_session" in labels:
        client = labels.get("rlmesh_client", "")
        session = server.holders.setdefault(labels["rlmesh_session"], SampledSession(client))
        known = name[len("session_") :]
        if known in vars(session) and known != "client":
            setattr(session, known, value)


def _read(where: MetricsAddress, token: str, timeout: float) -> str:
    """Return the body of an answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection = http.client.HTTPConnection(where.host, where.port, timeout=timeout)
    try:
        connection.request("GET", where.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(_MAX_BYTES)
    except (http.client.HTTPException, OSError, ValueError) as error:
        words = str(error) or type(error).__name__
        if isinstance(error, http.client.HTTPException):
            words = "it does not speak HTTP; give the address of `rlmesh serve --metrics`"
        raise ConnectError(f"{where.text}: {words}", address=where.text) from None
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        reason = body[:200].decode(errors="replace").strip()
        message = f"{where.text}: HTTP status {answer.status}: {reason}"
        raise ConnectError(message, address=where.text)
    return body.decode(errors="replace")
