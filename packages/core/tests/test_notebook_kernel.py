"""A notebook's kernel, the real one: results and progress as its cells show them, and asyncio."""

from __future__ import annotations

from typing import Any

import pytest

from packages.core.tests.notebook_cells import CELLS
from tests.notebooks import kernel_messages
from tests.size import only_long

pytestmark = [pytest.mark.slow, only_long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The messages of each cell of `notebook_cells.py`."""
    folder = tmp_path_factory.mktemp("notebook")
    messages = kernel_messages({"cells": list(CELLS.values())}, folder)["cells"]
    found: dict[str, Any] = dict(zip(CELLS, messages))
    errors = [one for messages in found.values() for one in messages if one["kind"] == "error"]
    assert errors == []
    return found


def test_progress_is_one_output_that_is_updated(shown: dict[str, Any]) -> None:
    first, *later = shown["progress"]
    assert first["kind"] == "display_data" and later
    assert {one["kind"] for one in later} == {"update_display_data"}
    names = {one["transient"]["display_id"] for one in shown["progress"]}
    assert len(names) == 1
    assert '<progress value="1.0000">' in later[-1]["data"]["text/html"]
    assert "3/3 episodes" in later[-1]["data"]["text/plain"]


def test_a_result_shows_its_summary(shown: dict[str, Any]) -> None:
    (one,) = shown["result"]
    assert one["kind"] == "execute_result"
    assert "<table>" in one["data"]["text/html"] and "3 of 3" in one["data"]["text/html"]
    assert one["data"]["text/plain"].startswith("<RunResult of ")
    (one,) = shown["comparison"]
    assert "3 pairs" in one["data"]["text/html"]


def test_a_run_in_the_event_loop_of_a_cell_is_one_elsewhere(shown: dict[str, Any]) -> None:
    printed = {
        name: "".join(one["text"] for one in shown[name] if one.get("name") == "stdout")
        for name in ("remote", "await")
    }
    assert printed == {"remote": "3.0 True\n", "await": "2 4\n"}
