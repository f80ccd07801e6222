"""Texts of a `Problem`: the path of a port and a shortened value."""

from __future__ import annotations

from rlmesh.spaces import path_text

__all__ = ["port_path", "shortened"]

_LONGEST = 200


def port_path(side: str, name: str) -> str:
    """Return the path of a model's input or output in its spec.

    Args:
        side: "inputs" or "outputs".
        name: Name of the input or output.
    """
    return side + path_text((name,))


def shortened(value: object) -> str:
    """Return a value as text for a message, shortened because a peer may have written it."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
