"""`Problem`: one reason why a model does not fit an environment."""

from __future__ import annotations

from dataclasses import dataclass

from rlmesh.spaces import path_text

__all__ = ["Problem", "port_path", "shortened"]

_LONGEST = 200


@dataclass(frozen=True)
class Problem:
    """One reason why a model does not fit an environment.

    Attributes:
        path: The input, output or leaf ("inputs['image']", "action['arm']").
        expected: What would fit.
        actual: What was found instead.
        fix: Advice on how to make it fit.
        forbidden: Whether the reason is an entry point that the user has not declared trusted.
    """

    path: str
    expected: str
    actual: str
    fix: str
    forbidden: bool = False

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, got {self.actual}; {self.fix}"


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
