"""Endpoints that announce themselves in a folder, and join and leave a run."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, ServeOptions, errors
from rlmesh.endpoints import Directory, Pool
from tests.integration.cli_processes import COMMAND
from tests.integration.envs import CounterEnv
from tests.processes import finished, running, until

pytestmark = pytest.mark.own_transport


class SlowEnv(CounterEnv):
    """Episodes of three steps of 10 ms."""

    def step(self, action: Any) -> Any:
        time.sleep(0.01)
        return super().step(action)


class Watch:
    """A hook that keeps what happens to endpoints, and reports the ends of episodes."""

    def __init__(self, at_end: Any = None) -> None:
        self.changes: list[tuple[str, str, int]] = []
        self.ended: Counter[str] = Counter()
        self._at_end = at_end

    def on_endpoint(self, event: rlmesh.EndpointEvent) -> None:
        self.changes.append((event.endpoint, event.change, event.playing))

    def on_episode_end(self, event: Any) -> None:
        self.ended[event.result.endpoint] += 1
        if self._at_end is not None:
            self._at_end(sum(self.ended.values()))


def evaluate(folder: Path, episodes: int, hooks: Any = None, **options: Any) -> Any:
    directory = Directory(folder, **{"patience": 20.0, **options})
    assert isinstance(directory, Pool)
    return rlmesh.evaluate(
        lambda seen: 1, directory, seeds=range(episodes), max_episode_steps=5, hooks=hooks
    )


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_a_server_announces_itself_while_it_serves(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "servers"
    server = EnvServer(CounterEnv(), announce=folder)
    assert files(folder) == []
    with server:
        (name,) = files(folder)
        facts = json.loads((folder / name).read_text())
        assert facts["address"] == server.address and facts["id"] == "CounterEnv"
    assert files(folder) == []
    server.shutdown()


def test_servers_join_and_leave_a_run(tmp_path: Path) -> None:
    first = EnvServer(SlowEnv(), announce=tmp_path)
    second = EnvServer(SlowEnv(), announce=tmp_path)
    first.start()

    def turn(count: int) -> None:
        if count == 3:
            second.start()
        elif count == 30:
            threading.Thread(target=first.shutdown).start()

    watch = Watch(turn)
    run = evaluate(tmp_path, 60, watch)
    second.shutdown()
    assert [episode.index for episode in run.episodes] == list(range(60))
    assert all(episode.error is None and episode.steps == 3 for episode in run.episodes)
    assert min(watch.ended[first.address], watch.ended[second.address]) > 5
    assert watch.changes[0] == (first.address, "joined", 1)
    assert (second.address, "joined", 2) in watch.changes
    assert watch.changes[-1][:2] == (first.address, "retired")
    assert not run.warnings.get("endpoint_left_out")


def test_a_run_waits_for_its_first_servers(tmp_path: Path) -> None:
    servers = [EnvServer(SlowEnv(), announce=tmp_path / "new") for _ in range(2)]
    timers = [threading.Timer(0.3 + i, server.start) for i, server in enumerate(servers)]
    for timer in timers:
        timer.start()
    watch = Watch()
    evaluate(tmp_path / "new", 8, watch, at_least=2)
    assert set(watch.ended) == {server.address for server in servers}
    for server in servers:
        server.shutdown()


def test_a_run_without_servers_ends(tmp_path: Path) -> None:
    with pytest.raises(errors.ConnectError, match="no endpoint that can be played has come in"):
        evaluate(tmp_path, 1, patience=0.5)


def test_the_file_of_a_killed_server_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = [*COMMAND, "serve", "CartPole-v1", "--announce", str(tmp_path)]
    with running(command) as process:
        until(lambda: files(tmp_path), 60)
        process.process.kill()
        process.process.wait(30)
    (tmp_path / "broken.rlmesh.json").write_text("{")
    assert len(files(tmp_path)) == 2
    caplog.set_level(logging.WARNING)
    with EnvServer(CounterEnv(), announce=tmp_path) as server:
        run = evaluate(tmp_path, 4)
    assert {episode.endpoint for episode in run.episodes} == {server.address}
    words = [record.getMessage() for record in caplog.records]
    assert sum("broken.rlmesh.json is no announcement" in text for text in words) == 1
    assert sum("it plays no more in this run" in text for text in words) == 1


def test_a_run_that_loses_its_servers_waits_for_others(tmp_path: Path) -> None:
    gone = ServeOptions(drain_timeout=0.0)
    servers = [EnvServer(SlowEnv(), announce=tmp_path, options=gone) for _ in range(2)]
    servers[0].start()
    swapped: list[int] = []

    def turn(count: int) -> None:
        if count == 3 and not swapped:
            swapped.append(count)
            threading.Thread(target=servers[0].shutdown).start()
            threading.Timer(1.5, servers[1].start).start()

    run = evaluate(tmp_path, 8, Watch(turn))
    servers[1].shutdown()
    assert {episode.endpoint for episode in run.episodes} == {s.address for s in servers}


@pytest.mark.parametrize(
    ("options", "words"), [({"at_least": 0}, "at_least"), ({"patience": -1.0}, "patience")]
)
def test_wrong_arguments_are_refused(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Directory("here", **options)


def test_the_command_line_plays_on_what_is_announced(tmp_path: Path) -> None:
    serve = [*COMMAND, "serve", "CartPole-v1", "--announce", str(tmp_path)]
    with running(serve), running(serve) as second:
        until(lambda: len(files(tmp_path)) == 2, 60)
        command = [*COMMAND, "eval", "random", "--directory", str(tmp_path), "--seeds", "0:6"]
        done = finished([*command, "--json"])
        assert len(json.loads(done.stdout)["episodes"]) == 6
        assert second.stop() == 0
        assert len(files(tmp_path)) == 1
