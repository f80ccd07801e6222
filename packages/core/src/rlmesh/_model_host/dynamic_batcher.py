"""`DynamicBatcher`: the one thread that calls the model, with requests of many sessions at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh._env_host.interrupts import is_server_interrupt
from rlmesh._logs import logger
from rlmesh._messages import env as m
from rlmesh._model_host.fitted_model import FittedModel, rows
from rlmesh._policy.forms import CHUNK_FORMS, EpisodeContext
from rlmesh._policy.owned import owned
from rlmesh.acting import ActionPrefix
from rlmesh.adapters import PredictForm
from rlmesh.backends import Buffer
from rlmesh.errors import ClosedError

__all__ = ["DynamicBatcher", "EpisodeFacts", "PredictRequest"]

_log = logger("rlmesh.server")


@dataclass(frozen=True)
class EpisodeFacts:
    """What a request states about its episodes.

    Attributes:
        steps: Step of the observation of each episode; empty: the server counts.
        observations: Observations of each episode for which no action is wanted, the oldest first;
            empty: there are none.
        prefixes: The actions that the prediction of each episode continues; empty: there are none.
    """

    steps: Sequence[int] = ()
    observations: Sequence[Sequence[Any]] = ()
    prefixes: Sequence[ActionPrefix] = ()


class PredictRequest:
    """One request for actions.

    Args:
        fitted: The model, fitted to the environment.
        form: Form of the request.
        observation: The observation, or a batch.
        slabs: The observation or batch, encoded.
        contexts: Contexts of the observations' episodes.
        respond: Makes the reply, on the model's thread, because the actions may be in a buffer
            that the model's next call overwrites.
        max_length: Maximum number of actions of a chunk; 0: no limit.
        facts: What the request states about the episodes.

    Attributes:
        fitted: The model, fitted to the environment.
        slabs: The observation or batch, encoded.
        contexts: Contexts of the observations' episodes.
        count: Number of the observations.
        is_chunked: Whether chunks are requested.
        actions: The action or batch of actions; None before the answer.
        is_batch: Whether `actions` is a batch.
        length: Number of actions of a chunk; 0: the actions are not chunks.
        seconds: Duration of the model's call.
        reply: The reply; None before the answer.
        error: Exception of the model.
        key: Key that is equal for requests that one call can answer.
    """

    def __init__(
        self,
        fitted: FittedModel,
        form: PredictForm,
        observation: Any,
        slabs: Sequence[Buffer],
        contexts: Sequence[EpisodeContext],
        respond: Callable[[PredictRequest], m.Reply],
        max_length: int = 0,
        facts: EpisodeFacts = EpisodeFacts(),
    ) -> None:
        self.fitted = fitted
        self.slabs = slabs
        self.contexts = contexts
        self.count = len(contexts)
        self.is_chunked = form in CHUNK_FORMS
        self.key = (fitted, self.is_chunked, max_length, bool(facts.prefixes))
        self.actions: Any = None
        self.is_batch = form is not PredictForm.SINGLE
        self.length = 0
        self.seconds = 0.0
        self.reply: m.Reply | None = None
        self.error: BaseException | None = None
        self._respond = respond
        self._refusal: ClosedError | None = None
        self._form = form
        self._observation = observation
        self._max_length = max_length
        self._facts = facts
        self._done = threading.Event()

    @property
    def is_single(self) -> bool:
        """Whether it is for one observation, without an axis of lanes."""
        return self._form in (PredictForm.SINGLE, PredictForm.CHUNK)

    def finish(self, refusal: ClosedError | None = None) -> None:
        """Finish with a reply, an error or a refusal; the first one counts."""
        if not self._done.is_set():
            self._refusal = refusal
            self._done.set()

    def wait(self) -> None:
        """Wait for the reply or the error; raise ClosedError if the request is refused."""
        self._done.wait()
        if self._refusal is not None:
            raise self._refusal

    def respond(self) -> None:
        """Make the reply."""
        self.reply = self._respond(self)

    def catch_up(self) -> None:
        """Set steps and prefixes of the episodes, and pass earlier observations to the model."""
        for context in self.contexts:
            context.action_prefix = None
        for context, prefix in zip(self.contexts, self._facts.prefixes):
            # The model may write to what it gets, and it may be called again.
            actions = tuple(map(owned, prefix.actions))
            context.action_prefix = ActionPrefix(actions, prefix.committed)
        for context, step in zip(self.contexts, self._facts.steps):
            context.step = step
        for context, observations in zip(self.contexts, self._facts.observations):
            self.fitted.forms.observe(observations, context)

    def answer_alone(self) -> None:
        """Call the model in the form of the request."""
        forms, begun = self.fitted.forms, time.perf_counter()
        self.catch_up()
        if self._form is PredictForm.SINGLE:
            self.actions = forms.predict(self._observation, self.contexts[0])
        elif self._form is PredictForm.BATCH:
            self.actions = forms.predict_batch(self._observation, self.contexts)
        elif self._form is PredictForm.CHUNK:
            self.actions, self.length = forms.predict_chunk(
                self._observation, self.contexts[0], self._max_length
            )
        else:
            self.actions, self.length = forms.predict_chunk_batch(
                self._observation, self.contexts, self._max_length
            )
        self.seconds = time.perf_counter() - begun


class DynamicBatcher:
    """Calls a model with the requests of sessions; see `ServingLoop`.

    Args:
        max_batch_size: Most observations of one call.
        max_delay: Seconds that the first of them waits for others at most.
        askers: How many sessions there are, each of which asks for one thing at a time.

    Attributes:
        on_batch: Called with the number of observations of each call of the model; None: nothing
            is.
    """

    waits_for_calls = True

    def __init__(self, max_batch_size: int, max_delay: float, askers: Callable[[], int]) -> None:
        self._max_batch_size = max_batch_size
        self._max_delay = max_delay
        self._askers = askers
        self._asked: list[PredictRequest] = []
        self._group: list[PredictRequest] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._owner = 0
        self.on_batch: Callable[[int], object] | None = None

    @property
    def waiting(self) -> int:
        """Number of requests that wait for the model."""
        return len(self._asked)

    @property
    def is_current(self) -> bool:
        """See `ServingLoop`."""
        return threading.get_ident() == self._owner

    def ask(self, request: PredictRequest) -> None:
        """Have the model answer, and wait for its reply or error.

        Raises:
            ClosedError: If the thread is stopped.
        """
        with self._changed:
            if self._stopping:
                raise _closed()
            self._asked.append(request)
            if self._is_worth_waking():
                self._changed.notify_all()
        request.wait()

    def left(self) -> None:
        """Record that a session has ended, so that a batch does not wait for it."""
        with self._changed:
            self._changed.notify_all()

    def _is_worth_waking(self) -> bool:
        """Return whether the thread would do more than go on waiting for others."""
        asked = self._asked
        if len(asked) == 1 or len(asked) >= self._askers():
            return True
        return sum(request.count for request in asked) >= self._max_batch_size

    def run(self) -> None:
        """See `ServingLoop`; requests from before `stop` are answered."""
        self._owner = threading.get_ident()
        try:
            while group := self._next_group():
                self._answer(group)
                self._group = []
                del group  # Lest it keep observations, and a client's memory, until the next call.
        finally:
            self._refuse_rest()

    def stop(self) -> None:
        """See `ServingLoop`."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def close(self) -> None:
        """See `ServingLoop`; refuse the requests to a thread that never ran."""
        self._refuse_rest()

    def _next_group(self) -> list[PredictRequest]:
        """Return the requests of the next call of the model; empty at the end."""
        with self._changed:
            while not self._asked:
                if self._stopping:
                    return []
                self._changed.wait()
            first = self._asked[0]
            # From now on, if the model was busy when it came: those that have just been answered
            # are likely to ask again, and without them two halves of all would take turns.
            deadline = time.monotonic() + self._max_delay
            group, is_full = self._gathered(first)
            while not is_full:
                left = deadline - time.monotonic()
                if left <= 0 or self._stopping or len(self._asked) >= self._askers():
                    break  # Each session waits for its answer, so no other request can come.
                self._changed.wait(left)
                group, is_full = self._gathered(first)
            # Ctrl-C may arrive at any line: every request is in at least one of the two.
            self._group = group
            self._asked = [request for request in self._asked if request not in group]
            return group

    def _gathered(self, first: PredictRequest) -> tuple[list[PredictRequest], bool]:
        """Return the requests that fit into the first one's call, and whether they are enough."""
        if first.count >= self._max_batch_size or not first.fitted.can_batch(first.is_chunked):
            return [first], True
        group: list[PredictRequest] = []
        count = 0
        for request in self._asked:
            if request.key != first.key:
                continue
            if count + request.count > self._max_batch_size:
                return group, True
            group.append(request)
            count += request.count
        return group, count == self._max_batch_size

    def _answer(self, group: list[PredictRequest]) -> None:
        try:
            if len(group) == 1 or not _answer_together(group):
                for request in group:
                    _try(request, request.answer_alone, request.respond)
                    self._report_batch(request.count)
            else:
                self._report_batch(sum(request.count for request in group))
            for request in group:
                request.finish()
        except BaseException as error:
            for request in group:
                request.finish(ClosedError(f"the server was stopped: {error!r}"))
            raise

    def _report_batch(self, count: int) -> None:
        if self.on_batch is not None:
            self.on_batch(count)

    def _refuse_rest(self) -> None:
        with self._changed:
            self._stopping = True
            asked, self._asked = [*self._group, *self._asked], []
        for request in asked:
            request.finish(_closed())


