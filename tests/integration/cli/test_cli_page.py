"""The page docs/command-line.md: each of its commands, as it stands there."""

from __future__ import annotations

import os
import re
import shlex
from collections import defaultdict
from pathlib import Path

import pytest

from rlmesh import RunResult
from tests.documents.blocks import labelled
from tests.integration.cli_processes import COMMAND
from tests.processes import finished, running
from tests.size import LONG

pytest.importorskip("rich")
pytest.importorskip("typer")
pytest.importorskip("pygame")
pytest.importorskip("opentelemetry.exporter.prometheus")

LINES = labelled("commands").splitlines()
SERVERS = ("serve", "serve-model")
"""Commands that run until they are stopped."""

EPISODES = 100 if LONG else 20
POLICY = """
from rlmesh.adapters import Adaptation, ModelSpec

SPEC = ModelSpec(adaptation=Adaptation.NONE)

def predict(observation):
    return int(observation[2] > 0)
"""


def name_of(line: str) -> str:
    """The command of a line."""
    return shlex.split(line)[1]


def lines_of(name: str) -> list[str]:
    """The lines of a command."""
    return [line for line in LINES if name_of(line) == name]


def command(line: str, folder: Path, address: str = "127.0.0.1:0") -> list[str]:
    """A line's arguments, with an address that is free and files in a folder of the test."""
    line = line.partition("  #")[0].partition(" > ")[0]
    line = re.sub(r"127\.0\.0\.1:\d{4}", address, line).replace("0:100", f"0:{EPISODES}")
    line = re.sub(r"\b(\w+\.(?:html|journal|json))\b", lambda m: str(folder / m[1]), line)
    program, *arguments = shlex.split(line)
    assert program == "rlmesh"
    if arguments[0] == "bench" and not LONG:
        arguments += ["--seconds", "0.2"]
    return [*COMMAND, *arguments]


@pytest.mark.slow
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(POLICY)
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    (serve,), (model,) = (lines_of(name) for name in SERVERS)
    said: dict[str, list[str]] = defaultdict(list)
    with running([*command(serve, tmp_path), "--metrics", "127.0.0.1:0"], fresh=True) as server:
        served = server.wait_for(r"serving CartPole-v1 on tcp://(\S+)\n").group(1)
        (metrics,) = re.findall(r"metrics at http://(\S+)/metrics", server.errors)
        for line in LINES:
            if name_of(line) not in SERVERS:
                address = metrics if name_of(line) == "top" else served
                # One of them starts as in a shell; the others are forked, which takes less time.
                done = finished(
                    command(line, tmp_path, address),
                    fresh=LONG or name_of(line) == "inspect",
                    PYTHONPATH=paths,
                )
                assert done.returncode == 0, (line, done.stderr)
                said[name_of(line)].append(done.stdout)
                if file := re.search(r" > (\S+)", line):
                    (tmp_path / file[1]).write_text(done.stdout)
    (inspected,), (played,), (measured,) = said["inspect"], said["play"], said["bench"]
    assert "observation  Box float32 (4,)" in inspected and "capabilities" in inspected
    assert re.fullmatch(r"episode 1: seed 0, reward \d+, \d+ steps, terminated\n", played)
    (topped,) = said["top"]
    assert re.search(rf"^tcp://{re.escape(served)} +CartPole-v1 +0 ", topped, re.MULTILINE)
    assert "grpc" in measured and said["adapt"] == ["values pass through unchanged\n"]
    assert (tmp_path / "out.html").exists() and (tmp_path / "run.journal").exists()
    (as_json,) = (text for line, text in zip(lines_of("eval"), said["eval"]) if "--json" in line)
    assert len(RunResult.from_json(as_json).episodes) == EPISODES
    with running(command(model, tmp_path), fresh=True, PYTHONPATH=paths) as server:
        server.wait_for(r"serving \S+ on tcp://127.0.0.1:\d+\n")
        assert server.stop() == 0
    (report,), (comparison,) = said["report"], said["compare"]
    assert "CartPole-v1" in report and f"{EPISODES}: " in report
    assert comparison.splitlines()[2].startswith(f"A - B  {EPISODES} pairs: reward ")


def test_every_command_is_on_the_page() -> None:
    listed = finished([*COMMAND, "--help"]).stdout
    commands = set(re.findall(r"^│ ([a-z-]+) +\w", listed, re.MULTILINE))
    assert commands == set(map(name_of, LINES))
