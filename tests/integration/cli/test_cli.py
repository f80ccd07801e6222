"""The command `rlmesh` as a process, against servers that are processes too."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rlmesh import RemoteEnv
from tests.integration.cli_processes import (
    COMMAND,
    COUNTER,
    LOUD,
    PICTURE,
    in_a_terminal,
    read_until,
    serving,
    told,
)
from tests.processes import ENDED, ROOT, STARTED, finished, running

pytest.importorskip("rich")
pytest.importorskip("typer")

NOBODY = "tcp://127.0.0.1:1"


@pytest.fixture(scope="module")
def address() -> Generator[str, None, None]:
    """A counter for each client that comes."""
    with serving(COUNTER, "--max-sessions", "4") as (where, _):
        yield where


def test_it_is_the_console_script() -> None:
    project = (ROOT / "packages/core/pyproject.toml").read_text()
    assert re.search(r'^\[project.scripts\]\nrlmesh = "rlmesh._cli.main:main"$', project, re.M)
    done = finished(["-c", "import sys; from rlmesh._cli.main import main; sys.exit(main())", "-h"])
    assert done.returncode == 0 and "Usage: rlmesh" in done.stdout
    for command in (
        "serve",
        "inspect",
        "play",
        "bench",
        "eval",
        "serve-model",
        "report",
        "compare",
    ):
        assert re.search(rf"^\W*{command} ", done.stdout, re.M), command
    version = finished([*COMMAND, "--version"], fresh=True)
    assert re.fullmatch(r"rlmesh \d+\.\d+\.\d+\S*\n", version.stdout)


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_names_it(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from rlmesh._cli.main import main"
    done = finished(["-c", f"{code}; sys.exit(main())"])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f'rlmesh: {missing} is missing: pip install "rlmesh-core[cli]"\n'


# serve


def test_serve_says_where_and_stops_by_a_signal() -> None:
    with serving(LOUD, "--kwargs", '{"steps": 5}') as (where, server):
        contract = told("inspect", where)["contract"]
        assert contract["observation_space"]["n"] == 6
        assert server.stop(signal.SIGINT) == 0
        assert "Traceback" not in server.errors


def test_serve_writes_one_document() -> None:
    with running([*COMMAND, "serve", LOUD, "--json"]) as server:
        server.wait_for(r"\}\n")
        document = json.loads(server.output)
        assert document["id"] == "LoudEnv" and document["address"].startswith("tcp://127.0.0.1:")
        assert "says Python" in server.errors and "says C" in server.errors
        with RemoteEnv(document["address"]) as env:
            env.reset()
        assert server.stop() == 0
        assert json.loads(server.output) == document


def test_serve_gives_each_session_an_environment_in_a_process() -> None:
    with (
        serving(
            "tests.integration.envs:MischiefEnv", "--max-sessions", "2", "--workers", "process"
        ) as (where, server),
        RemoteEnv(where) as first,
        RemoteEnv(where) as second,
    ):
        places = {env.reset()[1]["pid"] for env in (first, second)}
        assert len(places) == 2 and server.process.pid not in places


def test_serve_a_vector_of_gymnasium() -> None:
    pytest.importorskip("gymnasium")
    arguments = ["CartPole-v1", "--num-envs", "3", "--autoreset-mode", "SameStep"]
    with serving(*arguments) as (where, _):
        contract = told("inspect", where)["contract"]
        assert (contract["vector"], contract["num_envs"]) == (True, 3)
        assert contract["autoreset_mode"] == "SameStep"
        played = told("play", where, "--episodes", "4", "--seed", "1")
        assert len(played["episodes"]) >= 4
        assert {e["lane"] for e in played["episodes"]} <= {0, 1, 2}
        lanes = told("bench", where, "--seconds", "0.1")["transports"]["grpc"]
        assert lanes["steps_per_second"] > 0 and lanes["resets"] == 0


def test_serve_exposes_and_asks_for_its_token() -> None:
    with serving(LOUD, "--expose", "steps", "--token", "s3cret") as (where, _):
        refused = finished([*COMMAND, "inspect", where, "--json"])
        assert refused.returncode == 1
        assert json.loads(refused.stdout)["error"]["type"] == "AuthenticationError"
        assert "asks for a token" in refused.stderr and "Traceback" not in refused.stderr
        assert told("inspect", where, RLMESH_TOKEN="s3cret")["contract"]["exposed"] == ["steps"]
        assert told("play", where, "--token", "s3cret")["episodes"]


def test_over_tls(authority: Any, tmp_path: Path) -> None:
    leaf = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    own = str(tmp_path / "own.pem")
    pair = ["--tls-certificate", own, "--tls-key", own]
    with serving(COUNTER, "--address", "grpcs://localhost:0", *pair) as (where, _):
        assert where.startswith("grpcs://localhost:")
        given = ["--tls-authority", str(tmp_path / "ca.pem")]
        assert told("inspect", where, *given)["address"] == where
        assert told("play", where, *given)["episodes"][0]["steps"] == 3


@pytest.mark.skipif(
    signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL,
    reason="the handler of `make coverage` has the signal",
)
def test_a_client_that_is_ended_by_sigterm_leaves_its_environment() -> None:
    with serving(COUNTER) as (where, _):
        with running([*COMMAND, "play", where, "--episodes", "9999", "--fps", "50"]) as player:
            player.wait_for("episode 1: ")
            assert player.stop(signal.SIGTERM) == 143
            assert player.errors.endswith("rlmesh play: ended by SIGTERM\n")
        with RemoteEnv(where) as env:
            env.reset()


def test_without_a_standard_output_there_is_no_traceback() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "rlmesh", "inspect", NOBODY],
        stderr=subprocess.PIPE,
        timeout=STARTED,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("rlmesh inspect: ") and done.stderr.count("\n") == 1


# inspect


def test_inspect_draws_a_tree_and_opens_no_session() -> None:
    with serving(COUNTER) as (where, _), RemoteEnv(where) as env:
        env.reset()
        done = finished([*COMMAND, "inspect", where])
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0].split() == ["CounterEnv", "at", where]
        assert "├── observation  Discrete int64 from 0 to 4" in lines
        assert "├── action  Discrete int64 from 0 to 1" in lines
        assert any("capabilities" in line and "resume" in line for line in lines)
        assert env.step(0)[0] == 1  # Its client has not been disturbed.


# play


def test_play_is_seeded(address: str) -> None:
    first, second, other = (told("play", address, "--seed", seed) for seed in ("4", "4", "5"))
    assert first == second
    assert first["env_id"] == "CounterEnv" and first["steps"] == 3
    (episode,) = first["episodes"]
    assert (episode["seed"], episode["reward"], episode["terminated"]) == (4, 3.0, True)
    assert other["episodes"][0]["seed"] == 5


def test_play_without_a_terminal_is_a_line_an_episode(address: str) -> None:
    done = finished([*COMMAND, "play", address, "--episodes", "2"])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "episode 1: seed 0, reward 3, 3 steps, terminated\n"
        "episode 2: seed 1, reward 3, 3 steps, terminated\n"
    )


def test_play_shows_the_frame_and_quits_by_ctrl_c() -> None:
    with (
        serving(PICTURE) as (where, _),
        in_a_terminal("play", where, "--seed", "3") as (process, terminal),
    ):
        text = read_until(terminal, r"episodes +2\b")
        # Red and blue of a pixel, above and below, in the character and behind it.
        assert re.search(r"\x1b\[38;(2;160;0;20|5;\d+);48;(2;160;0;20|5;\d+)m\u2580", text)
        assert "PictureEnv" in text and re.search(r"seed [345], reward", text)
        process.send_signal(signal.SIGINT)
        text = read_until(terminal, None)
        assert process.wait(ENDED) == 130
        assert "rlmesh play: interrupted" in text and "Traceback" not in text
        assert text.rindex("\x1b[?25h") > text.rfind("\x1b[?25l")  # The cursor is back.
        assert told("play", where, "--steps", "1")["steps"] == 1  # And so is the environment.


def test_play_ends_with_the_last_step(address: str) -> None:
    with in_a_terminal("play", address, "--steps", "2", "--fps", "0") as (process, terminal):
        text = read_until(terminal, None)
        assert process.wait(ENDED) == 0
    assert re.findall(r"steps +(\d+),", text)[-1] == "2"


# bench


def test_bench_measures_each_transport(address: str) -> None:
    document = told("bench", address, "--seconds", "0.2")
    assert set(document["transports"]) | set(document["unavailable"]) == {"frames", "grpc"}
    for figures in document["transports"].values():
        step = figures["step_us"]
        assert 0 < step["lower_quartile"] <= step["median"] <= step["upper_quartile"]
        # Three steps an episode; the last one may have just ended.
        assert abs(figures["resets"] - figures["steps"] / 3) <= 1
        assert figures["reset_us"]["median"] > 0
        assert figures["steps_per_second"] <= 1e6 / step["lower_quartile"] * 1.5
    done = finished([*COMMAND, "bench", address, "--seconds", "0.1", "--transport", "grpc"])
    assert (done.returncode, done.stderr) == (0, "")
    assert "steps/s" in done.stdout and "\n grpc " in done.stdout and "frames" not in done.stdout


# Failures


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["inspect", NOBODY], 1, "Connection refused"),
        (["play", NOBODY], 1, "Connection refused"),
        (["bench", NOBODY], 1, "Connection refused"),
        (["inspect", "nonsense://x"], 2, "nonsense"),
        (["bench", NOBODY, "--transport", "pigeon"], 2, "--transport: expected frames or grpc"),
        (["serve", LOUD, "--kwargs", "{"], 2, "--kwargs: expected a JSON object"),
        (["serve", LOUD, "--kwargs", '{"paws": 4}'], 1, "unexpected keyword argument 'paws'"),
        (["serve", "nowhere:make"], 2, "No module named 'nowhere'"),
        (["serve", LOUD[:-1]], 2, "did you mean 'LoudEnv'?"),
        (["serve", LOUD, "--workers", "fork"], 2, "--workers: expected thread or process"),
        (["serve", LOUD, "--validation", "lax"], 2, "--validation: expected off or warn or strict"),
        (["eval", "random", "1", "--observe", "none"], 2, "--observe: expected read or all"),
        (["serve", "NoSuchEnv-v0"], 2, "NoSuchEnv"),
    ],
)
def test_failures_are_one_line_and_one_document(
    arguments: Sequence[str], status: int, words: str
) -> None:
    if "NoSuchEnv-v0" in arguments:
        pytest.importorskip("gymnasium")
    done = finished([*COMMAND, *arguments, "--json"])
    assert done.returncode == status
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"rlmesh {arguments[0]}: ") and words in last
    assert "Traceback" not in done.stderr
    error = json.loads(done.stdout)["error"]
    assert words in error["message"] and error["type"]


def test_debug_shows_the_traceback() -> None:
    done = finished([*COMMAND, "inspect", NOBODY, "--debug"])
    assert done.returncode == 1 and done.stdout == ""
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("rlmesh inspect: ")


@pytest.mark.parametrize(
    "arguments", [["inspect"], ["fly"], ["play", NOBODY, "--seed", "-1"], ["bench", NOBODY, "--x"]]
)
def test_a_wrong_command_line_is_status_2(arguments: Sequence[str]) -> None:
    done = finished([*COMMAND, *arguments])
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: rlmesh" in done.stderr


def test_serve_env_names_the_option_of_bad_json() -> None:
    done = finished(["-m", "rlmesh._cli.serve_env", "--env", LOUD, "--kwargs", "{"])
    assert done.returncode == 2
    assert done.stderr.startswith("serve_env: --kwargs: expected a JSON object")
