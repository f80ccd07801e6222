"""The bench's size, and its figures at the end of the run.

`RLMESH_TEST_SIZE=long` (`make test-long`) plays at full size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator

import pytest

_LINES: list[str] = []


@pytest.fixture
def long() -> bool:
    """Whether the bench plays at full size."""
    return os.environ.get("RLMESH_TEST_SIZE") == "long"


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Record a figure, which is printed at the end of the run."""
    return _LINES.append


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, None, None]:
    yield
    if _LINES:
        terminalreporter.section("fault bench")
        for line in _LINES:
            terminalreporter.write_line(line)
