"""`RunTrace`: the spans of a run, of its episodes and of sampled steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from rlmesh._client.base import EnvClientBase
from rlmesh._evaluation.endpoint_state import EndpointState
from rlmesh._evaluation.episode import RunningEpisode
from rlmesh._evaluation.workers import Done
from rlmesh._session.observed_session import times
from rlmesh._telemetry import IN_RUN, api, is_sampled, steps_per_span, tracer
from rlmesh.results import EpisodeResult, RunResult

__all__ = ["RunTrace", "traced_run"]


@dataclass
class _Marks:
    """The sampled steps of an episode that runs: begin, end and attributes of each."""

    endpoint: str
    lane: int
    steps: list[tuple[float, float, dict[str, Any]]] = field(default_factory=list)


@contextlib.contextmanager
def traced_run(model_id: str) -> Generator[RunTrace | None, None, None]:
    """Make a span of a run the current one in the block; yield None if no spans are recorded.

    Clients that connect in the block send it to their servers as the parent of their spans.

    Args:
        model_id: Name of the model.
    """
    found = tracer()
    if found is None:
        yield None
        return
    trace = api("trace")
    span = found.start_span("rlmesh.run", attributes={"rlmesh.model": model_id})
    token = IN_RUN.set(True)
    try:
        with trace.use_span(span, end_on_exit=True):
            run = RunTrace(found, span)
            try:
                yield run
            finally:
                run.close()
    finally:
        IN_RUN.reset(token)


class RunTrace:
    """Records what happens in a run, from the run's own thread.

    The span of an episode is made when the episode has ended, because an episode that is played
    again on another endpoint has only then a result.

    Args:
        found: Tracer.
        span: Span of the run.
    """

    def __init__(self, found: Any, span: Any) -> None:
        self._tracer = found
        self._trace = api("trace")
        self._span = span
        self._every = steps_per_span()
        self._offset = time.time() - time.perf_counter()
        self._marks: dict[RunningEpisode, _Marks] = {}

    def began(self, attempt: RunningEpisode, state: EndpointState) -> None:
        """Record that an episode has begun."""
        self._marks[attempt] = _Marks(state.name, attempt.lane)

    def stepped(self, state: EndpointState, done: Done) -> None:
        """Record a call of steps, before its results are added to the episodes of its lanes."""
        for lane, results in done.result.items():
            attempt = state.playing[lane]
            marks = self._marks.get(attempt)
            if marks is not None and is_sampled(attempt.steps, len(results), self._every):
                known: dict[str, Any] = {"rlmesh.step": attempt.steps}
                known["rlmesh.model_seconds"] = attempt.last_prediction
                if len(results) > 1:
                    known["rlmesh.actions"] = len(results)
                known.update(_times(state, done.ended - done.begun))
                marks.steps.append((done.begun, done.ended, known))

    def ended(self, attempt: RunningEpisode, result: EpisodeResult) -> None:
        """Record the span of an episode that has ended."""
        known = {
            "rlmesh.reward": result.reward,
            "rlmesh.steps": result.steps,
            "rlmesh.end": result.end.value,
            "rlmesh.model_seconds": result.timing.predict,
            "rlmesh.step_seconds": result.timing.step,
            "rlmesh.wait_seconds": result.timing.wait,
        }
        if result.success is not None:
            known["rlmesh.success"] = result.success
        self._record(attempt, known, "" if result.error is None else result.error.message)

    def abandoned(self, attempt: RunningEpisode, error: BaseException) -> None:
        """Record the span of an episode that is not played to its end on this endpoint."""
        known = {"rlmesh.steps": attempt.steps, "rlmesh.end": "abandoned"}
        self._record(attempt, known, f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Record the spans of episodes that run when the run is over, by a failure for example."""
        for attempt in list(self._marks):
            self._record(attempt, {"rlmesh.steps": attempt.steps, "rlmesh.end": "unfinished"}, "")

    def finished(self, result: RunResult) -> None:
        """Add the result of the run to its span."""
        self._span.set_attribute("rlmesh.id", result.env_id)
        self._span.set_attribute("rlmesh.episodes", len(result.episodes))
        self._span.set_attribute("rlmesh.mean_reward", result.mean_reward)
        if result.success_rate is not None:
            self._span.set_attribute("rlmesh.success_rate", result.success_rate)

    def _record(self, attempt: RunningEpisode, known: dict[str, Any], error: str) -> None:
        marks = self._marks.pop(attempt, None)
        if marks is None:
            return  # Its reset has not returned.
        planned = attempt.planned
        about: dict[str, Any] = {"rlmesh.episode": planned.index, "rlmesh.endpoint": marks.endpoint}
        about["rlmesh.lane"] = marks.lane
        if planned.seed is not None:
            about["rlmesh.seed"] = str(planned.seed)  # An attribute has 63 bits and a sign.
        if planned.task:
            about["rlmesh.task"] = planned.task
        span = self._tracer.start_span(
            "rlmesh.episode", attributes={**about, **known}, start_time=self._ns(attempt.started)
        )
        inside = self._trace.set_span_in_context(span)
        for begun, ended, facts in marks.steps:
            step = self._tracer.start_span(
                "rlmesh.step", context=inside, attributes=facts, start_time=self._ns(begun)
            )
            step.end(self._ns(ended))
        if error:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, error))
        span.end(self._ns(attempt.ready))

    def _ns(self, moment: float) -> int:
        """Return the nanoseconds since 1970 of a time by `time.perf_counter`."""
        return int((moment + self._offset) * 1e9)


def _times(state: EndpointState, seconds: float) -> dict[str, float]:
    """Return how much of a call was the environment, and how much the way to it and back."""
    env = None if state.lanes is None else state.lanes.env
    if not isinstance(env, EnvClientBase):
        return {"rlmesh.environment_seconds": seconds}
    return times(seconds, env._stub.call_seconds)
