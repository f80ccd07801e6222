"""The properties of every error that a target may raise."""

from __future__ import annotations

from rlmesh.errors import CodecError, InvalidValueError

__all__ = ["check_refusal"]

MOST_CHARACTERS = 2_000
"""Inputs are longer, because an error does not repeat its input."""


def check_refusal(error: CodecError | InvalidValueError, root: str = "") -> None:
    """Check that an error is short, and has a path that begins with `root`."""
    assert error.path.startswith(root), f"no path: {error}"
    assert len(str(error)) < MOST_CHARACTERS
