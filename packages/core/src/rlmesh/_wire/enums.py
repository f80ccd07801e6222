"""Python's enums <-> those of the schema, by name."""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, TypeVar

from rlmesh.errors import NewerSpecError

__all__ = ["EnumMap"]

E = TypeVar("E", bound=Enum)


class EnumMap(Generic[E]):
    """Maps the members of a Python enum to the values of a wire enum of the same names.

    Args:
        members: The Python enum.
        wire: The generated enum's wrapper.
        prefix: What the wire enum's names begin with.
        rule: Id of the rule by which a number of a newer spec is refused.
    """

    def __init__(self, members: type[E], wire: Any, prefix: str, rule: str = "G-3") -> None:
        self._rule = rule
        self._name = members.__name__
        self._to: dict[E, int] = {m: wire.Value(f"{prefix}_{m.name}") for m in members}
        self._from: dict[int, E] = {number: member for member, number in self._to.items()}

    def to_wire(self, member: E) -> Any:
        """Return the wire enum's number."""
        return self._to[member]

    def read(self, number: int, unspecified: E, path: str) -> E:
        """Return the member; `unspecified` for 0.

        Raises:
            NewerSpecError: If the number is one of a newer spec, which must not be guessed.
        """
        if number == 0:
            return unspecified
        member = self._from.get(number)
        if member is None:
            words = f"{self._name} {number} is one of a newer spec"
            raise NewerSpecError(words, path=path, rule=self._rule)
        return member

    def from_wire(self, number: int, default: E) -> E:
        """Return the member; `default` for a number that is 0 or of a newer spec."""
        return self._from.get(number, default)

    def known(self, number: int) -> E | None:
        """Return the member; None for a number that is 0 or of a newer spec."""
        return self._from.get(number)
