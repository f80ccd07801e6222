"""The list of broken servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.conformance.broken.env_service import RightEnv

__all__ = ["BROKEN", "Broken", "broken"]


@dataclass(frozen=True)
class Broken:
    """A right server with one change.

    Attributes:
        rule: The rule that it breaks.
        words: What it does instead.
        make: Makes the server.
        first: Name of the check that has to fail first; empty: any of the rule.
    """

    rule: str
    words: str
    make: Any
    first: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.words}"


BROKEN: list[Broken] = []


def broken(rule: str, words: str, base: Any = RightEnv, first: str = "", **changes: Any) -> None:
    """Add a server that is `base` with some members changed.

    Args:
        rule: The rule that the change breaks.
        words: What the server does instead.
        base: The right server.
        first: See `Broken`.
        **changes: Members of the class by name.
    """
    BROKEN.append(Broken(rule, words, type("Broken", (base,), {"rule": rule, **changes}), first))
