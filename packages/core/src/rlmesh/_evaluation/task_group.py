"""`TaskGroup`: a task with its endpoints; and `PolicyQueue`, which tasks may share."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence

from rlmesh._codec.viewed import viewed_contract
from rlmesh._evaluation.batch_window import BatchWindow
from rlmesh._evaluation.common_contract import check_same, common_contract
from rlmesh._evaluation.endpoint_state import EndpointState
from rlmesh._evaluation.endpoints import EndpointFacts
from rlmesh._evaluation.episode import RunningEpisode
from rlmesh._evaluation.episode_queue import EpisodeQueue
from rlmesh._evaluation.preflight import Preflight
from rlmesh._evaluation.suite import PlannedTask
from rlmesh._policy.policy import Policy
from rlmesh.adapters import Adapter
from rlmesh.adapters._view import ObservationView
from rlmesh.specs import EnvContract

__all__ = ["PolicyQueue", "TaskGroup"]


class PolicyQueue:
    """A policy, and the episodes that wait for its actions.

    Tasks with equal spaces and tags share one, so that their observations are one batch.

    Args:
        policy: The policy.

    Attributes:
        policy: The policy.
        groups: The tasks that it plays.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.groups: list[TaskGroup] = []
        self._ready: deque[tuple[EndpointState, RunningEpisode]] = deque()
        self._gathering = BatchWindow(policy.is_batched, policy.max_batch_size)

    @property
    def is_waited_for(self) -> bool:
        """Whether an episode waits for its next action."""
        return bool(self._ready)

    @property
    def is_quick(self) -> bool:
        """See `BatchWindow.is_quick`."""
        return self._gathering.is_quick

    def ask(self, state: EndpointState, attempt: RunningEpisode) -> None:
        """Queue an episode for its next action."""
        state.unanswered += 1
        self._ready.append((state, attempt))

    def drop(self, state: EndpointState) -> None:
        """Forget the episodes of an endpoint."""
        self._ready = deque(pair for pair in self._ready if pair[0] is not state)

    def patience(self) -> float:
        """Return the seconds to wait for more observations; 0: none."""
        states = (state for group in self.groups for state in group.states)
        return self._gathering.patience(len(self._ready), self._ready[0][1].ready, states)

    def predict(self) -> list[EndpointState]:
        """Call the model with the ready observations, and return their endpoints."""
        count = min(len(self._ready), self._gathering.max_size)
        asked = [self._ready.popleft() for _ in range(count)]
        begun = time.perf_counter()
        chunks = self.policy.actions(
            [attempt.observation for _, attempt in asked],
            [attempt.context for _, attempt in asked],
        )
        ended = time.perf_counter()
        self._gathering.passed(ended - begun)
        for (state, attempt), actions in zip(asked, chunks):
            attempt.predicted(actions, begun, ended)
            state.unanswered -= 1
        return list({state.number: state for state, _ in asked}.values())


class TaskGroup:
    """A task of a run with its endpoints; a run without tasks is one such group.

    Args:
        task: The task.
        states: Its endpoints.

    Attributes:
        task: The task.
        states: Its endpoints.
        contract: Contract of its environment; None: its endpoints have not opened yet.
        view: View of its observations that the model gets; None: whole observations.
        adapter: Adapter between its environment and the model; None: there is none, or this process
            cannot resolve it.
        preflight: The look at its first episode; None: it is over, or there is none.
        queue: Its policy; set before the first episode.
        episodes: Its episodes that are to be played; set before the first episode.
        last_error: The error of one of its endpoints; None: there was none.
    """

    queue: PolicyQueue
    episodes: EpisodeQueue

    def __init__(self, task: PlannedTask, states: Sequence[EndpointState]) -> None:
        self.task = task
        self.states = list(states)
        self.contract: EnvContract | None = None
        self.view: ObservationView | None = None
        self.adapter: Adapter | None = None
        self.preflight: Preflight | None = None
        self.last_error: BaseException | None = None

    @property
    def opened(self) -> list[EndpointState]:
        """The endpoints that have been open."""
        return [state for state in self.states if state.contract is not None]

    @property
    def live(self) -> list[EndpointState]:
        """The endpoints that have not been given up."""
        return [state for state in self.states if not state.is_retired]

    @property
    def facts(self) -> list[EndpointFacts]:
        """Facts about the endpoints that have been open."""
        return [state.facts for state in self.states if state.facts is not None]

    def set_view(self, view: ObservationView | None) -> None:
        """Set the view of the observations of all endpoints, from their next resets on."""
        self.view = view
        for state in self.states:
            state.view = view

    @property
    def seen(self) -> EnvContract:
        """Contract of the observations that the model gets."""
        assert self.contract is not None
        return viewed_contract(self.contract, self.view)

    def add(self, state: EndpointState) -> None:
        """Add an endpoint that has joined."""
        state.view = self.view
        self.states.append(state)

    def others(self, state: EndpointState) -> Iterable[EndpointState]:
        """Return the endpoints but one that have not been given up."""
        return (other for other in self.live if other is not state)

    def agree(self) -> EnvContract:
        """Set and return the contract that the open endpoints share.

        Raises:
            ValueError: If they serve different environments, or one is a vector and an episode has
                options.
        """
        named = [(state.name, state.contract) for state in self.opened if state.contract]
        try:
            self.contract = common_contract(named)
            for name, contract in named:
                self._check_options(name, contract)
        except ValueError as error:
            raise self.named(error) from None
        return self.contract

    def check(self, name: str, contract: EnvContract) -> None:
        """Check the contract of an endpoint that has opened again or late; see `agree`."""
        assert self.contract is not None
        try:
            check_same(self.contract, contract, name)
            self._check_options(name, contract)
        except ValueError as error:
            raise self.named(error) from None

    def _check_options(self, name: str, contract: EnvContract) -> None:
        if contract.vector and any(episode.options for episode in self.task.episodes):
            raise ValueError(
                f"expected a single environment for episodes with options, but {name} is a vector, "
                f"which takes one options for all lanes; serve single environments"
            )

    def named(self, error: ValueError) -> ValueError:
        """Return an error that names the task, if it has a name."""
        return ValueError(f"task {self.task.name!r}: {error}") if self.task.name else error
