"""The words of this process's command line, without what is secret."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["without_secrets"]

_SECRET = ("--token", "--model-token")
"""Options with a value that must not be written to a file (CONTRACT.md, Y-2)."""

HIDDEN = "***"
"""Text in place of a secret."""


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
