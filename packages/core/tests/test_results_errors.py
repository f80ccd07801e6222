"""Episodes that an error ended count as failures, in every figure alike."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh._reporting.words import facts
from rlmesh.results import EpisodeEnd, EpisodeFailure, EpisodeResult, RunResult, compare

ERROR, DONE = EpisodeEnd.ERROR, EpisodeEnd.TERMINATED


def episode(index: int, success: bool | None, end: EpisodeEnd = DONE) -> EpisodeResult:
    error = EpisodeFailure("it broke") if end is ERROR else None
    reward = 0.5 if end is ERROR else 2.0
    return EpisodeResult(index, index, reward, 3, end, success=success, error=error)


def run(*successes: bool | str | None) -> RunResult:
    """A run; "e" is an episode that an error ended."""
    return RunResult(
        tuple(
            episode(i, None, ERROR) if success == "e" else episode(i, success)  # type: ignore[arg-type]
            for i, success in enumerate(successes)
        )
    )


@pytest.mark.parametrize(
    ("successes", "counts", "without"),
    [
        ([True] * 6 + ["e"] * 4, (6, 10), (6, 6)),
        ([True, False, "e"], (1, 3), (1, 2)),
        ([True, None, "e"], (1, 2), (1, 1)),
        ([None, None, "e"], (0, 0), (0, 0)),
        (["e", "e"], (0, 0), (0, 0)),
        ([False, "e"], (0, 2), (0, 1)),
        ([], (0, 0), (0, 0)),
    ],
)
def test_the_rate_has_every_episode_that_ended_with_an_error(
    successes: list[Any], counts: tuple[int, int], without: tuple[int, int]
) -> None:
    result = run(*successes)
    others = result.without_errors()
    assert (result.success_counts, others.success_counts) == (counts, without)
    assert result.success_rate == (counts[0] / counts[1] if counts[1] else None)
    interval = result.success_interval()
    assert (interval is None) == (not counts[1])
    assert EpisodeEnd.ERROR not in others.ends


def test_texts_and_page_have_both_figures_and_one_denominator() -> None:
    result = run(True, True, False, "e")
    words = dict(facts(result))
    assert words["success"].startswith("2 of 4, 0.5, 95% ")
    assert words["success"].endswith(" (without errors: 2 of 3)")
    assert words["reward"].startswith("mean 1.625, ")
    assert words["reward"].endswith(" (without errors: mean 2)")
    html = result.to_html()
    assert "2 of 4" in html and "without errors: 2 of 3" in html
    assert "without errors" not in run(True, False).to_html()


def test_a_comparison_counts_them_as_failures_too() -> None:
    a, b = run(True, True, "e", None), run(True, "e", "e", None)
    comparison = compare(a, b)
    assert comparison.success_difference == pytest.approx(1 / 3) and comparison.errors == 2
    assert compare(run("e", None), run(None, "e")).success_difference is None


def test_progress_counts_them_as_failures_too() -> None:
    from rlmesh._evaluation.progress_report import ProgressReport

    report = ProgressReport(None)  # type: ignore[arg-type]
    for one in run(True, "e", "e", True).episodes:
        report._count(one)
    assert "success 50%" in report._line()[0]
