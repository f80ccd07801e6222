"""Fixtures of the suite of backends."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator

import pytest

from tests.backends.libraries import LIBRARIES, Library, open_library

if importlib.util.find_spec("gymnasium") is None:
    collect_ignore = ["test_clients.py", "test_observations.py"]


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    """Each array library."""
    with open_library(request.param) as opened:
        yield opened


@pytest.fixture
def no_warnings() -> Iterator[None]:
    """Whatever a backend does, it does without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
