"""The header of a journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

from rlmesh._version import __version__
from rlmesh.results._episode import NO_TIME, EpisodeResult
from rlmesh.results._run import RunResult

__all__ = ["EPISODES_KEY", "JournalHeader", "run_of_journal"]

EPISODES_KEY = "journal.episodes"
"""Key of the metadata of a run from a journal that has the number of episodes of the whole run."""


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


def run_of_journal(header: JournalHeader, episodes: Sequence[EpisodeResult]) -> RunResult:
    """Return the run that a journal has, as far as it was played."""
    known = {episode.index: episode for episode in episodes}
    played = tuple(known[index] for index in sorted(known))
    begun = min((e.started_at for e in played if e.started_at), default=0.0)
    ended = max((e.started_at + e.seconds for e in played if e.started_at), default=0.0)
    spent = sum((episode.timing for episode in played), NO_TIME)
    return RunResult(
        episodes=played,
        env_id=header.env_ids[0] if len(set(header.env_ids)) == 1 else "",
        model_id=header.model_id,
        timing=replace(spent, total=max(0.0, ended - begun)),
        instruction=header.instruction,
        started_at=begun,
        metadata={EPISODES_KEY: header.episodes},
        spec_version=header.spec_version,
    )


def _told(expected: object, actual: object) -> str:
    """Describe two values that differ; for long tuples, their first difference."""
    if not isinstance(expected, tuple) or not isinstance(actual, tuple):
        return f"expected {expected!r}, got {actual!r}"
    if len(expected) != len(actual):
        return f"expected {len(expected)} of them, got {len(actual)}"
    index, a, b = next((i, a, b) for i, (a, b) in enumerate(zip(expected, actual)) if a != b)
    return f"expected {a!r} at place {index}, got {b!r}"
