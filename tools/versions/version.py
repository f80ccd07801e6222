"""Versions of the spec: MAJOR.MINOR.PATCH, or a release candidate of one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

__all__ = ["Version"]

_NUMBER = r"(0|[1-9]\d*)"
_FORM = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:rc([1-9]\d*))?")


@dataclass(frozen=True, order=True)
class Version:
    """One version; a candidate sorts before its final version.

    Attributes:
        major: Changes if peers of the old and the new version are incompatible.
        minor: Changes if something is added.
        patch: Changes otherwise.
        candidate: The N of rcN; infinity for a final version.
    """

    major: int
    minor: int
    patch: int
    candidate: float = math.inf

    @classmethod
    def parse(cls, text: str) -> Version:
        """Return the version written as in spec/VERSION, in PEP 440's normal form.

        Raises:
            ValueError: If it is not MAJOR.MINOR.PATCH or MAJOR.MINOR.PATCHrcN.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"version {text!r} is not MAJOR.MINOR.PATCH or MAJOR.MINOR.PATCHrcN")
        major, minor, patch, candidate = match.groups()
        last = math.inf if candidate is None else int(candidate)
        return cls(int(major), int(minor), int(patch), last)

    @property
    def final(self) -> bool:
        """Whether the version is not a release candidate."""
        return math.isinf(self.candidate)

    @property
    def npm(self) -> str:
        """The version in npm's form: 1.0.0rc1 is 1.0.0-rc.1."""
        return self._text("-rc.")

    def __str__(self) -> str:
        return self._text("rc")

    def _text(self, separator: str) -> str:
        final = f"{self.major}.{self.minor}.{self.patch}"
        return final if self.final else f"{final}{separator}{int(self.candidate)}"
