"""`RunProgress`: the results of a run so far, and the events that report them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from rlmesh._codec.validate import ValidationWarning
from rlmesh._evaluation.endpoint_state import EndpointState
from rlmesh._evaluation.episode import RunningEpisode
from rlmesh._evaluation.lanes import StepResult
from rlmesh._evaluation.progress_report import ProgressReport
from rlmesh._evaluation.run_trace import RunTrace
from rlmesh._evaluation.stop_watch import StopWatch
from rlmesh._journal import Journal
from rlmesh._logs import warn
from rlmesh._policy.events import (
    Audience,
    CloseEvent,
    EndpointEvent,
    EpisodeEndEvent,
    ResetEvent,
    RunStartEvent,
    StepEvent,
    notify,
)
from rlmesh._policy.owned import owned
from rlmesh.adapters import Finding
from rlmesh.results import EpisodeFailure, EpisodeResult, RunResult, Timing
from rlmesh.results._journal_header import RunNotice, RunStopped
from rlmesh.results._settings import UNKNOWN_SETTINGS
from rlmesh.results._warnings import WarningKind, summed

__all__ = ["RunProgress"]


class RunProgress:
    """The record of a run: its episodes, which also go to its journal, and its events.

    Args:
        audience: Receivers of the events.
        model_id: Name of the model.
        instruction: Instruction of the run.
        report: Shows how far the run is; None: it is not shown.
        watch: Watches for the end of the run by a stopping rule; None: there is none.
        trace: Records the spans of the run; None: none are.

    Attributes:
        env_id: Id of the environment's contract; empty: the tasks have several.
        env_ids: Id for each name of a task.
        journal: The journal; None: there is none.
        settings: Settings of the run.
        trace: Records the spans of the run; None: none are.
        watches_steps: Whether a receiver wants an event for each step.
        has_begun: Whether the run has begun.
    """

    def __init__(
        self,
        audience: Audience,
        model_id: str,
        instruction: str | None,
        report: ProgressReport | None = None,
        watch: StopWatch | None = None,
        trace: RunTrace | None = None,
    ) -> None:
        self._watch = watch
        self.trace = trace
        self.env_id = ""
        self.env_ids: dict[str, str] = {}
        self.journal: Journal | None = None
        self.settings = UNKNOWN_SETTINGS
        self.watches_steps = bool(audience.step)
        self.has_begun = False
        self._audience = audience
        self._model_id = model_id
        self._instruction = instruction
        self._report = report
        self._episodes: dict[int, EpisodeResult] = {}
        self._warnings: Counter[str] = Counter()
        self._findings: dict[tuple[str, str, str], Finding] = {}
        self._connected: set[int] = set()
        self._start = time.perf_counter()
        self._started_at = time.time()

    def begin(
        self, episodes: int | None, finished: tuple[EpisodeResult, ...], endpoints: tuple[str, ...]
    ) -> None:
        """Record and report the start of the run."""
        self.has_begun = True
        self._episodes = {episode.index: episode for episode in finished}
        if self.journal is not None:
            earlier, self._warnings = self._warnings, Counter()
            for notice in self.journal.content.notices:
                self._warnings[notice.kind] += notice.count
            self.warned(earlier)
            self._findings = {_key(one): one for one in self.journal.content.findings}
        known = self._warnings[WarningKind.ADAPTER_CAUTION]
        if (cautions := self.settings.cautions - known) > 0:
            self.warned({WarningKind.ADAPTER_CAUTION: cautions})
        event = RunStartEvent(
            episodes=episodes,
            finished=finished,
            env_id=self.env_id,
            model_id=self._model_id,
            endpoints=endpoints,
            instruction=self._instruction,
            settings=self.settings,
        )
        notify(self._audience.run_start, event)
        if self._report is not None:
            self._report.begin(episodes, finished)
        self._look()

    @property
    def is_decided(self) -> bool:
        """Whether a stopping rule has ended the run."""
        return self._watch is not None and self._watch.has_decided

    def _look(self) -> None:
        if self._watch is None or self._watch.has_decided:
            return
        self._watch.look(self._episodes)
        journal, count = self.journal, self._watch.count
        if self._watch.has_decided and journal is not None and journal.content.stopped is None:
            journal.append(RunStopped(count, self._watch.stopping(count)))

    def warned(self, counts: Mapping[str, int]) -> None:
        """Record warnings that belong to no episode, by kind."""
        self._warnings.update(counts)
        # Before the run begins there may be no journal yet; `begin` writes these warnings.
        if self.journal is not None and self.has_begun:
            for kind, count in counts.items():
                self.journal.append(RunNotice(kind, count))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The signs of wrong declarations so far, those of the journal included."""
        return tuple(self._findings.values())

    def found(self, findings: Iterable[Finding], *, warns: bool) -> None:
        """Record signs of wrong declarations, and warn of cautions that are not known yet.

        Args:
            findings: The signs.
            warns: Whether to warn; if False, cautions end the run.
        """
        new = [one for one in findings if _key(one) not in self._findings]
        for one in new:
            self._findings[_key(one)] = one
            if self.journal is not None:
                self.journal.append(one)
        for one in new:
            if warns and one.level == "caution":
                warn(f"a declaration is probably wrong: {one}", ValidationWarning, stacklevel=2)

    def changed(
        self, state: EndpointState, change: Literal["joined", "lost", "retired"], task: str
    ) -> None:
        """Report that an endpoint has joined, is lost, or plays no more."""
        (self._connected.add if change == "joined" else self._connected.discard)(state.number)
        if self._report is not None:
            self._report.endpoints = len(self._connected)
        if self._audience.endpoint:
            event = EndpointEvent(state.name, change, len(self._connected), task)
            notify(self._audience.endpoint, event)

    def began(self, attempt: RunningEpisode, state: EndpointState) -> None:
        """Report the start of an episode."""
        if self.trace is not None:
            self.trace.began(attempt, state)
        if self._report is not None:
            self._report.began(attempt)
        if not self._audience.episode_start and not self.watches_steps:
            return
        attempt.reported = owned(attempt.observation)
        planned = attempt.planned
        event = ResetEvent(
            planned.index,
            planned.seed,
            attempt.reported,
            owned(attempt.info),
            **_place(attempt, state),
        )
        notify(self._audience.episode_start, event)

    def stepped(
        self,
        attempt: RunningEpisode,
        state: EndpointState,
        action: Any,
        result: StepResult,
    ) -> None:
        """Report a step."""
        observation, reward, terminated, truncated, info = result
        before, attempt.reported = attempt.reported, owned(observation)
        event = StepEvent(
            episode=attempt.planned.index,
            seed=attempt.planned.seed,
            step=attempt.steps - 1,
            observation=before,
            action=action,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            info=owned(info),
            next_observation=attempt.reported,
            **_place(attempt, state),
        )
        notify(self._audience.step, event)

    def ended(
        self, attempt: RunningEpisode, state: EndpointState, failure: EpisodeFailure | None = None
    ) -> None:
        """Record and report the end of an episode."""
        # An id that the vector's class gives is not that of the environment; the run's is.
        env_id = self.env_ids.get(attempt.planned.task, self.env_id)
        result = attempt.result(state.name, env_id, failure)
        self._episodes[result.index] = result
        if self.trace is not None:
            self.trace.ended(attempt, result)
        event = EpisodeEndEvent(result, {})
        if self._audience.episode_end or self._audience.before_journal:
            event = EpisodeEndEvent(result, owned(attempt.info))
        if self.journal is not None:
            try:
                notify(self._audience.before_journal, event)
            finally:  # An interrupt meanwhile must not cost the episode.
                self.journal.append(result)
        if self._report is not None:
            self._report.ended(result)
        notify(self._audience.episode_end, event)
        self._look()

    def stop_report(self) -> None:
        """Show how far the run has come; it is over for any reason."""
        if self._report is not None:
            self._report.stop()

    def end(self) -> None:
        """Report the end of the run."""
        notify(self._audience.run_end, CloseEvent(self.result()))

    def result(self) -> RunResult:
        """Return the result of the run so far."""
        episodes = tuple(self._episodes[index] for index in sorted(self._episodes))
        stopping = None
        if self._watch is not None:
            stopping = self._watch.stopping(len(episodes))
            if self._watch.has_decided:
                episodes = episodes[: self._watch.count]
        spent = sum((episode.timing for episode in episodes), Timing())
        total = time.perf_counter() - self._start
        accepted = () if self.journal is None else self.journal.content.resume_differences
        return RunResult(
            episodes=episodes,
            env_id=self.env_id,
            model_id=self._model_id,
            timing=Timing(total, spent.predict, spent.step, spent.wait),
            instruction=self._instruction,
            started_at=self._started_at,
            settings=self.settings,
            warnings=summed(self._warnings, *(episode.warnings for episode in episodes)),
            resume_differences=accepted,
            stopping=stopping,
            findings=self.findings,
        )


def _key(one: Finding) -> tuple[str, str, str]:
    return one.task, one.path, one.rule


def _place(attempt: RunningEpisode, state: EndpointState) -> dict[str, Any]:
    """Return the environment, lane and endpoint that play an episode, as fields of an event."""
    lanes = state.lanes
    assert lanes is not None
    lane = attempt.lane if lanes.is_vector else None
    return {
        "env": lanes.env,
        "lane": lane,
        "endpoint": state.name,
        "task": attempt.planned.task,
    }
