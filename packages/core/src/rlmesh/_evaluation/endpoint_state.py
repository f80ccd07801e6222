"""`EndpointState`: an endpoint while a run goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rlmesh._evaluation.endpoints import Opened, Source
from rlmesh._evaluation.episode import RunningEpisode
from rlmesh._evaluation.lanes import Lanes
from rlmesh._evaluation.workers import Worker
from rlmesh.specs import EnvContract

__all__ = ["EndpointState"]

_SMOOTHING = 0.2
"""Share of the latest call in the usual duration of calls."""


class EndpointState:
    """An endpoint while a run goes on; touched by the run's own thread only.

    Args:
        number: Its place among the endpoints.
        source: What it is.
        worker: Who makes its calls.

    Attributes:
        lanes: Its lanes; None: it is not open.
        contract: The environment's contract; None: it was never open.
        is_ours: Whether the environment was dialled here, and is closed here.
        playing: The attempts in its lanes, by lane.
        unanswered: How many of these wait for the model.
        sent: The actions of the step that is under way, by lane.
        is_busy: Whether a call is under way.
        is_retired: Whether it has been given up.
        losses: Connections lost since its last finished episode.
        crashes: Crashes since then.
    """

    def __init__(self, number: int, source: Source, worker: Worker) -> None:
        self.number = number
        self.source = source
        self.worker = worker
        self.lanes: Lanes | None = None
        self.contract: EnvContract | None = None
        self.is_ours = False
        self.playing: dict[int, RunningEpisode] = {}
        self.unanswered = 0
        self.sent: dict[int, list[Any]] = {}
        self.is_busy = False
        self.is_retired = False
        self.losses = 0
        self.crashes = 0
        self._since = 0.0
        self._usual: dict[str, float] = {}
        self._kind = ""

    @property
    def name(self) -> str:
        """Name of the endpoint."""
        return self.source.name

    @property
    def expected(self) -> float:
        """When the call that is under way is likely to end; infinity where nobody knows."""
        usual = self._usual.get(self._kind)
        return float("inf") if usual is None or not self.is_busy else self._since + 1.5 * usual

    def open(self, pause: float, stopped: threading.Event) -> None:
        """Open it, or open it again, after a pause."""
        lost, self.lanes = self.lanes if self.is_ours else None, None

        def opening() -> Opened:
            if lost is not None:  # Where its session goes on, it would hold the environment.
                with suppress(Exception):
                    lost.close()
            stopped.wait(pause)
            return self.source.open()

        self._submit("open", opening)

    def reset(self, seeds: dict[int, int | None]) -> None:
        """Begin the episodes of some lanes."""
        reset = self._open_lanes.reset
        self._submit("reset", lambda: reset(seeds))

    def step(self, *, many: bool) -> None:
        """Take the next actions in all lanes that play; several, if the environment takes them."""
        lanes = self._open_lanes
        self.sent = sent = {}
        for lane, attempt in self.playing.items():
            count = attempt.allowed if many and lanes.steps_many else 1
            take = attempt.actions.popleft
            sent[lane] = [take() for _ in range(count)]
        step = lanes.step
        self._submit("step", lambda: step(sent))

    def _submit(self, kind: str, call: Callable[[], Any]) -> None:
        self.is_busy = True
        self._kind = kind
        self._since = time.perf_counter()
        self.worker.submit(kind, call)

    def answered(self, ended: float) -> None:
        """The call that was under way has ended, at that time."""
        self.is_busy = False
        took = ended - self._since
        usual = self._usual.get(self._kind, took)
        self._usual[self._kind] = usual + _SMOOTHING * (took - usual)

    def abandon(self) -> list[RunningEpisode]:
        """Give up what is played, and return it."""
        attempts = list(self.playing.values())
        self.playing.clear()
        self.unanswered = 0
        return attempts

    def finish(self, *, close_all: bool) -> None:
        """End its worker, and close what is ours; with `close_all`, what was given too."""
        closes = self.lanes is not None and (close_all or self.is_ours)
        self.worker.finish(self._open_lanes.close if closes else None)

    @property
    def _open_lanes(self) -> Lanes:
        assert self.lanes is not None
        return self.lanes
