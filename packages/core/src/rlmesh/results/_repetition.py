"""`Repetition`: whether a run that was repeated has the same episodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rlmesh.results._episode import tasks_together
from rlmesh.results._merge import outcome_differences
from rlmesh.results._run import RunResult
from rlmesh.results._settings import ANY, FIRST, LAST

__all__ = ["Repetition", "obstacles", "repeatable"]


@dataclass(frozen=True)
class Repetition:
    """A run and its repetition, episode by episode.

    Attributes:
        expected: The run, with the episodes that can be repeated alone.
        actual: The repetition.
    """

    expected: RunResult
    actual: RunResult

    @property
    def differences(self) -> tuple[str, ...]:
        """Each difference of reward, steps, end or success, or episode that is missing."""
        found: list[str] = []
        repeated = iter(self.actual.episodes)
        for episode in self.expected.episodes:
            again = next(repeated, None)
            task = f" of task {episode.task!r}" if episode.task else ""
            name = f"episode {episode.index}{task}, seed {episode.seed}"
            if again is None:
                found.append(f"{name}: it was not played")
            else:
                found += [f"{name}: {text}" for text in outcome_differences(episode, again)]
        return tuple(found)

    @property
    def settings_differences(self) -> tuple[str, ...]:
        """What differs of the settings that a score depends on.

        The plan of tasks is left out, and so is the stopping rule: a repetition plays the episodes
        of the run, however many the rule has let it have.
        """
        runs = (self.expected, self.actual)
        expected, actual = (replace(run.settings, tasks=(), until="") for run in runs)
        texts = tuple(expected.differences(actual))
        wanted, got = self.expected.model_id, self.actual.model_id
        return texts if wanted == got else (f"model_id: expected {wanted!r}, got {got!r}", *texts)

    @property
    def is_equal(self) -> bool:
        """Whether every episode has the same outcome."""
        return not self.differences


def repeatable(run: RunResult) -> RunResult:
    """Return the run with its seeded episodes alone, those of one task together."""
    seeded = (e for e in tasks_together(run.episodes) if e.seed is not None)
    return replace(run, episodes=tuple(seeded))


def obstacles(run: RunResult) -> Iterator[str]:
    """Yield a text for each reason why a run, or a part of it, cannot be repeated exactly."""
    unseeded = sum(episode.seed is None for episode in run.episodes)
    if unseeded:
        yield f"{unseeded} of {len(run.episodes)} episodes have no seed, and are left out"
    settings = run.settings
    if not settings.validation and not settings.versions:
        yield "the settings of the run are not known; those of a run without arguments are taken"
    if settings.success not in ("", LAST, ANY, FIRST):
        yield f"the rule of success is code, {settings.success}, which may have changed"
    if settings.max_episode_seconds is not None:
        yield "episodes were cut by wall time (max_episode_seconds), which differs between machines"
    if run.resume_differences:
        yield f"the run was resumed with other settings: {'; '.join(run.resume_differences)}"
