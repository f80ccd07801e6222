"""`Problem`: one reason why a model does not fit an environment."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


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
