"""What an episode gave."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from rlmesh.errors import RLMeshError

__all__ = ["EpisodeEnd", "EpisodeFailure", "EpisodeResult", "Timing"]


class EpisodeEnd(Enum):
    """How an episode came to its end."""

    TERMINATED = "terminated"
    """The task's own end."""
    TRUNCATED = "truncated"
    """The environment cut it, such as by a time limit."""
    LIMIT = "limit"
    """The evaluation cut it, by its own limit of steps or seconds."""
    ERROR = "error"
    """An error ended it; see `EpisodeResult.error`."""


@dataclass(frozen=True)
class Timing:
    """Where the time of an episode or a run went. All in seconds.

    Attributes:
        total: Of an episode, from the start of its reset to the end of its last step; of a run,
            wall time. What the other three leave of it went into RLMesh and callbacks.
        predict: In the model's predictions, adapter included.
        step: In requests to the environment.
        wait: Waiting for a batch, an endpoint or a lane.
    """

    total: float = 0.0
    predict: float = 0.0
    step: float = 0.0
    wait: float = 0.0

    def __add__(self, other: Timing) -> Timing:
        """The sum, field by field."""
        if not isinstance(other, Timing):
            return NotImplemented
        return Timing(
            self.total + other.total,
            self.predict + other.predict,
            self.step + other.step,
            self.wait + other.wait,
        )


NO_TIME = Timing()
"""Nothing was measured."""


def one_time(seconds: float, timing: Timing) -> Timing:
    """`timing`, with `seconds` as its total where it has none.

    Raises:
        ValueError: If both are given and differ.
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
    """Why an episode ended by an error: a record of an exception, here or of a peer.

    Attributes:
        message: One sentence for a person.
        exception_type: Name of the exception's type with its module ("builtins.ValueError").
        code: Number of the schema's `ErrorCode`; 0: the error was not a peer's answer.
        traceback: The traceback's text; empty where it is not kept.
        path: Where in the space or message; empty where that does not apply.
        expected: What was expected there, in words.
        actual: What came instead, in words.
        exit_code: Of an environment whose process died: its exit code, or minus the number of the
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
        """The record of an exception.

        Args:
            error: The exception. Of those of `rlmesh.errors` the facts are kept, and the type and
                the traceback are the peer's, where it told them.
            expose_traceback: Whether the traceback of this process is kept, where there is no
                peer's.
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
    """A fact of one of our errors; what other exceptions have by that name is their own matter."""
    return getattr(error, name, default) if isinstance(error, RLMeshError) else default


@dataclass(frozen=True)
class EpisodeResult:
    """What one episode gave.

    Attributes:
        index: Place in the run, from 0.
        seed: Seed of its reset, 0 to 2**64 - 1; None: it ran unseeded.
        reward: Sum of its rewards, added in order in float64.
        steps: Number of steps.
        end: How it ended.
        success: The environment's own word (`info["is_success"]` or `info["success"]` of the last
            step, a bool, a number or an array of one); None: it said nothing.
        seconds: Seconds of wall time from the start of the reset to the end of the last step; the
            same as `timing.total`, whichever of the two is given.
        env_id: Id of the environment's contract.
        timing: Where the time went, in seconds.
        endpoint: Endpoint that played it, such as its address; empty: not said.
        error: Why it ended, with `EpisodeEnd.ERROR`.
        final_info: The info of its last step, where the evaluation keeps it.
        started_at: Unix time of its start, in seconds; 0: not said.

    Raises:
        ValueError: If `seconds` and `timing.total` are both given and differ.
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

    def __post_init__(self) -> None:
        timing = one_time(self.seconds, self.timing)
        object.__setattr__(self, "timing", timing)
        object.__setattr__(self, "seconds", timing.total)

    @property
    def terminated(self) -> bool:
        """Whether the task's own end was reached."""
        return self.end is EpisodeEnd.TERMINATED

    @property
    def truncated(self) -> bool:
        """Whether the environment cut the episode, such as by a time limit."""
        return self.end is EpisodeEnd.TRUNCATED
