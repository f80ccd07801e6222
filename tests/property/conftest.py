"""Profiles of hypothesis: `HYPOTHESIS_PROFILE=long` for many more examples."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.backends.libraries import Library, installed, open_library

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")

_quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("default", max_examples=200, deadline=None, suppress_health_check=_quiet)
settings.register_profile("long", max_examples=5000, deadline=None, suppress_health_check=_quiet)
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The suite's limit of time would cut off the search for the smallest failing example."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(900 if PROFILE == "default" else 7200))


@pytest.fixture(scope="module")
def libraries() -> Iterator[dict[str, Library]]:
    """Each array library that is installed, by name; JAX with its elements of 64 bits."""
    with ExitStack() as stack:
        names = [name for name in ("native", "numpy", "torch", "jax-x64") if installed(name)]
        yield {name: stack.enter_context(open_library(name)) for name in names}
