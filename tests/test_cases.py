from __future__ import annotations

import inspect

import pytest

from tests.cases import for_each


def test_every_case_runs_and_each_failure_is_reported() -> None:
    ran: list[tuple[int, str]] = []

    @for_each("letter", "ab")
    @for_each("number", range(4), ids=lambda number: f"n{number}")
    def check(number: int, letter: str) -> None:
        ran.append((number, letter))
        if number == 1:
            pytest.skip("not this one")
        if (number, letter) == (2, "a"):
            with pytest.raises(ValueError, match="never"):
                pass
        assert (number, letter) != (3, "a"), "three of a"

    with pytest.raises(pytest.fail.Exception) as caught:
        check()
    report = str(caught.value)
    assert sorted(ran) == [(number, letter) for number in range(4) for letter in "ab"]
    assert report.startswith("1 of 2 cases of letter failed: 'a'\n")
    assert "2 of 4 cases of number failed: n2, n3" in report
    assert "DID NOT RAISE" in report and "three of a" in report


def test_a_test_is_skipped_if_all_of_its_cases_are() -> None:
    @for_each("number", range(2))
    def check(number: int) -> None:
        pytest.skip(f"not {number}")

    with pytest.raises(pytest.skip.Exception, match="not 0"):
        check()


def test_what_is_left_of_the_parameters_are_fixtures() -> None:
    @for_each("number", [1])
    def check(number: int, tmp_path: str) -> None:
        assert (number, tmp_path) == (1, "x")

    assert list(inspect.signature(check).parameters) == ["tmp_path"]
    check(tmp_path="x")
