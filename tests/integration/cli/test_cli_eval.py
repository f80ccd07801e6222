"""`rlmesh eval` and `rlmesh serve-model` as processes."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlmesh import RunResult
from tests.integration.cli_processes import (
    COMMAND,
    LOUD,
    PICTURE,
    in_a_terminal,
    read_until,
    serving,
    told,
)
from tests.processes import ENDED, finished, running, until

pytest.importorskip("rich")
pytest.importorskip("typer")

SUBJECTS = "tests.integration.cli_subjects"


def run_of(*arguments: str) -> RunResult:
    """The result of an evaluation."""
    return RunResult.from_json(json.dumps(told("eval", *arguments)))


def played(result: RunResult) -> list[tuple[Any, ...]]:
    """The part of a result that must not depend on the endpoint."""
    return [(e.index, e.seed, e.reward, e.steps, e.success) for e in result.episodes]


def test_random_actions_are_the_same_on_any_number_of_endpoints(address: str) -> None:
    one = run_of("random", address, "--seeds", "3:13")
    two = run_of("random", address, address, "--seeds", "3:13")
    assert [e.seed for e in one.episodes] == list(range(3, 13))
    assert played(one) == played(two)
    assert 0 < one.mean_reward < 3 and one.success_rate is not None


def test_a_run_stops_by_a_rule(address: str, tmp_path: Path) -> None:
    never = run_of(f"{SUBJECTS}:Policy", address, "--seeds", "0:60")
    assert never.success_rate == 0.0
    other = tmp_path / "never.json"
    other.write_text(never.to_json())
    precise = run_of("random", address, "--seeds", "0:400", "--until-width", "0.4")
    better = run_of(f"{SUBJECTS}:one", address, "--seeds", "0:60", "--until-decided", str(other))
    assert precise.stopping is not None and better.stopping is not None
    assert precise.stopping.decision.value == "precise" and len(precise.episodes) < 60
    assert better.stopping.decision.value == "better" and len(better.episodes) < 60
    both = ["random", address, "--until-width", "0.4", "--until-decided", str(other)]
    wrong = finished([*COMMAND, "eval", *both])
    assert wrong.returncode == 2 and "pass one of them" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "mean"),
    [
        ([f"{SUBJECTS}:one"], 3.0),
        ([f"{SUBJECTS}:one", "--backend", "native"], 3.0),
        ([f"{SUBJECTS}:MODEL"], 3.0),
        ([f"{SUBJECTS}:Policy"], 0.0),
        ([f"{SUBJECTS}:Policy", "--model-kwargs", '{"action": 1}'], 3.0),
        ([f"{SUBJECTS}:Policy.always"], 3.0),
    ],
    ids=["function", "native", "model", "class", "arguments", "dotted"],
)
def test_what_may_be_a_model(address: str, arguments: Sequence[str], mean: float) -> None:
    if "native" not in arguments:
        pytest.importorskip("numpy")
    result = run_of(arguments[0], address, *arguments[1:], "--seeds", "0:4")
    assert (len(result.episodes), result.mean_reward) == (4, mean)


def test_a_table_a_report_and_what_a_model_prints(address: str, tmp_path: Path) -> None:
    report = tmp_path / "out.html"
    done = finished(
        [*COMMAND, "eval", f"{SUBJECTS}:one", address, "--seeds", "0:3", "--report", str(report)]
    )
    assert done.returncode == 0, done.stderr
    assert "LoudEnv" in done.stdout and re.search(r"reward +mean 3, std 0", done.stdout)
    first, last, told_of = done.stderr.splitlines()
    assert first.startswith("evaluating: 0/3 episodes, 0 steps")
    assert last.startswith("evaluating: 3/3 episodes, 9 steps") and told_of == f"report: {report}"
    assert "<html" in report.read_text() and "LoudEnv" in report.read_text()
    done = finished([*COMMAND, "eval", f"{SUBJECTS}:loud", address, "--seeds", "0:2", "--json"])
    assert len(RunResult.from_json(done.stdout).episodes) == 2
    assert "saw 0\n" in done.stderr and "says C" in done.stderr


def test_a_report_that_cannot_be_written_costs_no_result(address: str) -> None:
    full = "/dev/full"
    if not Path(full).exists():
        pytest.skip(f"there is no {full}")
    done = finished(
        [*COMMAND, "eval", "random", address, "--seeds", "0:2", "--json"] + ["--report", full]
    )
    assert done.returncode == 1 and "No space left" in done.stderr
    assert len(RunResult.from_json(done.stdout).episodes) == 2


def test_a_run_that_has_not_begun_points_to_no_journal(tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    done = finished([*COMMAND, "eval", "random", "tcp://127.0.0.1:1", "--journal", str(journal)])
    assert done.returncode == 1 and "--resume" not in done.stderr and not journal.exists()


def said(model: str, *arguments: str) -> tuple[RunResult, list[str]]:
    """The result of an evaluation, and the lines that the model printed meanwhile."""
    quiet = ["--no-progress", "--json"]
    done = finished([*COMMAND, "eval", f"{SUBJECTS}:{model}", *arguments, *quiet])
    assert done.returncode == 0, done.stderr
    return RunResult.from_json(done.stdout), done.stderr.splitlines()


@pytest.mark.parametrize(
    ("rule", "key", "rate"),
    [("any", "is_success", 1.0), ("first", "lifted", None), (f"{SUBJECTS}:never", "", 0.0)],
)
def test_the_rule_of_success(address: str, rule: str, key: str, rate: float | None) -> None:
    named = ["--success-key", key] if key else []
    result = run_of(f"{SUBJECTS}:one", address, "--seeds", "0:2", "--success", rule, *named)
    assert (result.success_rate, result.settings.success) == (rate, rule)
    assert result.settings.success_key == key


@pytest.mark.slow
def test_options_reach_the_evaluation(address: str) -> None:
    pytest.importorskip("numpy")
    result, lines = said("obeys", address, "--instruction", "sit", "--max-episode-steps", "2")
    assert {e.steps for e in result.episodes} == {2} and len(result.episodes) == 10
    assert set(lines) == {"told to sit"} and result.instruction == "sit"
    both = [address, address, "--seeds", "0:6"]
    assert set(said("Batches", *both, "--max-batch-size", "1")[1]) == {"batch of 1"}
    # An episode of three steps is one chunk of four, or two of which two actions are taken.
    result, whole = said("Chunks", address, "--seeds", "0:6")
    assert whole == ["asked at 0"] * 6 and result.mean_reward == 3
    parts = said("Chunks", address, "--seeds", "0:6", "--horizon", "2")[1]
    assert parts == ["asked at 0", "asked at 2"] * 6


def test_progress_in_a_terminal(address: str) -> None:
    arguments = ["eval", f"{SUBJECTS}:one", address, "--seeds", "0:5"]
    with in_a_terminal(*arguments) as (process, terminal):
        text = read_until(terminal, None)
        assert process.wait(ENDED) == 0
    assert "5/5" in text and "steps/s" in text and "success 100%" in text and "ETA" in text


@pytest.mark.slow
def test_ctrl_c_leaves_a_journal_that_resume_goes_on_from(tmp_path: Path) -> None:
    journal = str(tmp_path / "run.journal")
    slow = ["--kwargs", '{"steps": 4, "seconds": 0.04}']
    common = ["eval", "random"]
    with serving(LOUD, "--max-sessions", "2", *slow) as (where, _):
        rest = [where, "--seeds", "0:20", "--journal", journal]
        with running([*COMMAND, *common, *rest, "--json"]) as evaluation:
            until(lambda: Path(journal).exists() and size(journal) > 1_500, ENDED, evaluation)
            assert evaluation.stop(signal.SIGINT) == 130
            assert "pass --resume to continue" in evaluation.errors
            assert "Traceback" not in evaluation.errors
            document = json.loads(evaluation.output)
            assert document["error"]["message"] == "interrupted"
            partial = RunResult.from_json(json.dumps(document["result"]))
        again = finished([*COMMAND, *common, *rest, "--json"])
        assert again.returncode == 2 and "already exists" in again.stderr
        before = size(journal)
        resumed = run_of("random", *rest, "--resume")
        assert played(resumed) == played(run_of("random", where, "--seeds", "0:20"))
        assert 0 < len(partial.episodes) < 20
        assert set(played(partial)) < set(played(resumed))
        grown = size(journal)
        assert grown > before > 600
        assert played(run_of("random", *rest, "--resume")) == played(resumed)
        assert size(journal) == grown  # Nothing was played again.


def size(path: str) -> int:
    """Of a file, in bytes."""
    return Path(path).stat().st_size


def test_a_model_that_fails_leaves_what_was_finished(address: str, tmp_path: Path) -> None:
    report = tmp_path / "out.html"
    arguments = ["eval", f"{SUBJECTS}:fails", address, "--seeds", "0:5"]
    done = finished([*COMMAND, *arguments, "--json", "--report", str(report)])
    assert done.returncode == 1
    # The model's own part of the traceback.
    assert "in fails\n" in done.stderr and "_evaluation" not in done.stderr
    document = json.loads(done.stdout)
    assert document["error"]["type"] == "RunError"
    assert document["error"]["message"].endswith(": LookupError: no such weight")
    assert RunResult.from_json(json.dumps(document["result"])).episodes == ()
    assert report.exists()
    assert "LookupError" in finished([*COMMAND, *arguments, "--debug"]).stderr


def test_over_tls(authority: Any, tmp_path: Path) -> None:
    own, ca = str(tmp_path / "own.pem"), str(tmp_path / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(own)
    authority.cert_pem.write_to_path(ca)
    secret = ["--token", "s3cret"]
    pair = ["--tls-certificate", own, "--tls-key", own, *secret]
    with serving(LOUD, "--address", "grpcs://localhost:0", *pair) as (where, _):
        result = run_of("random", where, "--seeds", "0:3", "--tls-authority", ca, *secret)
        assert len(result.episodes) == 3


def test_a_served_model(address: str) -> None:
    pytest.importorskip("numpy")
    arguments = ["serve-model", f"{SUBJECTS}:one", "--max-batch-size", "4", "--token", "s3cret"]
    with running([*COMMAND, *arguments]) as server:
        where = server.wait_for(r"serving one on (tcp://\S+)\n").group(1)
        tree = finished([*COMMAND, "inspect", where, "--token", "s3cret"])
        assert tree.returncode == 0, tree.stderr
        assert f"one  model at {where}" in tree.stdout and "forms  single" in tree.stdout
        refused = finished([*COMMAND, "inspect", where, "--token", "guessed"])
        assert refused.returncode == 1 and "asks for a token" in refused.stderr
        facts = told("inspect", where, "--token", "s3cret")
        assert facts["model"]["id"] == "one" and "contract" not in facts
        refused = finished([*COMMAND, "eval", where, address])
        assert refused.returncode == 1 and "asks for a token" in refused.stderr
        result = run_of(where, address, "--seeds", "0:4", "--model-token", "s3cret")
        assert (result.mean_reward, result.model_id) == (3.0, "one")
        played_here = finished([*COMMAND, "play", where, "--token", "s3cret"])
        assert (
            played_here.returncode == 1 and "no RLMesh service of this kind" in played_here.stderr
        )
        assert server.stop(signal.SIGINT) == 0
        assert "Traceback" not in server.errors


@pytest.mark.parametrize("silent", ["model", "environment"])
def test_how_long_connecting_may_take(address: str, silent: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # Accepts, and never answers.
        where = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        both = [where, address] if silent == "model" else ["random", where]
        done = finished([*COMMAND, "eval", *both, "--connect-timeout", "0.3"])
    assert done.returncode == 1, done.stderr
    assert where in done.stderr and "within 0.3 s" in done.stderr


def test_serve_model_writes_one_document() -> None:
    with running([*COMMAND, "serve-model", "random", "--json"]) as server:
        server.wait_for(r"\}\n")
        document = json.loads(server.output)
        assert set(document) == {"id", "address"}
        assert server.stop() == 0


def test_recordings(tmp_path: Path) -> None:
    pytest.importorskip("av")
    pytest.importorskip("numpy")
    folder = tmp_path / "films"
    with serving(PICTURE) as (where, _):
        run_of("random", where, "--seeds", "0:2", "--record", str(folder))
    assert len(list(folder.glob("**/*.mp4"))) == 2


def test_recordings_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("av")
    pytest.importorskip("numpy")
    folder, journal = tmp_path / "films", tmp_path / "run.journal"
    with serving(PICTURE) as (where, _):
        run = ["random", where, "--seeds", "0:2", "--record", str(folder)]
        run_of(*run, "--journal", str(journal))
        films = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
        assert sorted(films) == ["episode_0_seed_0.mp4", "episode_1_seed_1.mp4"]
        new = ["--journal", str(tmp_path / "new.journal")]
        for arguments in ([], new, [*new, "--resume"]):
            done = finished([*COMMAND, "eval", *run, *arguments])
            words = f"--record: {folder} has videos of an earlier run, such as episode_0_seed_0.mp4"
            assert done.returncode == 2 and words in done.stderr and "--resume" in done.stderr
        with journal.open("r+b") as file:  # As if it had been killed before the end of a line.
            file.truncate(size(str(journal)) - 3)
        resumed = run_of(*run, "--journal", str(journal), "--resume")
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert [e.seed for e in resumed.episodes] == [0, 1] and set(after) == set(films)
    assert [after[name] == films[name] for name in sorted(films)] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["random", "--seeds", "a:b"], 2, "--seeds: expected such as 0:100"),
        (["random", "--resume"], 2, "--resume continues from a journal"),
        (["random", "--report", "no/such/folder/x.html"], 2, "--report: there is no folder"),
        (
            ["random", "--suite", "x.toml"],
            2,
            "expected addresses of environments or --directory, or",
        ),
        (["random", "--force"], 2, "--force goes with --resume"),
        (["random", "--success", "lifted"], 2, "a key of the infos is --success-key="),
        (["random", "--success", f"{SUBJECTS}:on"], 2, "did you mean 'one'?"),
        (["random", "--journal", ".", "--resume"], 2, "--journal: . is a folder"),
        (["random", "--report", "."], 2, "--report: . is a folder"),
        (["random", "--record", __file__], 2, "is a file; expected a folder"),
        (["random", "--journal", "no/such/folder/x"], 2, "--journal: there is no folder"),
        (["random", "--backend", "cupy"], 2, "--backend: expected native or "),
        (["127.0.0.1:1"], 1, "127.0.0.1:1"),
        (["127.0.0.1:1", "--backend", "cupy"], 2, "--backend: expected native or "),
        (["nowhere:policy"], 2, "No module named 'nowhere'"),
        ([f"{SUBJECTS}:on"], 2, "did you mean 'one'?"),
        ([f"{SUBJECTS}:LOUD_NUMBER"], 2, "cannot be a model"),
        ([f"{SUBJECTS}:one", "--model-kwargs", "{"], 2, "--model-kwargs: expected a JSON object"),
        ([f"{SUBJECTS}:one", "--model-kwargs", '{"a": 1}'], 2, "is no class"),
        (["random"], 1, "Connection refused"),
    ],
)
def test_failures_are_one_line_and_one_document(
    arguments: Sequence[str], status: int, words: str
) -> None:
    command = ["eval", arguments[0], "tcp://127.0.0.1:1", *arguments[1:], "--json"]
    done = finished([*COMMAND, *command])
    assert done.returncode == status, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("rlmesh eval: ") and words in last
    assert "Traceback" not in done.stderr
    assert words in json.loads(done.stdout)["error"]["message"]
