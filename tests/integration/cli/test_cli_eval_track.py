"""`rlmesh eval --track`: trackers on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli_processes import COMMAND, PICTURE, serving
from tests.processes import finished

pytest.importorskip("rich")
pytest.importorskip("typer")

from rlmesh._cli.sources import UsageProblem
from rlmesh._cli.track import trackers


def test_a_run_is_tracked_and_its_page_links_to_its_videos(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("av")
    lines, folder = tmp_path / "run.jsonl", tmp_path / "tb"
    with serving(PICTURE) as (where, _):
        run = ["eval", "random", where, "--seeds", "0:2", "--max-episode-steps", "2"]
        run += ["--track", f"jsonl:{lines}", "--track", f"tensorboard:{folder}"]
        run += ["--record", str(tmp_path / "videos"), "--report", str(tmp_path / "run.html")]
        done = finished([*COMMAND, *run, "--json"])
        assert done.returncode == 0, done.stderr
        again = finished([*COMMAND, *run[:-4], "--json"])
    document = json.loads(done.stdout)
    written: list[Any] = [json.loads(line) for line in lines.read_text().splitlines()]
    episodes = [{"kind": "episode", **episode} for episode in document["episodes"]]
    assert written[1:-1] == episodes
    assert written[0]["settings"] == document["settings"]
    assert list(folder.glob("*tfevents*")) and (folder / "episodes.csv").is_file()
    names = {path.name for path in (tmp_path / "videos").glob("*.mp4")}
    assert len(names) == 2
    for page, place in ((tmp_path / "run.html", "./"), (folder / "result.html", "../")):
        links = re.findall(r'href="([^":]*\.mp4)"', page.read_text())
        assert set(links) == {f"{place}videos/{name}" for name in names}
    assert again.returncode == 2 and "run.jsonl already exists" in again.stderr
    assert "--resume" in again.stderr and "resume=True" not in again.stderr


@pytest.mark.parametrize(
    ("track", "words"),
    [
        ("csv:x", "--track: expected one of jsonl, tensorboard, wandb, mlflow, got 'csv'"),
        ("jsonl", "--track: jsonl needs a path, such as jsonl:run"),
    ],
)
def test_a_wrong_tracker_is_refused_before_the_run(track: str, words: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        trackers([track], None, resume=False)
    assert str(caught.value) == words
