"""Ways in which the actions of a model become those of an episode.

Pass one as `acting` to `rlmesh.evaluate`, `model.run` or `model.session`. Time is virtual: it is
counted in steps of the environment, nothing sleeps, and a run has the same result on every machine
and on any number of endpoints.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Union

__all__ = [
    "Acting",
    "ActionPrefix",
    "Latency",
    "RealTimeChunking",
    "TemporalEnsemble",
    "read_acting",
]


@dataclass(frozen=True)
class TemporalEnsemble:
    """Average what all chunks so far predict for a step (temporal ensembling).

    The model is asked for a chunk at every step. The action of a step is the weighted mean of the
    actions that the chunks have for it; the i-th oldest of them has the weight `exp(-decay * i)`,
    as in T. Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware"
    (2023), section IV. The mean is computed in double precision.

    The action space is a Box of floats, or a Dict or Tuple of such spaces. The means are those of
    the environment's actions, after the model's adapter.

    Args:
        decay: Rate at which the weights fall from the oldest chunk on: 0 is the plain mean; below
            0, newer chunks weigh more.

    Raises:
        ValueError: If `decay` is not a finite number.
    """

    decay: float = 0.01

    def __post_init__(self) -> None:
        if not math.isfinite(self.decay):
            raise ValueError(f"expected a finite decay, got {self.decay!r}")

    @property
    def description(self) -> str:
        """The settings as a text that `read_acting` reads."""
        return f"TemporalEnsemble(decay={float(self.decay)!r})"


MAX_DELAY = 65_536
"""Largest latency in steps: that of the longest chunk (CONTRACT.md, M-1)."""


def _whole(steps: Any) -> int:
    """Return a number of steps as an int.

    Raises:
        ValueError: If it is not a whole number of 0 or more.
    """
    try:
        number = operator.index(steps)
    except TypeError:
        number = -1
    if number < 0 or isinstance(steps, bool):
        raise ValueError(f"expected steps of 0 or more, got {steps!r}")
    return number


@dataclass(frozen=True)
class Latency:
    """Let the environment step on while the model answers (asynchronous inference).

    A model that is asked with the observation of step t answers at step t + `delay`. The first
    `delay` actions of its chunk are skipped, because their time is over. Until an answer comes, the
    actions of the chunk before it go on; before the first one, `filler` is applied. The model is
    asked again after `execution_horizon` steps, which are at least `delay`, because it answers one
    observation at a time. A chunk has at least `execution_horizon + delay` actions; without
    a horizon, the model is asked each time that its chunk has just enough actions left.

    The action of a model that is asked for single actions (without `execution_horizon`, also one
    that could predict chunks too) is not skipped but late: it is applied from step t + `delay` on,
    until the next one comes.

    A delay of 0 is the ordinary run.

    Args:
        seconds: Seconds from an observation to the model's answer; `fps` goes with it.
        fps: Steps of the environment per second.
        steps: The delay in steps, instead of `seconds` and `fps`.
        filler: Action of the environment that is applied before the first answer: numbers, in
            lists, tuples and dicts as the action space has them. None: 0, or the bound nearest to
            it; only in a space of Box and MultiBinary.

    Raises:
        ValueError: If not exactly one of `seconds` with `fps` and `steps` is given, or an argument
            is out of range.
        TypeError: If the filler has other parts.
    """

    seconds: float | None = None
    fps: float | None = None
    steps: int | None = None
    filler: Any = None

    def __post_init__(self) -> None:
        if self.steps is None:
            if self.seconds is None or self.fps is None:
                raise ValueError("expected steps, or both seconds and fps, for a latency")
            if not (0.0 <= self.seconds < math.inf and 0.0 < self.fps < math.inf):
                raise ValueError(
                    f"expected seconds of 0 or more and fps above 0, got {self.seconds!r} and "
                    f"{self.fps!r}"
                )
        elif self.seconds is not None or self.fps is not None:
            raise ValueError("expected steps or seconds with fps for a latency, got both")
        else:
            object.__setattr__(self, "steps", _whole(self.steps))
        if self.delay > MAX_DELAY:
            raise ValueError(f"a latency of {self.delay} steps; at most {MAX_DELAY} are possible")
        if self.filler is not None:
            object.__setattr__(self, "filler", _plain(self.filler))

    @property
    def delay(self) -> int:
        """Number of steps from an observation to the model's answer, rounded up to whole steps."""
        if self.steps is not None:
            return self.steps
        # Of the decimals as they were written, because 0.7 * 10 is above 7.
        return math.ceil(
            Fraction(repr(float(self.seconds or 0.0))) * Fraction(repr(float(self.fps or 0.0)))
        )

    @property
    def description(self) -> str:
        """The settings as a text that `read_acting` reads."""
        filler = "" if self.filler is None else f", filler={self.filler!r}"
        return f"Latency(steps={self.delay}{filler})"


@dataclass(frozen=True)
class RealTimeChunking:
    """Send a model with a latency the actions that are already committed.

    Each prediction gets them as `EpisodeContext.action_prefix`, of a served model too. The model's
    code makes a chunk that continues them: by guided inpainting with a soft mask (K. Black et al.,
    "Real-Time Execution of Action Chunking Flow Policies", 2025), or because the model was trained
    with prefixes. The chunk begins with the actions of the prefix's steps, which are skipped as
    with `Latency`.

    The model has `predict_chunk` or `predict_chunk_batch`, which take the context, and no adapter:
    the actions of an environment cannot be converted back to those of a model with a `ModelSpec`.

    Args:
        latency: Latency of the model.
    """

    latency: Latency

    def __post_init__(self) -> None:
        if not isinstance(self.latency, Latency):
            raise TypeError(f"expected a Latency, got {type(self.latency).__name__}")

    @property
    def description(self) -> str:
        """The settings as a text that `read_acting` reads."""
        return f"RealTimeChunking(latency={self.latency.description})"


Acting = Union[TemporalEnsemble, Latency, RealTimeChunking]
"""The type of every way of acting."""


@dataclass(frozen=True)
class ActionPrefix:
    """What the chunk before the one to be predicted has for the same steps.

    Attributes:
        actions: Actions of the environment for the step of the observation and those after it, as
            far as the chunk before reaches; before the first chunk, `Latency.filler`.
        committed: Number of these actions, from the first on, that will be applied whatever the
            model predicts. A model may deviate from the others.
    """

    actions: tuple[Any, ...]
    committed: int


def _plain(value: Any) -> Any:
    """Return a value as numbers and texts in tuples and dicts, which a text can have."""
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        value = tolist()
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    if type(value) in (bool, int, str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise TypeError(f"expected a filler of finite numbers, got {value!r}")


_READ: Mapping[str, Callable[..., Acting]] = {
    "Latency": Latency,
    "RealTimeChunking": RealTimeChunking,
    "TemporalEnsemble": TemporalEnsemble,
}


def read_acting(description: str) -> Acting | None:
    """Return the way of acting of a run's settings (`RunSettings.acting`); None: the ordinary one.

    Raises:
        ValueError: If the text is not the `description` of one.
    """
    if not description:
        return None
    try:
        return _read(ast.parse(description, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"{description!r} is no way of acting: {error}") from error


def _read(node: ast.expr) -> Acting:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        raise ValueError("expected a name with named arguments")
    if node.func.id not in _READ:
        raise ValueError(f"expected one of {', '.join(_READ)}, got {node.func.id}")
    arguments = {
        str(keyword.arg): _read(keyword.value)
        if isinstance(keyword.value, ast.Call)
        else ast.literal_eval(keyword.value)
        for keyword in node.keywords
    }
    return _READ[node.func.id](**arguments)
