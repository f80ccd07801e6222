"""docs/observing.md: its code runs, and its lists are those of the code."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest

import rlmesh
from rlmesh._server.telemetry import _Instruments
from rlmesh._session import observed_session
from tests.documents.blocks import labelled
from tests.integration.envs import CounterEnv
from tests.processes import ROOT, finished

OBSERVING = ROOT / "docs/observing.md"


def test_the_code_runs() -> None:
    """The page sets up providers, which are those of the whole process, so that it gets its own."""
    pytest.importorskip("opentelemetry.sdk")
    blocks = [
        labelled("observing-logs"),
        labelled("observing-metrics"),
        labelled("observing-traces"),
        labelled("observing-loop"),
    ]
    done = finished(["-c", "\n".join(blocks)], fresh=True)
    assert done.returncode == 0, done.stderr
    assert re.match(r"serving \nopened (\w{16})\nended \1\nstopping \nstopped \n", done.stdout), (
        done.stdout
    )


def test_the_variables_are_those_of_the_code() -> None:
    variables = dict(re.findall(r"(RLMESH_\w+)=(\w+)", labelled("observing-variables")))
    assert len(variables) == 2
    inspected = finished(["-m", "rlmesh._cli", "inspect", "127.0.0.1:1"], **variables)
    assert "refused" in inspected.stderr and "has no effect" not in inspected.stderr


def test_prometheus_reads_the_port_of_the_command() -> None:
    (port,) = re.findall(r"--metrics 127.0.0.1:(\d+)", OBSERVING.read_text())
    assert f'targets: ["127.0.0.1:{port}"]' in labelled("observing-prometheus")


class NamingMeter:
    """A meter that has the names of what is created."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getattr__(self, method: str) -> Any:
        def create(name: str, *arguments: Any, **options: Any) -> Any:
            self.names.add(name)
            return mock.Mock()

        return create


def test_the_metrics_of_the_page_are_those_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry")
    meter = NamingMeter()
    _Instruments(meter)
    monkeypatch.setattr(observed_session, "meter", lambda: meter)
    with rlmesh.EnvServer(CounterEnv()) as server:
        rlmesh.RemoteEnv(server.address).close()
    listed = re.findall(
        r"^\| `(rlmesh\.[a-z.]+)` \| (?:counter|gauge|hist)", OBSERVING.read_text(), re.M
    )
    assert sorted(listed) == sorted(meter.names)


def test_the_events_of_the_page_are_those_that_exist() -> None:
    text = OBSERVING.read_text().partition("A server logs ")[2].partition("A connection that")[0]
    sources = [path.read_text() for path in (ROOT / "packages/core/src").rglob("*.py")]
    logged = {name for text in sources for name in re.findall(r"facts\(\s*\"(\w+)\"", text)}
    known = set(re.findall(r"`(\w+)`", text))
    assert known == logged - {"warning", "metrics"}
