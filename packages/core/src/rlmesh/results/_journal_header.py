"""The header of a journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from rlmesh._version import __version__

__all__ = ["JournalHeader"]


@dataclass(frozen=True)
class JournalHeader:
    """The description of a run before it plays; a resumed run needs an equal one.

    Attributes:
        model_id: Name of the model.
        env_ids: Id of each environment's contract, in the order of the endpoints.
        seeds: Seeds of the run in order, each 0 to 2**64 - 1; empty if it has none.
        episodes: Number of episodes of the run.
        instruction: Instruction of the run; None: none.
        spec_version: Spec version that the journal is written with, which is that of the package.
    """

    model_id: str = ""
    env_ids: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    episodes: int = 0
    instruction: str | None = None
    spec_version: str = __version__

    def differences(self, other: JournalHeader) -> Iterator[str]:
        """Yield a text for each field that differs: "episodes: expected 3, got 4".

        `spec_version` is not compared.
        """
        for field in fields(self):
            expected, actual = getattr(self, field.name), getattr(other, field.name)
            if field.name != "spec_version" and expected != actual:
                yield f"{field.name}: {_told(expected, actual)}"


def _told(expected: object, actual: object) -> str:
    """Describe two values that differ; for long tuples, their first difference."""
    if not isinstance(expected, tuple) or not isinstance(actual, tuple):
        return f"expected {expected!r}, got {actual!r}"
    if len(expected) != len(actual):
        return f"expected {len(expected)} of them, got {len(actual)}"
    index, a, b = next((i, a, b) for i, (a, b) in enumerate(zip(expected, actual)) if a != b)
    return f"expected {a!r} at place {index}, got {b!r}"
