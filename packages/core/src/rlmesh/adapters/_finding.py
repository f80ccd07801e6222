"""`Finding`: one sign of a wrong declaration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One sign of a wrong declaration.

    Attributes:
        path: Path of the feature, input or output.
        rule: Name of the check ("unit_quaternion").
        seen: The number or numbers that were seen.
        check: What to look at.
        level: "caution", or "info" for what a right declaration may show too, such as a gripper
            that never moves.
        task: Name of the task of a suite; empty: the run is not one of a suite.
    """

    path: str
    rule: str
    seen: str
    check: str
    level: Literal["info", "caution"] = "caution"
    task: str = ""

    def __str__(self) -> str:
        task = f"task {self.task!r}: " if self.task else ""
        return f"{task}{self.path}: {self.rule}: {self.seen}; check {self.check}"
