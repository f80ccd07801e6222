"""The kit's checks of clients: right clients pass, and broken ones are named."""

from __future__ import annotations

import sys

import pytest

from rlmesh._conformance.checks import ALL_CHECKS
from rlmesh._conformance.client_runner import run_client_checks
from rlmesh._conformance.findings import Status
from rlmesh._conformance.scripted import command_client
from tests.conformance.broken.clients import BROKEN_CLIENTS, RightClient, started
from tests.size import LONG, only_long

PLAYS = """
import sys
import rlmesh

with rlmesh.RemoteEnv(sys.argv[1]) as env:
    env.reset(seed=1)
    while not env.step(1)[2]:
        pass
"""


def test_a_right_client_passes() -> None:
    report = run_client_checks("right", started(RightClient), timeout=10)
    assert [o.status for o in report.outcomes] == [Status.PASSED] * len(report.outcomes)


@only_long
def test_our_client_passes_as_a_command(tmp_path: object) -> None:
    program = tmp_path / "play.py"  # type: ignore[operator]
    program.write_text(PLAYS)
    report = run_client_checks("ours", command_client(f"{sys.executable} {program}"))
    assert [o.status for o in report.outcomes] == [Status.PASSED] * len(report.outcomes)


CLIENTS = BROKEN_CLIENTS if LONG else BROKEN_CLIENTS[::3]
"""The broken clients of this run: every third one, and all of them in `make test-long`."""


@pytest.mark.parametrize(
    ("rule", "first", "kind"), CLIENTS, ids=[f"{r}: {f}" for r, f, _ in CLIENTS]
)
def test_a_broken_client_is_named(rule: str, first: str, kind: type[RightClient]) -> None:
    report = run_client_checks("broken", started(kind), timeout=4, strict=True, stop_at_first=True)
    named = [(outcome.rule, outcome.check) for outcome in report.failures]
    assert named == [(rule, first)], report.outcomes[-1].seen


def test_every_check_of_clients_has_a_broken_one() -> None:
    checks = {check.name for check in ALL_CHECKS if "client" in check.peers}
    assert checks == {first for _, first, _ in BROKEN_CLIENTS}
