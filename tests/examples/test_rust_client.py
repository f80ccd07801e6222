"""The client in Rust alone: it plays what a local loop plays, and keeps the contract."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlmesh import EnvServer, ServeOptions
from rlmesh._conformance.client_runner import run_client_checks
from rlmesh._conformance.findings import Status
from rlmesh._conformance.scripted import command_client
from rlmesh._wire.spec import SPEC_VERSION
from tests.faults import Proxy, cutting
from tests.processes import ROOT, finished

SOURCE = ROOT / "examples" / "any_language" / "client.rs"
SEEDS = range(3, 6)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("rustc")
    if compiler is None:
        pytest.skip("no Rust compiler (rustc) is installed")
    program = tmp_path_factory.mktemp("rust") / "client"
    command = [compiler, "--edition", "2021", "-D", "warnings", str(SOURCE), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return program


def play(client: Path, address: str, **variables: str) -> list[str]:
    """Return the lines that the client prints."""
    arguments = [address, str(len(SEEDS)), str(SEEDS[0])]
    done = finished(arguments, program=str(client), **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return str(done.stdout).splitlines()


def played_here(env: Any) -> list[str]:
    """Return the lines that the client must print, of the same actions without a server."""
    state, lines = SEEDS[0], []
    for seed in SEEDS:
        seen = [env.reset(seed=seed)[0]]
        total, over = 0.0, False
        while not over:
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            space = env.action_space
            action = space.start + (state >> 33) % space.n
            observation, reward, terminated, truncated, _ = env.step(action)
            seen.append(observation)
            total, over = total + reward, terminated or truncated
        checksum = 0xCBF29CE484222325
        for byte in b"".join(slabs(env.observation_space, value) for value in seen):
            checksum = (checksum ^ byte) * 0x100000001B3 % 2**64
        steps = len(seen) - 1
        lines.append(f"seed {seed}: {steps} steps, reward {total:g}, checksum {checksum:016x}")
    return lines


def slabs(space: Any, value: Any) -> bytes:
    """Return the slabs of a value as CONTRACT.md, section 12, has them."""
    if isinstance(space, gymnasium.spaces.Tuple):
        return b"".join(map(slabs, space.spaces, value))
    return np.asarray(value, space.dtype).tobytes()


def test_it_uses_nothing_but_the_standard_library_in_400_lines() -> None:
    source = SOURCE.read_text()
    assert len(source.splitlines()) <= 400
    assert {name.split("::")[0] for name in re.findall(r"^use (\S+)", source, re.M)} == {"std"}
    assert "extern crate" not in source and "unsafe" not in source
    assert f'SPEC_VERSION: &str = "{SPEC_VERSION}"' in source


@pytest.mark.parametrize("env_id", ["CartPole-v1", "FrozenLake-v1", "Blackjack-v1"])
def test_it_plays_as_a_local_loop_does(env_id: str, client: Path) -> None:
    with EnvServer(gymnasium.make(env_id), "frames://127.0.0.1:0", token="s3cret") as server:
        lines = play(client, server.address, RLMESH_TOKEN="s3cret")
    assert lines == played_here(gymnasium.make(env_id))


def test_it_loses_no_step_to_cuts(client: Path) -> None:
    with (
        EnvServer(gymnasium.make("CartPole-v1"), "frames://127.0.0.1:0") as server,
        Proxy(server.address) as proxy,
        cutting(proxy, every=700),
    ):
        lines = play(client, proxy.address)
    assert lines == played_here(gymnasium.make("CartPole-v1"))
    assert proxy.broken >= 3


@pytest.mark.parametrize(
    ("env_id", "words"),
    [
        ("Pendulum-v1", "this example plays no vectors, and no Box of actions"),
        (None, "error 9: "),
    ],
)
def test_what_it_cannot_play_is_an_error(env_id: str | None, words: str, client: Path) -> None:
    env = gymnasium.make(env_id or "CartPole-v1")
    token = "" if env_id else "s3cret"
    options = ServeOptions(grace_period=5.0)
    with EnvServer(env, "frames://127.0.0.1:0", token=token, options=options) as server:
        done = finished([server.address], program=str(client))
    assert done.returncode == 1
    assert words in done.stderr


def test_it_passes_the_checks_of_clients(client: Path) -> None:
    report = run_client_checks("rust", command_client(str(client)))
    assert {outcome.status for outcome in report.outcomes} == {Status.PASSED}
