"""Transcripts of sessions with one model, `sum`; see vectors/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlmesh_proto.model.v1 import model_pb2, spec_pb2
from rlmesh_proto.session.v1 import error_pb2, handshake_pb2

from ..transcripts import (
    RESUME,
    Event,
    Step,
    Transcript,
    client,
    contract,
    failure,
    integers,
    opened_header,
    opens,
    peer,
    server,
)

__all__ = ["MODELS"]

CAPABLE = (
    RESUME,
    handshake_pb2.CAPABILITY_BATCH,
    handshake_pb2.CAPABILITY_EPISODE_STEPS,
    handshake_pb2.CAPABILITY_OBSERVE,
    handshake_pb2.CAPABILITY_ACTION_PREFIX,
)
E = error_pb2
SINGLE, BATCH = spec_pb2.PREDICT_FORM_SINGLE, spec_pb2.PREDICT_FORM_BATCH
CHUNK, CHUNK_BATCH = spec_pb2.PREDICT_FORM_CHUNK, spec_pb2.PREDICT_FORM_CHUNK_BATCH


def request(number: int, **body: Any) -> model_pb2.SessionRequest:
    return model_pb2.SessionRequest(sequence=number, **body)


def answer(number: int, **body: Any) -> model_pb2.SessionResponse:
    return model_pb2.SessionResponse(sequence=number, **body)


def opened() -> model_pb2.OpenResponse:
    made = model_pb2.OpenResponse(header=opened_header(*CAPABLE))
    made.spec.id, made.spec.spec_version = "sum", peer().spec_version
    made.spec.predict_forms.extend((SINGLE, BATCH))
    made.spec.adaptation = spec_pb2.ADAPTATION_NONE
    made.spec.stateful = True
    return made


def open_step() -> list[Step]:
    route = model_pb2.OpenRequest(header=opens(), contract=contract("Count"))
    return [client(request(0, open=route)), server(answer(0, open=opened()))]


def start(number: int, lane: int) -> list[Step]:
    body = model_pb2.StartEpisodeRequest(lane=lane, episode_id=f"e{lane}", seed=7)
    started = model_pb2.StartEpisodeResponse()
    return [
        client(request(number, start_episode=body)),
        server(answer(number, start_episode=started)),
    ]


def predict(number: int, count: int, action: int, connection: int = 1, **more: Any) -> list[Step]:
    body = model_pb2.PredictRequest(form=SINGLE, lanes=[0], observation=integers(count), **more)
    predicted = model_pb2.PredictResponse(actions=integers(action))
    return [
        client(request(number, predict=body), connection),
        server(answer(number, predict=predicted), connection),
    ]


def close(number: int, connection: int = 1) -> list[Step]:
    return [
        client(request(number, close=model_pb2.CloseRequest()), connection),
        server(answer(number, close=model_pb2.CloseResponse()), connection),
        Event("ended", connection),
    ]


def _models() -> Iterator[Transcript]:
    both = model_pb2.PredictRequest(
        form=BATCH, lanes=[1, 0], observation=integers(2, 1, batch=True)
    )
    actions = model_pb2.PredictResponse(actions=integers(2, 2, batch=True))
    end = model_pb2.EndEpisodeRequest(lane=0)
    none = model_pb2.PredictRequest(form=SINGLE, lanes=[0], observation=integers(1))
    episodes: list[Step] = [
        *open_step(),
        *start(1, 0),
        *predict(2, 1, 1),
        *start(3, 1),
        client(request(4, predict=both)),
        server(answer(4, predict=actions)),
        client(request(5, end_episode=end)),
        server(answer(5, end_episode=model_pb2.EndEpisodeResponse())),
        client(request(6, predict=none)),
        server(answer(6, error=failure(E.ERROR_CODE_WRONG_STATE, path="lanes"))),
    ]
    yield Transcript("episodes in two lanes", "sum", [*episodes, *close(7)])
    observed: dict[str, Any] = {
        "steps": [3],
        "observed_counts": [2],
        "observed": integers(1, 2, batch=True),
    }
    observing: list[Step] = [
        *open_step(),
        *start(1, 0),
        *predict(2, 1, 1),
        *predict(3, 1, 2, **observed),
    ]
    yield Transcript("observations without an action", "sum", [*observing, *close(4)])
    header = model_pb2.OpenRequest(header=opens(2))
    resumed = model_pb2.OpenResponse(header=opened_header(*CAPABLE, received=2))
    lost: list[Step] = [
        *open_step(),
        *start(1, 0),
        predict(2, 1, 1)[0],
        Event("lost", 1),
        client(request(0, open=header), 2),
        server(answer(0, open=resumed), 2),
        *predict(2, 1, 1, 2),
        *predict(3, 1, 2, 2),
    ]
    yield Transcript("a prediction is lost, and sent again", "sum", [*lost, *close(4, 2)])
    refused: list[Step] = [
        client(request(0, open=model_pb2.OpenRequest(header=opens()))),
        server(
            answer(0, error=failure(E.ERROR_CODE_MALFORMED, session_closed=True, path="contract"))
        ),
        Event("ended", 1),
    ]
    yield Transcript("an open without a contract", "sum", refused, raw=True)
    yield Transcript("chunks of actions", "ramp", _chunks())
    yield Transcript("chunks that continue a prefix", "ramp", _prefixes())
    yield Transcript("a prefix that breaks a rule", "ramp", _broken_prefixes(), raw=True)


def _open_ramp() -> list[Step]:
    made = model_pb2.OpenResponse(header=opened_header(*CAPABLE))
    made.spec.id, made.spec.spec_version = "ramp", peer().spec_version
    made.spec.predict_forms.extend((SINGLE, BATCH, CHUNK, CHUNK_BATCH))
    made.spec.adaptation = spec_pb2.ADAPTATION_NONE
    made.spec.chunk_length = 3
    return [open_step()[0], server(answer(0, open=made))]


def _chunk(length: int, *actions: int) -> model_pb2.PredictResponse:
    return model_pb2.PredictResponse(actions=integers(*actions, batch=True), chunk_length=length)


def _chunks() -> list[Step]:
    """Return a session with `ramp`, which answers with chunks."""
    whole = model_pb2.PredictRequest(form=CHUNK, lanes=[0], observation=integers(1))
    short = model_pb2.PredictRequest(
        form=CHUNK, lanes=[0], observation=integers(2), max_chunk_length=2
    )
    both = model_pb2.PredictRequest(
        form=CHUNK_BATCH, lanes=[0, 1], observation=integers(0, 1, batch=True)
    )

    return [
        *_open_ramp(),
        *start(1, 0),
        client(request(2, predict=whole)),
        server(answer(2, predict=_chunk(3, 1, 2, 0))),
        client(request(3, predict=short)),
        server(answer(3, predict=_chunk(2, 2, 0))),
        *start(4, 1),
        client(request(5, predict=both)),
        server(answer(5, predict=_chunk(3, 0, 1, 2, 1, 2, 0))),
        *predict(6, 1, 1),
        *close(7),
    ]


def _prefixes() -> list[Step]:
    """Return a session with `ramp`: its chunks begin with the committed actions."""
    one = model_pb2.PredictRequest(
        form=CHUNK,
        lanes=[0],
        observation=integers(1),
        steps=[2],
        prefix_counts=[2],
        prefix=integers(2, 0, batch=True),
        committed_counts=[1],
    )
    both = model_pb2.PredictRequest(
        form=CHUNK_BATCH,
        lanes=[0, 1],
        observation=integers(0, 1, batch=True),
        prefix_counts=[1, 0],
        prefix=integers(1, batch=True),
        committed_counts=[1, 0],
    )
    without = model_pb2.PredictRequest(form=CHUNK, lanes=[0], observation=integers(1))
    return [
        *_open_ramp(),
        *start(1, 0),
        client(request(2, predict=one)),
        server(answer(2, predict=_chunk(3, 2, 2, 0))),
        *start(3, 1),
        client(request(4, predict=both)),
        server(answer(4, predict=_chunk(3, 1, 1, 2, 1, 2, 0))),
        client(request(5, predict=without)),
        server(answer(5, predict=_chunk(3, 1, 2, 0))),
        *close(6),
    ]


def _broken_prefixes() -> list[Step]:
    """Return a session with requests that break P-18, each in another way."""
    committed = {"prefix_counts": [1], "committed_counts": [1]}
    two, three = integers(0, 1, batch=True), integers(3, batch=True)
    broken: list[tuple[dict[str, Any], E.ErrorCode.ValueType, str]] = [
        (committed, E.ERROR_CODE_MALFORMED, "prefix"),
        ({**committed, "prefix": two}, E.ERROR_CODE_MALFORMED, "prefix"),
        ({"prefix": two}, E.ERROR_CODE_MALFORMED, "prefix_counts"),
        (
            {"prefix": two, "prefix_counts": [2], "committed_counts": [3]},
            E.ERROR_CODE_MALFORMED,
            "committed_counts",
        ),
        ({**committed, "prefix": three}, E.ERROR_CODE_INVALID_VALUE, "prefix"),
    ]
    steps = [*_open_ramp(), *start(1, 0)]
    for number, (fields, code, path) in enumerate(broken, 2):
        body = model_pb2.PredictRequest(form=CHUNK, lanes=[0], observation=integers(1), **fields)
        steps.append(client(request(number, predict=body)))
        steps.append(server(answer(number, error=failure(code, path=path))))
    return [*steps, *close(7)]


MODELS = tuple(_models())
