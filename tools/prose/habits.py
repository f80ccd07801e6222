"""The habits that are counted: words that make things persons, and "where" for "if"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .text import Passage

__all__ = ["HABITS", "Habit", "Hit", "count_words", "hits"]

_WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019-]*")
_WORD_BEFORE = re.compile(r"([A-Za-z'\u2019-]+)\s*$")

# "A user who ..." is good English: the habit is to write "who" for things.
_PERSONS = (
    "anyone attacker attackers author authors contributor contributors developer developers "
    "implementer implementers maintainer maintainers newcomer newcomers people person persons "
    "reader readers reviewer reviewers someone user users"
)
# "Where" after one of these names a place or asks for one: "the folder where", "see where".
_PLACES = (
    "address byte directory file folder from host index is know knows line machine memory module "
    "name names node offset path place places point position repository row see seen show shows to"
)


@dataclass(frozen=True)
class Habit:
    """A group of words to avoid.

    Attributes:
        name: Name for display.
        limit: Largest rate allowed, in hits per 1,000 words.
        pattern: Matches the words.
        allowed_after: Lower-case words directly after which a match is no hit.
    """

    name: str
    limit: float
    pattern: re.Pattern[str]
    allowed_after: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Hit:
    """One use of a habit.

    Attributes:
        line: Line number in the file, from 1.
        context: The words around it.
    """

    line: int
    context: str


HABITS = (
    Habit(
        "who, whose, nobody for things",
        0.3,
        re.compile(r"\b(?:who(?:m|ever|mever|se)?|nobody|somebody|everybody)\b", re.IGNORECASE),
        frozenset(_PERSONS.split()),
    ),
    Habit(
        "tell, told, say",
        0.8,
        re.compile(r"\b(?:tell(?:s|ing)?|told|say(?:s|ing)?|said)\b", re.IGNORECASE),
    ),
    Habit(
        '"where" for "if"', 0.6, re.compile(r"\bwhere\b", re.IGNORECASE), frozenset(_PLACES.split())
    ),
)


def count_words(passage: Passage) -> int:
    """Return the number of words in a passage."""
    return len(_WORD.findall(passage.text))


def hits(habit: Habit, passage: Passage) -> Iterator[Hit]:
    """Yield the uses of a habit in a passage."""
    for match in habit.pattern.finditer(passage.text):
        before = _WORD_BEFORE.search(passage.text, 0, match.start())
        if before is not None and before[1].lower() in habit.allowed_after:
            continue
        line = passage.line + passage.text.count("\n", 0, match.start())
        around = passage.text[max(0, match.start() - 30) : match.end() + 30]
        yield Hit(line, " ".join(around.split()))
