"""Profiles of hypothesis, chosen by `HYPOTHESIS_PROFILE`.

`default` draws the same examples on every machine, so that a green commit stays green; `explore` as
many others in each run; `long` many more.
"""

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
_any = settings(deadline=None, suppress_health_check=_quiet)
settings.register_profile("default", _any, max_examples=200, derandomize=True)
settings.register_profile("explore", _any, max_examples=200)
settings.register_profile("long", _any, max_examples=5000)
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The suite's limit of time would cut off the search for the smallest failing example."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(7200 if PROFILE == "long" else 900))


@pytest.fixture(scope="module")
def libraries() -> Iterator[dict[str, Library]]:
    """Each array library that is installed, by name; JAX with its elements of 64 bits."""
    with ExitStack() as stack:
        names = [name for name in ("native", "numpy", "torch", "jax-x64") if installed(name)]
        yield {name: stack.enter_context(open_library(name)) for name in names}
