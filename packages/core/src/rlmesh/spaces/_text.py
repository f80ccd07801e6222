"""`Text`: strings over a finite set of characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from typing import Any, cast

from rlmesh.errors import SpaceError
from rlmesh.spaces._base import Space, read_int

__all__ = ["ALPHANUMERIC", "Text"]

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Gymnasium's default charset: digits and Latin letters, sorted."""


class Text(Space[str]):
    """Strings of `min_length` to `max_length` characters of a charset.

    Attributes:
        min_length: Smallest number of characters.
        max_length: Largest number of characters.
        charset: Every allowed character once, in order.

    Args:
        max_length: Largest number of characters.
        min_length: Smallest number of characters.
        charset: The allowed characters: a string, kept in its order, or a set, which is sorted.
        seed: Seed of the sampler.

    Raises:
        SpaceError: If the lengths are negative or out of order, or the charset is empty, has a
            character twice or contains a surrogate.
    """

    kind = "text"
    is_leaf = True

    min_length: int
    max_length: int
    charset: str

    def __init__(
        self,
        max_length: int,
        *,
        min_length: int = 1,
        charset: str | Iterable[str] = ALPHANUMERIC,
        seed: int | None = None,
    ) -> None:
        min_, max_ = read_int(min_length, "min_length"), read_int(max_length, "max_length")
        if not 0 <= min_ <= max_ < 2**32:
            raise SpaceError(
                f"expected 0 <= min_length <= max_length < 2**32, got {min_} and {max_}"
            )
        self._define(min_length=min_, max_length=max_, charset=_read_charset(charset))
        self._characters = frozenset(self.charset)
        super().__init__(seed)

    def sample(self) -> str:
        """Draw a length, then each character; all are equally likely."""
        length = self._random.randint(self.min_length, self.max_length)
        return "".join(self._random.choices(self.charset, k=length))

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` is a string of an allowed length and of allowed characters."""
        if not isinstance(value, str) or not self.min_length <= len(value) <= self.max_length:
            return False
        return self._characters.issuperset(value)

    def _definition(self) -> tuple[object, ...]:
        return self.min_length, self.max_length, self.charset

    def __repr__(self) -> str:
        return f"Text({self.min_length}, {self.max_length}, charset={self.charset!r})"


def _read_charset(charset: str | Iterable[str]) -> str:
    if not isinstance(cast("object", charset), Iterable):
        raise SpaceError(f"expected a charset that is a string or a set, got {charset!r}")
    characters: list[Any] = list(charset)
    for character in characters:
        if not isinstance(character, str) or len(character) != 1:
            raise SpaceError(f"expected a charset of single characters, got {character!r}")
        if "\ud800" <= character <= "\udfff":
            raise SpaceError(f"expected a charset without surrogates, got {character!r}")
    if not characters:
        raise SpaceError("expected a charset of at least one character")
    character, count = Counter(characters).most_common(1)[0]
    if count > 1:
        raise SpaceError(f"expected each character of the charset once, got {character!r} twice")
    return "".join(sorted(characters) if isinstance(charset, Set) else characters)
