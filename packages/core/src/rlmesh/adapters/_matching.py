"""Finds the feature of an environment that has the role of an input or output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rlmesh._problem import Problem
from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._coverage import Made
from rlmesh.adapters._problems import shortened
from rlmesh.adapters._slots import LeafSlot, slot_of
from rlmesh.adapters._tags import EnvTags, TaggedLeaf
from rlmesh.adapters.roles import nearest
from rlmesh.dtypes import DType
from rlmesh.spaces import Space, path_text

__all__ = ["Matching", "TaggedSpaces", "slot_with_role"]


class TaggedSpaces(Protocol):
    """The part of a `rlmesh.specs.EnvContract` that `resolve` reads."""

    @property
    def observation_space(self) -> Space[Any]:
        """Space of one observation."""
        ...

    @property
    def action_space(self) -> Space[Any]:
        """Space of one action."""
        ...

    @property
    def tags(self) -> EnvTags | None:
        """Meaning of the leaves of both spaces; None if nothing is declared."""
        ...


@dataclass
class Matching:
    """The features of one environment, and the problems and results of matching them.

    Attributes:
        contract: The environment's contract.
        arrays: Functions of the array library.
        trusted: Whether entry points may be imported.
        problems: List to which faults are appended.
        made: The parts of the action that outputs make.
        states: The part that reads each role of the observation that actions are relative to.
    """

    contract: TaggedSpaces
    arrays: Arrays
    trusted: bool
    problems: list[Problem]
    made: list[Made] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)

    def observed(self, role: str, path: str, *, optional: bool = False) -> LeafSlot | None:
        """Return the one feature of the observation with a role; None after a problem, or without.

        Args:
            role: The role.
            path: Path of the input in the spec, for the problem.
            optional: Whether it is no problem if there is none.
        """
        tags, space = self._tags.observation, self.contract.observation_space
        return slot_with_role(
            role, path, "observation", tags, space, self.problems, optional=optional
        )

    def acted(self, role: str, path: str) -> LeafSlot | None:
        """Return the one feature of the action with a role; None after a problem."""
        tags, space = self._tags.action, self.contract.action_space
        return slot_with_role(role, path, "action", tags, space, self.problems)

    def report(self, path: str, expected: str, actual: str, fix: str) -> None:
        """Append a problem."""
        self.problems.append(Problem(path, expected, actual, fix))

    def holds(self, path: str, *elements: DType | None) -> bool:
        """Return whether the backend has the element types; report those that it lacks."""
        lacks = {e.name: self.arrays.lack(e) for e in elements if e is not None}
        fix = "use a backend that has the dtype"
        found = [Problem(path, f"an array of {e}", lack, fix) for e, lack in lacks.items() if lack]
        self.problems += found
        return not found

    @property
    def _tags(self) -> EnvTags:
        return self.contract.tags or EnvTags()


def slot_with_role(
    role: str,
    path: str,
    root: str,
    tags: Sequence[TaggedLeaf],
    space: Space[Any],
    problems: list[Problem],
    *,
    optional: bool = False,
) -> LeafSlot | None:
    """Return the position of the one feature with a role; None after a problem, or without.

    Args:
        role: The role.
        path: Path of what needs the feature, for the problem.
        root: "observation" or "action".
        tags: The tags of that space.
        space: The space.
        problems: List to which a fault is appended.
        optional: Whether it is no problem if there is none.
    """
    same = [tag for tag in tags if tag.feature.role == role]
    if len(same) > 1:
        slots = ", ".join(root + path_text(tag.path) for tag in same[:8])
        slots += f" and {len(same) - 8} more" if len(same) > 8 else ""
        fix = "give the environment's features distinct roles"
        problems.append(Problem(path, f"one feature with the role {role!r}", slots, fix))
    elif same:
        found = slot_of(same[0], space, root)
        if not isinstance(found, Problem):
            return found
        problems.append(found)
    elif not optional:
        problems.append(_missing(role, path, root, tags))
    return None


def _missing(role: str, path: str, root: str, tags: Sequence[TaggedLeaf]) -> Problem:
    roles = sorted({tag.feature.role for tag in tags})
    actual = f"only {shortened(roles)}" if roles else f"no tags of the {root} space"
    near = nearest(role, roles)
    fix = "tag the environment, or correct the role"
    if near is not None:
        fix += f" (the nearest is {near!r})"
    return Problem(path, f"a feature of the {root} with the role {role!r}", actual, fix)
