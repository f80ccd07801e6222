"""Target: frames that a model's client sends, over one connection after another."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rlmesh_proto.model.v1 import model_pb2

from rlmesh._messages import env as m
from rlmesh._messages.model import EpisodeEnded, EpisodeStarted, Predicted
from rlmesh._model_host.fitted_model import FittedModelCache
from rlmesh._model_host.model_servicer import (
    MAX_CHUNK,
    MAX_LANES,
    MAX_NAME_BYTES,
    MAX_OBSERVED,
)
from rlmesh._model_host.servicer_provider import ModelServicerProvider
from rlmesh._policy.forms import EpisodeContext, ModelForms
from rlmesh._session.session_manager import SessionManager
from rlmesh._wire.contract import contract_from_wire
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.model_spec import predict_form_from_wire
from rlmesh.acting import ActionPrefix
from rlmesh.adapters import ModelSpec, PredictForm
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError, SpaceError, UnsupportedError
from rlmesh.spaces._stacking import unstack
from rlmesh.specs import EnvContract, SessionTerms
from rlmesh.tensor import Tensor
from tests.fuzz.connections import GRACE_SECONDS, play
from tests.fuzz.environments import PEER, LaneEnv, one_version
from tests.fuzz.oracle import Endpoint, Stream, code_of
from tests.fuzz.parts import split
from tests.fuzz.sessions import RESUMABLE

__all__ = ["ACTION", "ACTIONS", "CONTRACT", "OBSERVATION", "OBSERVATIONS", "run"]

OBSERVATIONS, ACTIONS = LaneEnv.single_action_space, LaneEnv.single_observation_space

OBSERVATION, ACTION = (
    (1, "ab", Tensor(bytes(2), "bool", (2,))),
    {"eye": Tensor(bytes(4), "uint8", (2, 2))},
)
"""A value of each space."""

CONTRACT = EnvContract("lanes", OBSERVATIONS, ACTIONS)
"""The only contract that the model takes, whatever its id and metadata are."""

CHUNK = 3
"""Actions of a chunk that the model returns."""

_CODEC = ModelWireCodec(NATIVE)
Code = m.ErrorCode


def run(data: bytes) -> None:
    """Choose by one byte whether sessions can be resumed, and send the frames."""
    model, provider = _served()
    model.faults.clear()
    terms = SessionTerms(GRACE_SECONDS if data and data[0] & RESUMABLE else 0.0)
    manager = SessionManager(
        ModelSpec("noting"), PEER, terms, provider, _CODEC, expose_tracebacks=False
    )
    endpoint = Endpoint(manager, lambda: model.calls, lambda: model.faults, ModelStream)
    with one_version(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the (tags|reward_range) of")
        play(endpoint, split(data[1:]), m.Open(PEER, contract=CONTRACT))


class NotingModel:
    """A model that records what is not of its observation space.

    Attributes:
        faults: What came although it must not.
        calls: Number of calls.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.calls = 0

    def predict(self, observation: Any, context: EpisodeContext) -> Any:
        self._note([observation], [context])
        return ACTION

    def predict_batch(self, observations: Any, contexts: Sequence[EpisodeContext]) -> Any:
        self._note(unstack(OBSERVATIONS, observations), contexts)
        return _stacked(len(contexts))

    def predict_chunk(self, observation: Any, context: EpisodeContext) -> Any:
        self._note([observation], [context])
        return _stacked(CHUNK)

    def observe(self, observation: Any, context: EpisodeContext) -> None:
        self._check([observation], [context])

    def _note(self, observations: list[Any] | None, contexts: Sequence[EpisodeContext]) -> None:
        self.calls += 1
        self._check(observations, contexts)

    def _check(self, observations: list[Any] | None, contexts: Sequence[EpisodeContext]) -> None:
        if observations is None or len(observations) != len(contexts):
            self.faults.append(f"{observations!r} for {len(contexts)} episodes")
        elif not all(map(OBSERVATIONS.contains, observations)):
            self.faults.append(f"observations {observations!r}")
        if len({id(context) for context in contexts}) != len(contexts):
            self.faults.append("an episode came twice in one call")
        if any(context.step < 0 for context in contexts):
            self.faults.append("a step is below 0")
        prefixes = (context.action_prefix for context in contexts)
        if not all(prefix is None or _is_prefix(prefix) for prefix in prefixes):
            self.faults.append("a prefix breaks a rule")


class ModelStream(Stream):
    """A connection to the model."""

    client = _CODEC
    message = model_pb2.SessionRequest

    def _handshake(self, request: Any) -> Any:
        return request.open.header

    def _refusals_of_new(self, request: Any) -> set[int | None]:
        """See `Stream`: a contract is read before a model is fitted to it (P-3)."""
        try:
            if not request.open.HasField("contract"):
                return {Code.MALFORMED}
            contract = contract_from_wire(request.open.contract, NATIVE)
        except (CodecError, SpaceError):
            return {Code.MALFORMED, Code.UNSUPPORTED}
        return set() if _fits(contract) else {Code.UNSUPPORTED}

    def _check_kind(self, kind: str, request: Any, reply: m.Reply, called: int) -> None:
        assert self._session is not None
        lanes = self._session.lanes
        codes = {
            "start_episode": _start_refusals,
            "end_episode": _end_refusals,
            "predict": _predict_refusals,
        }[kind](getattr(request, kind), lanes)
        if codes:
            assert code_of(reply) in codes and not called, f"{reply} to {request}"
        elif kind == "start_episode":
            assert isinstance(reply, EpisodeStarted) and not called
            lanes.add(request.start_episode.lane)
        elif kind == "end_episode":
            assert isinstance(reply, EpisodeEnded) and not called
            lanes.discard(request.end_episode.lane)
        elif code_of(reply) == Code.INVALID_VALUE:
            assert not called
        else:
            assert called == 1 and isinstance(reply, Predicted), f"{reply} to {request}"
            _check_prediction(request.predict, reply)


