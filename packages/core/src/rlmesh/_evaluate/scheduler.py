"""`Scheduler`: one model, many endpoints; the loop of a run."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from rlmesh._evaluate.agreement import agreed, check_same
from rlmesh._evaluate.endpoints import Opened, Source
from rlmesh._evaluate.episode import Attempt, Limits, Planned
from rlmesh._evaluate.failures import Verdict, verdict_of
from rlmesh._evaluate.gathering import Gathering
from rlmesh._evaluate.ledger import Ledger
from rlmesh._evaluate.seats import Seat
from rlmesh._evaluate.work import Work
from rlmesh._evaluate.workers import Done, InlineWorker, ThreadWorker
from rlmesh._logs import logger
from rlmesh._models.policy import Policy
from rlmesh.errors import EnvCrashedError, EnvError
from rlmesh.results import EpisodeFailure
from rlmesh.specs import EnvContract

__all__ = ["Scheduler", "Terms"]

_log = logger("rlmesh.evaluate")

_PAUSES = (0.0, 0.1, 0.5, 2.0)
"""Seconds before an endpoint is connected to again; the last one from then on."""

_PATIENCE = 10.0
"""Seconds that endpoints may take to close at the end of a run."""

_INTERRUPTED = 1.0
"""Seconds that they may take after an exception; later they close by themselves."""

_SPARED = 2
"""How much more often than a failing one an episode may lose its connection."""


@dataclass(frozen=True)
class Terms:
    """How a run is played.

    Attributes:
        limits: Where episodes are cut.
        instruction: Their instruction.
        retries: How often an episode, or an endpoint, is tried again.
        is_strict: Whether the first failure ends the run.
    """

    limits: Limits
    instruction: str | None = None
    retries: int = 2
    is_strict: bool = False


class Scheduler:
    """Plays the episodes of a run over its endpoints.

    The model, callbacks and environments of this process are called from the thread that calls
    `run`; each remote endpoint has a thread that waits for it.

    Args:
        sources: The endpoints.
        prepare: Told the environment's contract; returns the model for it and the episodes to play.
        ledger: Told of what happens.
        terms: How to play.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        prepare: Callable[[EnvContract], tuple[Policy, Work]],
        ledger: Ledger,
        terms: Terms,
    ) -> None:
        self._results: SimpleQueue[Done] = SimpleQueue()
        self._prepare = prepare
        self._ledger = ledger
        self._terms = terms
        self._stopped = threading.Event()
        self._contract: EnvContract | None = None
        self._unheard = set(range(len(sources)))
        self._policy: Policy
        self._work: Work
        self._is_prepared = False
        self._gathering: Gathering
        self._ready: deque[tuple[Seat, Attempt]] = deque()
        self._last_error: BaseException | None = None
        self._seats = [
            Seat(i, source, (ThreadWorker if source.is_remote else InlineWorker)(i, self._results))
            for i, source in enumerate(sources)
        ]

    def run(self) -> None:
        """Play until every episode has ended.

        Raises:
            Exception: What ends the run, as it came.
        """
        for seat in self._in_order(self._seats):
            seat.open(0.0, self._stopped)
        while self._is_going():
            patience = self._patience() if self._ready else None
            done = self._next(patience)
            if done is not None:
                self._handle(done)
            elif self._ready:
                self._predict()

    def give_up(self) -> None:
        """Have the model forget the episodes that are not going to end."""
        for attempt in [one for seat in self._seats for one in seat.abandon()]:
            with contextlib.suppress(Exception):  # It may be the model that has failed.
                self._policy.end(attempt.context)

    def finish(self, *, waits: bool, close_all: bool) -> None:
        """End the workers, and close what was dialled.

        Args:
            waits: Whether that may take its time; else what hangs is left alone.
            close_all: Whether environments that were given are closed too.
        """
        self._stopped.set()
        if self._is_prepared:
            self._policy.close()
        for seat in self._seats:
            seat.finish(close_all=close_all)
        until = time.monotonic() + (_PATIENCE if waits else _INTERRUPTED)
        for seat in self._seats:
            seat.worker.join(max(until - time.monotonic(), 0.0))
        while (done := self._next(0.0)) is not None:
            if done.kind == "close" and done.error is not None:
                _log.warning("%s: %s", self._seats[done.endpoint].name, done.error)

    def _in_order(self, seats: Sequence[Seat]) -> list[Seat]:
        """Those first whose calls go on while others are made."""
        return sorted(seats, key=lambda seat: seat.worker.is_inline)

    def _is_going(self) -> bool:
        if self._ready or any(seat.is_busy for seat in self._seats):
            return True
        live = [seat for seat in self._seats if not seat.is_retired]
        if not live:
            assert self._last_error is not None
            raise self._last_error
        if self._contract is None or not self._work.has_more:
            return False
        for seat in self._in_order(live):
            self._advance(seat)
        return True

    def _next(self, patience: float | None) -> Done | None:
        """The next call that has ended; None: none within that many seconds (None: for ever)."""
        try:
            if patience is None:
                return self._results.get()
            return self._results.get(timeout=patience) if patience else self._results.get_nowait()
        except queue.Empty:
            return None

    def _patience(self) -> float:
        count, since = len(self._ready), self._ready[0][1].ready
        return self._gathering.patience(count, since, self._seats)

    def _handle(self, done: Done) -> None:
        seat = self._seats[done.endpoint]
        seat.answered(done.ended)
        if done.error is not None:
            self._failed(seat, done.kind, done.error)
            for other in self._in_order(self._seats):
                self._advance(other)  # One that has nothing to do may take what has failed.
        elif done.kind == "open":
            self._opened(seat, done.result)
        elif done.kind == "reset":
            for lane, (observation, info) in done.result.items():
                attempt = seat.playing[lane]
                attempt.begun(observation, info, done.begun, done.ended)
                self._ledger.began(attempt, seat)
                self._ask(seat, attempt)
        else:
            self._stepped(seat, done)
        if self._contract is None:
            self._unheard.discard(seat.number)
            self._start()
        else:
            self._advance(seat)

    def _opened(self, seat: Seat, opened: Opened) -> None:
        seat.lanes, seat.contract, seat.is_ours = opened
        if self._contract is None:
            return
        try:
            check_same(self._contract, opened.contract, seat.name)
        except ValueError as error:
            self._last_error = error
            if self._terms.is_strict:
                raise
            self._retire(seat, error)  # The others have what they need to go on.

    def _start(self) -> None:
        """Begin, once each endpoint has been opened, or tried: all then agree on what is played."""
        opened = [seat for seat in self._seats if seat.contract is not None]
        if self._unheard or not opened:
            return
        contract = agreed([(seat.name, seat.contract) for seat in opened if seat.contract])
        self._policy, self._work = self._prepare(contract)
        self._is_prepared = True
        self._gathering = Gathering(self._policy.is_batched, self._policy.max_batch_size)
        self._contract = contract
        for seat in self._in_order(opened):
            self._advance(seat)

    def _stepped(self, seat: Seat, done: Done) -> None:
        ledger = self._ledger
        for lane, results in done.result.items():
            attempt = seat.playing[lane]
            attempt.called(done.begun, done.ended)
            for action, result in zip(seat.sent[lane], results):
                before = attempt.observation
                attempt.stepped(result)
                if ledger.watches_steps:
                    ledger.stepped(attempt, seat, before, action, result)
            if attempt.end is not None:
                del seat.playing[lane]
                seat.losses = seat.crashes = 0
                self._policy.end(attempt.context)
                ledger.ended(attempt, seat)
            elif not attempt.actions:
                self._ask(seat, attempt)
            elif self._policy.sees_all:
                self._policy.watch(attempt.observation, attempt.context)

    def _ask(self, seat: Seat, attempt: Attempt) -> None:
        seat.unanswered += 1
        self._ready.append((seat, attempt))

    def _advance(self, seat: Seat) -> None:
        """Make the next call of an endpoint, if it can be made."""
        lanes = seat.lanes
        if seat.is_busy or seat.is_retired or lanes is None or self._contract is None:
            return
        if len(seat.playing) < lanes.count and (lanes.resets_each or not seat.playing):
            seeds = self._begin(seat, lanes.count)
            if seeds:
                seat.reset(seeds)
                return
        if seat.playing and not seat.unanswered:
            whole = not (self._ledger.watches_steps or self._policy.sees_all)
            seat.step(many=whole)

    def _begin(self, seat: Seat, count: int) -> dict[int, int | None]:
        """Take episodes for the free lanes; returns the seeds of their resets."""
        seeds: dict[int, int | None] = {}
        others = [s.number for s in self._seats if not s.is_retired and s is not seat]
        for lane in range(count):
            if lane in seat.playing:
                continue
            if any(attempt.planned.is_suspect for attempt in seat.playing.values()):
                break
            planned = self._work.take(seat.number, others, alone=not seat.playing)
            if planned is None:
                break
            seat.playing[lane] = self._attempt(planned, lane)
            seeds[lane] = planned.seed
        return seeds

    def _attempt(self, planned: Planned, lane: int) -> Attempt:
        terms = self._terms
        name = str(planned.index)
        context = self._policy.begin(name, seed=planned.seed, instruction=terms.instruction)
        return Attempt(planned, lane, context, terms.limits)

    def _predict(self) -> None:
        """Ask the model for what is ready, and let the environments go on."""
        count = min(len(self._ready), self._gathering.most)
        asked = [self._ready.popleft() for _ in range(count)]
        attempts = [attempt for _, attempt in asked]
        begun = time.perf_counter()
        chunks = self._policy.actions(
            [attempt.observation for attempt in attempts],
            [attempt.context for attempt in attempts],
        )
        ended = time.perf_counter()
        self._gathering.passed(ended - begun)
        for (seat, attempt), actions in zip(asked, chunks):
            attempt.predicted(actions, begun, ended)
            seat.unanswered -= 1
        seats = {seat.number: seat for seat, _ in asked}
        for seat in self._in_order(list(seats.values())) if len(seats) > 1 else seats.values():
            self._advance(seat)

    def _failed(self, seat: Seat, kind: str, error: BaseException) -> None:
        self._last_error = error
        verdict = verdict_of(error, kind)
        if verdict is Verdict.RUN or self._terms.is_strict:
            raise error
        abandoned = seat.abandon()
        self._ready = deque(pair for pair in self._ready if pair[0] is not seat)
        for attempt in abandoned:
            self._policy.end(attempt.context)
        if verdict is Verdict.EPISODE:
            self._environment_failed(seat, abandoned, error)
        else:
            self._connection_failed(seat, abandoned, error, for_good=verdict is Verdict.ENDPOINT)

    def _environment_failed(
        self, seat: Seat, abandoned: list[Attempt], error: BaseException
    ) -> None:
        if len(abandoned) > 1:
            for attempt in abandoned:
                attempt.planned.is_suspect = True
                self._work.give_back(attempt.planned)
            return
        for attempt in abandoned:
            attempt.planned.failed_on.add(seat.number)
            self._failed_episode(seat, attempt, error, self._terms.retries)
        if isinstance(error, EnvCrashedError):
            seat.crashes += 1
            others = any(not s.is_retired for s in self._seats if s is not seat)
            if seat.crashes > self._terms.retries and others:
                self._retire(seat, error)

    def _connection_failed(
        self, seat: Seat, abandoned: list[Attempt], error: BaseException, *, for_good: bool
    ) -> None:
        for attempt in abandoned:
            self._failed_episode(seat, attempt, error, self._terms.retries + _SPARED)
        seat.losses += 1
        if for_good or seat.losses > self._terms.retries:
            self._retire(seat, error)
            return
        pause = _PAUSES[min(seat.losses, len(_PAUSES) - 1)]
        _log.warning("%s: %s; connecting again in %g s", seat.name, error, pause)
        seat.open(pause, self._stopped)

    def _failed_episode(
        self, seat: Seat, attempt: Attempt, error: BaseException, retries: int
    ) -> None:
        """Have an episode played again, or let it end by its error."""
        planned = attempt.planned
        planned.failures += 1
        if planned.failures <= retries:
            self._work.give_back(planned)
            return
        for result in error.steps if isinstance(error, EnvError) else ():
            attempt.stepped(result)
        self._ledger.ended(attempt, seat, EpisodeFailure.of(error))

    def _retire(self, seat: Seat, error: BaseException) -> None:
        _log.warning("%s: %s; it plays no more in this run", seat.name, error)
        seat.is_retired = True
