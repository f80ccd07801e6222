"""Profiles of hypothesis for every test of the repository, chosen by `HYPOTHESIS_PROFILE`.

`default` draws the same examples on every machine, so that a green commit stays green; `explore`
draws as many different ones in each run; `long` draws many more.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")

_quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
_any = settings(deadline=None, suppress_health_check=_quiet)
settings.register_profile("default", _any, max_examples=200, derandomize=True)
settings.register_profile("explore", _any, max_examples=200)
settings.register_profile("long", _any, max_examples=5000)
settings.load_profile(PROFILE)


_PROPERTIES = Path(__file__).parent / "tests" / "property"


@pytest.hookimpl(trylast=True)  # The plugin of hypothesis marks its tests in the same hook.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lift the suite's time limit, which would cut off the search for the smallest failure."""
    for item in items:
        if item.get_closest_marker("hypothesis") is not None or _PROPERTIES in item.path.parents:
            item.add_marker(pytest.mark.timeout(7200 if PROFILE == "long" else 900))
