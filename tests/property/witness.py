"""A model that notes how it is called, in any of its forms, and an environment that it plays."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np

from rlmesh.adapters import (
    Adaptation,
    EnvTags,
    Feature,
    FeatureKind,
    InputPart,
    ModelInput,
    ModelOutput,
    ModelSpec,
    PredictForm,
    Reference,
    TaggedLeaf,
)
from rlmesh.numpy import Model
from rlmesh.spaces import Box, Dict
from rlmesh.specs import EnvContract

__all__ = ["CHUNK", "CONTRACT", "TAGS", "DriftEnv", "Witness"]

CHUNK = 4
"""Length of the chunks of a `Witness`."""

TAGS = EnvTags(
    observation=(
        TaggedLeaf(("x",), Feature("state")),
        TaggedLeaf(("x",), Feature("state/moved"), 1, 1),
    ),
    action=(TaggedLeaf((), Feature("move", reference=Reference.ABSOLUTE)),),
)


CONTRACT = EnvContract(
    "drift",
    Dict({"x": Box(-100, 100, (2,), "float32")}),
    Box(-10, 10, (1,), "float32"),
    tags=TAGS,
)
"""The contract of a `DriftEnv`."""


class DriftEnv(gymnasium.Env):  # type: ignore[misc]
    """Drifts by seed and actions, and returns the same array in each observation.

    Args:
        longest: Largest number of steps of an episode; the seed determines the number.
    """

    observation_space = gymnasium.spaces.Dict(
        {"x": gymnasium.spaces.Box(-100, 100, (2,), np.float32)}
    )
    action_space = gymnasium.spaces.Box(-10, 10, (1,), np.float32)

    def __init__(self, longest: int = 12) -> None:
        self._longest = longest
        self._x = np.zeros(2, np.float32)
        self._steps = self._last = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._x[:] = (seed or 0, 0)
        self._steps, self._last = 0, self._longest - (seed or 0) % 3
        return {"x": self._x}, {}

    def step(self, action: Any) -> Any:
        self._steps += 1
        self._x += np.float32([0.25, float(action[0])])
        done = self._steps >= self._last
        return {"x": self._x}, float(self._x[1]), done, False, {}


class Witness:
    """A model with actions that depend on everything that it gets, and that notes it.

    Args:
        forms: The forms that it has itself.
        history: Number of observations that its input stacks.
        stateful: Whether its predictions depend on every observation.
        remembers: Whether its history has a stride, an input has the output of the step before, and
            its actions are relative to the state.
        adapted: Whether it has inputs and outputs, and so an adapter.

    Attributes:
        calls: Name of each call, and what came with it for each episode.
        model: The model.
    """

    def __init__(
        self,
        forms: tuple[PredictForm, ...],
        *,
        history: int = 0,
        stateful: bool = False,
        remembers: bool = False,
        adapted: bool = True,
    ) -> None:
        self.calls: list[Any] = []
        names = [f"predict_{form.value}".removesuffix("_single") for form in forms]
        source = SimpleNamespace(**{name: getattr(self, f"_{name}") for name in names})
        if stateful:
            source.observe = self._observe
        spec = ModelSpec("witness", adaptation=Adaptation.NONE, stateful=stateful)
        if adapted:
            spec = self._adapted(history, stateful, remembers)
        self.model = Model(source, spec=spec)

    def _adapted(self, history: int, stateful: bool, remembers: bool) -> ModelSpec:
        spec = ModelSpec(
            "witness",
            inputs=(
                ModelInput(
                    "x", Feature("state"), history=history, history_stride=2 if remembers else 1
                ),
                ModelInput("task", Feature("task", kind=FeatureKind.TEXT), optional=True),
            ),
            outputs=(ModelOutput("", Feature("move")),),
            stateful=stateful,
        )
        if remembers:
            before = ModelInput("before", Feature("before"), parts=(InputPart(previous_output=""),))
            moved = Feature("move", reference=Reference.DELTA)
            output = ModelOutput("", moved, relative_to="state/moved", clip_to_space=True)
            spec = replace(spec, inputs=(*spec.inputs, before), outputs=(output,))
        return spec

    def _note(
        self, name: str, xs: Any, tasks: Any, contexts: Any, before: Any = None
    ) -> list[float]:
        told, answers = [], []
        for i, (x, task, context) in enumerate(zip(xs, tasks, contexts)):
            context.state["sum"] = context.state.get("sum", 0.0) + float(x.sum())
            if before is not None:
                task = (task, float(before[i][0]))
                context.state["sum"] += float(before[i][0])
            facts = context.episode_id, context.seed, context.step, context.instruction
            kept = context.state["sum"], _prefix(context)
            told.append((*facts, task, x.dtype, x.shape, x.tobytes(), kept))
            answers.append(np.tanh(context.state["sum"] / 10) + context.step / 16)
        self.calls.append((name, told))
        return answers

    def _one(self, name: str, seen: Any, context: Any) -> Any:
        before = [seen["before"]] if "before" in seen else None
        return np.float32(self._note(name, [seen["x"]], [seen.get("task")], [context], before))

    def _many(self, name: str, seen: Any, contexts: Any) -> Any:
        tasks = seen.get("task", [None] * len(contexts))
        noted = self._note(name, seen["x"], tasks, contexts, seen.get("before"))
        return np.float32(noted)[:, None]

    def _observe(self, seen: Any, context: Any) -> None:
        self._one("observe", seen, context)

    def _predict(self, seen: Any, context: Any) -> Any:
        return self._one("predict", seen, context)

    def _predict_batch(self, seen: Any, context: Any) -> Any:
        return self._many("predict_batch", seen, context)

    def _predict_chunk(self, seen: Any, context: Any) -> Any:
        return _chunk(self._one("predict_chunk", seen, context))

    def _predict_chunk_batch(self, seen: Any, context: Any) -> Any:
        return np.stack([_chunk(a) for a in self._many("predict_chunk_batch", seen, context)])


def _prefix(context: Any) -> Any:
    """Return the actions that a prediction continues, and overwrite them, as a model may."""
    prefix = context.action_prefix
    if prefix is None:
        return None
    numbers = [action.tolist() for action in prefix.actions]
    for action in prefix.actions:
        action[:] = 9
    context.state["sum"] += sum(map(sum, numbers)) + prefix.committed / 8
    return prefix.committed, numbers


def _chunk(action: Any) -> Any:
    return action + np.float32(np.arange(CHUNK))[:, None] / 32
