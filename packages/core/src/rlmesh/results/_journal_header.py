"""The header of a journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rlmesh._version import __version__
from rlmesh.adapters import Finding
from rlmesh.results._differences import field_differences
from rlmesh.results._episode import NO_TIME, EpisodeResult
from rlmesh.results._run import RunResult
from rlmesh.results._settings import UNKNOWN_SETTINGS, RunSettings
from rlmesh.results._stopping import Stopping
from rlmesh.results._warnings import summed

__all__ = [
    "EPISODES_KEY",
    "ForcedResume",
    "JournalContent",
    "JournalHeader",
    "RunNotice",
    "RunStopped",
    "run_of_journal",
]

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
        settings: Settings of the run.
    """

    model_id: str = ""
    env_ids: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    episodes: int = 0
    instruction: str | None = None
    spec_version: str = __version__
    settings: RunSettings = UNKNOWN_SETTINGS

    def differences(self, other: JournalHeader) -> Iterator[str]:
        """Yield a text for each field that differs: "episodes: expected 3, got 4".

        `spec_version` is not compared, and of `settings` only what decides a score.
        """
        yield from field_differences(self, other, ("spec_version", "settings"))
        yield from self.settings.differences(other.settings)


@dataclass(frozen=True)
class RunNotice:
    """Warnings of a run that belong to no episode.

    Attributes:
        kind: Kind of the warnings; see `rlmesh.results.WarningKind`.
        count: Number of the warnings.
    """

    kind: str
    count: int = 1


@dataclass(frozen=True)
class ForcedResume:
    """A run that was resumed although it differs from the header.

    Attributes:
        differences: What differs, one text a difference.
    """

    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunStopped:
    """A run that a rule has stopped before its last episode.

    Attributes:
        episodes: Number of episodes that the run has, from the first on.
        stopping: What the rule has found.
    """

    episodes: int
    stopping: Stopping


@dataclass(frozen=True)
class JournalContent:
    """The records of a journal after its header, in the order of the file.

    Attributes:
        episodes: The episodes.
        notices: The warnings that belong to no episode.
        resume_differences: The differences of all forced resumptions, each once.
        stopped: How a rule has stopped the run; None: none has, or the run was then resumed by
            force.
        findings: The signs of wrong declarations.
    """

    episodes: tuple[EpisodeResult, ...] = ()
    notices: tuple[RunNotice, ...] = ()
    resume_differences: tuple[str, ...] = ()
    stopped: RunStopped | None = None
    findings: tuple[Finding, ...] = ()


def run_of_journal(header: JournalHeader, content: JournalContent) -> RunResult:
    """Return the run that a journal has, as far as it was played."""
    known = {episode.index: episode for episode in content.episodes}
    played = tuple(known[index] for index in sorted(known))
    stopping = None
    if content.stopped is not None:
        count = content.stopped.episodes
        stopping = replace(content.stopped.stopping, discarded=max(len(played) - count, 0))
        played = played[:count]
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
        settings=header.settings,
        warnings=summed(
            *(episode.warnings for episode in played),
            *({notice.kind: notice.count} for notice in content.notices),
        ),
        resume_differences=content.resume_differences,
        stopping=stopping,
        findings=content.findings,
    )
