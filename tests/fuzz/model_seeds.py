"""Seeds of the targets of model sessions and of their clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from rlmesh_proto.model.v1 import model_pb2

from rlmesh._codec import SpaceCodec
from rlmesh._messages import env as m
from rlmesh._messages.model import (
    EndEpisode,
    EpisodeEnded,
    EpisodeStarted,
    Predict,
    Predicted,
    StartEpisode,
)
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh.adapters import ModelSpec, PredictForm
from rlmesh.backends import NATIVE
from rlmesh.specs import SessionTerms
from tests.fuzz.connections import LOSE, SWAP
from tests.fuzz.environments import PEER
from tests.fuzz.model_sessions import ACTION, ACTIONS, CONTRACT, OBSERVATION, OBSERVATIONS
from tests.fuzz.oracle import THIS
from tests.fuzz.parts import join
from tests.fuzz.sessions import RESUMABLE

__all__ = ["replies", "sessions"]

_CODEC = ModelWireCodec(NATIVE)


def sessions() -> Iterable[tuple[str, bytes]]:
    """Requests of clients, over one connection or several."""
    episode = [
        StartEpisode(0, "first", 7, "go"),
        _predict(PredictForm.SINGLE, 0),
        StartEpisode(3, "second"),
        _predict(PredictForm.BATCH, 3, 0),
        _predict(PredictForm.CHUNK, 3, most=2),
        _observed(_predict(PredictForm.BATCH, 3, 0), (4, 1), (2, 0)),
        _prefixed(_predict(PredictForm.BATCH, 3, 0), (2, 1), (1, 1)),
        EndEpisode(0),
        _predict(PredictForm.CHUNK_BATCH, 3),
        m.Close(),
    ]
    yield "an-episode", b"\0" + join([_open(), *_requests(episode)])
    for place, body in enumerate(episode):
        yield f"first-{place}-{type(body).__name__}", b"\0" + join([_open(), *_requests([body])])
    other = replace(CONTRACT, action_space=OBSERVATIONS)
    for name, contract in (("other-spaces", other), ("no-contract", None)):
        yield name, b"\0" + join([_open(contract=contract)])
    start, predict, *_, close = _requests([episode[0], episode[1], m.Close()])
    describe_late = model_pb2.SessionRequest(sequence=1)
    describe_late.describe.SetInParent()
    for name, frames in {
        "after-an-answer": [_open(), start, LOSE, _open(2), predict, close],
        "for-an-answer": [_open(), start, predict, LOSE, _open(2), predict, close],
        "taken-over": [_open(), start, SWAP, _open(2), predict, SWAP, predict, SWAP, close],
        "held": [_open(), start, SWAP, _open(), SWAP, predict, close],
        "for-request-0": [_open(), SWAP, _open(0), SWAP, start, predict, close],
        "described-late": [_open(), describe_late.SerializeToString()],
    }.items():
        yield f"resumed/{name}", bytes([RESUMABLE]) + join(frames)


def replies() -> Iterable[tuple[str, bytes]]:
    """Answers of servers."""
    own = m.Opened(PEER, THIS, ModelSpec("own"), SessionTerms(1.0), resume_key=THIS.encode())
    again = replace(own, served=None, received=2)
    answers = [
        EpisodeStarted(),
        Predicted(_encoded(None), call_us=5),
        EpisodeStarted(),
        Predicted(_encoded(2), info={"k": 1.5}),
        Predicted(_encoded(3), 3),
        Predicted(_encoded(4), 2),
        m.Failure(m.ErrorCode.USER_EXCEPTION, "predict() raised KeyError: 'lost'"),
        EpisodeEnded(),
        m.Closed(),
    ]
    frames = [bytes(_CODEC.write_reply(n, reply)) for n, reply in enumerate(answers, 1)]
    yield "an-episode", b"\0" + join(frames)
    yield "other-backend", b"\2" + join(frames)
    opened, resumed = (bytes(_CODEC.write_reply(0, reply)) for reply in (own, again))
    yield "own-open", b"\1" + join([opened, *frames])
    yield "resumed", b"\1" + join([opened, frames[0], LOSE, resumed, frames[1], LOSE])
    description = _CODEC.write_description(PEER, ModelSpec("own"), SessionTerms())
    yield "description", b"\0" + join([description])


def _open(resume: int | None = None, contract: Any = CONTRACT) -> bytes:
    """Return a first frame, which resumes the session to await a number."""
    resumption = None if resume is None else m.Resume(THIS, THIS.encode(), resume)
    body = m.Open(PEER, resumption, contract=None if resume else contract)
    return bytes(_CODEC.write_request(m.Request(0, body)))


def _requests(bodies: list[Any]) -> Iterator[bytes]:
    for number, body in enumerate(bodies, 1):
        yield bytes(_CODEC.write_request(m.Request(number, body)))


def _predict(form: PredictForm, *lanes: int, most: int = 0) -> Predict:
    codec, count = SpaceCodec(OBSERVATIONS, NATIVE, root="observation"), len(lanes)
    if form in (PredictForm.SINGLE, PredictForm.CHUNK):
        return Predict(form, lanes, m.Encoded(codec.encode(OBSERVATION)), most)
    slabs = codec.encode_values([OBSERVATION] * count)
    return Predict(form, lanes, m.Encoded(slabs, count), most)


def _observed(request: Predict, steps: tuple[int, ...], counts: tuple[int, ...]) -> Predict:
    """Return a request with earlier observations."""
    codec, count = SpaceCodec(OBSERVATIONS, NATIVE, root="observed"), sum(counts)
    observed = m.Encoded(codec.encode_values([OBSERVATION] * count), count)
    return replace(request, steps=steps, observed_counts=counts, observed=observed)


def _prefixed(request: Predict, counts: tuple[int, ...], committed: tuple[int, ...]) -> Predict:
    """Return a request with actions to continue."""
    prefix = _encoded(sum(counts))
    return replace(request, prefix_counts=counts, prefix=prefix, committed_counts=committed)


def _encoded(count: int | None) -> m.Encoded:
    """Return one action, or a batch."""
    codec = SpaceCodec(ACTIONS, NATIVE, root="action")
    if count is None:
        return m.Encoded(codec.encode(ACTION))
    return m.Encoded(codec.encode_values([ACTION] * count), count)
