"""The figures of docs/ are those of benchmarks/RESULTS.md."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools.figures.__main__ import RESULTS, STAGES, STEPS, main, steps_table, throughput_table
from tools.pythons import REPOSITORY


def test_they_are_current() -> None:
    assert main(["--check"]) == 0


def test_a_changed_measurement_is_found_and_written(tmp_path: Path) -> None:
    for document in (RESULTS, STEPS.document, STAGES.document):
        (tmp_path / document).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / document, tmp_path / document)
    text = (tmp_path / RESULTS).read_text()
    row = next(line for line in text.splitlines() if line.startswith("| Ray actor | **"))
    median = row.split("**")[1]
    (tmp_path / RESULTS).write_text(text.replace(f"**{median}**", "**7,777**"))
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert "7,777" in (tmp_path / STEPS.document).read_text()
    assert main(["--check"], tmp_path) == 0


def test_a_side_that_was_not_measured_is_an_error() -> None:
    text = (REPOSITORY / RESULTS).read_text()
    with pytest.raises(ValueError, match="expected a row of 'OpenEnv'"):
        steps_table(text.replace("| OpenEnv", "| Other"))
    with pytest.raises(ValueError, match="expected the heading"):
        throughput_table(text.replace("several endpoints", "many"))
