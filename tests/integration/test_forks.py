"""Forked workers of a process that uses gRPC; Gymnasium and Stable-Baselines3 fork on Linux."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.processes import finished, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it forks")

SERVER = """
from rlmesh import EnvServer
from tests.integration.envs import CounterEnv
server = EnvServer(factory=CounterEnv, max_sessions=8)
server.serve(on_ready=lambda: print(server.address, flush=True))
"""

PARENT = """
import multiprocessing, sys, threading
from rlmesh import EnvServer, RemoteEnv, errors
from tests.integration.envs import CounterEnv

address, transport, use = sys.argv[1:]

def play(results):
    try:
        with RemoteEnv(address, transport=transport, connect_timeout=5) as remote:
            remote.reset()
            results.put(remote.step(0)[0])
    except errors.ConnectError as error:
        results.put(str(error))

kept = []
if use in ("open", "closed"):
    kept.append(RemoteEnv(address, transport=transport))
    kept[0].reset()
if use == "closed":
    kept[0].close()
if use == "busy":
    def step():
        remote = RemoteEnv(address, transport=transport)
        remote.reset()
        while True:
            remote.step(0)
            kept.append(1)
    for _ in range(2):
        threading.Thread(target=step, daemon=True).start()
    while len(kept) < 50:
        pass
if use == "server":
    kept.append(EnvServer(CounterEnv()).start())
context = multiprocessing.get_context("fork")
results = context.SimpleQueue()
workers = [context.Process(target=play, args=(results,), daemon=True) for _ in range(2)]
for worker in workers:
    worker.start()
print([results.get() for _ in workers], flush=True)
for worker in workers:
    worker.join()
if use == "open":
    print("parent", kept[0].step(0)[0], flush=True)
"""


@pytest.mark.parametrize("use", ["closed", "open", "busy", "server"])
def test_a_forked_child_gets_an_error_at_once_that_names_spawn(use: str, transport: str) -> None:
    with running(["-c", SERVER]) as server:
        address = server.wait_for(r"tcp://\S+").group()
        done = finished(["-c", PARENT, address, transport, use])
        assert done.stdout.count("get_context('spawn')") == 2, done.stdout + done.stderr
        assert use != "open" or "parent 1" in done.stdout


def test_a_forked_child_plays_if_its_parent_has_not_used_grpc(transport: str) -> None:
    with running(["-c", SERVER]) as server:
        address = server.wait_for(r"tcp://\S+").group()
        done = finished(["-c", PARENT, address, transport, "nothing"])
        assert "[1, 1]" in done.stdout, done.stdout + done.stderr


VECTOR = """
import sys
import gymnasium
from rlmesh.numpy import RemoteEnv

def connect():
    return RemoteEnv(sys.argv[1], connect_timeout=10)

if __name__ == "__main__":
    try:
        vector = gymnasium.vector.AsyncVectorEnv([connect] * 2, context=sys.argv[2])
        vector.reset(seed=1)
        print(vector.step(vector.action_space.sample())[0].tolist(), flush=True)
        vector.close()
    except Exception as error:
        print(type(error).__name__, error, flush=True)
"""


@pytest.mark.parametrize("context", ["spawn", "fork"])
def test_a_vector_of_gymnasium(context: str, tmp_path: Path) -> None:
    """It opens and closes one environment in the parent, before it starts its workers."""
    pytest.importorskip("rlmesh.numpy")
    program = tmp_path / "vector.py"
    program.write_text(VECTOR, encoding="utf-8")
    with running(["-c", SERVER]) as server:
        address = server.wait_for(r"tcp://\S+").group()
        done = finished([str(program), address, context])
    if context == "spawn":
        assert "[1, 1]" in done.stdout, done.stdout + done.stderr
    else:
        assert "get_context('spawn')" in done.stderr


TRIES = """
import multiprocessing
from rlmesh import EnvServer, ModelServer, RemoteModel
from tests.integration.envs import CounterEnv
from tests.integration.serving import PLAIN, Echo

def tries(address, results):
    names = []
    for make in (lambda: RemoteModel(address, PLAIN), lambda: EnvServer(CounterEnv())):
        try:
            make()
        except Exception as error:
            names.append(type(error).__name__)
    results.put(names)

with ModelServer(Echo()) as server:
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=tries, args=(server.address, results), daemon=True)
    child.start()
    print(results.get(), flush=True)
    child.join()
"""


def test_a_forked_child_can_make_no_server_and_ask_no_model() -> None:
    done = finished(["-c", TRIES])
    assert "['ConnectError', 'RuntimeError']" in done.stdout, done.stdout + done.stderr
