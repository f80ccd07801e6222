"""Runs for people: text, rich, HTML, pandas; whatever stands in them, and whatever is missing."""

from __future__ import annotations

import importlib
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from rlmesh.results import EpisodeEnd, EpisodeFailure, EpisodeResult, RunResult, Timing
from tests.pages_read import Read
from tests.processes import finished

HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)' x=\"",
    "</title></svg></td></pre><iframe src=//evil>",
    "&lt;b&gt; &amp; <!-- ]]> -->",
    "[red]markup[/red] [link=file:///etc/passwd]x[/link]",
    "\x1b[2J\x1b]0;title\x07\x00\x9b31m",
    "\u202egnp.exe\u2066 \ud800 \uffff",
    "{0.__class__} %s %(x)s ${x} `x`",
    "line\nbreak\r\ttab\u2028",
]


def run_of(count: int, text: str = "", **facts: Any) -> RunResult:
    """A run of which everything that is text, and came from elsewhere, has `text` in it."""
    episodes = [
        EpisodeResult(
            index=i,
            seed=1000 + i,
            reward=float(i * i % 17),
            steps=10 + i,
            end=EpisodeEnd.ERROR if i % 5 == 4 else EpisodeEnd.TERMINATED,
            success=i % 3 == 0,
            env_id=f"Env{text}",
            timing=Timing(1.0 + i, 0.5, 0.25, 0.125),
            endpoint=f"tcp://{'ab'[i % 2]}:1{text}",
            error=EpisodeFailure(f"bad {text}", f"type {text}", traceback=f"in {text}", path=text)
            if i % 5 == 4
            else None,
            final_info={text: text},
            started_at=1.7e9,
        )
        for i in range(count)
    ]
    given: dict[str, Any] = {
        "env_id": f"Env{text}",
        "model_id": f"model{text}",
        "timing": Timing(100.0, 50.0, 30.0, 5.0),
        "instruction": f"do {text}",
        "started_at": 1.7e9,
        "metadata": {f"key {text}": f"value {text}", "n": [text]},
    }
    return RunResult(tuple(episodes), **{**given, **facts})


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_of_the_users_is_markup(text: str) -> None:
    """A page of hostile texts has the elements and attributes of a page of harmless ones."""
    for harmless, hostile in (
        (run_of(10, "x").to_html(), run_of(10, text).to_html()),
        (run_of(10, "x")._repr_html_(), run_of(10, text)._repr_html_()),
        (
            run_of(10, "x").to_html(title="x", compare=run_of(10, "x")),
            run_of(10, text).to_html(title=text, compare=run_of(10, text)),
        ),
    ):
        ours, theirs = Read(harmless), Read(hostile)
        assert theirs.tags == ours.tags
        assert [name for name, _ in theirs.attributes] == [name for name, _ in ours.attributes]
        assert {a for a in theirs.attributes if a[0] != "href"} == {
            a for a in ours.attributes if a[0] != "href"
        }
        for (_, one), (_, other) in zip(_links(theirs), _links(ours)):
            assert re.fullmatch(r"data:[\w/+]+;charset=utf-8,[\w%~./-]+", one)
            assert _kind(one) == _kind(other)
        assert theirs.texts["style"] == ours.texts["style"]
        hostile.encode()  # No lone surrogates.
        assert all(c.isprintable() or c == "\n" for c in hostile)


def _links(page: Read) -> list[tuple[str, str]]:
    return [one for one in page.attributes if one[0] == "href"]


def _kind(link: str) -> str:
    return link.partition(";")[0]


@pytest.mark.parametrize("text", HOSTILE[:6] + HOSTILE[8:9])
def test_the_users_texts_are_there_to_the_letter(text: str) -> None:
    page = Read(run_of(10, text).to_html())
    assert f"model{text} in Env{text}" in page.of("h1") and f"do {text}" in page.of("dd")
    assert f"model{text} in Env{text}" in page.of("title")
    assert f"bad {text}" in page.of("pre") and f"in {text}" in page.of("pre")
    assert f"tcp://a:1{text}" in page.of("td") and f"key {text}" in page.of("dt")
    assert f"type {text}" in page.of("p")
    assert f"a:1{text}: " in page.of("text")  # In a chart.


