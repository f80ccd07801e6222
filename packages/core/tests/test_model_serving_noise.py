"""Damaged frames in a model's sessions: each is answered, and others' sessions go on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from rlmesh import Model, ModelServer, ServeOptions
from rlmesh._messages import env as m
from rlmesh._messages.model import EndEpisode, Predict, Predicted, StartEpisode
from rlmesh._session.server_connection import ServerConnection
from rlmesh._session.versions import this_peer
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh.adapters import (
    EnvTags,
    Feature,
    ModelInput,
    ModelOutput,
    ModelSpec,
    PredictForm,
    TaggedLeaf,
)
from rlmesh.backends import NATIVE
from rlmesh.spaces import Box, Dict, Discrete, Sequence, Text
from rlmesh.specs import Capability, EnvContract
from tests.inside import sessions_of

FRAMES = ModelWireCodec(NATIVE)
PEER = this_peer("noise", frozenset({Capability.RESUME}))
TAGS = EnvTags(
    observation=(TaggedLeaf(("x",), Feature("state")),),
    action=(TaggedLeaf((), Feature("move")),),
)
CONTRACT = EnvContract(
    "e",
    Dict(
        {"x": Box(-1, 1, (2,), "float32"), "t": Text(5, min_length=0), "s": Sequence(Discrete(3))}
    ),
    Box(-1, 1, (2,), "float32"),
    tags=TAGS,
)
OBSERVATION = m.Encoded([bytes(8), b"\2\0\0\0", b"ab", bytes(4), b""])


class Still(Model):
    """Moves by nothing, in whatever form."""

    def predict(self, observation: Any) -> Any:  # type: ignore[override]
        return [0.0, 0.0]

    def predict_batch(self, observations: Any) -> Any:
        return [[0.0, 0.0] for _ in observations["t"]]


def conversation() -> list[m.RequestBody]:
    """What a session asks; each of it is right."""
    return [
        m.Open(PEER, contract=CONTRACT),
        StartEpisode(0, "a", 1),
        StartEpisode(1, "b"),
        Predict(PredictForm.SINGLE, (0,), OBSERVATION),
        Predict(PredictForm.SINGLE, (1,), OBSERVATION),
        EndEpisode(1),
        m.Close(),
    ]


def model_of(kind: str) -> Any:
    if kind == "native":
        return Still(None)
    import rlmesh.numpy

    spec = ModelSpec(
        inputs=(ModelInput("state", Feature("state")),),
        outputs=(ModelOutput("", Feature("move")),),
    )
    predict: Callable[[Any], Any] = lambda observation: observation["state"]  # noqa: E731
    return rlmesh.numpy.Model(predict, spec=spec)


@pytest.mark.parametrize("kind", ["native", "adapted"])
def test_damaged_conversations(kind: str) -> None:
    chance = random.Random(3)
    options = ServeOptions("off", max_batch_delay_ms=0, grace_period=0)
    answered = 0
    with ModelServer(model_of(kind), options=options) as server:

        def connect() -> Any:
            return ServerConnection(server._manager, "noise", lambda: None, lambda: True)

        def play(damage: float) -> list[m.Reply]:
            connection, replies = connect(), []
            for sequence, body in enumerate(conversation()):
                frame = bytearray(FRAMES.write_request(m.Request(sequence, body)))
                while chance.random() < damage:
                    at = chance.randrange(len(frame))
                    frame[at] = chance.choice([0, 1, 0xFF, chance.randrange(256)])
                answer = connection.exchange(bytes(frame))
                if answer.frame is not None:
                    replies.append(FRAMES.read_reply(answer.frame)[1])
                if answer.last:
                    break
            connection.lost()
            return replies

        for _ in range(400):
            replies = play(0.3)
            answered += len(replies)
            failures = [reply for reply in replies if isinstance(reply, m.Failure)]
            # Neither a fault of the server nor one of the model: it is asked what is right only.
            faults = (m.ErrorCode.INTERNAL, m.ErrorCode.USER_EXCEPTION)
            assert not [failure for failure in failures if failure.code in faults]
        replies = play(0.0)
    assert answered > 800
    assert [type(reply) for reply in replies[3:5]] == [Predicted, Predicted]
    assert replies[-1] == m.Closed()
    assert sessions_of(server) == {}
