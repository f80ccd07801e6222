"""Environments and models of known answers, for the checks that need them.

They are those of the transcripts (`spec/vectors/README.md`), so that a peer in another language can
serve them too; `echo` alone is none of them.
"""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

from rlmesh._env_host.progress import report_progress
from rlmesh._models.native import Model
from rlmesh.adapters import Adaptation, ModelSpec
from rlmesh.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Sequence,
    Space,
    Text,
    Tuple,
)
from rlmesh.specs import AutoresetMode
from rlmesh.tensor import Tensor

__all__ = [
    "ENVIRONMENTS",
    "MODELS",
    "Count",
    "Drawn",
    "Echo",
    "Lanes",
    "Ramp",
    "Sum",
    "new_model",
]

PREFIX = "rlmesh.reference/"


class Count:
    """Counts up: the environment `count`.

    The action 2 raises an exception. The episode ends at 3. The option `start` is the first count,
    `step_ms` the time that each step takes, and `exit` the status with which the next step ends the
    process.

    Args:
        mode: Not used; every environment of the reference is made with one.
    """

    observation_space, action_space = Discrete(100), Discrete(3)
    spec = SimpleNamespace(id=f"{PREFIX}count")

    def __init__(self, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> None:
        self.count = 0
        self._step_s = 0.0
        self._exit: int | None = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Set the count to 0, or to the option `start`."""
        given = dict(options or {})
        self.count = given.get("start", 0)
        self._step_s = given.get("step_ms", 0) / 1000
        self._exit = given.get("exit")
        return self.count, {} if seed is None else {"seed": seed}

    def step(self, action: int) -> Any:
        """Add the action to the count."""
        if self._exit is not None:
            os._exit(self._exit)
        time.sleep(self._step_s)
        if action == 2:
            raise RuntimeError("2 is no step")
        self.count += action
        return self.count, float(action), self.count >= 3, False, {}

    def close(self) -> None:
        """Do nothing."""


_DIGIT = Discrete(10, dtype="int8")
_TEXT = Text(8, min_length=0, charset="abé")
EVERY: Space[Any] = Tuple(
    (
        Discrete(10, start=-1, dtype="int8"),
        MultiBinary(3),
        MultiDiscrete([2, 3], dtype="uint8"),
        Box(-1.0, 1.0, (2,), "float32"),
        Box(0, 1, (1,), "bool"),
        _TEXT,
        Sequence(_DIGIT),
        Sequence(Tuple(()), stack=True),
        Graph(MultiBinary(3), _DIGIT),
        OneOf((_DIGIT, _TEXT)),
        Dict({"a": _DIGIT, 1: MultiBinary(3)}),
    )
)
"""A space with every family."""


class Echo:
    """Observes its last action, in a space with every family: the environment `echo`.

    Args:
        mode: Not used.
    """

    observation_space = action_space = EVERY
    spec = SimpleNamespace(id=f"{PREFIX}echo")

    def __init__(self, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> None:
        EVERY.seed(1)
        self._last = EVERY.sample()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Return the last action, or the first value."""
        return self._last, {}

    def step(self, action: Any) -> Any:
        """Return the action as the observation."""
        self._last = action
        return action, 0.5, False, False, {}

    def close(self) -> None:
        """Do nothing."""


class Drawn(Count):
    """`count` as a text to render: the environment `drawn`."""

    spec = SimpleNamespace(id=f"{PREFIX}drawn")
    render_mode = "ansi"

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Report half of the work, and set the count."""
        report_progress("counting", 0.5)
        return super().reset(seed=seed, options=options)

    def render(self) -> str:
        """Return the count as a text."""
        return f"count: {self.count}"


class Lanes:
    """A vector of two counts that end at 2: the environment `lanes`.

    Args:
        mode: The autoreset mode.
    """

    num_envs = 2
    single_observation_space, single_action_space = Count.observation_space, Count.action_space
    spec = SimpleNamespace(id=f"{PREFIX}lanes")

    def __init__(self, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> None:
        self.metadata = {"autoreset_mode": mode}
        self._mode = mode
        self._counts, self._ended = [0, 0], [False, False]

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        """Set the counts to 0: all, or those of the option `reset_mask`."""
        mask = (options or {}).get("reset_mask")
        chosen = [True, True] if mask is None else [bool(x) for x in mask.tobytes()]
        for lane in (0, 1):
            if chosen[lane]:
                self._counts[lane], self._ended[lane] = 0, False
        return self._observations(), {}

    def step(self, actions: Any) -> Any:
        """Add the actions to the counts."""
        rewards, terminated = [0.0, 0.0], [False, False]
        for lane, action in enumerate(actions.tolist()):
            if self._mode is AutoresetMode.NEXT_STEP and self._ended[lane]:
                self._counts[lane], self._ended[lane] = 0, False
                continue
            self._counts[lane] += action
            rewards[lane] = float(action)
            terminated[lane] = self._ended[lane] = self._counts[lane] >= 2
        info: dict[str, Any] = {}
        if self._mode is AutoresetMode.SAME_STEP and any(terminated):
            final = [c if end else None for c, end in zip(self._counts, terminated)]
            info = {"final_obs": final, "_final_obs": _flags(terminated)}
            self._counts = [0 if end else c for c, end in zip(self._counts, terminated)]
        none = _flags([False, False])
        rewarded = Tensor.of(rewards, "float64")
        return self._observations(), rewarded, _flags(terminated), none, info

    def _observations(self) -> Tensor:
        return Tensor.of(self._counts, "int64")

    def close(self) -> None:
        """Do nothing."""


def _flags(flags: list[bool]) -> Tensor:
    return Tensor(bytes(flags), "bool", (2,))


class Sum(Model):
    """Adds up the observations of an episode, modulo 3: the model `sum`."""

    def predict(self, observation: int, /, context: Any = None) -> int:
        """Return the sum with the observation in it."""
        self.observe(observation, context)
        return int(context.state["sum"] % 3)

    def predict_batch(self, observations: Any, contexts: Any) -> Any:
        """Return the sums of several lanes."""
        pairs = zip(observations.tolist(), contexts)
        return Tensor.of([self.predict(*pair) for pair in pairs], "int64")

    def observe(self, observation: int, context: Any) -> None:
        """Add an observation."""
        context.state["sum"] = context.state.get("sum", 0) + int(observation)


class Ramp(Model):
    """Predicts the observation and the two numbers after it, modulo 3: the model `ramp`."""

    def predict_chunk(self, observation: int, context: Any) -> Any:
        """Return the chunk of one lane."""
        return Tensor.of(_ramp(observation, context), "int64")

    def predict_chunk_batch(self, observations: Any, contexts: Any) -> Any:
        """Return the chunks of several lanes."""
        pairs = zip(observations.tolist(), contexts)
        return Tensor.of([_ramp(*pair) for pair in pairs], "int64")


def _ramp(observation: int, context: Any) -> list[int]:
    prefix = context.action_prefix
    begun = [] if prefix is None else list(map(int, prefix.actions[: prefix.committed]))
    return [*begun, *((observation + more) % 3 for more in range(len(begun), 3))]


ENVIRONMENTS: dict[str, Any] = {
    "count": Count,
    "drawn": Drawn,
    "echo": Echo,
    "lanes": Lanes,
}
"""What makes each environment of the reference, with an autoreset mode."""

MODELS: dict[str, Any] = {
    "sum": lambda spec: Sum(spec=spec(stateful=True)),
    "ramp": lambda spec: Ramp(spec=spec(chunk_length=3)),
}
"""What makes each model of the reference."""


def new_model(name: str) -> Model:
    """Return a model of the reference.

    Raises:
        KeyError: If there is none of that name.
    """

    def spec(**fields: Any) -> ModelSpec:
        return ModelSpec(f"{PREFIX}{name}", adaptation=Adaptation.NONE, **fields)

    model: Model = MODELS[name](spec)
    return model
