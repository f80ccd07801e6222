"""Profiles of hypothesis, the order of the tests and their time limits, for the whole repository.

`HYPOTHESIS_PROFILE` chooses the profile. `default` draws the same examples on every machine, so
that a commit that passes once passes again. `explore` draws as many random examples; `make
pytest-random` runs it with a seed that it prints. `long` draws many more.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")

_quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
_any = settings(deadline=None, suppress_health_check=_quiet)
settings.register_profile("default", _any, max_examples=60, derandomize=True)
settings.register_profile("explore", _any, max_examples=60)
settings.register_profile("long", _any, max_examples=5000)
settings.load_profile(PROFILE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import the modules that cannot hold a test marked `hypothesis`, if asked for these."""
    if not config.option.markexpr.startswith("hypothesis") or collection_path.suffix != ".py":
        return None
    return "hypothesis" not in collection_path.read_text() or None


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave what exists by now out of garbage collections.

    A full collection in a worker visits every module and all 13,000 tests, which takes a second or
    more, and tests of what is left behind make several each.
    """
    gc.collect()
    gc.freeze()


FULL_COLLECTIONS = 8
"""Number of full garbage collections after which what has survived them is left out of the next."""

_frozen_at = 0


def pytest_runtest_logfinish() -> None:
    """Leave out of garbage collections what tests have imported and compiled too.

    This is done between tests, because what a test still uses must be collected later.
    """
    global _frozen_at
    if gc.get_stats()[2]["collections"] >= _frozen_at + FULL_COLLECTIONS:
        gc.collect()
        gc.freeze()
        _frozen_at = gc.get_stats()[2]["collections"]


_PROPERTIES = Path(__file__).parent / "tests" / "property"


@pytest.hookimpl(trylast=True)  # The plugin of hypothesis marks its tests in the same hook.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests that draw examples more time, and run the longest tests first."""
    for item in items:
        # The time limit of other tests would cut off the search for the smallest failing example.
        if item.get_closest_marker("hypothesis") is not None or _PROPERTIES in item.path.parents:
            item.add_marker(pytest.mark.timeout(7200 if PROFILE == "long" else 900))
    # Otherwise one worker would run a slow test at the end while the others have nothing to do.
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    marks = ("slow", "xdist_group", "draws", "hypothesis")
    return next((i for i, x in enumerate(marks) if item.get_closest_marker(x)), len(marks))
