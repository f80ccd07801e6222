"""Blocks of code of the pages that are a server and its client, each in a process of its own."""

from __future__ import annotations

import re
import shlex
import socket
from pathlib import Path

import pytest

from tests.documents.blocks import labelled
from tests.integration.cli_processes import COMMAND
from tests.processes import STARTED, finished, running, until
from tests.size import LONG

pytest.importorskip("gymnasium")

EPISODES = 100 if LONG else 20
BANNED = "import sys; sys.modules.update(dict.fromkeys(('gymnasium', 'numpy', 'rlmesh_numpy')))\n"


def on(block: str, port: int) -> str:
    """A block with another port."""
    assert "127.0.0.1:5555" in block
    return block.replace("5555", str(port))


def answers(port: int) -> bool:
    """Whether something listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


SERVE, FACTORY, CONNECT = labelled("serve"), labelled("factory"), labelled("connect")
NATIVE_SERVE, NATIVE_CLIENT = labelled("native-serve"), labelled("native-client")
EVALUATE, SUITE = labelled("evaluate"), labelled("suite")


@pytest.mark.parametrize(
    ("serving", "playing", "before", "said"),
    [
        (SERVE, CONNECT, "", r"\d+\.\d+\n"),
        (NATIVE_SERVE, NATIVE_CLIENT, BANNED, r"1\.0\n"),
        (FACTORY, CONNECT, "", r"\d+\.\d+\n"),
        (
            FACTORY,
            EVALUATE,
            "",
            rf"(?s).*\b{EPISODES}\b.*CartPole-v1.*|.*CartPole-v1.*\b{EPISODES}\b.*",
        ),
        (FACTORY, SUITE, "", r"usual \d+\.\d+ None\nnear \d+\.\d+ None\n\d+\.\d+ \d+\.\d+\n"),
    ],
    ids=["numpy", "native", "factory", "evaluate", "suite"],
)
def test_serve_and_connect(
    serving: str, playing: str, before: str, said: str, port: int, tmp_path: Path
) -> None:
    with running(["-c", before + on(serving, port)], fresh=bool(before)) as server:
        until(lambda: answers(port) or server.process.poll() is not None, STARTED, server)
        client = on(playing, port).replace("run.journal", str(tmp_path / "run.journal"))
        client = client.replace("range(100)", f"range({EPISODES})")
        done = finished(["-c", before + client], fresh=bool(before))
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(said, done.stdout)
        assert server.stop() == 0


CARDS = """
import gymnasium
NAMES = ["ace", "king", "queen"]

class CardSpace(gymnasium.Space):
    def sample(self, mask=None, probability=None):
        return NAMES[int(self.np_random.integers(3))]
    def contains(self, x):
        return x in NAMES
"""
SERVED_CARDS = """
import gymnasium, rlmesh
from rlmesh.numpy import RemoteEnv

class Table(gymnasium.Env):
    observation_space = action_space = CardSpace()
    def reset(self, *, seed=None, options=None):
        return "queen", {}
    def step(self, action):
        return action, 1.0, False, False, {}

with rlmesh.EnvServer(Table()) as server, RemoteEnv(server.address) as env:
    print(env.action_space, env.reset()[0], env.step(1)[0])
"""


def test_a_space_is_registered(tmp_path: Path) -> None:
    (tmp_path / "cards.py").write_text(CARDS)
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    done = finished(["-c", path + labelled("register-space") + SERVED_CARDS], fresh=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "Discrete(3) 2 1\n")


def test_a_server_is_found_by_its_folder(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    pytest.importorskip("typer")
    (tmp_path / "my_policy.py").write_text("class MyPolicy:\n    predict = lambda self, seen: 0\n")
    serve, evaluate = (
        shlex.split(line.replace("/shared/cartpole", str(tmp_path / "shared")), comments=True)[1:]
        for line in labelled("directory").splitlines()
    )
    assert "0.0.0.0:0" in serve and "0:1000" in evaluate
    serve[serve.index("0.0.0.0:0")] = "127.0.0.1:0"
    evaluate[evaluate.index("0:1000")] = "0:3"
    with running([*COMMAND, *serve]) as server:
        done = finished([*COMMAND, *evaluate], PYTHONPATH=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert re.search(r"episodes\s+3", done.stdout)
        assert server.stop() == 0
