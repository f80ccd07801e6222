"""Files that a report offers: charts as SVG and episodes as CSV; and the names in legends."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given

from rlmesh._reporting import charts
from rlmesh._reporting.csv_table import COLUMNS
from rlmesh._reporting.markers import COLOURS, glyph_of, marker
from rlmesh._reporting.markup import written
from rlmesh.results import EpisodeEnd, EpisodeFailure, EpisodeResult, RunResult, Timing
from tests.pages_read import Read
from tests.property.test_results import RUNS

SVG = "{http://www.w3.org/2000/svg}"


def run_of(model: str = "m") -> RunResult:
    episodes = (
        EpisodeResult(0, 2**64 - 1, 0.1, 3, EpisodeEnd.TERMINATED, True, timing=Timing(1.0, 0.5)),
        EpisodeResult(
            *(1, None, math.nan, 0, EpisodeEnd.ERROR),
            task='lift, "it"',
            options={"state": [1, 2]},
            error=EpisodeFailure("=HYPERLINK(1)\nnext", "builtins.ValueError"),
            warnings={"episode_retried": 2},
        ),
    )
    return RunResult(episodes, "E", model_id=model, timing=Timing(2.0, 1.0, 0.5))


def files(page: str) -> dict[str, list[str]]:
    """The contents of a page's files by their media type."""
    found: dict[str, list[str]] = {}
    for name, value in Read(page).attributes:
        if name == "href":
            kind, _, content = value.partition(",")
            kind = kind.removeprefix("data:").partition(";")[0]
            found.setdefault(kind, []).append(unquote(content))
    return found


def test_the_table_has_what_a_data_frame_has(tmp_path: Path) -> None:
    run = run_of()
    path = tmp_path / "run.csv"
    text = run.to_csv(path)
    assert path.read_bytes() == text.encode()
    first, second = csv.DictReader(io.StringIO(text))
    assert list(first) == list(COLUMNS)
    assert (first["seed"], first["reward"], first["success"]) == (str(2**64 - 1), "0.1", "true")
    assert (second["seed"], second["reward"], second["success"]) == ("", "nan", "")
    assert (second["task"], second["error"]) == ('lift, "it"', "'=HYPERLINK(1)\nnext")
    assert json.loads(second["options"]) == {"state": [1, 2]}
    assert json.loads(second["warnings"]) == {"episode_retried": 2}
    pytest.importorskip("pandas")
    frame = set(run.to_dataframe().columns)
    assert frame - set(COLUMNS) == {"final_info"} and set(COLUMNS) <= frame


@given(run=RUNS)
def test_every_run_has_a_table_with_a_row_an_episode(run: RunResult) -> None:
    text = run.to_csv()
    text.encode()
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == len(run.episodes) + 1


def test_a_table_has_no_nul() -> None:
    run = RunResult((EpisodeResult(0, 1, 1.0, 1, EpisodeEnd.TERMINATED, task="a\0b"),), "E")
    text = run.to_csv()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert "\0" not in text and row["task"] == "a\N{REPLACEMENT CHARACTER}b"


def test_a_page_has_its_episodes_and_each_of_its_charts_as_a_file() -> None:
    run = run_of()
    page = run.to_html()
    found = files(page)
    assert found["text/csv"] == [run.to_csv()]
    drawings = [ElementTree.fromstring(text) for text in found["image/svg+xml"]]
    assert len(drawings) == page.count("<svg") > 3
    for drawing in drawings:
        assert drawing.tag == f"{SVG}svg" and drawing.findall(f".//{SVG}line")
    names = [value for name, value in Read(page).attributes if name == "download"]
    assert {"rewards.svg", "reward-by-episode.svg", "episodes.csv"} <= set(names)
    assert "href" not in run._repr_html_()  # A notebook keeps what its cells show.


def test_legends_name_the_models() -> None:
    a = RunResult((EpisodeResult(0, 1, 1.0, 1, EpisodeEnd.TERMINATED, True),), "E", model_id="new")
    b = RunResult((EpisodeResult(0, 1, 2.0, 1, EpisodeEnd.TERMINATED, True),), "E", model_id="old")
    page = a.to_html(compare=b)
    captions = Read(page).of("span")
    assert captions.count("a: new") == captions.count("b: old") == 3
    assert "a: new: 1 of 1" in Read(page).of("text")
    drawings = [ElementTree.fromstring(text) for text in files(page)["image/svg+xml"]]
    named = [one for one in drawings if {"a: new", "b: old"} <= set(one.itertext())]
    assert len(named) == 3
    height = float((named[0].get("viewBox") or "").split()[3])
    assert height > charts.HEIGHT  # The legend is below the chart.


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


# Machado, Oliveira and Fernandes (2009), severity 1: protanopia, deuteranopia, tritanopia.
VISIONS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


@pytest.mark.parametrize("vision", VISIONS)
def test_the_colours_of_runs_differ_for_every_vision(vision: str) -> None:
    """Two runs by colour alone; of more, each has a shape or a row of its own too."""

    def seen(colour: str) -> list[float]:
        rgb = [_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5)]
        return [sum(x * y for x, y in zip(row, rgb)) for row in VISIONS[vision]]

    shown = [seen(colour) for colour in COLOURS]
    assert math.dist(*shown[:2]) > 0.25
    assert min(math.dist(*pair) for pair in itertools.combinations(shown, 2)) > 0.13


def test_forty_two_runs_have_markers_of_their_own() -> None:
    looks = {written(marker(place, 5.0, 5.0)) for place in range(42)}
    assert len(looks) == 42
    assert len({glyph_of(place) for place in range(len(COLOURS))}) == len(COLOURS)


def test_failed_episodes_are_listed_apart_with_their_error() -> None:
    page = Read(run_of().to_html())
    assert page.of("h2").startswith("Tasks") and "Errors (1 of 2 episodes)" in page.of("h2")
    assert 'Episode 1 of lift, "it": builtins.ValueError' in page.of("p")
    assert "=HYPERLINK(1)\nnext" in page.of("pre")


def test_the_charts_of_the_page_are_files_too(tmp_path: Path) -> None:
    run = run_of()
    folder = tmp_path / "new" / "charts"
    paths = [Path(path) for path in run.to_svg(folder)]
    names = {"rewards.svg", "reward-by-episode.svg", "steps-by-episode.svg", "time.svg"}
    assert {path.name for path in paths} == {*names, "success.svg"}
    assert {path.parent for path in paths} == {folder}
    contents = [path.read_text(encoding="utf-8") for path in paths]
    assert set(contents) <= set(files(run.to_html())["image/svg+xml"])
    assert all(ElementTree.fromstring(text).tag == f"{SVG}svg" for text in contents)
