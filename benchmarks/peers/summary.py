"""Summary of the rounds: one number for each side, and the ratio to a reference."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Summary", "ratio", "summary"]

Round = Mapping[str, Any]
"""The type of a `measure.Timing` as JSON, with the number of its round as "round"."""


@dataclass(frozen=True)
class Summary:
    """The summary of one side's rounds of one case, in microseconds of a step.

    Attributes:
        rounds: Number of rounds.
        median: Median of the rounds' medians.
        q1: Median of the rounds' first quartiles.
        q3: Median of the rounds' third quartiles.
        low: Smallest of the rounds' medians.
        high: Largest of the rounds' medians.
        client_cpu: Median of the rounds.
        server_cpu: Median of the rounds; None if there is no server.
        per_second: Median of the rounds, in steps per second.
    """

    rounds: int
    median: float
    q1: float
    q3: float
    low: float
    high: float
    client_cpu: float
    server_cpu: float | None
    per_second: float


def summary(rounds: Sequence[Round]) -> Summary:
    """Summarise one round or more."""

    def middle(name: str) -> float:
        values: list[float] = [each[name] for each in rounds]
        return statistics.median(values)

    medians = [each["median"] for each in rounds]
    return Summary(
        rounds=len(rounds),
        median=middle("median"),
        q1=middle("q1"),
        q3=middle("q3"),
        low=min(medians),
        high=max(medians),
        client_cpu=middle("client_cpu"),
        server_cpu=None if rounds[0]["server_cpu"] is None else middle("server_cpu"),
        per_second=middle("per_second"),
    )


def ratio(rounds: Sequence[Round], reference: Sequence[Round]) -> float | None:
    """Return the median of the ratios within the rounds that both have; None without any."""
    others = {each["round"]: each["median"] for each in reference}
    ratios = [each["median"] / others[each["round"]] for each in rounds if each["round"] in others]
    return statistics.median(ratios) if ratios else None
