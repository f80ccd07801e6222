"""OpenTelemetry by its API alone: tracer, meter and trace context, if the program has set them up.

A program that has imported nothing of OpenTelemetry, or has set up no provider, records nothing.
Clients, servers and runs ask once, when they begin, so that a step then costs nothing more.
"""

from __future__ import annotations

import contextvars
import importlib
import os
import sys
from typing import Any

from rlmesh._version import __version__

__all__ = [
    "DEFAULT_STEPS_PER_SPAN",
    "IN_RUN",
    "STEPS_VARIABLE",
    "api",
    "context_of",
    "current_traceparent",
    "duration_histogram",
    "is_sampled",
    "meter",
    "size_histogram",
    "steps_per_span",
    "tracer",
]

DEFAULT_STEPS_PER_SPAN = 100
"""Number of steps of an episode of which one has a span."""

STEPS_VARIABLE = "RLMESH_TRACE_STEPS"

IN_RUN: contextvars.ContextVar[bool] = contextvars.ContextVar("rlmesh_in_run", default=False)
"""Whether the caller is part of a run, which makes the spans of its steps itself."""

_SCOPE = "rlmesh"

_SECONDS = (
    *(0.00005, 0.0001, 0.00025, 0.0005),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0),
)
"""Upper bounds of the buckets of durations, in seconds: a step takes microseconds to minutes."""

_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
"""Upper bounds of the buckets of sizes of batches."""


def api(module: str) -> Any:
    """Return a module of OpenTelemetry's API ("trace"), which the program has set up."""
    return importlib.import_module(f"opentelemetry.{module}")


def tracer() -> Any | None:
    """Return the tracer of RLMesh; None if spans would be recorded nowhere."""
    trace = _loaded("trace", "OTEL_PYTHON_TRACER_PROVIDER")
    if trace is None:
        return None
    provider = trace.get_tracer_provider()
    return provider.get_tracer(_SCOPE, __version__) if _records(provider) else None


def meter() -> Any | None:
    """Return the meter of RLMesh; None if metrics would be recorded nowhere."""
    metrics = _loaded("metrics", "OTEL_PYTHON_METER_PROVIDER")
    if metrics is None:
        return None
    provider = metrics.get_meter_provider()
    return provider.get_meter(_SCOPE, __version__) if _records(provider) else None


def _loaded(module: str, variable: str) -> Any | None:
    """Return a module of the API, if the program uses OpenTelemetry.

    A program that has imported nothing of it does not wait for its import here. The variable is
    OpenTelemetry's own, by which a provider is set up when it is first used.
    """
    if "opentelemetry" not in sys.modules and not os.environ.get(variable):
        return None
    try:
        return api(module)
    except ImportError:
        return None


def _records(provider: object) -> bool:
    """Return whether a provider is another one than those of the API, which record nothing."""
    return not type(provider).__module__.startswith(
        ("opentelemetry.trace", "opentelemetry.metrics")
    )


def current_traceparent() -> str:
    """Return the current span as a W3C `traceparent`; empty: there is none."""
    trace = _loaded("trace", "OTEL_PYTHON_TRACER_PROVIDER")
    if trace is None:
        return ""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return ""
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{int(current.trace_flags):02x}"


def context_of(traceparent: str) -> Any:
    """Return the context in which a `traceparent` from a peer is the parent; empty: no parent."""
    propagator = api("trace.propagation.tracecontext").TraceContextTextMapPropagator()
    return propagator.extract({"traceparent": traceparent}, api("context").Context())


def steps_per_span() -> int:
    """Return the number of steps of which one has a span; 0: none has.

    Raises:
        ValueError: If the variable RLMESH_TRACE_STEPS is not such a number.
    """
    text = os.environ.get(STEPS_VARIABLE, "")
    if not text:
        return DEFAULT_STEPS_PER_SPAN
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{STEPS_VARIABLE}={text!r:.60}: expected a whole number, 0 or more")
    return int(text)


def is_sampled(step: int, count: int, every: int) -> bool:
    """Return whether one of `count` steps, from number `step` on, has a span.

    The first step of an episode has one, and then one of `every`; 0: none has.
    """
    return every > 0 and -step % every < count


def duration_histogram(found: Any, name: str, description: str) -> Any:
    """Return a new histogram of durations in seconds."""
    return _histogram(found, name, "s", description, _SECONDS)


def size_histogram(found: Any, name: str, unit: str, description: str) -> Any:
    """Return a new histogram of sizes."""
    return _histogram(found, name, unit, description, _SIZES)


def _histogram(
    found: Any, name: str, unit: str, description: str, bounds: tuple[float, ...]
) -> Any:
    try:
        return found.create_histogram(
            name, unit, description, explicit_bucket_boundaries_advisory=list(bounds)
        )
    except TypeError:  # Before 1.30, only the program can choose bounds, by a view.
        return found.create_histogram(name, unit, description)
