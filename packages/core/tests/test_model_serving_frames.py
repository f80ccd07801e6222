"""Frames of a model's session: golden bytes, there and back, damage and noise."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from rlmesh_proto.model.v1 import model_pb2
from rlmesh_proto.spaces.v1 import space_pb2

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
from rlmesh.adapters import Adaptation, ModelSpec, PredictForm
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError
from rlmesh.spaces import Box, Discrete
from rlmesh.specs import Capability, EnvContract, PeerInfo, SessionTerms
from tests.cases import for_each

FRAMES = ModelWireCodec(NATIVE)
PEER = PeerInfo("1.0.0", "", "test", frozenset({Capability.BATCH, Capability.RESUME}), "me")
CONTRACT = EnvContract("e", Box(-1, 1, (2,), "float32"), Discrete(3))
SPEC = ModelSpec("m", predict_forms=tuple(PredictForm), adaptation=Adaptation.NONE)
REQUESTS: list[m.RequestBody] = [
    m.Open(PEER, wait=1.5, contract=CONTRACT),
    m.Open(PEER, m.Resume("id", b"key", 7)),
    StartEpisode(0),
    StartEpisode(65_535, "name é", 0, ""),
    StartEpisode(3, "x", 2**64 - 1, "lift it"),
    *(
        Predict(form, tuple(range(n)), m.Encoded([b"12", b""], batch), most)
        for form, n, batch, most in [
            (PredictForm.SINGLE, 1, None, 0),
            (PredictForm.BATCH, 3, 3, 0),
            (PredictForm.CHUNK, 1, None, 65_536),
            (PredictForm.CHUNK_BATCH, 2, 2, 1),
        ]
    ),
    Predict(None, (), m.Encoded([])),
    Predict(
        PredictForm.CHUNK_BATCH,
        (0, 2),
        m.Encoded([b"12"], 2),
        4,
        (2**63 - 1, 3),
        (1, 0),
        m.Encoded([b"1"], 1),
    ),
    EndEpisode(0),
    EndEpisode(2**32 - 1),
    m.Close(),
]
REPLIES: list[m.Reply] = [
    m.Failure(3, "words", path="observation", expected="a", actual="b", session_closed=True),
    m.Opened(PEER, "id", SPEC, SessionTerms(30.0, 2**28, 5.0), b"k" * 16),
    m.Opened(PEER, "id", None, SessionTerms(30.0), b"k" * 16, 12),
    EpisodeStarted(),
    Predicted(m.Encoded([b"12"]), call_us=2**40),
    Predicted(m.Encoded([b"", b"3"], 4), 2, {"sure": 0.5}, 1),
    EpisodeEnded(),
    m.Closed(),
]


@for_each("sequence", [0, 1, 127, 128, 2**63])
@pytest.mark.parametrize("body", REQUESTS, ids=lambda body: type(body).__name__)
def test_requests_come_back(body: m.RequestBody, sequence: int) -> None:
    request = m.Request(sequence, body)
    assert FRAMES.read_request(FRAMES.write_request(request)) == request


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: type(reply).__name__)
def test_replies_come_back(reply: m.Reply) -> None:
    sequence, again = FRAMES.read_reply(FRAMES.write_reply(9, reply, call_us=77))
    assert sequence == 9 and again == reply


GOLDEN: list[tuple[m.Request, str]] = [
    (m.Request(1, StartEpisode(0)), "08 01 22 00"),
    (m.Request(1, StartEpisode(1, "a", 0, "b")), "08 01 22 0a 08 01 12 01 61 18 00 22 01 62"),
    (
        m.Request(2, Predict(PredictForm.SINGLE, (0,), m.Encoded([b"\1\0"]))),
        "08 02 2a 0b 08 01 12 01 00 1a 04 0a 02 01 00",
    ),
    (
        m.Request(3, Predict(PredictForm.CHUNK_BATCH, (2, 5), m.Encoded([b"\1\2"], 2), 8)),
        "08 03 2a 10 08 04 12 02 02 05 1a 06 0a 02 01 02 10 02 20 08",
    ),
    (m.Request(4, EndEpisode(0)), "08 04 32 00"),
    (m.Request(5, m.Close()), "08 05 3a 00"),
]


@pytest.mark.parametrize(("request_", "golden"), GOLDEN, ids=lambda x: str(x)[:24])
def test_golden_requests(request_: m.Request, golden: str) -> None:
    assert bytes(FRAMES.write_request(request_)).hex(" ") == golden


def test_golden_replies() -> None:
    predicted = Predicted(m.Encoded([b"\7"], 1), 1, call_us=5)
    assert bytes(FRAMES.write_reply(2, predicted)).hex(" ") == (
        "08 02 10 05 32 09 0a 05 0a 01 07 10 01 10 01"
    )
    assert bytes(FRAMES.write_reply(1, EpisodeStarted())).hex(" ") == "08 01 2a 00"
    assert bytes(FRAMES.write_reply(3, EpisodeEnded())).hex(" ") == "08 03 3a 00"
    assert bytes(FRAMES.write_reply(4, m.Closed())).hex(" ") == "08 04 42 00"


def test_a_description_comes_back() -> None:
    terms = SessionTerms(1.0, 100, 2.0)
    data = FRAMES.write_description(PEER, SPEC, terms)
    assert FRAMES.read_description(data) == (PEER, SPEC, terms)
    assert FRAMES.read_server(data) == PEER


def test_what_is_missing_is_malformed_and_named() -> None:
    predict = model_pb2.SessionRequest(sequence=3, predict=model_pb2.PredictRequest(form=1))
    assert FRAMES.read_request(predict.SerializeToString()) == m.Request(
        3,
        m.Malformed("predict", "observation: G-8: a prediction has no observation", "observation"),
    )
    opened = model_pb2.SessionRequest(open=model_pb2.OpenRequest())
    body: Any = FRAMES.read_request(opened.SerializeToString()).body
    assert isinstance(body, m.Malformed) and body.path == "header"
    nothing: Any = FRAMES.read_request(b"\x08\x01").body
    assert isinstance(nothing, m.Unsupported)
    with pytest.raises(CodecError, match="actions"):
        FRAMES.read_reply(b"\x32\x00")
    with pytest.raises(CodecError, match="to no request"):
        FRAMES.read_reply(b"\x08\x01")


def test_a_contract_that_breaks_a_rule_is_told_after_the_rest_of_the_handshake() -> None:
    frame = model_pb2.SessionRequest()
    frame.ParseFromString(bytes(FRAMES.write_request(m.Request(0, REQUESTS[0]))))
    frame.open.contract.num_envs = 0
    body: Any = FRAMES.read_request(frame.SerializeToString()).body
    assert isinstance(body, m.Open) and body.contract is None and body.client == PEER
    assert body.fault is not None and body.fault.path == "num_envs"
    frame.open.contract.Clear()
    frame.open.contract.num_envs = 1
    body = FRAMES.read_request(frame.SerializeToString()).body
    assert body.fault is not None and body.fault.path == "observation_space"


def test_a_contract_of_a_newer_spec_is_unsupported_and_not_malformed() -> None:
    def fault(change: Callable[[Any], object]) -> tuple[int, str]:
        frame = model_pb2.SessionRequest()
        frame.ParseFromString(bytes(FRAMES.write_request(m.Request(0, REQUESTS[0]))))
        change(frame.open.contract)
        body: Any = FRAMES.read_request(frame.SerializeToString()).body
        return body.fault.code, body.fault.path

    def unknown_kind(contract: Any) -> None:
        contract.action_space.CopyFrom(space_pb2.Space.FromString(b"\xfa\x3e\x00"))

    def dtype(number: int) -> Callable[[Any], object]:
        return lambda contract: contract.action_space.CopyFrom(
            space_pb2.Space(discrete=space_pb2.Discrete(n=2, dtype=number))  # type: ignore[arg-type]
        )

    unsupported, malformed = m.ErrorCode.UNSUPPORTED, m.ErrorCode.MALFORMED
    assert fault(unknown_kind) == (unsupported, "action_space")
    assert fault(dtype(99)) == (unsupported, "action_space")
    assert fault(dtype(0)) == (malformed, "action_space")
    assert fault(lambda contract: contract.ClearField("action_space")) == (
        malformed,
        "action_space",
    )


def test_a_resume_ignores_the_contract() -> None:
    resume = replace(REQUESTS[1], contract=CONTRACT)  # type: ignore[type-var]
    assert FRAMES.read_request(FRAMES.write_request(m.Request(0, resume))).body == REQUESTS[1]


def test_what_is_no_request_of_a_model_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="Reset cannot be sent to a model"):
        FRAMES.write_request(m.Request(1, m.Reset()))
    with pytest.raises(TypeError, match="ResetDone is no answer of a model"):
        FRAMES.write_reply(1, m.ResetDone(m.Encoded([])))


def damaged(frame: bytes, chance: random.Random) -> bytes:
    """A frame that lacks, has too much, or has other bits."""
    data = bytearray(frame)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at:at] = chance.randbytes(chance.randint(1, 6))
        elif kind == 2:
            del data[at : at + chance.randint(1, 4)]
        elif at < len(data):
            data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


def noises(frames: list[bytes]) -> Iterator[bytes]:
    chance = random.Random(11)
    for frame in frames:
        for _ in range(300):
            yield damaged(frame, chance)
    for _ in range(1000):
        yield chance.randbytes(chance.randint(0, 40))


def test_damage_and_noise_are_refused_or_read_as_what_can_be_written_again() -> None:
    read = 0
    for data in noises([bytes(FRAMES.write_request(m.Request(5, body))) for body in REQUESTS]):
        try:
            request = FRAMES.read_request(data)
        except CodecError:
            continue
        if isinstance(request.body, (m.Malformed, m.Unsupported, m.Describe)):
            continue
        if isinstance(request.body, m.Open) and request.body.fault is not None:
            continue
        read += 1
        again = FRAMES.read_request(FRAMES.write_request(request))
        assert again.sequence == request.sequence and type(again.body) is type(request.body)
    assert read > 300, "some damage leaves a frame"


def test_damaged_and_noisy_replies_are_refused_or_read() -> None:
    refused = 0
    for data in noises([bytes(FRAMES.write_reply(5, reply)) for reply in REPLIES]):
        try:
            FRAMES.read_reply(data)
        except CodecError:
            refused += 1
    assert refused > 300
