"""`Task` and `Episode`: what a suite plays; and the plan of a run, with or without tasks."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Episode", "PlannedTask", "Task", "checked_seed", "checked_seeds", "plan_of_suite"]


@dataclass(frozen=True)
class Episode:
    """One episode of a task.

    Attributes:
        seed: Seed of the reset, 0 to 2**64 - 1; None: unseeded.
        options: Options of the reset, such as the number of an initial state; None: none. They are
            values that an info may have. Only single environments take them.
        instruction: Text for the model's text inputs; None: that of the task.

    Raises:
        TypeError: If a field has another type.
        ValueError: If the seed is out of range.
    """

    seed: int | None = None
    options: Mapping[str, Any] | None = None
    instruction: str | None = None

    def __post_init__(self) -> None:
        if self.seed is not None:
            object.__setattr__(self, "seed", checked_seed(self.seed, "seed"))
        if self.options is not None and not isinstance(self.options, Mapping):
            raise TypeError(f"expected a mapping as options, got {type(self.options).__name__}")
        _check_text(self.instruction)


@dataclass(frozen=True)
class Task:
    """One task of a suite: its environments and its episodes; see `rlmesh.evaluate`.

    Attributes:
        envs: An address, a client, an environment of this process or a vector; or a list with any
            of them. All serve the same environment.
        episodes: The episodes; None: one for each of `seeds`.
        seeds: One seed for each episode; None: the seeds of the run.
        instruction: Text for the model's text inputs; None: that of the run.

    Raises:
        TypeError: If a field has another type.
        ValueError: If there is no environment or no episode, both episodes and seeds are given, or
            a seed is out of range.
    """

    envs: Any
    episodes: Sequence[Episode] | None = None
    seeds: Sequence[int] | None = None
    instruction: str | None = None

    def __post_init__(self) -> None:
        _check_text(self.instruction)
        envs = self.envs if isinstance(self.envs, (list, tuple)) else (self.envs,)
        object.__setattr__(self, "envs", tuple(envs))
        if not self.envs:
            raise ValueError("expected an environment or more, got an empty list")
        if self.episodes is not None and self.seeds is not None:
            raise ValueError("expected episodes or seeds, got both; give each Episode its seed")
        if self.seeds is not None:
            object.__setattr__(self, "seeds", checked_seeds(self.seeds))
        if self.episodes is not None:
            object.__setattr__(self, "episodes", tuple(self.episodes))
        if self.planned == ():
            raise ValueError("expected an episode or more, got none")
        for i, episode in enumerate(self.planned or ()):
            if not isinstance(episode, Episode):
                raise TypeError(
                    f"episodes[{i}]: expected an rlmesh.Episode, got {type(episode).__name__}; "
                    f"integers are seeds="
                )

    @property
    def planned(self) -> tuple[Episode, ...] | None:
        """The episodes of the task; None: it has those of the run."""
        if self.seeds is not None:
            return tuple(map(Episode, self.seeds))
        return None if self.episodes is None else tuple(self.episodes)


@dataclass(frozen=True)
class PlannedTask:
    """The episodes of one task, or of a run without tasks, within the order of the run.

    Attributes:
        name: Name of the task; empty: the run is not one of a suite.
        envs: Its environments.
        episodes: Its episodes; those past the last one are unseeded.
        count: Number of its episodes; None: endless.
        first: Position of its first episode in the run.
        instruction: Instruction of the episodes without one of their own.
    """

    name: str
    envs: tuple[Any, ...]
    episodes: tuple[Episode, ...]
    count: int | None
    first: int = 0
    instruction: str | None = None

    def episode(self, index: int) -> Episode:
        """Return the episode at a position of the run."""
        place = index - self.first
        return self.episodes[place] if place < len(self.episodes) else Episode()

    def instruction_of(self, episode: Episode) -> str | None:
        """Return the instruction of an episode."""
        return self.instruction if episode.instruction is None else episode.instruction

    def instructions(self) -> Iterator[str | None]:
        """Yield the instruction of each episode that is planned one by one."""
        yield from (self.instruction_of(episode) for episode in self.episodes or (Episode(),))


def plan_of_suite(
    tasks: Mapping[Any, Any], episodes: Sequence[Episode], instruction: str | None
) -> tuple[PlannedTask, ...]:
    """Return the plan of a suite.

    Args:
        tasks: A `Task`, or the environments of one, for each name.
        episodes: Episodes of the tasks without any of their own.
        instruction: Instruction of the tasks without one.

    Raises:
        TypeError: If a name is no text, or a task has a field of another type.
        ValueError: If there is no task, a name is empty, or a task has no environment or episode.
    """
    if not tasks:
        raise ValueError("expected a task or more, got an empty suite")
    planned: list[PlannedTask] = []
    first = 0
    for name, task in tasks.items():
        if not isinstance(name, str):
            raise TypeError(f"expected texts as the names of tasks, got {name!r:.60}")
        if not name.strip():
            raise ValueError(f"expected names of tasks that are not empty, got {name!r}")
        try:
            one = task if isinstance(task, Task) else Task(task)
        except (TypeError, ValueError) as error:
            raise type(error)(f"task {name!r}: {error}") from None
        own = episodes if one.planned is None else one.planned
        if not own:
            raise ValueError(f"task {name!r}: expected an episode or more, got none")
        words = instruction if one.instruction is None else one.instruction
        planned.append(PlannedTask(name, one.envs, tuple(own), len(own), first, words))
        first += len(own)
    return tuple(planned)


def checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Return seeds as Python integers.

    Raises:
        TypeError: If a seed is not an integer.
        ValueError: If a seed does not fit the field of results and messages.
    """
    return tuple(checked_seed(seed, f"seeds[{i}]") for i, seed in enumerate(seeds))


def checked_seed(seed: Any, path: str) -> int:
    """Return a seed as a Python integer; see `checked_seeds`."""
    number = operator.index(seed)
    if not 0 <= number < 2**64:
        raise ValueError(f"expected seeds from 0 to 2**64 - 1, but {path} is {number}")
    return number


def _check_text(instruction: Any) -> None:
    if instruction is not None and not isinstance(instruction, str):
        raise TypeError(f"expected a text as instruction, got {type(instruction).__name__}")
