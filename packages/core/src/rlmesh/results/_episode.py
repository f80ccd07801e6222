"""The result of one episode."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from rlmesh.errors import RLMeshError
from rlmesh.results._frozen_mapping import EMPTY, FrozenMapping

__all__ = [
    "EpisodeEnd",
    "EpisodeFailure",
    "EpisodeResult",
    "Timing",
    "planned_episode",
    "tasks_together",
]


class EpisodeEnd(Enum):
    """The way in which an episode ended."""

    TERMINATED = "terminated"
    """The task reached its own end."""
    TRUNCATED = "truncated"
    """The environment cut the episode short, such as by a time limit."""
    LIMIT = "limit"
    """The evaluation cut the episode short, by its own limit of steps or seconds."""
    ERROR = "error"
    """An error ended the episode; see `EpisodeResult.error`."""


@dataclass(frozen=True)
class Timing:
    """The time of an episode or a run by activity, in seconds.

    Attributes:
        total: For an episode, the time from the start of its reset to the end of its last step; for
            a run, wall time. The part that is not in the other three was spent in RLMesh and
            callbacks.
        predict: Time in the model's predictions, including the adapter.
        step: Time in requests to the environment.
        wait: Time waiting for a batch, an endpoint or a lane.
    """

    total: float = 0.0
    predict: float = 0.0
    step: float = 0.0
    wait: float = 0.0

    def __add__(self, other: Timing) -> Timing:
        """Return the sum, field by field."""
        if not isinstance(other, Timing):
            return NotImplemented
        return Timing(
            self.total + other.total,
            self.predict + other.predict,
            self.step + other.step,
            self.wait + other.wait,
        )


NO_TIME = Timing()
"""The timing of an episode or run that was not measured: all zero seconds."""


def one_time(seconds: float, timing: Timing) -> Timing:
    """Return `timing` with `seconds` as its total if it has none.

    Raises:
        ValueError: If both times are set and differ.
    """
    if not timing.total:
        return replace(timing, total=seconds) if seconds else timing
    if seconds and seconds != timing.total and timing.total == timing.total:
        raise ValueError(
            f"expected `seconds` and `timing.total` to be the same time, got {seconds!r} and "
            f"{timing.total!r}; give one of them (both to dataclasses.replace)"
        )
    return timing


@dataclass(frozen=True)
class EpisodeFailure:
    """The reason why an episode ended with an error: a record of a local or remote exception.

    Attributes:
        message: One sentence for the user.
        exception_type: Name of the exception's type with its module ("builtins.ValueError").
        code: Number of the schema's `ErrorCode`; 0: the error was not a peer's answer.
        traceback: Text of the traceback; empty if it is not kept.
        path: Path within the space or message; empty if there is none.
        expected: Description of what was expected at the path.
        actual: Description of what was received instead.
        exit_code: Exit code of an environment's process that died, or minus the number of the
            signal that ended it.
    """

    message: str
    exception_type: str = ""
    code: int = 0
    traceback: str = ""
    path: str = ""
    expected: str = ""
    actual: str = ""
    exit_code: int | None = None

    @classmethod
    def of(cls, error: BaseException, *, expose_traceback: bool = False) -> EpisodeFailure:
        """Return the record of an exception.

        Args:
            error: The exception. For those of `rlmesh.errors`, the facts are kept, and type and
                traceback are the peer's if it sent them.
            expose_traceback: Whether the traceback of this process is kept if there is no peer's.
        """
        kind = type(error)
        name = _fact(error, "exception_type") or f"{kind.__module__}.{kind.__qualname__}"
        text = _fact(error, "remote_traceback")
        if expose_traceback and not text:
            text = "".join(traceback.format_exception(kind, error, error.__traceback__))
        return cls(
            message=_fact(error, "message") or str(error),
            exception_type=name,
            code=_fact(error, "code") or 0,
            traceback=text,
            path=_fact(error, "path"),
            expected=_fact(error, "expected"),
            actual=_fact(error, "actual"),
            exit_code=_fact(error, "exit_code", None),
        )


def _fact(error: BaseException, name: str, default: Any = "") -> Any:
    """Return a fact of an RLMesh error; other exceptions may use the same name differently."""
    return getattr(error, name, default) if isinstance(error, RLMeshError) else default


@dataclass(frozen=True)
class EpisodeResult:
    """The result of one episode.

    Attributes:
        index: Position in the run, from 0.
        seed: Seed of the reset, 0 to 2**64 - 1; None: the episode ran unseeded.
        reward: Sum of the rewards, added in order in float64.
        steps: Number of steps.
        end: The way in which the episode ended.
        success: Success as reported by the environment (`info["is_success"]` or `info["success"]`
            of the last step, a bool, a number or an array of one); None: it reported nothing.
        seconds: Seconds of wall time from the start of the reset to the end of the last step; equal
            to `timing.total`, whichever of the two is passed.
        env_id: Id of the environment's contract.
        timing: Time by activity, in seconds.
        endpoint: Endpoint that played the episode, such as its address; empty: not specified.
        error: The error, if `end` is `EpisodeEnd.ERROR`.
        final_info: The info of the last step, if the evaluation keeps it.
        started_at: Unix time of the start, in seconds; 0: not specified.
        task: Name of its task, in a run of a suite; empty: the run is not one of a suite.
        instruction: Instruction of the episode or its task; None: that of the run, if it has one.
        options: Options of the reset; None: none.
        warnings: Number of warnings of each kind (see `WarningKind`) that concern the episode. In a
            vector, reports of values do not name their lane; only the run counts them.

    Raises:
        ValueError: If `seconds` and `timing.total` are both set and differ.
    """

    index: int
    seed: int | None
    reward: float
    steps: int
    end: EpisodeEnd
    success: bool | None = None
    seconds: float = 0.0
    env_id: str = ""
    timing: Timing = NO_TIME
    endpoint: str = ""
    error: EpisodeFailure | None = None
    final_info: Mapping[Any, Any] | None = field(default=None, hash=False)
    started_at: float = 0.0
    task: str = ""
    instruction: str | None = None
    options: Mapping[Any, Any] | None = field(default=None, hash=False)
    warnings: Mapping[str, int] = EMPTY

    def __post_init__(self) -> None:
        object.__setattr__(self, "warnings", FrozenMapping(self.warnings))
        timing = one_time(self.seconds, self.timing)
        object.__setattr__(self, "timing", timing)
        object.__setattr__(self, "seconds", timing.total)

    @property
    def counted_success(self) -> bool | None:
        """Success as rates count it: an episode that ended with an error is no success."""
        return False if self.end is EpisodeEnd.ERROR else self.success

    @property
    def terminated(self) -> bool:
        """Whether the task reached its own end."""
        return self.end is EpisodeEnd.TERMINATED

    @property
    def truncated(self) -> bool:
        """Whether the environment cut the episode short, such as by a time limit."""
        return self.end is EpisodeEnd.TRUNCATED


def planned_episode(
    index: int,
    seed: int | None,
    *,
    task: str = "",
    instruction: str | None = None,
    options: Mapping[Any, Any] | None = None,
) -> EpisodeResult:
    """Return the record of what an episode starts from, without what was reached.

    Its end is `EpisodeEnd.TERMINATED`, the end that the digest of episodes is of.
    """
    return EpisodeResult(
        index,
        seed,
        0.0,
        0,
        EpisodeEnd.TERMINATED,
        task=task,
        instruction=instruction,
        options=options,
    )


def tasks_together(episodes: Sequence[EpisodeResult]) -> list[EpisodeResult]:
    """Return the episodes with those of one task together; tasks are in order of appearance."""
    order = {task: i for i, task in enumerate(dict.fromkeys(e.task for e in episodes))}
    return sorted(episodes, key=lambda episode: order[episode.task])
