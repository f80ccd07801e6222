"""`rlmesh eval --resume` of a run with other settings, and what its documents have of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlmesh import RunResult
from tests.integration.cli_processes import COMMAND, LOUD, serving, told
from tests.processes import finished

pytest.importorskip("rich")
pytest.importorskip("typer")


def test_a_run_of_other_settings_is_resumed_only_by_force(tmp_path: Path) -> None:
    journal = str(tmp_path / "run.journal")
    with serving(LOUD) as (where, _):
        run = ["eval", "random", where, "--seeds", "0:2", "--journal", journal, "--run-id", "a"]
        first: Any = told(*run)
        other = [*run, "--resume", "--max-episode-steps", "2", "--token", "secret"]
        refused = finished([*COMMAND, *other, "--json"])
        forced: Any = told(*other, "--force")
    assert first["settings"]["run_id"] == "a" and first["resume_differences"] == []
    assert first["settings"]["env_servers"][0].startswith("rlmesh-core/")
    assert refused.returncode == 1
    words = "max_episode_steps: expected 2, got None"
    assert "--max-episode-steps: expected 2, got None" in refused.stderr
    assert "--force" in refused.stderr
    assert json.loads(refused.stdout)["error"]["type"] == "JournalError"
    assert forced["resume_differences"] == [words]
    command = forced["settings"]["command"]
    assert command[:2] == ["rlmesh", "eval"] and "***" in command and "secret" not in command
    assert RunResult.from_journal(journal).resume_differences == (words,)
