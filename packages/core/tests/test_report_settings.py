"""Warnings, settings and forced resumptions in every form of a report."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from rlmesh.results import EpisodeEnd, EpisodeResult, RunResult, RunSettings, Timing

SETTINGS = RunSettings(
    execution_horizon=4,
    max_episode_seconds=2.5,
    seeded=True,
    validation=("strict", "warn"),
    run_id="step 2000",
    acting="Latency(steps=2)",
    load_arguments={"path": "'a.pt'"},
    model_digest="ab" * 32,
    adapter_plan="observation -> inputs\noutputs -> action",
    adapter_advisories=("caution: inputs['x']: left out", "info: outputs: filled"),
    versions={"python": "3.11.9", "numpy": "2.1.0"},
    env_servers=("rlmesh-core/7",),
    hosts=("desk",),
    env_hosts=("<attic>", "robot"),
    model_hosts=("cluster",),
    command=("rlmesh", "eval", "<b>"),
)
EPISODES = tuple(
    EpisodeResult(i, i, 1.0, 1, EpisodeEnd.TERMINATED, endpoint=f"e{i}", warnings=counts)
    for i, counts in enumerate([{}, {"episode_retried": 2}])
)
RUN = RunResult(
    EPISODES,
    "A-v0",
    model_id="m",
    timing=Timing(2.0, 1.0, 3.0),
    settings=SETTINGS,
    warnings={"endpoint_left_out": 1, "episode_retried": 2},
    resume_differences=("episodes: expected 6, got 5", "run_id: expected 'b', got ''"),
)


@pytest.mark.parametrize("form", [str, RunResult._repr_html_, RunResult.to_html])
def test_what_a_reader_must_know_is_in_every_report(form: Callable[[RunResult], str]) -> None:
    text = form(RUN)
    assert "1 endpoint left out, 2 episode retried" in text
    assert text.count("resumed with") == 2 and "episodes: expected 6, got 5" in text
    assert text.count("2 episode retried") == 2  # Of the run and of its episode.
    plain = form(RunResult(EPISODES[:1], timing=Timing(2.0, 1.0, 0.5)))
    plain = re.sub('href="[^"]*"', "", plain)  # A file has columns without a cell too.
    assert "warnings" not in plain and "resumed with" not in plain and "sums" not in plain


def test_a_page_has_the_settings_of_the_run() -> None:
    page = RUN.to_html()
    assert page.count("<h2>Settings</h2>") == 1
    for text in (
        "<dt>execution horizon</dt><dd>4</dd>",
        "<dt>max episode seconds</dt><dd>2.5</dd>",
        "<dt>seeded</dt><dd>yes</dd>",
        "<dt>validation</dt><dd>strict warn</dd>",
        "<dt>run id</dt><dd>step 2000</dd>",
        "<dt>acting</dt><dd>Latency(steps=2)</dd>",
        "<dt>model digest</dt><dd>" + "ab" * 32 + "</dd>",
        "<dt>versions</dt><dd>numpy 2.1.0, python 3.11.9</dd>",
        "<dt>env servers</dt><dd>rlmesh-core/7</dd>",
        "<dt>hosts</dt><dd>desk</dd>",
        "<dt>env hosts</dt><dd>&lt;attic&gt; robot</dd>",
        "<dt>model hosts</dt><dd>cluster</dd>",
        "<dt>command</dt><dd>rlmesh eval &lt;b&gt;</dd>",
    ):
        assert text in page
    assert "max batch size" not in page  # It was not given.
    assert "Settings" not in RunResult(EPISODES).to_html()


def test_a_page_of_two_runs_has_the_settings_of_both() -> None:
    page = RUN.to_html(compare=RUN)
    assert "<h2>Settings of a: " in page and "<h2>Settings of b: " in page


def test_the_parts_of_the_time_are_told_to_be_sums() -> None:
    assert "2 s: predict 1 s, step 3 s (sums over endpoints and lanes)" in str(RUN)
    assert "Time (parts: sums over endpoints and lanes)" in RUN.to_html()
