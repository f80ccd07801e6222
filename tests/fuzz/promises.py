"""What holds for every error that a target may raise."""

from __future__ import annotations

from rlmesh.errors import CodecError, InvalidValueError

__all__ = ["check_refusal"]

MAX_CHARACTERS = 2_000
"""Inputs are longer: an error does not repeat what it is about."""


def check_refusal(error: CodecError | InvalidValueError, root: str = "") -> None:
    """Check that an error is short, and says where, beginning with `root`."""
    assert error.path.startswith(root), f"no path: {error}"
    assert len(str(error)) < MAX_CHARACTERS
