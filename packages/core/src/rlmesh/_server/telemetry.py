"""`ServerTelemetry`: spans and metrics of a server, by the API of OpenTelemetry."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from rlmesh._messages import env as m
from rlmesh._messages.kinds import kind_of
from rlmesh._model_host.dynamic_batcher import DynamicBatcher
from rlmesh._server.session_counts import SessionCounts
from rlmesh._server.session_spans import MAX_NAME, SessionSpans
from rlmesh._session.server_session import ServerSession
from rlmesh._session.session_manager import SessionManager
from rlmesh._telemetry import api, duration_histogram, size_histogram
from rlmesh.backends import Buffer

__all__ = ["ServerTelemetry"]

_CODES: Mapping[int, str] = {code.value: code.name.lower() for code in m.ErrorCode}
"""Name of each code of failures, as attributes have it."""

Values = Iterator[tuple[float, Mapping[str, Any]]]
"""The type of the values of an instrument for one server, each with its own attributes."""

NewReader = Callable[[], Callable[[Buffer], tuple[int, m.Reply]]]


class ServerTelemetry:
    """What one server records; see `SessionObserver`.

    Args:
        title: Name of what is served.
        new_reader: Returns a reader of frames of replies.
        spans: Tracer; None: spans are not recorded.
        metrics: Meter; None: metrics are not recorded.

    Attributes:
        attributes: Attributes of all metrics and spans of the server.
        manager: Manager of its sessions; None before the server has an address.
        batches: Batcher of its model; None: it has none.
    """

    def __init__(
        self, title: str, new_reader: NewReader, spans: Any | None, metrics: Any | None
    ) -> None:
        self.attributes: dict[str, Any] = {"rlmesh.id": title}
        self.manager: SessionManager | None = None
        self.batches: DynamicBatcher | None = None
        self._new_reader = new_reader
        self._spans = None if spans is None else SessionSpans(spans)
        self._instruments = None if metrics is None else _instruments_of(metrics)
        self._by_kind: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._live: dict[str, SessionCounts] = {}
        self._ended_steps = self._ended_episodes = 0

    def begin(self, address: str, manager: SessionManager, host: object) -> None:
        """Report from now on, because the server has an address.

        Args:
            address: The address.
            manager: Manager of the sessions.
            host: What calls the environments, or the model.
        """
        self.attributes["rlmesh.address"] = address
        self.manager = manager
        manager.observer = self
        if self._instruments is not None:
            self._instruments.add(self)
            if isinstance(host, DynamicBatcher):
                self.batches = host
                host.on_batch = self._batched

    def totals(self) -> tuple[int, int]:
        """Return the numbers of steps and of finished episodes of all sessions so far."""
        with self._lock:
            live = list(self._live.values())
            steps = self._ended_steps + sum(one.steps for one in live)
            return steps, self._ended_episodes + sum(one.episodes for one in live)

    def open_sessions(self) -> list[ServerSession]:
        """Return the open sessions."""
        return [] if self.manager is None else self.manager.sessions

    def steps_of(self, session: ServerSession) -> int:
        """Return the number of steps of a session."""
        counts = self._live.get(session.id)
        return 0 if counts is None else counts.steps

    def opened(self, session: ServerSession) -> None:
        """See `SessionObserver`."""
        with self._lock:
            self._live[session.id] = SessionCounts(self._new_reader)
        if self._instruments is not None:
            self._instruments.opened.add(1, self.attributes)
        if self._spans is not None:
            self._spans.opened(session, self.attributes)

    def answered(
        self, session: ServerSession, body: m.RequestBody, reply: m.Reply | bytes, seconds: float
    ) -> None:
        """See `SessionObserver`."""
        kind = kind_of(body)
        if self._instruments is not None:
            known = self._by_kind.get(kind)
            if known is None:
                known = self._by_kind[kind] = {**self.attributes, "rlmesh.request": kind}
            self._instruments.duration.record(seconds, known)
        counts = self._live.get(session.id)
        if counts is None:
            return
        before = counts.step
        failure = counts.add(body, reply)
        if failure is not None:
            self.refused(failure)
        if self._spans is not None:
            self._spans.stepped(session, kind, before, counts.step - before, seconds)

    def ended(self, session: ServerSession, why: str) -> None:
        """See `SessionObserver`."""
        with self._lock:
            counts = self._live.pop(session.id, None)
            if counts is not None:
                self._ended_steps += counts.steps
                self._ended_episodes += counts.episodes
        if self._spans is not None and counts is not None:
            self._spans.ended(session, counts, why)

    def refused(self, failure: m.Failure) -> None:
        """See `SessionObserver`."""
        if self._instruments is not None:
            code = _CODES.get(failure.code, str(int(failure.code)))
            self._instruments.errors.add(1, {**self.attributes, "rlmesh.code": code})

    def _batched(self, count: int) -> None:
        if self._instruments is not None:
            self._instruments.batch.record(count, self.attributes)


class _Instruments:
    """The instruments of all servers of this process, for one meter.

    What is counted anyway is observed when the metrics are read, and costs a step nothing.
    """

    def __init__(self, found: Any) -> None:
        self._lock = threading.Lock()
        self._servers: weakref.WeakSet[ServerTelemetry] = weakref.WeakSet()
        self._observation = api("metrics").Observation
        name = "rlmesh.server."
        self.duration = duration_histogram(
            found, f"{name}request.duration", "Time that the server takes to apply a request"
        )
        self.batch = size_histogram(
            found, f"{name}batch.size", "{observation}", "Observations in one call of the model"
        )
        self.errors = found.create_counter(
            f"{name}errors", "{error}", "Failures that were sent to clients, by code"
        )
        self.opened = found.create_counter(
            f"{name}sessions.opened", "{session}", "Sessions that were opened"
        )
        for kind, what, unit, about, read in _OBSERVED:
            create = getattr(found, f"create_observable_{kind}")
            create(name + what, [self._reader(read)], unit, about)

    def add(self, server: ServerTelemetry) -> None:
        """Report a server, for as long as it exists."""
        with self._lock:
            self._servers.add(server)

    def _reader(self, read: Callable[[ServerTelemetry], Values]) -> Callable[[Any], list[Any]]:
        def observe(options: Any) -> list[Any]:
            with self._lock:
                servers = list(self._servers)
            return [
                self._observation(value, {**server.attributes, **more})
                for server in servers
                for value, more in read(server)
            ]

        return observe


def _steps(server: ServerTelemetry) -> Values:
    yield server.totals()[0], {}


def _episodes(server: ServerTelemetry) -> Values:
    yield server.totals()[1], {}


def _sessions(server: ServerTelemetry) -> Values:
    yield len(server.open_sessions()), {}


def _waiting(server: ServerTelemetry) -> Values:
    if server.manager is not None:
        yield server.manager.waiting, {}


def _batch_waiting(server: ServerTelemetry) -> Values:
    if server.batches is not None:
        yield server.batches.waiting, {}


def _held(server: ServerTelemetry) -> Values:
    for session, known in _each(server):
        yield session.held_seconds, known


def _away(server: ServerTelemetry) -> Values:
    for session, known in _each(server):
        yield session.lost_seconds or 0.0, known


def _session_steps(server: ServerTelemetry) -> Values:
    for session, known in _each(server):
        yield server.steps_of(session), known


def _session_requests(server: ServerTelemetry) -> Values:
    for session, known in _each(server):
        yield session.received, known


def _each(server: ServerTelemetry) -> Iterator[tuple[ServerSession, Mapping[str, Any]]]:
    for session in server.open_sessions():
        yield session, {"rlmesh.session": session.id, "rlmesh.client": session.name[:MAX_NAME]}


_OBSERVED: tuple[tuple[str, str, str, str, Any], ...] = (
    ("counter", "steps", "{step}", "Steps of environments, of all lanes", _steps),
    ("counter", "episodes", "{episode}", "Episodes that have ended, of all lanes", _episodes),
    ("gauge", "sessions", "{session}", "Open sessions", _sessions),
    ("gauge", "queue", "{client}", "Clients that wait for a session", _waiting),
    ("gauge", "batch.queue", "{request}", "Requests that wait for the model", _batch_waiting),
    ("gauge", "session.held", "s", "Time since a session was opened", _held),
    ("gauge", "session.away", "s", "Time since it lost its connection; 0: it has one", _away),
    ("gauge", "session.steps", "{step}", "Steps of a session, of all lanes", _session_steps),
    ("gauge", "session.requests", "{request}", "Requests of a session", _session_requests),
)
"""Kind, name, unit, description and values of each instrument that is read when it is asked for."""


@lru_cache(maxsize=4)
def _instruments_of(found: Any) -> _Instruments:
    """Return the instruments of a meter, which are created once."""
    return _Instruments(found)
