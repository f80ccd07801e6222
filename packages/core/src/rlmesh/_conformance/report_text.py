"""Reports as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from rlmesh._conformance.findings import Outcome, Status
from rlmesh._conformance.runner import Report
from rlmesh._printable import escape_control_chars

__all__ = ["STYLES", "outcome_lines", "report_text", "summary"]

STYLES = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.FIXED: "bold red",
    Status.FAULT: "bold red",
    Status.KNOWN: "yellow",
    Status.ADVICE: "yellow",
    Status.NOTED: "cyan",
    Status.BLOCKED: "magenta",
    Status.NOT_OFFERED: "bright_black",
}
"""Style of each status in rich's words."""

MAX_MESSAGES = 12
"""Largest number of messages that are shown of a check, the last ones."""

MAX_HEX = 300
"""Largest number of characters of one message in hexadecimal."""


def outcome_lines(outcome: Outcome) -> Iterator[str]:
    """Yield the lines of an outcome: its head, and the evidence if it is more than passed."""
    yield f"{outcome.status.value}: {outcome.rule} {outcome.check}: {outcome.title}"
    if outcome.status in (Status.PASSED, Status.NOT_OFFERED):
        return
    if outcome.expected:
        yield f"    expected {escape_control_chars(outcome.expected)}"
    if outcome.seen:
        yield f"    seen     {escape_control_chars(outcome.seen)}"
    if outcome.status is Status.BLOCKED:
        return
    left = len(outcome.exchange) - MAX_MESSAGES
    if left > 0:
        yield f"    {left} messages before"
    for connection, sender, shown in outcome.exchange[-MAX_MESSAGES:]:
        cut = (
            shown if len(shown) <= MAX_HEX else f"{shown[:MAX_HEX]}… ({len(shown) // 3 + 1} bytes)"
        )
        yield f"    {connection} {sender}: {cut or 'no bytes'}"


def summary(report: Report) -> str:
    """Return the numbers of a report in one line."""
    parts = [f"{report.count(status)} {status.value}" for status in Status if report.count(status)]
    rules = {o.rule for o in report.outcomes if o.status is not Status.NOT_OFFERED}
    judged = f"{len(report.outcomes)} checks of {len(rules)} rules"
    return f"{escape_control_chars(report.subject)}: {', '.join(parts)} ({judged})"


def report_text(report: Report) -> str:
    """Return what is worth reading of a report: everything that has not simply passed."""
    lines = [
        line
        for outcome in report.outcomes
        if outcome.status not in (Status.PASSED, Status.NOT_OFFERED)
        for line in outcome_lines(outcome)
    ]
    return "\n".join([*lines, summary(report)])
