"""Checks, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

__all__ = ["CHECKS", "Check", "Level", "Stage", "check"]


class Level(Enum):
    """How binding a rule is: the key words of RFC 2119."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Stage(IntEnum):
    """What has to work before a check can be made.

    A *gate* is a check that shows that its own stage works. If it fails, the checks of later stages
    are blocked.
    """

    CONNECT = 0
    DESCRIBE = 1
    OPEN = 2
    BEGIN = 3
    STEP = 4
    PLAY = 5


@dataclass(frozen=True)
class Check:
    """A check of one rule.

    Attributes:
        name: Name, unique in the kit ("repetition-is-not-applied").
        rule: Number of the rule in CONTRACT.md.
        title: What the rule demands of the peer.
        run: Makes the check with a `Probe`, or with a `ScriptedServer` for a client.
        peers: Which peers it is for: "env", "model" or "client".
        level: How binding the rule is.
        stage: What has to work before.
        gate: Whether its failure blocks the checks of later stages.
        needs: What the peer has to offer: names of capabilities ("RESUME"), of transports
            ("frames", "grpc", "tcp"), "token", "vector", "single", or a subject of the reference
            ("subject:count").
    """

    name: str
    rule: str
    title: str
    run: Callable[[Any], None]
    peers: frozenset[str]
    level: Level
    stage: Stage
    gate: bool
    needs: tuple[str, ...]


CHECKS: list[Check] = []
"""All checks, in the order in which they are made."""


def check(
    rule: str,
    *needs: str,
    peers: str = "env",
    level: Level = Level.MUST,
    stage: Stage = Stage.PLAY,
    gate: bool = False,
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register the function below as a check; its docstring is the title.

    Args:
        rule: Number of the rule.
        *needs: See `Check.needs`.
        peers: Names of the peers, separated by spaces.
        level: How binding the rule is.
        stage: What has to work before.
        gate: Whether its failure blocks the checks of later stages.
    """

    def register(run: Callable[[Any], None]) -> Callable[[Any], None]:
        name = run.__name__.strip("_").replace("_", "-")
        title = (run.__doc__ or "").strip().splitlines()[0].rstrip(".")
        of = frozenset(peers.split())
        if any(other.name == name and other.peers & of for other in CHECKS):
            raise ValueError(f"two checks are named {name}")
        CHECKS.append(Check(name, rule, title, run, of, level, stage, gate, needs))
        return run

    return register
