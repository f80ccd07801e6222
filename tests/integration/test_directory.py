"""Endpoints that announce themselves in a folder, and join and leave a run."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, ServeOptions, errors
from rlmesh._announcements import announce
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


class BadPool:
    """A pool that never returns endpoints."""

    name = "bad pool"
    at_least = 1
    patience = 0.5

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.released = threading.Event()

    def poll(self) -> Any:
        if self._answer is None:
            self.released.wait(60)
        elif isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OSError("stale"), r"in 0.5 s; poll\(\) raised OSError: stale"),
        (["127.0.0.1:5555"], r"expected poll\(\) to return endpoints, got a str"),
        (3, r"poll\(\) raised TypeError"),
        (None, "in 0.5 s$"),
    ],
    ids=["raises", "addresses", "number", "hangs"],
)
def test_a_pool_that_never_answers_ends_the_run(answer: Any, words: str) -> None:
    pool = BadPool(answer)
    with pytest.raises(errors.ConnectError, match=words):
        rlmesh.evaluate(lambda seen: 1, pool, seeds=range(2))
    pool.released.set()


def test_a_pool_that_hangs_does_not_hold_up_other_endpoints(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool = BadPool(None)
    with EnvServer(CounterEnv()) as server:
        run = rlmesh.evaluate(lambda seen: 1, [server.address, pool], max_episodes=2)
    pool.released.set()
    assert len(run.episodes) == 2
    until(lambda: "rlmesh-joining" not in {thread.name for thread in threading.enumerate()}, 20)
    assert "bad pool" not in caplog.text, "the run is over"


def _announcement(**facts: Any) -> str:
    return json.dumps({"address": "127.0.0.1:1", "id": "x", "host": "h", "pid": 1, **facts})


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        _announcement(address="ftp://127.0.0.1:1"),
        _announcement(address=""),
        _announcement(address="\ud800:1"),
        _announcement(address=5555),
        "{}",
    ],
    ids=["deep", "scheme", "empty", "surrogate", "number", "no address"],
)
def test_a_wrong_file_is_left_out(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.rlmesh.json").write_text(text)
    (tmp_path / "b.rlmesh.json").write_text(_announcement(since="a later version"))
    directory = Directory(tmp_path)
    assert [endpoint.resolve() for endpoint in directory.poll()] == ["127.0.0.1:1"]
    assert len(directory.poll()) == 1
    words = [record.getMessage() for record in caplog.records]
    assert len(words) == 1 and "a.rlmesh.json is no announcement" in words[0]


@pytest.mark.timeout(30)
def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.rlmesh.json").mkdir()
    os.mkfifo(tmp_path / "b.rlmesh.json")
    (tmp_path / "c.rlmesh.json").symlink_to(tmp_path / "nowhere")
    assert Directory(tmp_path).poll() == []


def test_a_server_that_starts_again_at_its_address_joins_again(tmp_path: Path) -> None:
    gone = ServeOptions(drain_timeout=0.0)
    first = EnvServer(SlowEnv(), options=gone)
    announce(tmp_path, first.address, "CounterEnv")  # Stays, as after a kill.
    first.start()
    second: list[EnvServer] = []

    def again() -> None:
        second.append(EnvServer(SlowEnv(), first.address, announce=tmp_path))
        second[0].start()

    watch = Watch()

    def turn(count: int) -> None:
        if count == 3:
            threading.Thread(target=first.shutdown).start()

    def on_endpoint(event: rlmesh.EndpointEvent) -> None:
        watch.changes.append((event.endpoint, event.change, event.playing))
        if event.change == "retired":
            again()

    watch._at_end = turn
    watch.on_endpoint = on_endpoint  # type: ignore[method-assign]
    run = evaluate(tmp_path, 8, watch)
    second[0].shutdown()
    assert [episode.error for episode in run.episodes] == [None] * 8
    changes = [change for _, change, _ in watch.changes if change != "lost"]
    assert changes == ["joined", "retired", "joined"]


@pytest.mark.timeout(30)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_file_that_becomes_a_pipe_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = tmp_path / "a.rlmesh.json"
    name.write_text(_announcement())
    is_regular = stat.S_ISREG

    def replaced(mode: int) -> bool:
        name.unlink()
        os.mkfifo(name)
        return is_regular(mode)

    monkeypatch.setattr("rlmesh._announcements.stat.S_ISREG", replaced)
    assert len(Directory(tmp_path).poll()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
def test_what_is_no_announcement_costs_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "folder.rlmesh.json").mkdir()
    (tmp_path / "zero.rlmesh.json").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.rlmesh.json")
    directory, descriptors = Directory(tmp_path), Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(50):
        assert directory.poll() == []
    assert len(list(descriptors.iterdir())) < before + 50
