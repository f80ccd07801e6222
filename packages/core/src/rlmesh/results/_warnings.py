"""Kinds of warnings of an evaluation, and their sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rlmesh.results._frozen_mapping import FrozenMapping

__all__ = ["WarningKind", "summed"]


class WarningKind:
    """The kinds of warnings that a result counts. A reader accepts other kinds too."""

    OBSERVATION_OUTSIDE_SPACE = "observation_outside_space"
    """An observation had numbers out of bounds, NaN or a text outside its space. Each place of an
    observation is reported once for each connection, however many values are outside."""

    ACTION_OUTSIDE_SPACE = "action_outside_space"
    """An action had numbers out of bounds, NaN or a text outside its space; counted like
    observations."""

    EPISODE_RETRIED = "episode_retried"
    """An episode was played again, because its environment or connection failed."""

    ENDPOINT_LEFT_OUT = "endpoint_left_out"
    """An endpoint was given up, and the others played its episodes."""

    ADAPTER_CAUTION = "adapter_caution"
    """An adapter substitutes or assumes something that is more often a mistake than not; see
    `RunSettings.adapter_advisories`. Counted once a run."""

    SUCCESS_UNREADABLE = "success_unreadable"
    """An info that decides on success had a value that is no bool, number or array of one of these,
    such as None or "yes"; the info counts as one that reports nothing. Counted once an episode."""


def summed(*counts: Mapping[str, int]) -> FrozenMapping[int]:
    """Return the sum of counts by kind, without kinds that did not occur, sorted by kind."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return FrozenMapping({kind: total[kind] for kind in sorted(total) if total[kind]})