def _closed() -> ClosedError:
    return ClosedError("the server is shutting down")


def _try(request: PredictRequest, *calls: Callable[[], object]) -> None:
    """Make calls of a request; what one raises is the request's own failure."""
    try:
        for call in calls:
            call()
    except BaseException as error:
        if is_server_interrupt(error):
            raise
        request.error = error


def _answer_together(group: list[PredictRequest]) -> bool:
    """Answer all with one call; False: it failed, and is as if it had not been made.

    A state that the model keeps of an episode is set back as far as its dict's own entries.
    """
    before = [_Before(context) for request in group for context in request.contexts]
    try:
        _call_together(group)
    except BaseException as error:
        if is_server_interrupt(error):
            raise
        _log.warning("a batch of %d requests failed, each is tried alone: %r", len(group), error)
        for one in before:
            one.restore()
        return False
    for request in group:
        _try(request, request.respond)
    return True


class _Before:
    """What is kept of an episode, as it is before a call."""

    def __init__(self, context: EpisodeContext) -> None:
        self._context = context
        self._adapted = context.adapted and context.adapted.fork()
        # A model may have put something else in the place of the dict.
        self._state: Any = context.state
        self._entries = dict(self._state) if isinstance(self._state, dict) else None

    def restore(self) -> None:
        self._context.adapted = self._adapted
        self._context.state = self._state
        if self._entries is not None:
            self._state.clear()
            self._state.update(self._entries)


def _call_together(group: list[PredictRequest]) -> None:
    fitted, is_chunked, max_length, _ = group[0].key
    contexts = [context for request in group for context in request.contexts]
    count, length = len(contexts), 0
    begun = time.perf_counter()
    for request in group:
        request.catch_up()
    batch = fitted.join([request.slabs for request in group], count)
    if is_chunked:
        actions, length = fitted.forms.predict_chunk_batch(batch, contexts, max_length)
    else:
        actions = fitted.forms.predict_batch(batch, contexts)
    seconds = time.perf_counter() - begun
    each, start = length or 1, 0
    space = fitted.contract.action_space
    parts = []
    for request in group:
        stop = start + request.count * each
        parts.append(rows(actions, space, count * each, start, stop))
        start = stop
    for request, part in zip(group, parts):
        request.actions, request.length, request.seconds, request.is_batch = (
            part,
            length,
            seconds,
            True,
        )
