"""`ObservedSession`: a client's session of which each request is recorded."""

from __future__ import annotations

import time
from typing import Any, TypeVar

from rlmesh._messages import env as m
from rlmesh._messages.kinds import kind_of
from rlmesh._session.client_session import ClientSession
from rlmesh._telemetry import (
    IN_RUN,
    api,
    current_traceparent,
    duration_histogram,
    is_sampled,
    meter,
    steps_per_span,
    tracer,
)
from rlmesh._wire.fast_path_reader import read_call_seconds
from rlmesh.backends import Buffer

__all__ = ["ObservedSession", "session_class", "times"]

R = TypeVar("R")


def session_class() -> type[ClientSession]:
    """Return the class of a new session: one that records, if the program has set up telemetry."""
    return ClientSession if tracer() is None and meter() is None else ObservedSession


class ObservedSession(ClientSession):
    """A session that records the duration of its requests, and spans of sampled steps.

    Attributes:
        call_seconds: Seconds that the last request took in the server's environment or model; None:
            the server has not sent them.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.call_seconds: float | None = None
        self._tracer, found = tracer(), meter()
        self._every = 0 if self._tracer is None else steps_per_span()
        self._step = 0
        self._durations: Any = None
        if found is not None:
            self._durations = duration_histogram(
                found, "rlmesh.client.request.duration", "Time from a request to its answer"
            )
        super().__init__(*arguments, **options)
        served = getattr(self.served, "id", "")
        self._known: dict[str, Any] = {"rlmesh.id": served, "rlmesh.address": self.address}

    def request(self, body: m.RequestBody, expected: type[R]) -> R:
        """See `ClientSession`."""
        self.call_seconds = None
        begun = time.perf_counter()
        reply = super().request(body, expected)
        seconds = time.perf_counter() - begun
        if self._durations is not None:
            self._durations.record(seconds, {**self._known, "rlmesh.request": kind_of(body)})
        if isinstance(body, m.Reset):
            self._step = 0
        elif isinstance(body, (m.Step, m.StepMany)):
            count = body.count if isinstance(body, m.StepMany) else 1
            if is_sampled(self._step, count, self._every):
                self._record_step(seconds)
            self._step += count
        return reply

    def begin(self, body: m.RequestBody, expected: type[R]) -> None:
        """Return None, so that `request` makes and records every request."""

    def _record_step(self, seconds: float) -> None:
        """Record a step as a span below that of the caller, unless the caller is a run."""
        if self._tracer is None or IN_RUN.get() or not current_traceparent():
            return
        known = {**self._known, "rlmesh.step": self._step}
        ended = time.time_ns()
        span = self._tracer.start_span(
            "rlmesh.step",
            kind=api("trace").SpanKind.CLIENT,
            attributes={**known, **times(seconds, self.call_seconds)},
            start_time=ended - int(seconds * 1e9),
        )
        span.end(ended)

    def _read(self, data: Buffer) -> tuple[int, m.Reply]:
        self.call_seconds = read_call_seconds(data)
        return super()._read(data)


def times(seconds: float, call_seconds: float | None) -> dict[str, float]:
    """Return the attributes for the parts of a step's time.

    Args:
        seconds: Seconds of the whole request.
        call_seconds: Seconds of it in the environment; None: not known.
    """
    if call_seconds is None:
        return {}
    return {
        "rlmesh.environment_seconds": call_seconds,
        "rlmesh.wire_seconds": max(seconds - call_seconds, 0.0),
    }
