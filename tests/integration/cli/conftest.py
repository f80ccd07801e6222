"""Fixtures of the tests of the command line."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.integration.cli_processes import LOUD, serving


@pytest.fixture(autouse=True)
def transport() -> str:
    """Processes choose their transport by themselves; once is enough."""
    return "auto"


@pytest.fixture(scope="module")
def address() -> Generator[str, None, None]:
    """Episodes of three steps; the reward of a step is its action, 0 or 1."""
    with serving(LOUD, "--max-sessions", "8") as (where, _):
        yield where