def _is_prefix(prefix: ActionPrefix) -> bool:
    return prefix.committed <= len(prefix.actions) and all(map(ACTIONS.contains, prefix.actions))


def _start_refusals(body: Any, lanes: set[int]) -> set[int]:
    too_long = len(body.episode_id.encode()) > MAX_NAME_BYTES
    return {Code.LIMIT_EXCEEDED} if body.lane >= MAX_LANES or too_long else set()


def _end_refusals(body: Any, lanes: set[int]) -> set[int]:
    return set() if body.lane in lanes else {Code.WRONG_STATE}


def _predict_refusals(body: Any, lanes: set[int]) -> set[int]:
    """Return the codes of each rule that the request breaks (P-8, M-1); it gets one of them."""
    if not body.HasField("observation"):
        return {Code.MALFORMED}
    codes: set[int] = set()
    form = predict_form_from_wire(body.form)
    if form is None:
        return {Code.UNSUPPORTED}
    if form is PredictForm.CHUNK_BATCH:  # The model has none to derive it from.
        return {Code.UNSUPPORTED}
    single = form is not PredictForm.BATCH
    distinct = len(set(body.lanes)) == len(body.lanes)
    if not body.lanes or not distinct or (single and len(body.lanes) > 1):
        codes.add(Code.MALFORMED)
    if body.max_chunk_length > MAX_CHUNK:
        codes.add(Code.LIMIT_EXCEEDED)
    if not lanes.issuperset(body.lanes):
        codes.add(Code.WRONG_STATE)
    size = body.observation.batch_size if body.observation.HasField("batch_size") else None
    if size != (None if single else len(body.lanes)):
        codes.add(Code.INVALID_VALUE)
    return codes | _observed_refusals(body) | _prefix_refusals(body)


def _observed_refusals(body: Any) -> set[int]:
    """Return the codes of the rules of steps and earlier observations (P-14, P-15, M-1)."""
    codes: set[int] = set()
    counts, has_observed = body.observed_counts, body.HasField("observed")
    if len(body.steps) not in (0, len(body.lanes)):
        codes.add(Code.MALFORMED)
    if has_observed or counts:
        size = body.observed.batch_size if body.observed.HasField("batch_size") else None
        if len(counts) != len(body.lanes) or not body.steps or sum(counts) != size:
            codes.add(Code.MALFORMED)
        if sum(counts) > MAX_OBSERVED:
            codes.add(Code.LIMIT_EXCEEDED)
    return codes


def _prefix_refusals(body: Any) -> set[int]:
    """Return the codes of the rules of a prefix (P-18, M-1)."""
    codes: set[int] = set()
    counts, committed = body.prefix_counts, body.committed_counts
    if body.HasField("prefix") or counts or committed:
        size = body.prefix.batch_size if body.prefix.HasField("batch_size") else None
        if not len(counts) == len(committed) == len(body.lanes) or sum(counts) != size:
            codes.add(Code.MALFORMED)
        if any(number > count for number, count in zip(committed, counts)):
            codes.add(Code.MALFORMED)
        if sum(counts) > MAX_OBSERVED:
            codes.add(Code.LIMIT_EXCEEDED)
    return codes


def _check_prediction(body: Any, reply: Predicted) -> None:
    form = predict_form_from_wire(body.form)
    length = min(CHUNK, body.max_chunk_length or CHUNK) if form is PredictForm.CHUNK else 0
    assert reply.chunk_length == length
    count = len(body.lanes) if form is PredictForm.BATCH else length or None
    assert reply.actions.batch_size == count


def _fits(contract: EnvContract) -> bool:
    return (contract.observation_space, contract.action_space) == (OBSERVATIONS, ACTIONS)


@lru_cache(maxsize=1)
def _served() -> tuple[NotingModel, ModelServicerProvider]:
    """Return the model, and the provider that has its thread."""
    model = NotingModel()
    forms = ModelForms(model, stateful=True)

    def fit(contract: EnvContract) -> ModelForms:
        if not _fits(contract):
            raise UnsupportedError("the spaces are not those of the model")
        return forms.fitted(contract, NATIVE)

    provider = ModelServicerProvider(
        FittedModelCache(fit, NATIVE, expose_tracebacks=False),
        (4, 0.0),
        "strict",
        1,
        expose_tracebacks=False,
    )
    threading.Thread(target=provider.thread.run, name="fuzz-model", daemon=True).start()
    return model, provider


def _stacked(count: int) -> Any:
    """Return `count` actions as a batch."""
    return {"eye": Tensor(bytes(4 * count), "uint8", (count, 2, 2))}
