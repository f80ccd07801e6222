"""What a check raises, and what the kit reports of it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "Blocked",
    "Failed",
    "NotOffered",
    "Outcome",
    "Status",
    "Unanswered",
    "expect",
    "preparing",
]


class Failed(Exception):
    """The peer has broken the rule of the check.

    Attributes:
        expected: What the rule demands, in words.
        seen: What the peer did, in words.
    """

    def __init__(self, expected: object, seen: object) -> None:
        self.expected = str(expected)
        self.seen = " ".join(str(seen).split()) or "nothing"
        super().__init__(f"expected {self.expected}, seen {self.seen}")


class Unanswered(Failed):
    """The peer has ended the stream when an answer was due."""


class Blocked(Exception):
    """The check could not be made, because something before its subject went wrong."""


class NotOffered(Exception):
    """The peer does not have what the check is about, and need not have it."""


class Status(Enum):
    """Result of one check."""

    PASSED = "passed"
    FAILED = "failed"
    KNOWN = "known failure"
    FIXED = "passed, but listed as a known failure"
    ADVICE = "advice"
    NOTED = "noted"
    BLOCKED = "blocked"
    NOT_OFFERED = "not offered"
    FAULT = "fault of the kit"


@dataclass(frozen=True)
class Outcome:
    """Result of one check, with the evidence.

    Attributes:
        check: Name of the check.
        rule: Number of the rule in CONTRACT.md ("Q-4").
        title: What the rule demands of the peer, in words.
        status: Result.
        expected: What was expected, if the check has failed.
        seen: What was seen instead, or why the check is blocked or not offered.
        exchange: Messages of the check, in order: connection, sender, bytes in hexadecimal.
        seconds: Duration of the check.
    """

    check: str
    rule: str
    title: str
    status: Status
    expected: str = ""
    seen: str = ""
    exchange: tuple[tuple[int, str, str], ...] = ()
    seconds: float = 0.0


def expect(condition: object, expected: object, seen: object) -> None:
    """Raise `Failed` unless a condition is true."""
    if not condition:
        raise Failed(expected, seen)


@contextmanager
def preparing(step: str) -> Generator[None, None, None]:
    """Turn a failure inside the block into `Blocked`, because it is not the check's own subject."""
    try:
        yield
    except Failed as failure:
        raise Blocked(f"cannot {step}: {failure}") from None
