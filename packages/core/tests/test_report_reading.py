"""The page of a run as a reader sees it: one denominator, the intervals that hold, what failed."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from rlmesh._reporting.figures import run_names
from rlmesh.results import (
    EpisodeEnd,
    EpisodeFailure,
    EpisodeResult,
    Interval,
    RunResult,
    RunSettings,
    StopDecision,
    Stopping,
    Timing,
    compare,
)
from tests.pages_read import Read

ERROR, TERMINATED = EpisodeEnd.ERROR, EpisodeEnd.TERMINATED
STOPPED = Stopping(StopDecision.PRECISE, Interval(0.4321, 0.6543))
RULE = "success rate known to a width of 0.3 at 0.95"


def episode(index: int, success: bool | None = True, **facts: Any) -> EpisodeResult:
    failure = EpisodeFailure(f"it broke in {index}") if success is None else None
    end = ERROR if success is None else TERMINATED
    given: dict[str, Any] = {"endpoint": f"env-{index % 2}", "timing": Timing(1.0), **facts}
    return EpisodeResult(index, index, float(index % 5), 3, end, success, error=failure, **given)


def run_of(count: int = 20, stopping: Stopping | None = None, **facts: Any) -> RunResult:
    until = RULE if stopping else ""
    given: dict[str, Any] = {"env_id": "E", "model_id": "new", "timing": Timing(9.0), **facts}
    episodes = tuple(episode(i, i % 3 != 0) for i in range(count))
    return RunResult(episodes, settings=RunSettings(until=until), stopping=stopping, **given)


def intervals(text: str) -> set[str]:
    return set(re.findall(r"\[-?[\d.e-]+, [\d.e+-]+\]", text))


def whiskers(page: Read) -> int:
    return sum(1 for name, value in page.attributes if (name, value) == ("stroke-width", "1.5"))


@pytest.mark.parametrize("decision", StopDecision)
def test_a_run_with_a_stopping_rule_has_only_the_interval_of_the_rule(
    decision: StopDecision,
) -> None:
    run = run_of(stopping=Stopping(decision, STOPPED.interval))
    for text in (run.to_html(), run._repr_html_(), str(run)):
        assert intervals(text) == {"[0.4321, 0.6543]"}
        assert f"({RULE})" in text
    page = run.to_html()
    assert whiskers(Read(page)) == 0 and "Wilson" not in page and "its interval holds" in page
    fixed = run_of().to_html()
    assert len(intervals(fixed)) > 2 and whiskers(Read(fixed)) == 9 and "Wilson" in fixed


def test_a_comparison_with_a_stopped_run_has_no_interval_of_a_fixed_number() -> None:
    for a, b in ((run_of(stopping=STOPPED), run_of()), (run_of(), run_of(stopping=STOPPED))):
        page = a.to_html(compare=b)
        start = page.index("<dt>pairs</dt>")
        compared = page[start : page.index("</dl>", start)]
        assert "reward, a - b" in compared and not intervals(compared)
        result = compare(a, b)
        assert math.isnan(result.reward_interval.low)
        assert result.success_interval is not None and math.isnan(result.success_interval.low)


def test_a_task_whose_every_episode_ended_in_an_error_counts_as_failed() -> None:
    episodes = [episode(i, True, task="lift") for i in range(4)]
    episodes += [episode(4 + i, None, task="push") for i in range(3)]
    run = RunResult(tuple(episodes), env_id="E")
    assert run.success_counts == (4, 7)
    cells = Read(run.to_html()).texts["td"]
    assert {"4 of 4", "0 of 3"} <= set(cells), "the parts add up to the whole"
    assert "4 of 7" in Read(run.to_html()).of("dd")
    assert "0 of 3" in str(run)


def test_no_episode_that_counts_nowhere_is_a_failure() -> None:
    episodes = (episode(0, None, task="push"), episode(1, None, task="lift"))
    assert " of " not in Read(RunResult(episodes, env_id="E").to_html()).of("td")


def test_the_page_of_two_runs_has_figures_errors_and_names_of_both() -> None:
    other = RunResult(tuple(episode(i, None if i == 3 else True) for i in range(20)), "E")
    page = Read(run_of().to_html(compare=other))
    assert page.of("h1") == "new in E, compared with E"
    heads = page.of("h2")
    assert heads.startswith("Comparison") and "Errors of b (1 of 20 episodes)" in heads
    assert {"a: new", "b", "20"} <= set(page.texts["td"])


def test_a_page_of_many_runs_has_all_of_them_everywhere() -> None:
    """The tasks first; each run by its name in tables, legends, errors, episodes and settings."""

    def run(place: int) -> RunResult:
        episodes = (
            episode(i, None if i == place else i % 3 != 0, task=("lift", "push")[i % 2])
            for i in range(12)
        )
        settings = RunSettings(run_id=f"checkpoint {place}")
        return RunResult(tuple(episodes), "E", 9.0, f"model-{place}", settings=settings)

    runs = [run(place) for place in range(9)]
    names = [f"{letter}: model-{place}" for place, letter in enumerate("abcdefghi")]
    page = Read(runs[0].to_html(compare=runs[1:]))
    assert page.of("h1") == "9 runs in E"
    heads = page.texts["h2"]
    assert heads[:2] == ["Tasks", "Comparison"]
    cells = page.texts["td"]
    assert cells[:2] == ["lift", names[0]] and cells.count("push") == 9 + 12 // 2 * 9
    assert [cells.count(name) for name in names] == [2 + 1] * 9
    assert {f"a: model-0 - {name}" for name in names[1:]} <= set(cells)
    for name in names:
        for title in ("Errors of {} (1 of 12 episodes)", "Endpoints of {}", "Settings of {}"):
            assert title.format(name) in heads
        assert f"Episodes of {name} (12)" in heads
        assert page.texts["span"].count(name) == 2, "the two charts with dots"
        assert sum(name in text for text in page.texts["text"]) >= 4, "the charts with rows"
    files = [value for name, value in page.attributes if name == "download"]
    assert len(set(files)) == len(files) and {"episodes-a.csv", "episodes-i.csv"} <= set(files)
    assert "no correction for their number" in page.of("p")
    # The page of one other run is the same, whichever way it is passed.
    assert runs[0].to_html(compare=runs[1]) == runs[0].to_html(compare=[runs[1]])
    assert runs[0].to_html(compare=[]) == runs[0].to_html()


def test_a_run_of_other_seeds_is_named_among_many() -> None:
    with pytest.raises(ValueError, match=r"^run c, as b beside a: expected two runs of the"):
        run_of().to_html(compare=[run_of(), run_of(19)])


def test_the_names_of_many_runs_differ() -> None:
    assert run_names([RunResult(())] * 28)[25:] == ("z", "aa", "ab")


def test_endpoints_are_folded_and_long_tables_too() -> None:
    def is_open(count: int) -> list[bool]:
        html = run_of(count).to_html()
        return ["open" in tag for tag in re.findall("<details[^>]*>", html)]

    assert is_open(50) == [False, True] and is_open(51) == [False, False]
    assert "<h2>Episodes (51)</h2>" in run_of(51).to_html()


def test_failed_episodes_have_a_link_to_their_video(tmp_path: Path) -> None:
    videos, page = tmp_path / "v i#d", tmp_path / "pages" / "run.html"
    for folder in (videos, page.parent):
        folder.mkdir()
    (videos / "episode_1_seed_1.mp4").touch()
    run = RunResult(tuple(episode(i, None) for i in range(3)), env_id="E")
    html = run.to_html(page, videos=videos)
    links = {unquote(link) for link in re.findall(r'href="(?!data:)([^"]*)"', html)}
    assert links == {"../v i#d/episode_1_seed_1.mp4"}
    assert "v%20i%23d" in html and (page.parent / links.pop()).is_file()
    failed = html[html.index("Errors (3 of 3") :]
    assert failed.index("Episode 1, seed 1") < failed.index("href") < failed.index("Episode 2")
    assert "href=" not in re.sub(r'href="data:[^"]*"', "", run.to_html())


def test_a_link_is_no_address_of_another_scheme(tmp_path: Path) -> None:
    videos = tmp_path / "javascript:alert(1)"
    videos.mkdir()
    (videos / "episode_0_seed_0.mp4").touch()
    run = RunResult((episode(0),), env_id="E")
    assert 'href="./javascript' in run.to_html(tmp_path / "run.html", videos=videos)


def test_no_bar_covers_another() -> None:
    html = run_of().to_html(compare=run_of())
    start = html.index('aria-label="Histogram: reward"')
    drawing = html[start : html.index("</svg>", start)]
    bars = sorted(
        (float(x), float(width))
        for x, width in re.findall(r'<rect [^>]*?x="([\d.]+)"[^>]*?width="([\d.]+)"', drawing)
    )
    assert len(bars) > 4
    assert all(x + width <= after + 1e-3 for (x, width), (after, _) in itertools.pairwise(bars))
