"""`EndpointState`: the state of an endpoint during a run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rlmesh._evaluation.endpoints import EndpointFacts, Opened, Source
from rlmesh._evaluation.episode import RunningEpisode
from rlmesh._evaluation.lanes import Lanes
from rlmesh._evaluation.workers import Begin, Worker
from rlmesh._policy.owned import owned
from rlmesh._session.clock import SYSTEM_CLOCK
from rlmesh._session.losses import Losses
from rlmesh.adapters._view import ObservationView
from rlmesh.specs import EnvContract

__all__ = ["EndpointState"]

_SMOOTHING = 0.2
"""Weight of the latest call in the running average of the duration of calls."""


class EndpointState:
    """The state of an endpoint during a run; used only by the run's own thread.

    Args:
        number: Position among the endpoints.
        source: The endpoint.
        worker: Worker that makes its calls.

    Attributes:
        lanes: Lanes of the environment; None: it is not open.
        contract: Contract of the environment; None: it was never open.
        is_ours: Whether the run connected to the environment, and closes it.
        facts: Facts for the settings of the run; None: the environment was never open.
        sends_views: Whether its server can send parts of observations alone.
        view: View of its observations that the model gets; None: whole observations.
        playing: The episodes being played, by lane.
        unanswered: Number of those episodes that wait for the model.
        sent: Actions of the step in progress, by lane.
        is_busy: Whether a call is in progress.
        is_retired: Whether the endpoint was given up.
        is_gone: Whether the endpoint has left its pool, and gets no more episodes.
        losses: Number of connections lost since its last finished episode.
        lost_at: When the endpoint was lost (monotonic seconds); None: it is connected.
        outages: All losses of the run, for the log; attempts to connect again are no losses.
        crashes: Number of crashes since its last finished episode.
    """

    def __init__(self, number: int, source: Source, worker: Worker) -> None:
        self.number = number
        self.source = source
        self.worker = worker
        self.lanes: Lanes | None = None
        self.contract: EnvContract | None = None
        self.is_ours = False
        self.facts: EndpointFacts | None = None
        self.sends_views = False
        self.view: ObservationView | None = None
        self.playing: dict[int, RunningEpisode] = {}
        self.unanswered = 0
        self.sent: dict[int, list[Any]] = {}
        self.is_busy = False
        self.is_retired = False
        self.is_gone = False
        self.losses = 0
        self.lost_at: float | None = None
        self.outages = Losses(SYSTEM_CLOCK, logging.WARNING)
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
        """Time at which the call in progress is likely to end; infinity if it is not known."""
        usual = self._usual.get(self._kind)
        # The margin of a half allows for the ordinary variation of calls.
        return float("inf") if usual is None or not self.is_busy else self._since + 1.5 * usual

    def open(self, pause: float, stopped: threading.Event) -> None:
        """Open the endpoint, or open it again, after a pause in seconds."""
        lost, self.lanes = self.lanes if self.is_ours else None, None

        def opening() -> Opened:
            if lost is not None:  # Its session, if it still exists, would hold the environment.
                with suppress(Exception):
                    lost.close()
            stopped.wait(pause)
            return self.source.open()

        self._submit("open", opening)

    def reset(self, seeds: dict[int, int | None]) -> None:
        """Begin the episodes of some lanes."""
        lanes = self._open_lanes
        # Copied, because an environment may write into the options that it gets.
        options = None if lanes.is_vector else owned(self.playing[0].planned.options)
        names = [self.playing[lane].context.episode_id for lane in seeds]
        name = names[0] if len(names) == 1 else ""
        view = self.view

        def resetting() -> Any:
            lanes.set_view(view)  # Again after the endpoint has opened again.
            return lanes.reset(seeds, options, name)

        self._submit("reset", resetting)

    def step(self, *, many: bool, polls: bool) -> None:
        """Take the next action in every playing lane.

        Args:
            many: Whether to take several actions if the environment takes them in one call.
            polls: Whether the run's own thread may look for the answer.
        """
        lanes = self._open_lanes
        self.sent = sent = {}
        for lane, attempt in self.playing.items():
            count = attempt.allowed if many and lanes.steps_many else 1
            take = attempt.actions.popleft
            sent[lane] = [take() for _ in range(count)]
        step, begin = lanes.step, lanes.begin
        self._submit("step", lambda: step(sent), (lambda: begin(sent)) if polls else None)

    def _submit(self, kind: str, call: Callable[[], Any], begin: Begin | None = None) -> None:
        self.is_busy = True
        self._kind = kind
        self._since = time.perf_counter()
        self.worker.submit(kind, call, begin)

    def answered(self, ended: float) -> None:
        """Record the time at which the call in progress ended."""
        self.is_busy = False
        took = ended - self._since
        usual = self._usual.get(self._kind, took)
        self._usual[self._kind] = usual + _SMOOTHING * (took - usual)

    def abandon(self) -> list[RunningEpisode]:
        """Stop playing all episodes, and return them."""
        attempts = list(self.playing.values())
        self.playing.clear()
        self.unanswered = 0
        return attempts

    def finish(self, *, close_all: bool) -> None:
        """End the worker, and close the environment if it is ours or `close_all` is set."""
        closes = self.lanes is not None and (close_all or self.is_ours)
        close = self._open_lanes.close if closes else None
        release = self.source.release
        if release is None:
            self.worker.finish(close)
            return

        def ending() -> None:
            try:
                if close is not None:
                    close()
            finally:
                release()

        self.worker.finish(ending)

    @property
    def _open_lanes(self) -> Lanes:
        assert self.lanes is not None
        return self.lanes
