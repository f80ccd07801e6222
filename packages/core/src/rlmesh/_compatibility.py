"""The rule by which two spec versions talk to each other (CONTRACT.md, handshake)."""

from __future__ import annotations

import re

__all__ = ["compatible"]

_FINAL = re.compile(r"(\d+)\.\d+\.\d+")


def compatible(ours: str, theirs: str) -> bool:
    """Return whether two versions talk: final ones of one major, or equal release candidates."""
    if ours == theirs:
        return True
    a, b = _FINAL.fullmatch(ours), _FINAL.fullmatch(theirs)
    return a is not None and b is not None and a.group(1) == b.group(1)
