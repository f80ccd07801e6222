"""The bench's size, and its figures at the end of the run.

`RLMESH_TEST_SIZE=long` (`make test-long`) plays at full size.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from tests.size import LONG


@pytest.fixture
def long() -> bool:
    """Whether the bench plays at full size."""
    return LONG


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function that takes a figure, which is printed at the end of the run."""
    return lambda text: record_property("figure", text)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, None, None]:
    yield
    # A test may have run in another process: its figures come with its report.
    lines = [
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == "figure"
    ]
    if lines:
        terminalreporter.section("fault bench")
        for line in lines:
            terminalreporter.write_line(line)
