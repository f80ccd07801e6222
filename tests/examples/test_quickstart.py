"""The examples, each started as the processes that the pages start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.processes import ROOT, running

pytest.importorskip("gymnasium")

QUICKSTART = "examples/python/quickstart"


@contextmanager
def serving(script: str, *arguments: str) -> Generator[str, None, None]:
    """The address that a server example prints."""
    command = ["-u", f"{QUICKSTART}/{script}", "--address", "127.0.0.1:0", *arguments]
    with running(command) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"tcp://(\S+)", line)
        assert found, line
        yield found[1]


def output(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=ROOT,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_model_against_serve() -> None:
    with serving("serve.py") as address:
        printed = output(f"{QUICKSTART}/model.py", "--address", address, "--episodes", "2")
    assert printed.splitlines() == [
        "episode=0 steps=3 reward=3.000",
        "episode=1 steps=3 reward=3.000",
        "mean reward 3.000",
    ]


def test_eval_against_serve() -> None:
    with serving("serve.py") as address:
        printed = output(f"{QUICKSTART}/eval.py", "--address", address)
    assert printed.splitlines() == [f"step={i} reward=1.000" for i in (1, 2, 3)]


def test_eval_many_against_both() -> None:
    with serving("serve_gymnasium.py") as pole, serving("serve.py") as counter:
        printed = output(f"{QUICKSTART}/eval_many.py", pole, counter)
    assert f"{pole}: connected" in printed and f"{counter}: step=3 reward=1.000" in printed
    assert printed.count("episode complete") == 2


def test_the_demo_prints_ten_episodes() -> None:
    pytest.importorskip("rich")
    printed = output("examples/python/demo.py")
    assert "10 seeded episodes" in printed and len(re.findall(r"│\s+500 │", printed)) == 10
