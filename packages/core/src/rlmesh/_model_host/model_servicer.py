"""`ModelServicer`: a model's use by one session, with an episode a lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from rlmesh._codec import SpaceCodec, Validation
from rlmesh._codec.lanes import batch_words
from rlmesh._codec.validate import with_reports
from rlmesh._messages import env as m
from rlmesh._messages.model import (
    EndEpisode,
    EpisodeEnded,
    EpisodeStarted,
    Predict,
    Predicted,
    StartEpisode,
)
from rlmesh._model_host.dynamic_batcher import (
    DynamicBatcher,
    EpisodeFacts,
    PredictRequest,
)
from rlmesh._model_host.fitted_model import FittedModel, refusal
from rlmesh._policy.calls import METHODS
from rlmesh._policy.forms import EpisodeContext
from rlmesh._session.server_session import RequestRefused
from rlmesh._wire.failures import failure_of_exception, failure_of_value
from rlmesh.acting import ActionPrefix
from rlmesh.adapters import PredictForm
from rlmesh.backends import Buffer
from rlmesh.errors import AdapterError, CodecError, InvalidValueError

__all__ = ["ModelServicer"]

MAX_LANES = 65_536
"""Most lanes of a session (M-1)."""

MAX_CHUNK = 65_536
"""Most actions of a chunk that may be asked for (M-1)."""

MAX_OBSERVED = 65_536
"""Most earlier observations, and most actions of prefixes, of one request (M-1)."""

MAX_NAME_BYTES = 65_536
"""Longest id of an episode (M-1)."""

_OF_ONE = (PredictForm.SINGLE, PredictForm.CHUNK)


class ModelServicer:
    """One session's lanes; see `rlmesh._session.server_session.Servicer`.

    Args:
        fitted: The model, fitted to the session's contract.
        thread: Batcher that calls the model.
        validation: What to do with actions outside their space; observations are refused if it
            is "strict".
        released: Called once when the session is over.
        expose_tracebacks: Whether clients see the tracebacks of the model's exceptions.
    """

    def __init__(
        self,
        fitted: FittedModel,
        thread: DynamicBatcher,
        validation: Validation,
        released: Callable[[], object],
        *,
        expose_tracebacks: bool,
    ) -> None:
        self._fitted = fitted
        self._thread = thread
        self._released = released
        self._expose_tracebacks = expose_tracebacks
        self._lanes: dict[int, EpisodeContext] = {}
        contract, backend = fitted.contract, fitted.backend
        self._observation = SpaceCodec(
            contract.observation_space,
            backend,
            root="observation",
            validation="strict" if validation == "strict" else "off",
        )
        self._observed = self._observation.without_reports("observed")
        self._action = SpaceCodec(
            contract.action_space, backend, root="action", validation=validation
        )
        self._prefix = self._action.without_reports("prefix")

    def answer(self, request: m.Request, frame: Buffer) -> m.Reply:
        """See `Servicer`."""
        body = request.body
        try:
            if isinstance(body, Predict):
                return self._predict(body)
            if isinstance(body, StartEpisode):
                return self._start(body)
            if isinstance(body, EndEpisode):
                return self._end_episode(body)
        except RequestRefused as refused:
            return refused.failure
        raise TypeError(f"a {type(body).__name__} cannot be asked of a model")

    def run_stream(self, stream: Any, *, takes_over: Callable[[], bool]) -> bool:
        """See `Servicer`: sessions share the model's thread, so none has it."""
        return False

    def end(self) -> m.Reply:
        """See `Servicer`."""
        return m.Closed()

    def release(self) -> None:
        """See `Servicer`."""
        self._lanes.clear()
        self._released()

    def _start(self, body: StartEpisode) -> m.Reply:
        if body.lane >= MAX_LANES:
            raise _refused("M-1", "lane", f"below {MAX_LANES}", body.lane)
        size = len(body.episode_id.encode())
        if size > MAX_NAME_BYTES:
            limit = f"at most {MAX_NAME_BYTES} bytes"
            raise _refused("M-1", "episode_id", limit, size)
        self._lanes.pop(body.lane, None)
        try:
            self._lanes[body.lane] = self._fitted.forms.episode(
                body.episode_id, seed=body.seed, instruction=body.instruction
            )
        except AdapterError as error:
            raise RequestRefused(refusal(error, "P-6")) from error
        except ValueError as error:
            words = m.Failure(m.ErrorCode.UNSUPPORTED, f"P-6: {error}", path="instruction")
            raise RequestRefused(words) from error
        return EpisodeStarted()

    def _end_episode(self, body: EndEpisode) -> m.Reply:
        self._context(body.lane)
        del self._lanes[body.lane]
        return EpisodeEnded()

    def _context(self, lane: int) -> EpisodeContext:
        context = self._lanes.get(lane)
        if context is None:
            message = f"P-7: no episode runs in lane {lane}; start one first"
            raise RequestRefused(m.Failure(m.ErrorCode.WRONG_STATE, message, path="lanes"))
        return context

    def _predict(self, body: Predict) -> m.Reply:
        form = self._checked(body)
        contexts = [self._context(lane) for lane in body.lanes]
        observation = self._decode(body, form)
        request = PredictRequest(
            self._fitted,
            form,
            observation,
            body.observation.slabs,
            contexts,
            self._reply,
            body.max_chunk_length,
            EpisodeFacts(body.steps, self._decode_observed(body), self._decode_prefixes(body)),
        )
        self._thread.ask(request)
        if request.reply is None:
            assert request.error is not None
            return self._failure(request.error, form)
        return request.reply

    def _reply(self, request: PredictRequest) -> m.Reply:
        """Return the reply that has the actions."""
        try:
            actions = self._encode(request)
        except (InvalidValueError, CodecError) as error:
            return failure_of_value(m.ErrorCode.INVALID_RESULT, error)
        for context in request.contexts:
            context.step += request.length or 1
        info = with_reports(m.NO_INFO, self._action.take_reports())
        return Predicted(actions, request.length, info, round(request.seconds * 1e6))

    def _checked(self, body: Predict) -> PredictForm:
        """Return the form of a request that breaks no rule of P-8 and M-1."""
        available, form, lanes = self._fitted.forms.available, body.form, body.lanes
        if form is None or form not in available:
            offered = ", ".join(f.value for f in PredictForm if f in available)
            got = "one of a newer spec" if form is None else form.value
            raise _refused("P-8", "form", f"one of {offered}", got, m.ErrorCode.UNSUPPORTED)
        expected = "exactly one lane" if form in _OF_ONE else "distinct lanes, one at least"
        if not lanes or len(set(lanes)) != len(lanes) or (form in _OF_ONE and len(lanes) > 1):
            got = f"{len(lanes)} ({len(set(lanes))} distinct)"
            raise _refused("P-8", "lanes", expected, got)
        length, limit = body.max_chunk_length, f"at most {MAX_CHUNK}"
        if length > MAX_CHUNK:
            raise _refused("M-1", "max_chunk_length", limit, length)
        self._check_observed(body)
        self._check_prefix(body)
        return form

    def _check_observed(self, body: Predict) -> None:
        """Raise if steps or earlier observations break a rule of P-14, P-15 and M-1."""
        lanes, counts, observed = len(body.lanes), body.observed_counts, body.observed
        each = f"one for each of {lanes} lanes"
        if len(body.steps) not in (0, lanes):
            got = str(len(body.steps))
            raise _refused("P-14", "steps", f"none, or {each}", got)
        if observed is None and not counts:
            return
        if not self._fitted.forms.can_observe:
            expected = "none for a stateful model without a method `observe`"
            raise _refused("P-17", "observed", expected, "some", m.ErrorCode.UNSUPPORTED)
        if len(counts) != lanes or not body.steps:
            got = f"{len(counts)}, and {len(body.steps)} steps"
            raise _refused("P-15", "observed_counts", f"{each}, and steps", got)
        _check_sum("P-15", "observed", counts, observed)

    def _check_prefix(self, body: Predict) -> None:
        """Raise if the prefix breaks a rule of P-18 and M-1."""
        counts, committed, prefix = body.prefix_counts, body.committed_counts, body.prefix
        if prefix is None and not counts and not committed:
            return
        if not self._fitted.forms.takes_prefix:
            expected = "none for a model that does not receive it"
            raise _refused("P-18", "prefix", expected, "one", m.ErrorCode.UNSUPPORTED)
        if not len(counts) == len(committed) == len(body.lanes):
            each = f"one for each of {len(body.lanes)} lanes, and as many committed_counts"
            got = f"{len(counts)}, and {len(committed)}"
            raise _refused("P-18", "prefix_counts", each, got)
        if any(number > count for number, count in zip(committed, counts)):
            most = "at most the prefix_counts of the same lane"
            raise _refused("P-18", "committed_counts", most, "more")
        _check_sum("P-18", "prefix", counts, prefix)

    def _decode(self, body: Predict, form: PredictForm) -> Any:
        slabs, size = body.observation
        expected = None if form in _OF_ONE else len(body.lanes)
        try:
            if size != expected:
                got = batch_words(size)
                raise CodecError.of_rule("P-9", batch_words(expected), got, path="observation")
            if size is None:
                return self._observation.decode(slabs)
            return self._observation.decode_batch(slabs, size)
        except (CodecError, InvalidValueError) as error:
            raise RequestRefused(failure_of_value(m.ErrorCode.INVALID_VALUE, error)) from error

    def _decode_observed(self, body: Predict) -> list[list[Any]]:
        """Return the earlier observations of each lane."""
        return _decode_by_lane(self._observed, body.observed, body.observed_counts)

    def _decode_prefixes(self, body: Predict) -> list[ActionPrefix]:
        """Return the actions that the prediction of each lane continues."""
        by_lane = _decode_by_lane(self._prefix, body.prefix, body.prefix_counts)
        return [ActionPrefix(tuple(a), n) for a, n in zip(by_lane, body.committed_counts)]

    def _encode(self, request: PredictRequest) -> m.Encoded:
        count = request.count * (request.length or 1)
        if request.is_batch:
            slabs = self._action.encode_batch(request.actions, count)
        else:
            slabs = self._action.encode(request.actions)
        # The slabs of one value are those of a batch of one (V-1). They may be the model's memory.
        size = None if request.is_single and not request.is_chunked else count
        return m.Encoded([bytes(slab) for slab in slabs], size)

    def _failure(self, error: BaseException, form: PredictForm) -> m.Failure:
        """Return the failure for an exception of the model, or of its adapter."""
        if isinstance(error, InvalidValueError):
            if error.side == "observation":
                return failure_of_value(m.ErrorCode.INVALID_VALUE, error, "P-11")
            if error.side == "action":
                return failure_of_value(m.ErrorCode.INVALID_RESULT, error)
        expose_tracebacks = self._expose_tracebacks
        return failure_of_exception(error, METHODS[form], expose_traceback=expose_tracebacks)


