"""The pages of docs/: each page's code runs, in order, and its tables name what exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import rlmesh
from rlmesh import adapters
from rlmesh._server.telemetry import _Instruments
from rlmesh._session import observed_session
from rlmesh.adapters import roles
from tests.documents.pages import execute
from tests.integration.envs import CounterEnv
from tests.processes import ROOT, finished

pytest.importorskip("rlmesh_numpy")
pytest.importorskip("PIL")

PAGES = sorted((ROOT / "docs").glob("*.md"))
NAMES = {**vars(roles), **{name: getattr(adapters, name) for name in adapters.__all__}}


OBSERVING = ROOT / "docs/observing.md"
"""A page that sets up providers, which are those of the whole process."""


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_code_of_a_page_runs(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    if page != OBSERVING:
        execute("\n".join(blocks))
        return
    pytest.importorskip("opentelemetry.sdk")
    done = finished(["-c", "\n".join(blocks)], fresh=True)
    assert done.returncode == 0, done.stderr
    assert re.match(r"serving \nopened (\w{16})\nended \1\nstopping \nstopped \n", done.stdout), (
        done.stdout
    )


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
