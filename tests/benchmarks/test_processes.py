"""Programs of the sides: what they answer, and that nothing of theirs stays."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.cases import CASES
from benchmarks.peers.catalogue import SIDES
from benchmarks.peers.processes import Program, SideFailed, measured
from tests.processes import ROOT, until

Start = Callable[..., Program]

FORKS = """
import json, os, sys, time
def say(**answer): os.write(1, (json.dumps(answer) + "\\n").encode())
say(id=0, versions={})
for line in sys.stdin:
    request = json.loads(line)
    if not os.fork():
        say(id=request["id"], pid=os.getpid())
        exec(request["do"])
        os._exit(0)
"""
"""A program that forks whatever it is asked to."""


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start, None, None]:
    started = []

    def begin(*arguments: str) -> Program:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
        program = Program([sys.executable, *arguments], environment, tmp_path / "log.txt")
        started.append(program)
        return program

    yield begin
    for program in started:
        program.end()


def gone(pid: int) -> bool:
    """Whether a process has ended, even if it was not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("name", ["in-process", "echo"])
def test_a_floor_is_measured(start: Start, name: str, tmp_path: Path) -> None:
    side = SIDES[name]
    program = start("-m", f"benchmarks.peers.sides.{side.module}")
    assert program.versions().keys() == {"gymnasium", "numpy"}
    found = measured(program, side, CASES["cartpole"], 0.02)
    assert 0 < found["q1"] <= found["median"] <= found["q3"]
    assert found["client_cpu"] > 0
    assert (found["server_cpu"] is None) == (name == "in-process")
    program.end()
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]


@pytest.mark.parametrize("count", [1, 4])
def test_endpoints_have_a_server_each(start: Start, count: int) -> None:
    program = start("-m", "benchmarks.peers.sides.floors")
    program.versions()
    found = measured(program, SIDES["echo"], CASES[f"endpoints-{count}"], 0.02)
    assert found["per_second"] > 0 and found["server_cpu"] > 0


def test_what_a_side_raises_is_its_reason(start: Start) -> None:
    program = start("-m", "benchmarks.peers.sides.floors")
    program.versions()
    request: dict[str, Any] = {"do": "measure", "case": "cartpole", "option": "echo"}
    with pytest.raises(SideFailed, match="FileNotFoundError"):
        program.ask({**request, "addresses": ["/nowhere"], "pids": [], "seconds": 0.01}, 30)


def test_a_process_that_does_not_answer_is_ended(start: Start, tmp_path: Path) -> None:
    program = start("-c", FORKS)
    program.versions()
    stuck = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    stuck += "open(os.environ['TMPDIR'] + '/pid', 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(SideFailed, match=r"no answer came within 0\.5 s"):
        program.ask({"do": stuck}, 0.5)
    program.end_children()
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_late_answer_is_not_taken_for_the_next(start: Start) -> None:
    program = start("-c", FORKS)
    program.versions()
    with pytest.raises(SideFailed, match="no answer"):
        program.ask({"do": "time.sleep(1); say(id=request['id'], address='late')"}, 0.2)
    _, answer = program.ask({"do": "time.sleep(1.5); say(id=request['id'], address='own')"}, 10)
    assert answer["address"] == "own"


def test_a_program_that_ends_is_a_reason(start: Start) -> None:
    program = start("-c", "print('no line of JSON', file=__import__('sys').stderr)")
    with pytest.raises(SideFailed, match="its program has ended"):
        program.versions()


def test_the_processes_of_a_program_that_is_killed_end(start: Start) -> None:
    program = start("-m", "benchmarks.peers.sides.floors")
    program.versions()
    pid, _ = program.ask({"do": "serve", "case": "cartpole", "option": "echo"}, 30)
    assert not gone(pid)
    program.kill()
    until(lambda: gone(pid), 10)
