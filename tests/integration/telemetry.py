"""OpenTelemetry's SDK in memory, and `python -m tests.integration.telemetry`: a server with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

import pytest

import rlmesh
from tests.integration.envs import CounterEnv

__all__ = ["facts_of", "memory_of_metrics", "memory_of_spans", "points"]

PORT_OF_METRICS = "opentelemetry.metrics._internal._METER_PROVIDER"
PORT_OF_SPANS = "opentelemetry.trace._TRACER_PROVIDER"
"""Where the API keeps the provider of a process, which can be set only once otherwise."""


def memory_of_spans(monkeypatch: pytest.MonkeyPatch | None = None) -> Any:
    """The exporter of a new provider of spans; of the whole process without `monkeypatch`."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    if monkeypatch is None:
        trace.set_tracer_provider(provider)
    else:
        monkeypatch.setattr(PORT_OF_SPANS, provider)
    return exporter


def memory_of_metrics(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reader of a new provider of metrics."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    monkeypatch.setattr(PORT_OF_METRICS, MeterProvider(metric_readers=[reader]))
    return reader


def points(reader: Any, **attributes: Any) -> dict[str, list[Any]]:
    """The points of each metric at present that have some attributes, without their prefix."""
    data = reader.get_metrics_data()
    found: dict[str, list[Any]] = {}
    for resource in () if data is None else data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                found[metric.name] = [
                    point
                    for point in metric.data.data_points
                    if all(point.attributes.get(f"rlmesh.{k}") == v for k, v in attributes.items())
                ]
    return found


def facts_of(spans: Iterable[Any]) -> list[dict[str, Any]]:
    """Spans as dicts, with ids in hexadecimal digits, in the order of their ends."""
    return [
        {
            "name": span.name,
            "trace": f"{span.context.trace_id:032x}",
            "span": f"{span.context.span_id:016x}",
            "parent": "" if span.parent is None else f"{span.parent.span_id:016x}",
            "is_error": span.status.status_code.name == "ERROR",
            "begun": span.start_time,
            "ended": span.end_time,
            **{key.removeprefix("rlmesh."): value for key, value in span.attributes.items()},
        }
        for span in spans
    ]


def main() -> None:
    """Serve until a signal, then print the spans."""
    exporter = memory_of_spans()
    server = rlmesh.EnvServer(CounterEnv())
    server.serve(
        on_ready=lambda: print(f"serving on {server.address} as {os.getpid()}", flush=True)
    )
    print(f"spans {json.dumps(facts_of(exporter.get_finished_spans()))}", flush=True)


if __name__ == "__main__":
    main()
