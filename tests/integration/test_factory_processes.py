"""Environments in processes that die, hang or are left behind."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from tests.integration.envs import (
    CounterEnv,
    ParentEnv,
)
from tests.integration.factory_subjects import Workers, alive, both, lines, trouble
from tests.processes import ROOT, running, until

HAS_CLOUDPICKLE = importlib.util.find_spec("cloudpickle") is not None

DEATHS = [("segfault", -11, "signal SIGSEGV"), ("exit", 7, "code 7")]


def test_sys_exit_of_an_environment_ends_no_process(factory: Any) -> None:
    with (
        EnvServer(factory=factory, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        pid = remote.reset()[1]["pid"]
        with pytest.raises(errors.EnvError, match="SystemExit: 3") as caught:
            remote.step(trouble("sys.exit"))
        assert not isinstance(caught.value, errors.EnvCrashedError)
        assert remote.reset()[1]["pid"] == pid


@pytest.mark.parametrize(("kind", "code", "words"), DEATHS)
def test_a_process_that_dies_is_an_answer(
    factory: Any, note: Path, kind: str, code: int, words: str
) -> None:
    with (
        EnvServer(factory=factory, max_sessions=2, workers="process") as server,
        RemoteEnv(server.address) as remote,
        RemoteEnv(server.address) as other,
    ):
        pid = remote.reset()[1]["pid"]
        other.reset()
        with pytest.raises(errors.EnvCrashedError, match=words) as caught:
            remote.step(trouble(kind))
        assert caught.value.exit_code == code
        assert not caught.value.session_closed
        with pytest.raises(errors.EnvCrashedError, match=f"not applied: .*{words}"):
            remote.step(0)
        again = remote.reset()[1]["pid"]
        assert again != pid
        assert remote.step(0)[0] == 1
        assert other.step(0)[0] == 1, "the other session has not noticed"
        assert not alive(pid)
    assert [word for word, *_ in lines(note)].count("made") == 3


def test_a_killed_process_is_an_answer(factory: Any) -> None:
    with (
        EnvServer(factory=factory, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        os.kill(remote.reset()[1]["pid"], signal.SIGKILL)
        with pytest.raises(errors.EnvCrashedError, match=r"SIGKILL \(9\); the system may have run"):
            remote.step(0)
        assert remote.reset()[0] == 0


@pytest.mark.parametrize("kind", ["fork", "program"])
def test_a_process_that_dies_is_noticed_though_its_child_lives(kind: str) -> None:
    """A forked child holds the worker's end of the connection, which does not break then."""
    factory = functools.partial(ParentEnv, kind)
    with (
        EnvServer(factory=factory, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        child = remote.reset()[1]["child"]
        remote.step_async(trouble("segfault"))
        with pytest.raises(errors.EnvCrashedError, match="signal SIGSEGV"):
            remote.step_wait(10)
        until(lambda: not alive(child), 10)
        assert remote.reset()[1]["child"] != child


@pytest.mark.parametrize("kind", ["fork", "program"])
def test_the_children_of_a_process_end_with_it(kind: str) -> None:
    factory = functools.partial(ParentEnv, kind)
    with (
        EnvServer(factory=factory, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        child = remote.reset()[1]["child"]
        remote.close()
        until(lambda: not alive(child), 10)


@pytest.mark.parametrize("kind", ["sleep", "hold the GIL"])
def test_a_call_that_hangs_is_ended(factory: Any, kind: str) -> None:
    options = ServeOptions(call_timeout=0.5)
    with (
        EnvServer(factory=factory, workers="process", options=options) as server,
        RemoteEnv(server.address) as remote,
    ):
        pid = remote.reset()[1]["pid"]
        with pytest.raises(errors.EnvTimeoutError, match=r"step\(\) had not returned after 0\.\d"):
            remote.step(trouble(kind))
        assert not alive(pid)
        with pytest.raises(errors.EnvCrashedError, match="not applied"):
            remote.step(0)
        assert remote.reset()[1]["pid"] != pid
        assert remote.step(0)[0] == 1


@both
def test_a_server_stops_while_a_call_hangs(factory: Any, workers: Workers) -> None:
    options = ServeOptions(close_timeout=0.3, grace_period=0)
    server = EnvServer(factory=factory, workers=workers, options=options)
    server.start()
    remote = RemoteEnv(server.address)
    pid = remote.reset()[1]["pid"]
    remote.step_async(trouble("sleep"))
    time.sleep(0.2)
    begun = time.monotonic()
    server.shutdown()
    assert time.monotonic() - begun < 20
    assert workers == "thread" or not alive(pid)
    with pytest.raises(errors.RLMeshError):
        remote.step_wait(10)


# What is left behind.

SERVER = """
import functools, sys
from rlmesh import EnvServer
from tests.integration.envs import MischiefEnv, ParentEnv
if __name__ == "__main__":
    server = EnvServer(factory=MischiefEnv, max_sessions=2, workers="process", spares=1)
    server.serve(on_ready=lambda: print(server.address, flush=True))
"""


@pytest.mark.parametrize("kind", ["none", "hold the GIL"])
def test_no_process_outlives_a_killed_server(kind: str, tmp_path: Path) -> None:
    script = tmp_path / "serving.py"
    script.write_text(SERVER)
    with running([str(script)], PYTHONPATH=f"{ROOT}:{os.environ.get('PYTHONPATH', '')}") as server:
        address = server.wait_for(r"tcp://\S+").group()
        remote = RemoteEnv(address)
        pid = remote.reset()[1]["pid"]
        # Its own, and a spare.
        workers = until(lambda: w if len(w := children(server.process.pid)) == 2 else None, 30)
        assert pid in workers
        remote.step_async(trouble(kind))
        if kind == "none":
            remote.step_wait(10)
        server.stop(signal.SIGKILL)
        until(lambda: not alive(pid), 10)
        assert not children(server.process.pid)


@pytest.mark.parametrize("kind", ["fork", "program"])
def test_no_child_of_a_process_outlives_a_killed_server(kind: str, tmp_path: Path) -> None:
    script = tmp_path / "serving.py"
    factory = f"functools.partial(ParentEnv, {kind!r})"
    script.write_text(SERVER.replace("factory=MischiefEnv", f"factory={factory}"))
    with running([str(script)], PYTHONPATH=f"{ROOT}:{os.environ.get('PYTHONPATH', '')}") as server:
        remote = RemoteEnv(server.wait_for(r"tcp://\S+").group())
        info = remote.reset()[1]
        server.stop(signal.SIGKILL)
        until(lambda: not alive(info["pid"]) and not alive(info["child"]), 10)


def children(pid: int) -> list[int]:
    """The worker processes of a server."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"worker_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_server_and_its_processes(number: int, tmp_path: Path) -> None:
    script = tmp_path / "serving.py"
    script.write_text(SERVER)
    with running([str(script)], PYTHONPATH=f"{ROOT}:{os.environ.get('PYTHONPATH', '')}") as server:
        remote = RemoteEnv(server.wait_for(r"tcp://\S+").group())
        pid = remote.reset()[1]["pid"]
        assert server.stop(number) == 0, server
        assert not alive(pid)
        assert "Traceback" not in server.errors


# Arguments.


@pytest.mark.skipif(not HAS_CLOUDPICKLE, reason="pickle takes no lambda")
def test_a_lambda_goes_to_a_process() -> None:
    offset = 0
    with (
        EnvServer(factory=lambda: CounterEnv() if offset == 0 else None, workers="process") as s,
        RemoteEnv(s.address) as remote,
    ):
        assert remote.reset()[0] == 0
