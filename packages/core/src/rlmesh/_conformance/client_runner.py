"""Runs the checks of clients: a scripted server for each, and a client that plays with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from rlmesh._conformance.checks import ALL_CHECKS
from rlmesh._conformance.connection import Record
from rlmesh._conformance.findings import Outcome, Status
from rlmesh._conformance.runner import Report, judged, made, settled
from rlmesh._conformance.scripted import Client, Script, Trial, play

__all__ = ["run_client_checks"]


class _Subject:
    """A client under test; each script is played once, and its trial kept."""

    def __init__(self, client: Client, timeout: float) -> None:
        self.record: Record = []
        self._client = client
        self._timeout = timeout
        self._trials: dict[type[Script], Trial] = {}

    def trial(self, script: type[Script]) -> Trial:
        """Return what the client does with a script."""
        if script not in self._trials:
            self._trials[script] = play(script(), self._client, self._timeout)
        self.record = self._trials[script].record
        return self._trials[script]


def run_client_checks(
    name: str,
    client: Client,
    *,
    timeout: float = 20.0,
    known: Collection[str] = (),
    only: Collection[str] = (),
    strict: bool = False,
    stop_at_first: bool = False,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Report:
    """Check a client.

    Args:
        name: Name of the client in the report.
        client: Starts it; see `command_client`.
        timeout: Seconds that it may take for one episode.
        known: Names of checks that are known to fail.
        only: Names of checks or numbers of rules; empty: all.
        strict: Whether a rule with SHOULD is as binding as one with MUST.
        stop_at_first: Whether the run ends with the first failure.
        on_outcome: Called with each outcome as soon as there is one.
    """
    report = Report(name, "client")
    subject = _Subject(client, timeout)
    broken = ""
    for check in ALL_CHECKS:
        chosen = not only or check.name in only or check.rule in only or check.gate
        if "client" not in check.peers or not chosen:
            continue
        began = time.monotonic()
        if broken:
            outcome = judged(check, Status.BLOCKED, seen=f"{broken} has failed")
        else:
            outcome = replace(made(check, subject), seconds=time.monotonic() - began)
        outcome = settled(outcome, known, strict)
        report.outcomes.append(outcome)
        on_outcome(outcome)
        if check.gate and outcome.status in (Status.FAILED, Status.KNOWN):
            broken = check.name
        if stop_at_first and report.failures:
            break
    return report
