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
        actual: What there is instead.
        fix: What to do.
        forbidden: The reason is an entry point that the user has not said to trust.
    """

    path: str
    expected: str
    actual: str
    fix: str
    forbidden: bool = False

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, got {self.actual}; {self.fix}"


def port_path(side: str, name: str) -> str:
    """Where a model's input or output stands in its spec.

    Args:
        side: "inputs" or "outputs".
        name: Its name.
    """
    return side + path_text((name,))


def shortened(value: object) -> str:
    """A value for a message, cut where it is long: a peer may have written it."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
