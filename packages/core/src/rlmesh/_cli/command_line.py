"""The words of this process's command line, without what is secret."""

from __future__ import annotations

from collections.abc import Sequence

from rlmesh.results._settings import HIDDEN

__all__ = ["without_secrets"]

_SECRET = ("--token", "--model-token", "--model-kwargs")
"""Options with a value that must not be written to a file (CONTRACT.md, Y-2). The arguments of the
model may have secrets, and are in the settings without them."""


def without_secrets(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command line with the values of secret options hidden."""
    kept: list[str] = []
    for word in words:
        name, separator, _ = word.partition("=")
        if kept and kept[-1] in _SECRET:
            kept.append(HIDDEN)
        elif separator and name in _SECRET:
            kept.append(f"{name}={HIDDEN}")
        else:
            kept.append(word)
    return tuple(kept)
