"""`Scheduler`: the loop of a run, of one model over the endpoints of one task or many."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rlmesh._evaluation.directory import Pool
from rlmesh._evaluation.endpoint import Endpoint
from rlmesh._evaluation.endpoint_state import EndpointState
from rlmesh._evaluation.endpoints import Opened, Source
from rlmesh._evaluation.episode import Limits, PlannedEpisode, RunningEpisode
from rlmesh._evaluation.error_scope import ErrorScope, classify_error
from rlmesh._evaluation.joining import WATCHER, Joining, PooledKey
from rlmesh._evaluation.lanes import Lanes
from rlmesh._evaluation.polling import DoneQueue, PollingWorker
from rlmesh._evaluation.preflight import Preflight, check_findings
from rlmesh._evaluation.run_progress import RunProgress
from rlmesh._evaluation.success import SuccessRule
from rlmesh._evaluation.suite import PlannedTask
from rlmesh._evaluation.task_group import PolicyQueue, TaskGroup
from rlmesh._evaluation.value_reports import count_reports
from rlmesh._evaluation.workers import Done, InlineWorker
from rlmesh._logs import facts, logger
from rlmesh.errors import EnvCrashedError, EnvError
from rlmesh.results import EpisodeFailure, WarningKind

__all__ = ["PlayedTask", "RunOptions", "Scheduler"]

_log = logger("rlmesh.evaluate")

_PAUSES = (0.0, 0.1, 0.5, 2.0)
"""Seconds before each attempt to connect to an endpoint again; the last one repeats."""

_PATIENCE = 10.0
"""Seconds that endpoints may take to close at the end of a run."""

_INTERRUPTED = 1.0
"""Seconds that endpoints may take to close after an exception; then they are left alone."""

_SPARED = 2
"""Number of connection losses that an episode may have in addition to `retries` failures."""


@dataclass(frozen=True)
class RunOptions:
    """The rules by which a run is played.

    Attributes:
        limits: Limits at which episodes are cut.
        success: Rule of success.
        retries: Number of times that an episode, or an endpoint, is tried again.
        is_strict: Whether the first failure ends the run.
    """

    limits: Limits
    success: SuccessRule
    retries: int = 2
    is_strict: bool = False


@dataclass(frozen=True)
class PlayedTask:
    """A task with what plays it.

    Attributes:
        task: The task.
        sources: Its endpoints.
        pools: Pools of endpoints that join and leave.
        source_of: Returns the source of an endpoint of a pool.
    """

    task: PlannedTask
    sources: Sequence[Source]
    pools: Sequence[Pool]
    source_of: Callable[[Endpoint], Source]


class Scheduler:
    """The loop that plays the episodes of a run on its endpoints.

    The model, callbacks and environments of this process are called from the thread that calls
    `run`; each remote endpoint has a thread that waits for it.

    Args:
        tasks: Each task of the run with its endpoints and pools.
        prepare: Sets `queue` and `episodes` of all tasks, once their contracts are known.
        progress: Receiver of all events of the run.
        terms: Rules of the run.
    """

    def __init__(
        self,
        tasks: Sequence[PlayedTask],
        prepare: Callable[[Sequence[TaskGroup]], None],
        progress: RunProgress,
        terms: RunOptions,
    ) -> None:
        self._results = DoneQueue()
        self._tasks = tasks
        self._prepare = prepare
        self._progress = progress
        self._terms = terms
        self._stopped = threading.Event()
        self._has_started = False
        self._queues: list[PolicyQueue] = []
        self._states: list[EndpointState] = []
        self._groups = [TaskGroup(one.task, self._states_of(one.sources)) for one in tasks]
        pools = [(pool, group) for one, group in zip(tasks, self._groups) for pool in one.pools]
        self._joining = Joining(pools, self._results)
        self._pooled: dict[int, dict[PooledKey, EndpointState]] = {}
        self._group_of = {state.number: group for group in self._groups for state in group.states}
        self._unheard = set(self._group_of)

    def _states_of(self, sources: Sequence[Source]) -> list[EndpointState]:
        """Return new states of some endpoints, numbered on."""
        made: list[EndpointState] = []
        for number, source in enumerate(sources, len(self._states)):
            worker = (PollingWorker if source.is_remote else InlineWorker)(number, self._results)
            made.append(EndpointState(number, source, worker))
        self._states += made
        return made

    def run(self) -> None:
        """Play until every episode has ended.

        Raises:
            Exception: The error that ends the run, unchanged.
        """
        self._joining.start()
        for state in self._in_order(self._states):
            state.open(0.0, self._stopped)
        while self._is_going():
            waiting = self._waiting()
            patience = self._joining.interval if waiting is None else waiting.patience()
            done = self._results.get(patience)
            if done is not None:
                self._handle(done)
            elif waiting is not None:
                self._predict(waiting)
            elif not self._has_started:
                self._start()  # A pool that does not answer holds up a run for its patience alone.

    def give_up(self) -> None:
        """Make the model forget the episodes that will not end."""
        for state in self._states:
            for attempt in state.abandon():
                with contextlib.suppress(Exception):  # The model itself may be what failed.
                    self._group_of[state.number].queue.policy.end(attempt.context)

    def finish(self, *, waits: bool, close_all: bool) -> None:
        """End the workers, and close the environments that the run connected to.

        Args:
            waits: Whether to wait for slow endpoints; if False, calls that hang are left alone.
            close_all: Whether environments that the caller passed are closed too.
        """
        self._stopped.set()
        self._joining.stop()
        for waiting in self._queues:
            waiting.policy.close()
        for state in self._states:
            state.finish(close_all=close_all)
            if state.outages.has_unlogged:
                known = facts("run_ended", endpoint=state.name, losses=state.outages.count)
                _log.warning(
                    "%s: the run has ended%s", state.name, state.outages.summary, extra=known
                )
        until = time.monotonic() + (_PATIENCE if waits else _INTERRUPTED)
        for state in self._states:
            state.worker.join(max(until - time.monotonic(), 0.0))
        while (done := self._results.get(0.0)) is not None:
            if done.endpoint != WATCHER and done.kind == "close" and done.error is not None:
                _log.warning("%s: %s", self._states[done.endpoint].name, done.error)
        self._results.close()

    def _in_order(self, states: Sequence[EndpointState]) -> list[EndpointState]:
        """Return remote endpoints first, because their calls run concurrently."""
        return sorted(states, key=lambda state: state.worker.is_inline)

    def _is_going(self) -> bool:
        if self._progress.is_decided:
            self.give_up()
            return False
        if any(state.is_busy for state in self._states) or self._waiting() is not None:
            return True
        left = [group for group in self._groups if self._has_more(group)]
        going = [group for group in left if group.live or self._joining.waits(group)]
        lost = [group for group in left if group not in going]
        # The other tasks are played first, so that what a lost one costs is not theirs.
        if lost and not (going and self._has_started):
            raise lost[0].last_error or self._joining.error(lost[0])
        if not self._has_started:
            return bool(going)
        for state in self._in_order([state for group in going for state in group.live]):
            self._advance(state)
        return bool(going)

    def _has_more(self, group: TaskGroup) -> bool:
        return not self._has_started or group.episodes.has_more

    def _waiting(self) -> PolicyQueue | None:
        """Return the policy that waits the shortest for more observations; None: none has any."""
        waiting = [queue for queue in self._queues if queue.is_waited_for]
        if len(waiting) > 1:
            return min(waiting, key=PolicyQueue.patience)
        return waiting[0] if waiting else None

    def _handle(self, done: Done) -> None:
        if done.endpoint == WATCHER:
            self._polled(*done.result)
            return
        state = self._states[done.endpoint]
        state.answered(done.ended)
        if done.error is not None:
            self._failed(state, done.kind, done.error)
            for other in self._in_order(self._group_of[state.number].states):
                self._advance(other)  # An idle endpoint may take over the failed episode.
        elif done.kind == "open":
            self._opened(state, done.result)
        elif done.kind == "reset":
            for lane, (observation, info) in done.result.items():
                attempt = state.playing[lane]
                attempt.begun(observation, info, done.begun, done.ended)
                self._progress.began(attempt, state)
                self._group_of[state.number].queue.ask(state, attempt)
        else:
            self._stepped(state, done)
        if done.error is None and state.lanes is not None and state.lanes.reports:
            self._progress.warned(count_reports(state.lanes.reports))
        if not self._has_started:
            self._unheard.discard(state.number)
            self._start()
        else:
            self._advance(state)

    def _polled(self, number: int, found: Sequence[Endpoint]) -> None:
        """Let new endpoints of a pool join, and play no more on those that have left it."""
        group, known = self._joining.group(number), self._pooled.setdefault(number, {})
        new, gone = self._joining.changes(found, known)
        for key in gone:
            state = known.pop(key)
            state.is_gone = True
            self._advance(state)
        for key, endpoint in new.items():
            source = self._tasks[self._groups.index(group)].source_of(endpoint)
            (state,) = self._states_of([source])
            known[key] = state
            group.add(state)
            self._group_of[state.number] = group
            if not self._has_started:
                self._unheard.add(state.number)
            state.open(0.0, self._stopped)
        if not self._has_started:
            self._start()

    def _opened(self, state: EndpointState, opened: Opened) -> None:
        state.lanes, state.contract, state.is_ours, state.facts, state.sends_views = opened
        if state.lost_at is not None:
            seconds, state.lost_at = time.monotonic() - state.lost_at, None
            level = state.outages.level_of_return(seconds)
            known = facts("endpoint_joined", endpoint=state.name, seconds=round(seconds, 3))
            _log.log(level, "%s: connected again after %.1f s", state.name, seconds, extra=known)
        self._changed(state, "joined")
        if not self._has_started:
            return
        group = self._group_of[state.number]
        try:
            group.check(state.name, opened.contract)
        except ValueError as error:
            group.last_error = error
            if self._terms.is_strict:
                raise
            self._retire(state, error)  # The other endpoints can go on.

    def _start(self) -> None:
        """Begin once every endpoint has opened or failed, so that all agree on the contract."""
        if self._unheard or not all(group.opened for group in self._groups):
            return
        if not all(map(self._joining.is_ready, self._groups)):
            return
        for group in self._groups:
            group.agree()
        self._prepare(self._groups)
        self._has_started = True
        for group in self._groups:
            if group.queue not in self._queues:
                self._queues.append(group.queue)
        for state in self._in_order([state for group in self._groups for state in group.opened]):
            self._advance(state)

    def _stepped(self, state: EndpointState, done: Done) -> None:
        progress, group = self._progress, self._group_of[state.number]
        queue = group.queue
        if progress.trace is not None:
            progress.trace.stepped(state, done)
        for lane, results in done.result.items():
            attempt = state.playing[lane]
            attempt.called(done.begun, done.ended)
            for action, result in zip(state.sent[lane], results):
                attempt.stepped(result)
                if progress.watches_steps:
                    progress.stepped(attempt, state, action, result)
            if attempt.end is not None:
                del state.playing[lane]
                state.losses = state.crashes = 0
                queue.policy.end(attempt.context)
                progress.ended(attempt, state)
                if group.preflight is not None:
                    self._looked_at(group, group.preflight, attempt)
            elif not attempt.actions:
                queue.ask(state, attempt)
            elif queue.policy.sees_all:
                queue.policy.watch(attempt.observation, attempt.context)

    def _looked_at(self, group: TaskGroup, look: Preflight, attempt: RunningEpisode) -> None:
        """Record what an episode shows, and end the look if it is the one that is looked at.

        Raises:
            AdapterError: If the look is strict, and there is a caution.
        """
        found = look.findings(attempt)
        if found is None:
            return
        group.preflight = None
        self._progress.found(found, warns=not look.is_strict)
        if look.is_strict:
            check_findings(found)
            for other in self._in_order(group.states):
                self._advance(other)  # Other endpoints have waited for this episode.

    def _advance(self, state: EndpointState) -> None:
        """Make the next call of an endpoint, if it is free and has work."""
        lanes = state.lanes
        if state.is_busy or state.is_retired or lanes is None or not self._has_started:
            return
        if self._progress.is_decided:
            return
        if state.is_gone and not state.playing:
            self._leave(state)
            return
        if len(state.playing) < lanes.count and (lanes.resets_each or not state.playing):
            seeds = self._begin(state, lanes)
            if seeds:
                state.reset(seeds)
                return
        if state.playing and not state.unanswered:
            waiting = self._group_of[state.number].queue
            whole = not (self._progress.watches_steps or waiting.policy.sees_all)
            # A thread waits faster for a single endpoint, and reads while a slow model runs.
            polls = len(self._states) > 1 and waiting.is_quick
            state.step(many=whole, polls=polls)

    def _begin(self, state: EndpointState, lanes: Lanes) -> dict[int, int | None]:
        """Assign episodes to the free lanes, and return the seeds of their resets."""
        seeds: dict[int, int | None] = {}
        group = self._group_of[state.number]
        others = [other.number for other in group.others(state)]
        for lane in range(lanes.count):
            if lane in state.playing:
                continue
            if state.is_gone:
                break
            if group.preflight is not None and group.preflight.holds:
                break
            if any(attempt.planned.is_suspect for attempt in state.playing.values()):
                break
            planned = group.episodes.take(state.number, others, alone=not state.playing)
            if planned is None:
                break
            state.playing[lane] = self._attempt(group, planned, lane, shared=lanes.is_vector)
            seeds[lane] = planned.seed
        return seeds

    def _attempt(
        self, group: TaskGroup, planned: PlannedEpisode, lane: int, *, shared: bool
    ) -> RunningEpisode:
        name, instruction = str(planned.index), planned.instruction
        context = group.queue.policy.begin(name, seed=planned.seed, instruction=instruction)
        limits, success = self._terms.limits, self._terms.success
        kind = RunningEpisode if group.preflight is None else group.preflight.kind
        attempt = kind(planned, lane, context, limits, success, shares_reports=shared)
        if group.preflight is not None:
            group.preflight.begin(attempt)
        return attempt

    def _predict(self, waiting: PolicyQueue) -> None:
        """Call the model with the ready observations, and let their environments go on."""
        states = waiting.predict()
        for state in self._in_order(states) if len(states) > 1 else states:
            self._advance(state)

    def _failed(self, state: EndpointState, kind: str, error: BaseException) -> None:
        group = self._group_of[state.number]
        group.last_error = error
        verdict = classify_error(error, kind)
        if verdict is ErrorScope.RUN or self._terms.is_strict:
            raise error
        abandoned = state.abandon()
        if abandoned:
            group.queue.drop(state)
        for attempt in abandoned:
            group.queue.policy.end(attempt.context)
            if group.preflight is not None:
                group.preflight.abandoned(attempt)
            if self._progress.trace is not None:
                self._progress.trace.abandoned(attempt, error)
        if verdict is ErrorScope.EPISODE:
            self._environment_failed(state, abandoned, error)
        else:
            self._connection_failed(
                state, abandoned, error, for_good=verdict is ErrorScope.ENDPOINT
            )

    def _environment_failed(
        self, state: EndpointState, abandoned: list[RunningEpisode], error: BaseException
    ) -> None:
        if len(abandoned) > 1:
            for attempt in abandoned:
                attempt.planned.is_suspect = True
                self._group_of[state.number].episodes.give_back(attempt.planned)
            return
        for attempt in abandoned:
            attempt.planned.failed_on.add(state.number)
            self._failed_episode(state, attempt, error, self._terms.retries)
        if isinstance(error, EnvCrashedError):
            state.crashes += 1
            others = any(self._group_of[state.number].others(state))
            if state.crashes > self._terms.retries and others:
                self._retire(state, error)

    def _connection_failed(
        self,
        state: EndpointState,
        abandoned: list[RunningEpisode],
        error: BaseException,
        *,
        for_good: bool,
    ) -> None:
        for attempt in abandoned:
            self._failed_episode(state, attempt, error, self._terms.retries + _SPARED)
        state.losses += 1
        if state.is_gone:
            self._leave(state)
            return
        if for_good or state.losses > self._terms.retries:
            self._retire(state, error)
            return
        self._changed(state, "lost")
        pause = _PAUSES[min(state.losses, len(_PAUSES) - 1)]
        if state.lost_at is None:
            state.lost_at = time.monotonic()
            level, again = state.outages.level_of_loss(), state.outages.since_logged
            known = facts("endpoint_lost", endpoint=state.name, reason=str(error))
            _log.log(level, "%s%s; connecting again", _named(state, error), again, extra=known)
        else:
            _log.debug("%s; connecting again in %g s", _named(state, error), pause)
        state.open(pause, self._stopped)

    def _failed_episode(
        self, state: EndpointState, attempt: RunningEpisode, error: BaseException, retries: int
    ) -> None:
        """Queue an episode to be played again, or end it with its error."""
        planned = attempt.planned
        planned.failures += 1
        if planned.failures <= retries:
            self._group_of[state.number].episodes.give_back(planned)
            return
        # Steps that `step_many` applied before the failure belong to the episode.
        for result in error.steps if isinstance(error, EnvError) else ():
            attempt.stepped(result)
        self._progress.ended(attempt, state, EpisodeFailure.of(error))

    def _changed(self, state: EndpointState, change: Literal["joined", "lost", "retired"]) -> None:
        self._progress.changed(state, change, self._group_of[state.number].task.name)

    def _leave(self, state: EndpointState) -> None:
        """Play no more on an endpoint that has left its pool, which is no fault."""
        known = facts("endpoint_retired", endpoint=state.name)
        _log.info("%s has left; it plays no more in this run", state.name, extra=known)
        state.is_retired = True
        self._changed(state, "retired")

    def _retire(self, state: EndpointState, error: BaseException) -> None:
        words = _named(state, error)
        if state.lost_at is not None:
            seconds = time.monotonic() - state.lost_at
            words += f" (tried {state.losses - 1} times in {seconds:.1f} s)"
        known = facts("endpoint_retired", endpoint=state.name, reason=str(error))
        _log.warning("%s; it plays no more in this run", words, extra=known)
        state.is_retired = True
        self._changed(state, "retired")
        self._progress.warned({WarningKind.ENDPOINT_LEFT_OUT: 1})


def _named(state: EndpointState, error: BaseException) -> str:
    """Return an error's message, with the endpoint's name if it is not at the beginning."""
    message = str(error)
    known = state.name in message.partition(": ")[0]
    return message if known else f"{state.name}: {message}"
