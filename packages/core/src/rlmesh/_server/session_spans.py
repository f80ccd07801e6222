"""`SessionSpans`: the spans of a server's sessions and of their sampled steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rlmesh._server.session_counts import SessionCounts
from rlmesh._session.server_session import ServerSession
from rlmesh._telemetry import api, context_of, is_sampled, steps_per_span

__all__ = ["MAX_NAME", "SessionSpans"]

MAX_NAME = 128
"""Max number of characters of a client's name in an attribute."""


class SessionSpans:
    """Records a span for each session, below the span that its client has sent.

    Args:
        found: Tracer.
    """

    def __init__(self, found: Any) -> None:
        self._tracer = found
        self._trace = api("trace")
        self._every = steps_per_span()
        self._open: dict[str, Any] = {}

    def opened(self, session: ServerSession, known: Mapping[str, Any]) -> None:
        """Begin the span of a session."""
        about = {"rlmesh.session": session.id, "rlmesh.client": session.name[:MAX_NAME]}
        self._open[session.id] = self._tracer.start_span(
            "rlmesh.serve.session",
            context=context_of(session.traceparent),
            kind=self._trace.SpanKind.SERVER,
            attributes={**known, **about},
        )

    def stepped(
        self, session: ServerSession, kind: str, step: int, count: int, seconds: float
    ) -> None:
        """Record the span of a call, if one of its steps is sampled.

        Args:
            session: The session.
            kind: Kind of the request.
            step: Number of the first step since the last reset.
            count: Number of steps; not above 0: there is none.
            seconds: Duration of the call.
        """
        above = self._open.get(session.id)
        if above is None or not is_sampled(step, count, self._every):
            return
        ended = time.time_ns()
        known: dict[str, Any] = {"rlmesh.request": kind, "rlmesh.step": step}
        if session.episode_id:
            known["rlmesh.episode_id"] = session.episode_id
        span = self._tracer.start_span(
            "rlmesh.serve.step",
            context=self._trace.set_span_in_context(above),
            attributes=known,
            start_time=ended - int(seconds * 1e9),
        )
        span.end(ended)

    def ended(self, session: ServerSession, counts: SessionCounts, why: str) -> None:
        """End the span of a session."""
        span = self._open.pop(session.id)
        span.set_attribute("rlmesh.steps", counts.steps)
        span.set_attribute("rlmesh.episodes", counts.episodes)
        span.set_attribute("rlmesh.losses", session.losses.count)
        span.set_attribute("rlmesh.reason", why)
        span.end()
