"""The stages of `make test` with a make that does as it is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.stages.__main__ import main

MAKE = """#!{python}
import sys, time
name = sys.argv[-1]
print("output of", name)
if name.startswith("slow"):
    time.sleep(0.5)
if name.startswith("pytest"):
    print("===== 1 failed, 2 passed, 3 skipped in 0.10s =====" if name == "pytest-fails" else
          "================== 5 passed in 61.20s (0:01:01) ===================")
sys.exit("fails" in name)
"""


@pytest.fixture
def make(tmp_path: Path) -> str:
    program = tmp_path / "make"
    program.write_text(MAKE.format(python=sys.executable))
    program.chmod(0o755)
    return str(program)


def run(capfd: pytest.CaptureFixture[str], make: str, *lanes: str) -> tuple[int, list[str]]:
    status = main([*lanes, "--make", make])
    return status, capfd.readouterr().out.splitlines()


def test_every_stage_is_named_with_its_seconds(
    capfd: pytest.CaptureFixture[str], make: str
) -> None:
    status, lines = run(capfd, make, "lint slow-types", "pytest")
    assert status == 0
    # The line of a check may come between the two words of pytest's own output.
    assert any("output of" in line for line in lines) and "output of lint" not in lines
    table = [line.split() for line in lines[-5:-1]]
    assert [row[0] for row in table] == ["lint", "slow-types", "pytest", "all"]
    assert [row[1] for row in table[:3]] == ["ok"] * 3
    assert all(row[-5:][1] == "s" and row[-2:] == ["CPU", "s"] for row in table)
    assert "5 passed in 61.20s" in lines[-1]


def test_a_stage_that_fails_shows_its_output_after_the_tests_and_stops_no_other(
    capfd: pytest.CaptureFixture[str], make: str
) -> None:
    status, lines = run(capfd, make, "fails-lint types", "slow-pytest pytest")
    assert status == 1
    assert lines.index("output of pytest") < lines.index("output of fails-lint")
    assert "== fails-lint failed with this output" in lines
    assert "output of types" not in lines
    assert "failed: fails-lint" in lines
    assert "5 passed" in lines[-1]


def test_tests_that_fail_fail_the_run(capfd: pytest.CaptureFixture[str], make: str) -> None:
    status, lines = run(capfd, make, "lint", "pytest-fails pytest")
    assert status == 1
    # The line of a check may come between the words of pytest's own output.
    assert sum("output of" in line for line in lines) == 2
    assert ["1 failed, 2 passed" in lines[-2], "5 passed" in lines[-1]] == [True, True]


def test_a_make_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        main(["lint", "pytest", "--make", str(tmp_path / "none")])
