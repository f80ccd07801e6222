"""The cases to measure, by name. No library is imported, so that every side can import this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CASES", "Case", "Kind"]

Kind = Literal["env", "vector", "ragged", "endpoints"]
"""Kinds of cases. To add served models, add a kind, its cases, and the sides that support it."""


@dataclass(frozen=True)
class Case:
    """One table.

    Attributes:
        name: Name for `--cases`.
        title: Title of the table.
        env: Name of the environment in `sides.environments`.
        kind: One environment, a vector, one with values of varying length, or many endpoints.
        count: Number of lanes of a vector, or of endpoints.
    """

    name: str
    title: str
    env: str
    kind: Kind = "env"
    count: int = 1


def _all() -> tuple[Case, ...]:
    single = (
        Case("cartpole", "CartPole-v1", "cartpole"),
        Case("frame-84", "84x84x3 uint8 (21 KB)", "frame-84"),
        Case("frame-480", "480x640x3 uint8 (0.9 MB)", "frame-480"),
        Case("robot", "two 480x640x3 uint8 and a float32 state of 14 (1.8 MB)", "robot"),
        Case("8-mib", "8 MiB uint8", "8-mib"),
        Case("64-mib", "64 MiB uint8", "64-mib"),
        Case("sequence", "a Sequence of 14 to 18 Box(3,) float32", "sequence", "ragged"),
        Case("graph", "a Graph of 14 to 18 nodes and twice as many edges", "graph", "ragged"),
    )
    vectors = [
        Case(f"cartpole-x{n}", f"a vector of {n} CartPole-v1", "cartpoles", "vector", n)
        for n in (16, 256)
    ]
    vectors += [
        Case(
            f"lanes-x{n}",
            f"a vector of {n} lanes of 84x84x4 uint8, at no cost",
            "lanes",
            "vector",
            n,
        )
        for n in (8, 32)
    ]
    game = "Pong, four screens of 84x84 uint8, by Gymnasium's wrappers for Atari"
    vectors.append(Case("pong-x32", f"a vector of 32 lanes of {game}", "pong", "vector", 32))
    endpoints = [
        Case(f"endpoints-{n}", f"CartPole-v1 at {n} endpoints", "cartpole", "endpoints", n)
        for n in (1, 2, 4, 8)
    ]
    return (*single, *vectors, *endpoints)


CASES = {case.name: case for case in _all()}
