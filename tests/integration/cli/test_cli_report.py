"""`rlmesh report` and `rlmesh compare` as processes, and the journals that they read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh import RunResult, errors
from rlmesh._journal import Journal
from rlmesh.results import EpisodeEnd, EpisodeResult
from rlmesh.results._journal_header import JournalHeader
from tests.integration.cli_processes import COMMAND, told
from tests.processes import finished

pytest.importorskip("rich")
pytest.importorskip("typer")


def episode(index: int, reward: float = 1.0) -> EpisodeResult:
    return EpisodeResult(
        index=index,
        seed=index,
        reward=reward + index,
        steps=3,
        end=EpisodeEnd.TERMINATED,
        success=index % 2 == 0,
        seconds=2.0,
        started_at=1_000_000.0 + 2 * index,
    )


def journal_of(path: Path, count: int, *, of: int = 4, model: str = "m") -> Path:
    """A journal with its episodes in another order than that of the seeds."""
    header = JournalHeader(model, ("Walk-v0",), tuple(range(of)), of, "walk")
    with Journal.create(path, header) as journal:
        for index in reversed(range(count)):
            journal.append(episode(index))
    return path


def run_of(path: Path, count: int, reward: float) -> Path:
    run = RunResult(tuple(episode(i, reward) for i in range(count)), "Walk-v0", 8.0, "\x1b[2Jother")
    path.write_text(run.to_json(indent=2))
    return path


def test_parts_of_a_run_are_merged(tmp_path: Path) -> None:
    whole = journal_of(tmp_path / "a.journal", 3)
    part = journal_of(tmp_path / "b.journal", 2)
    page, table = tmp_path / "page.html", tmp_path / "run.csv"
    files = ("--html", str(page), "--csv", str(table))
    found = told("merge", str(whole), str(part), *files)
    assert table.read_text().startswith("index,task,seed,reward,")
    assert finished([*COMMAND, "report", str(whole), "--csv", str(tmp_path)]).returncode == 2
    again = finished([*COMMAND, "report", str(whole), "--csv", str(tmp_path / "again.csv")])
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.csv").read_text() == table.read_text()
    assert [e["seed"] for e in found["episodes"]] == [e.seed for e in map(episode, range(3))]
    assert page.exists()
    other = journal_of(tmp_path / "c.journal", 2, model="other")
    done = finished([*COMMAND, "merge", str(whole), str(other)])
    assert done.returncode != 0 and "Traceback" not in done.stderr
    words = " ".join(done.stderr.split())
    assert f"{other} is not of the same run as {whole}: model_id: expected 'm'" in words


def test_a_journal_is_the_run_so_far(tmp_path: Path) -> None:
    run = RunResult.from_journal(journal_of(tmp_path / "run.journal", 3))
    assert [e.index for e in run.episodes] == [0, 1, 2] and run.episodes[1] == episode(1)
    assert (run.env_id, run.model_id, run.instruction) == ("Walk-v0", "m", "walk")
    assert (run.started_at, run.seconds) == (1_000_000.0, 6.0)
    assert RunResult.from_json(run.to_json()) == run
    empty = RunResult.from_journal(journal_of(tmp_path / "empty", 0))
    assert empty.episodes == () and empty.seconds == 0
    with pytest.raises(FileNotFoundError):
        RunResult.from_journal(tmp_path / "missing")


def test_a_journal_is_read_while_a_run_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "run.journal"
    seen: list[int] = []

    class Look:
        def on_episode_end(self, event: Any) -> None:
            document = told("report", str(path))
            seen.append(len(document["episodes"]))

    class Walk:
        observation_space = action_space = rlmesh.spaces.Discrete(2)

        def reset(self, seed: Any = None, options: Any = None) -> Any:
            return 0, {}

        def step(self, action: Any) -> Any:
            return 1, 1.0, True, False, {}

        def close(self) -> None: ...

    rlmesh.evaluate(lambda _: 1, Walk(), seeds=[0, 1, 2], journal=path, hooks=Look())
    assert seen == [1, 2, 3]


def test_report_shows_a_run_that_is_not_complete(tmp_path: Path) -> None:
    path, html = journal_of(tmp_path / "run.journal", 3), tmp_path / "out.html"
    with path.open("ab") as file:
        file.write(b"\x50half of a record")
    before = path.read_bytes()
    done = finished([*COMMAND, "report", str(path), "--html", str(html)])
    assert done.returncode == 0, done.stderr
    assert "m in Walk-v0" in done.stdout and re.search(r"reward +mean 2", done.stdout)
    assert done.stderr == f"{path}: 3 of 4 episodes so far\nreport: {html}\n"
    assert "<html" in html.read_text() and path.read_bytes() == before
    whole = finished([*COMMAND, "report", str(journal_of(tmp_path / "whole", 4))])
    assert whole.returncode == 0 and whole.stderr == ""


def test_report_reads_json_also_of_a_run_that_failed(tmp_path: Path) -> None:
    path = run_of(tmp_path / "run.json", 2, 1.0)
    assert len(told("report", str(path))["episodes"]) == 2
    failed = {"error": {"type": "RunError"}, "result": json.loads(path.read_text())}
    path.write_text(json.dumps(failed))
    done = finished([*COMMAND, "report", str(path)])
    assert done.returncode == 0 and "\x1b" not in done.stdout and "other in Walk-v0" in done.stdout


def test_compare_pairs_a_journal_with_json(tmp_path: Path) -> None:
    a, b = journal_of(tmp_path / "a", 4), run_of(tmp_path / "b.json", 4, 0.5)
    html = tmp_path / "both.html"
    done = finished([*COMMAND, "compare", str(a), str(b), "--html", str(html)])
    assert done.returncode == 0, done.stderr
    first, second, both = done.stdout.splitlines()
    assert first == f"A  m in Walk-v0, mean reward 2.5  ({a})"
    assert second == f"B  \\x1b[2Jother in Walk-v0, mean reward 2  ({b})"
    assert both.startswith("A - B  4 pairs: reward +0.5 [0.5, 0.5], 4 wins, 0 ties, 0 losses")
    assert html.exists()
    document = told("compare", str(b), str(a), "--confidence", "0.9")
    assert document["reward_difference"] == -0.5 and document["losses"] == document["n_pairs"] == 4
    assert document["a"]["model_id"] == "\x1b[2Jother" and document["b"]["mean_reward"] == 2.5
    assert document["confidence"] == 0.9 and len(document["success_interval"]) == 2


def test_compare_takes_any_number_of_runs(tmp_path: Path) -> None:
    paths = [str(run_of(tmp_path / f"{i}.json", 4, i / 2)) for i in range(4)]
    html = tmp_path / "all.html"
    done = finished([*COMMAND, "compare", *paths, "--html", str(html)])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line[:5].split()[0] for line in lines] == list("ABCDAAA")
    assert [line[:6] for line in lines[4:]] == ["A - B ", "A - C ", "A - D "]
    assert "reward -1.5 " in lines[6] and "<h2>Comparison</h2>" in html.read_text("utf-8")
    document = told("compare", *paths)["comparisons"]
    assert [one["reward_difference"] for one in document] == [-0.5, -1.0, -1.5]
    assert [one["b"]["file"] for one in document] == paths[1:]


def test_compare_of_runs_that_go_on(tmp_path: Path) -> None:
    a, b = journal_of(tmp_path / "a", 3), run_of(tmp_path / "b.json", 4, 0.5)
    done = finished([*COMMAND, "compare", str(a), str(b)])
    assert done.returncode == 1 and "b alone has 3" in done.stderr
    assert told("compare", str(a), str(b), "--common-seeds")["n_pairs"] == 3
    none = finished(
        [*COMMAND, "compare", str(a), str(journal_of(tmp_path / "c", 0)), "--common-seeds"]
    )
    assert none.returncode == 2 and "no seed in common" in none.stderr


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (None, 2, "No such file or directory"),
        (b"", 1, "expected a journal"),
        (b"\x05hello\0\0\0\0", 1, "journal"),
        (b"{", 1, "expected a journal, or the JSON"),
        (b"{}", 1, "a JSON document without episodes"),
        (b'{"a":' * 100_000, 1, "expected a journal, or the JSON"),
        (b"[1]", 1, "journal"),
        (b'{"error": {"type": "X"}}', 1, "the run has failed without a result"),
        (b'{"episodes": 3}', 1, "not a RunResult"),
        (b'{"episodes": "\xff"}', 1, "utf-8"),
    ],
)
def test_what_is_no_run_is_one_line(
    tmp_path: Path, content: bytes | None, status: int, words: str
) -> None:
    path = tmp_path / "run"
    if content is not None:
        path.write_bytes(content)
    done = finished([*COMMAND, "report", str(path), "--json"])
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("rlmesh report: ") and words in done.stderr
    assert str(path) in done.stderr and done.stderr.count("\n") == 1
    assert words in json.loads(done.stdout)["error"]["message"]


def test_a_journal_of_another_kind_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(errors.JournalError, match="expected a journal"):
        (tmp_path / "x").write_bytes(b"")
        RunResult.from_journal(tmp_path / "x")
