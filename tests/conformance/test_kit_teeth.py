"""The kit names the rule that each broken server breaks, and names it first."""

from __future__ import annotations

import functools
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from rlmesh._conformance.dialects import ENV, MODEL
from rlmesh._conformance.runner import Report, run_checks
from rlmesh._conformance.target import read_target
from tests.conformance.broken.broken_servers import BROKEN
from tests.conformance.broken.registry import Broken
from tests.size import LONG


def checked(server: Any, **options: Any) -> Report:
    dialect = ENV if server.service == ENV.service else MODEL
    target = read_target(server.address, server.token, timeout=4.0)
    return run_checks(target, dialect, **options)


SERVERS = BROKEN if LONG else BROKEN[::8]
"""The broken servers of this run: every eighth one, and all of them in `make test-long`."""


@functools.cache
def reports() -> list[Future[Report]]:
    """Check all broken servers at once; they wait more than they calculate."""
    pool = ThreadPoolExecutor(6)
    return [pool.submit(first_failure, broken) for broken in SERVERS]


def first_failure(broken: Broken) -> Report:
    """Check a broken server up to the first failure."""
    with broken.make() as server:
        return checked(server, stop_at_first=True, strict=True)


@pytest.mark.xdist_group("kit")
@pytest.mark.parametrize("number", range(len(SERVERS)), ids=lambda i: str(SERVERS[i]))
def test_a_broken_server_is_named(number: int) -> None:
    broken = SERVERS[number]
    report = reports()[number].result(100)
    assert report.failures, "the kit found nothing"
    first = report.failures[0]
    assert (first.rule, first.check) == (broken.rule, broken.first or first.check), first.seen