def _check_sum(rule: str, name: str, counts: Sequence[int], values: m.Encoded | None) -> None:
    """Raise if a batch has not as many values as the counts of its lanes together, or too many."""
    total, size = sum(counts), None if values is None else values.batch_size
    if total != size:
        expected = f"a batch of {total}, the sum of {name}_counts"
        got = "none" if values is None else batch_words(size)
        raise _refused(rule, name, expected, got)
    if total > MAX_OBSERVED:
        raise _refused("M-1", name, f"at most {MAX_OBSERVED}", total)


def _decode_by_lane(
    codec: SpaceCodec, values: m.Encoded | None, counts: Sequence[int]
) -> list[list[Any]]:
    """Return the values of each lane; nothing if there are none."""
    if values is None:
        return []
    slabs, size = values
    try:
        flat = codec.decode_values(slabs, size or 0)
    except (CodecError, InvalidValueError) as error:
        raise RequestRefused(failure_of_value(m.ErrorCode.INVALID_VALUE, error)) from error
    return [flat[end - count : end] for count, end in zip(counts, accumulate(counts))]


def _refused(
    rule: str, path: str, expected: str, actual: object, code: m.ErrorCode | None = None
) -> RequestRefused:
    """Return the refusal of a request that breaks a rule: over a limit, or malformed by default."""
    if code is None:
        code = m.ErrorCode.LIMIT_EXCEEDED if rule == "M-1" else m.ErrorCode.MALFORMED
    error = CodecError.of_rule(rule, expected, str(actual), path=path)
    return RequestRefused(failure_of_value(code, error))