def test_a_page_fetches_nothing() -> None:
    html = run_of(20).to_html(compare=run_of(20))
    page = Read(html)
    assert not {"script", "link", "img", "iframe", "object", "base", "use"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    # Its links are files that the page itself has.
    assert page.tags.count("a") == len(_links(page)) == page.tags.count("svg") + 2
    assert {_kind(link) for _, link in _links(page)} == {"data:image/svg+xml", "data:text/csv"}
    assert not {"src", "xlink:href", "srcset", "action", "data"} & names
    assert not any(name.startswith("on") for name in names)
    assert "url(" not in html and "@import" not in html
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_what_a_page_tells() -> None:
    run = run_of(10)
    page = Read(run.to_html())
    facts = page.of("dd")
    assert "10: 8 terminated, 2 error" in facts
    assert f"mean {run.mean_reward:.6g}, std {run.std_reward:.6g}" in facts
    assert f"95% {run.reward_interval()}" in facts and f"95% {run.success_interval()}" in facts
    assert "145, 1.45 a second" in facts and "2023-11-14 22:13:20 UTC" in facts
    assert "100 s: predict 50 s, step 30 s, wait 5 s" in facts
    assert page.tags.count("svg") == 7 and page.tags.count("tr") == 1 + 2 + 1 + 10
    assert "Comparison" not in page.of("h2")


def test_a_page_that_compares() -> None:
    run = run_of(10)
    other = run_of(10, model_id="other")
    page = Read(run.to_html(title="Both", compare=other))
    assert page.of("h1") == "Both" and "b: other" in page.of("td")
    assert "0 wins, 10 ties, 0 losses" in page.of("dd") and "in 2 of the pairs" in page.of("dd")
    assert page.tags.count("svg") == 11
    with pytest.raises(ValueError, match="b alone has 1010"):
        run.to_html(compare=run_of(11))


def test_a_page_is_written_to_a_file(tmp_path: Path) -> None:
    run = run_of(3, "é")
    assert (tmp_path / "r.html").write_text("old" * 100_000)
    html = run.to_html(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_bytes().decode() == html


@pytest.mark.parametrize(
    "run",
    [
        RunResult(()),
        RunResult((EpisodeResult(0, None, 0.0, 0, EpisodeEnd.LIMIT),)),
        RunResult(
            tuple(
                EpisodeResult(i, 5, reward, 1, EpisodeEnd.ERROR)
                for i, reward in enumerate(
                    [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0]
                )
            ),
            seconds=math.nan,
            started_at=1e300,
        ),
        RunResult(
            tuple(
                EpisodeResult(i, 2**64 - 1 - i, 1e16 + 2 * i, 10**15, EpisodeEnd.TRUNCATED)
                for i in range(3)
            ),
            seconds=math.inf,
            started_at=math.nan,
        ),
        RunResult(
            (EpisodeResult(0, 0, 1.0, 1, EpisodeEnd.LIMIT, timing=Timing(-1.0, math.nan)),),
            timing=Timing(1.0, -5.0, math.inf),
        ),
    ],
    ids=["nothing", "one", "extremes", "large", "times"],
)
def test_odd_runs_have_all_forms(run: RunResult) -> None:
    page = Read(run.to_html())
    for name, value in page.attributes:
        if name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
            assert math.isfinite(float(value)), (name, value)
    Read(run._repr_html_())
    assert str(run).splitlines()[0] == "Run"
    if run.episodes and math.isnan(run.rewards[0]):
        assert "not drawn: 3." in page.of("p")


def test_long_runs_are_cut_where_they_would_fill_a_page() -> None:
    run = run_of(6_000)
    page = Read(run.to_html())
    assert page.tags.count("circle") <= 2 * 2_000
    assert "1000 episodes in the middle are left out." in page.of("p")
    assert "more are left out" in page.of("p")  # Of the errors.
    assert Read(run._repr_html_()).tags.count("tr") == 1 + 2 + 1 + 20


# Text and rich.


def test_text_is_aligned_and_has_no_control_characters() -> None:
    for hostile in HOSTILE:
        run = run_of(3, hostile, instruction=None)
        assert all(c.isprintable() or c == "\n" for c in str(run))
        head, *rest = str(run).splitlines()
        assert head.startswith("model") and len(rest) == 6 + 1 + 3 + 1 + 4
    lines = str(run_of(30)).splitlines()
    table = lines[lines.index(next(line for line in lines if line.strip().startswith("#"))) :]
    assert table[11] == "  … 10 more …" and len(table) == 1 + 20 + 1
    assert [line.split()[0] for line in table[1:11]] == [str(i) for i in range(10)]
    assert [line.split()[0] for line in table[12:]] == [str(i) for i in range(20, 30)]
    assert len({line.index("tcp://") for line in table[1:11] + table[12:]}) == 1


def rich_text(run: RunResult, width: int = 200) -> str:
    console = pytest.importorskip("rich.console").Console(width=width, color_system="truecolor")
    with console.capture() as capture:
        console.print(run)
    return str(capture.get())


def test_rich_shows_the_same_and_reads_no_markup() -> None:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", rich_text(run_of(5, "[red]x[/red]")))
    assert "model[red]x[/red] in Env[red]x[/red]" in plain and "bad [red]x[/red]" in plain
    assert "mean 6, std" in plain
    hostile = rich_text(run_of(3, HOSTILE[6]))
    assert "\x1b[2J" not in hostile and "\x07" not in hostile and r"\x1b[2J" in hostile
    assert "… " in rich_text(run_of(30)) and "10 more" in rich_text(run_of(30))
    rich_text(run_of(5), width=20)


def test_print_takes_rich_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich")
    run_of(2).print()
    out = capsys.readouterr().out
    assert "mean 0.5" in out and "─" in out


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if neither rich nor pandas were installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("rich", "pandas")]:
        monkeypatch.delitem(sys.modules, name)
    find = importlib.import_module

    def missing(name: str, package: str | None = None) -> Any:
        if name.partition(".")[0] in ("rich", "pandas"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return find(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)


@pytest.mark.usefixtures("bare")
def test_without_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(2)
    run.print()
    assert capsys.readouterr().out == f"{run}\n"
    with pytest.raises(ImportError, match=r'pandas: pip install "rlmesh-core\[report\]"') as caught:
        run.to_dataframe()
    assert caught.value.name == "pandas"
    assert run.to_html() and run._repr_html_()


def test_an_import_that_fails_within_a_library_is_told_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'pytz'", name="pytz")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="pytz"):
        run_of(1).to_dataframe()


def test_core_brings_no_library_of_a_report() -> None:
    code = (
        "import sys, rlmesh; from rlmesh.results import *; run = RunResult(()); "
        "run.to_html(), run.to_json(), str(run), run._repr_html_(); "
        "print([m for m in ('numpy', 'pandas', 'rich', 'matplotlib') if m in sys.modules])"
    )
    done = finished(["-c", code], fresh=True)
    assert done.stdout == "[]\n", done.stderr


# pandas.


def test_a_frame_has_a_row_an_episode() -> None:
    pandas = pytest.importorskip("pandas")
    frame = run_of(6, "é").to_dataframe()
    assert frame["index"].tolist() == list(range(6))
    assert frame["seed"].tolist() == list(range(1000, 1006))
    assert frame["reward"].tolist() == [0.0, 1.0, 4.0, 9.0, 16.0, 8.0]
    assert frame["end"].tolist() == ["terminated"] * 4 + ["error", "terminated"]
    assert frame["success"].tolist() == [True, False, False] * 2
    row = frame.iloc[4]
    assert (row["error"], row["error_type"]) == ("bad é", "type é")
    assert (row["seconds"], row["predict_seconds"]) == (5.0, 0.5)
    assert (row["step_seconds"], row["wait_seconds"]) == (0.25, 0.125)
    assert (row["endpoint"], row["env_id"]) == ("tcp://a:1é", "Envé")
    assert row["final_info"] == {"é": "é"} and row["started_at"] == 1.7e9
    assert frame["error"].isna().tolist() == [True] * 4 + [False, True]
    assert frame.groupby("endpoint")["reward"].mean().tolist() == [20 / 3, 6.0]
    assert pandas.api.types.is_float_dtype(frame["reward"])


def test_a_frame_keeps_large_seeds_and_what_is_missing() -> None:
    pandas = pytest.importorskip("pandas")
    run = RunResult(
        (
            EpisodeResult(0, 2**64 - 1, 0.0, 1, EpisodeEnd.LIMIT),
            EpisodeResult(1, None, 0.0, 1, EpisodeEnd.LIMIT, success=True),
        )
    )
    frame = run.to_dataframe()
    assert frame["seed"][0] == 2**64 - 1 and frame["seed"][1] is pandas.NA
    assert frame["success"][0] is pandas.NA and bool(frame["success"][1])
    empty = RunResult(()).to_dataframe()
    assert len(empty) == 0
    assert list(map(str, empty.dtypes)) == list(map(str, frame.dtypes))
    assert json.loads(frame[["index", "steps"]].to_json(orient="records"))[1]["index"] == 1
