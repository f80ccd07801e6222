"""The way of acting from the options of `rlmesh eval`."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("typer")

from rlmesh._cli.acting_options import acting_of
from rlmesh._cli.sources import UsageProblem
from rlmesh.acting import Acting, Latency, RealTimeChunking, TemporalEnsemble

NONE = (None, None, None, None)


@pytest.mark.parametrize(
    ("ensemble", "latency", "is_real_time", "expected"),
    [
        (None, NONE, False, None),
        (0.01, NONE, False, TemporalEnsemble(0.01)),
        (None, (0.1, 20.0, None, None), False, Latency(0.1, 20.0)),
        (None, (None, None, 0, None), False, Latency(steps=0)),
        (None, (None, None, 2, "[0, 1]"), False, Latency(steps=2, filler=(0, 1))),
        (None, (None, None, 2, None), True, RealTimeChunking(Latency(steps=2))),
    ],
)
def test_the_options_that_go_together(
    ensemble: float | None, latency: Any, is_real_time: bool, expected: Acting | None
) -> None:
    assert acting_of(ensemble, latency, is_real_time=is_real_time) == expected


@pytest.mark.parametrize(
    ("ensemble", "latency", "is_real_time", "words"),
    [
        (0.01, (None, None, 1, None), False, "does not go with the options of a latency"),
        (0.01, NONE, True, "does not go with the options of a latency"),
        (float("nan"), NONE, False, "^--temporal-ensemble: expected a finite decay"),
        (None, NONE, True, "^--real-time-chunking needs"),
        (None, (0.1, None, None, None), False, "^--latency and --fps need each other"),
        (None, (0.1, None, 2, None), False, "^--latency and --fps need each other"),
        (None, (None, 20.0, None, None), False, "^--latency and --fps need each other"),
        (None, (None, 20.0, None, None), True, "^--latency and --fps need each other"),
        (None, (0.1, 20.0, 2, None), False, "^--latency and --latency-steps are the same thing"),
        (None, (math.inf, 20.0, None, None), False, "^--latency, --fps: expected seconds of 0 or"),
        (None, (None, None, 10**6, None), False, "^--latency-steps: a latency of 1000000 steps"),
        (None, (None, None, 1, "[1"), False, "^--latency-filler: Expecting"),
        (None, (None, None, 1, "[NaN]"), False, "^--latency-filler: expected .* finite numbers"),
        (None, (None, None, 1, "null"), False, "^--latency-filler: expected an action"),
        (None, (None, None, None, "1"), False, "^--latency-filler needs --latency with --fps"),
        (None, (None, None, None, "1"), True, "^--real-time-chunking needs --latency with --fps"),
    ],
)
def test_the_options_that_do_not(
    ensemble: float | None, latency: Any, is_real_time: bool, words: str
) -> None:
    with pytest.raises(UsageProblem, match=words):
        acting_of(ensemble, latency, is_real_time=is_real_time)
