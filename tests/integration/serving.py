"""Models and contracts of the tests of serving."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from rlmesh import ModelServer, RemoteModel, ServeOptions
from rlmesh.adapters import (
    EnvTags,
    Feature,
    FeatureKind,
    ModelInput,
    ModelOutput,
    ModelSpec,
    TaggedLeaf,
)
from rlmesh.numpy import Model
from rlmesh.spaces import Box, Dict, Discrete, Text
from rlmesh.specs import EnvContract

LONG_MS = 5_000
"""A delay that a test would notice."""

PLAIN = EnvContract("plain", Box(-100, 100, (2,), "float32"), Discrete(1000))
"""An observation is two numbers; models here answer with the first one."""

MIXED = EnvContract(
    "mixed",
    Dict({"x": Box(-100, 100, (2,), "float32"), "word": Text(8, min_length=0)}),
    Dict({"y": Box(-100, 100, (2,), "float32"), "said": Text(8, min_length=0)}),
)
"""Leaves of fixed and of variable size."""

TAGGED = EnvContract(
    "tagged",
    Dict({"x": Box(-100, 100, (2,), "float32")}),
    Box(-100, 100, (2,), "float32"),
    tags=EnvTags(
        observation=(TaggedLeaf(("x",), Feature("state")),),
        action=(TaggedLeaf((), Feature("move")),),
    ),
)
SPEC = ModelSpec(
    id="tagged-model",
    inputs=(ModelInput("state", Feature("state"), history=3),),
    outputs=(ModelOutput("", Feature("move")),),
)
TEXT_SPEC = ModelSpec(
    id="told-model",
    inputs=(
        ModelInput("state", Feature("state")),
        ModelInput("task", Feature("task", kind=FeatureKind.TEXT)),
    ),
    outputs=(ModelOutput("", Feature("move")),),
)


def seen(number: float) -> Any:
    """An observation of `PLAIN`."""
    return np.array([number, 0], np.float32)


class Echo(Model):
    """Answers with the first number, one observation at a time; counts, and may be held up."""

    def __init__(self, **options: Any) -> None:
        super().__init__(None, **options)
        self.calls: list[list[float]] = []
        self.threads: set[int] = set()
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def note(self, numbers: Any) -> None:
        self.threads.add(threading.get_ident())
        self.calls.append([float(number) for number in numbers])
        self.entered.set()
        assert self.go.wait(30)
        if any(number == 13 for number in numbers):
            raise ValueError("13 is no number")

    def predict(self, observation: Any) -> Any:  # type: ignore[override]
        self.note(observation[:1])
        return int(observation[0])


class BatchEcho(Echo):
    """Answers batches, and each lane with how often it was asked in its episode, too."""

    predict = Model.predict  # type: ignore[assignment]

    def predict_batch(self, observations: Any, context: Any) -> Any:
        for one in context:
            one.state["asked"] = one.state.get("asked", 0) + 1
        self.note(observations[:, 0])
        asked = np.array([one.state["asked"] for one in context])
        return observations[:, 0].astype(int) + 100 * asked


class ChunkEcho(Echo):
    """Answers chunks of three: the number, and the two after it."""

    predict = Model.predict  # type: ignore[assignment]

    def predict_chunk_batch(self, observations: Any) -> Any:
        self.note(observations[:, 0])
        return observations[:, :1].astype(int) + np.arange(3)


@contextmanager
def clients(
    model: Any, count: int, contract: Any = PLAIN, **options: Any
) -> Generator[list[RemoteModel], None, None]:
    """Clients of one server of a model."""
    given = {"max_batch_delay_ms": LONG_MS, **options}
    with ExitStack() as stack:
        server = stack.enter_context(ModelServer(model, options=ServeOptions(**given)))
        yield [stack.enter_context(RemoteModel(server.address, contract)) for _ in range(count)]


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """What calls on threads of their own return, or raise."""
    results: list[Any] = [None] * len(calls)

    def work(index: int) -> None:
        try:
            results[index] = calls[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return results


def asked(remotes: list[RemoteModel], numbers: Any) -> list[Any]:
    """What clients get that ask at the same time."""
    return at_once([lambda r=r, n=n: r.predict(seen(n)) for r, n in zip(remotes, numbers)])
