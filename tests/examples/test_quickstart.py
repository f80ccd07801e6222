"""The quickstart examples, each started as the processes that the pages start."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest

import rlmesh
from tests.processes import ROOT, finished, running

pytest.importorskip("gymnasium")

QUICKSTART = "examples/python/quickstart"


@contextmanager
def serving(script: str, *arguments: str) -> Generator[str, None, None]:
    """The address that a server example prints; the server must end cleanly."""
    command = [f"{QUICKSTART}/{script}", "--address", "127.0.0.1:0", *arguments]
    with running(command) as server:
        yield server.wait_for(r"serving \S+ on (tcp://\S+)\n")[1]
        assert server.stop() == 0
        assert server.errors == ""


def printed(script: str, *arguments: str) -> list[str]:
    """The lines that an example prints."""
    done = finished([f"{QUICKSTART}/{script}", *arguments])
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_model_plays() -> None:
    with serving("serve.py") as address:
        lines = printed("model.py", "--address", address, "--episodes", "2")
    assert lines == [
        "episode=0 steps=3 reward=3.000",
        "episode=1 steps=3 reward=3.000",
        "mean reward 3.000",
    ]


def test_the_loop_plays_to_the_end_of_the_episode() -> None:
    with serving("serve.py") as address:
        lines = printed("eval.py", "--address", address)
    assert lines == [f"step={step} reward=1.000" for step in (1, 2, 3)]


def test_the_loop_stops_after_so_many_steps() -> None:
    with serving("serve.py") as address:
        assert printed("eval.py", "--address", address, "--max-steps", "2") == [
            "step=1 reward=1.000",
            "step=2 reward=1.000",
        ]


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "MountainCar-v0"])
def test_any_registered_environment_is_served(env_id: str) -> None:
    with serving("serve_gymnasium.py", "--env-id", env_id) as address:
        with rlmesh.RemoteEnv(address) as env:
            assert env.env_contract.id == env_id
        assert len(printed("eval.py", "--address", address, "--max-steps", "3")) == 3


def test_many_are_evaluated_at_once() -> None:
    with serving("serve_gymnasium.py") as pole, serving("serve.py") as counter:
        lines = printed("eval_many.py", pole, counter, "--max-steps", "5")
    assert lines == [
        f"{pole}: connected",
        *(f"{pole}: step={step} reward=1.000" for step in (1, 2, 3, 4, 5)),
        f"{pole}: stopped after 5 steps",
        f"{counter}: connected",
        *(f"{counter}: step={step} reward=1.000" for step in (1, 2, 3)),
        f"{counter}: episode complete",
    ]


@pytest.mark.parametrize("script", ["model.py", "eval.py", "eval_many.py"])
def test_a_client_without_a_server_says_so(script: str) -> None:
    address = ["127.0.0.1:1"] if script == "eval_many.py" else ["--address", "127.0.0.1:1"]
    done = finished([f"{QUICKSTART}/{script}", *address])
    assert done.returncode == 1
    assert "rlmesh.errors.ConnectError: tcp://127.0.0.1:1: " in done.stderr


def test_all_examples_are_tested() -> None:
    tested = {"serve.py", "serve_gymnasium.py", "model.py", "eval.py", "eval_many.py"}
    assert {path.name for path in (ROOT / QUICKSTART).glob("*.py")} == tested
