"""Evaluations that go on from the journal of an earlier one."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, errors
from rlmesh._journal import Journal
from tests.integration.envs import is_free
from tests.integration.walks import Decide, WalkEnv, Walks, told
from tests.processes import running, until

SEEDS = list(range(12))

EVALUATOR = """
import sys, rlmesh
from tests.integration.walks import Walks, told
class Print:
    def on_episode_end(self, event):
        print("episode", event.result.index, flush=True)
path, *addresses = sys.argv[1:]
rlmesh.evaluate(Walks(), addresses, seeds=range(12), journal=path, resume=True, hooks=Print())
"""


def test_an_evaluator_that_is_killed_goes_on_from_its_journal(tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    options = rlmesh.ServeOptions(grace_period=0.2)  # The killed one's sessions end soon.
    with ExitStack() as stack:
        servers = [stack.enter_context(EnvServer(WalkEnv(0.03), options=options)) for _ in "ab"]
        addresses = [server.address for server in servers]
        with running(["-c", EVALUATOR, str(journal), *addresses]) as evaluator:
            evaluator.wait_for(r"(episode \d+\n.*){3}", 60)
            evaluator.process.send_signal(signal.SIGKILL)
            evaluator.process.wait()
        with Journal.open(journal) as kept:
            finished = {episode.index: episode for episode in kept.episodes}
        assert 3 <= len(finished) < 12
        for address in addresses:
            until(lambda address=address: is_free(address), 20, address)
        starts: list[Any] = []

        class Start:
            def on_run_start(self, event: Any) -> None:
                starts.append(event)

        result = rlmesh.evaluate(
            Walks(), addresses, seeds=SEEDS, journal=journal, resume=True, hooks=Start()
        )
    assert told(result) == told(rlmesh.Model(Decide()).run(WalkEnv(), seeds=SEEDS))
    assert {e.index: e for e in starts[0].finished} == finished
    assert [result.episodes[index] for index in finished] == list(finished.values())


@pytest.mark.own_transport
def test_a_journal_is_that_of_its_run(tmp_path: Path) -> None:
    path = tmp_path / "run.journal"
    whole = rlmesh.evaluate(Decide(), WalkEnv(), seeds=SEEDS, journal=path)
    with pytest.raises(FileExistsError):
        rlmesh.evaluate(Decide(), WalkEnv(), seeds=SEEDS, journal=path)
    with pytest.raises(errors.JournalError, match="seeds"):
        rlmesh.evaluate(Decide(), WalkEnv(), seeds=[1], journal=path, resume=True)
    again = rlmesh.evaluate(Decide(), WalkEnv(), seeds=SEEDS, journal=path, resume=True)
    assert again.episodes == whole.episodes
