"""Transcripts of connections of frames alone (B-15, B-16); each message comes after its length."""

from __future__ import annotations

from collections.abc import Iterator

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2, frames_pb2

from ..transcripts import TERMS, Event, Step, Transcript, client, contract, failure, peer, server
from .sessions_env import CAPABLE, FIRST_RESET, answer, close, open_step, request

__all__ = ["FRAMES"]

ENV, MODEL = "rlmesh.proto.env.v1.EnvService", "rlmesh.proto.model.v1.ModelService"
TOKEN = "s3cret"


def hello(service: str = ENV, token: str = TOKEN) -> Step:
    return client(frames_pb2.FramesHello(service=service, token=token))


def _frames() -> Iterator[Transcript]:
    yield Transcript("a session", "count", [hello(), *open_step(), *FIRST_RESET, *close(2)])
    asked = env_pb2.DescribeRequest(client=peer())
    described = env_pb2.DescribeResponse(
        server=peer(*CAPABLE), contract=contract("Count"), terms=TERMS
    )
    described.contract.exposed.append("count")
    description: list[Step] = [
        hello(),
        client(request(0, describe=asked)),
        server(answer(0, describe=described)),
        Event("ended", 1),
    ]
    yield Transcript("a description", "count", description)
    unknown = failure(
        error_pb2.ERROR_CODE_UNSUPPORTED, session_closed=True, path="service", choices=[ENV]
    )
    wrong = failure(error_pb2.ERROR_CODE_UNAUTHENTICATED, session_closed=True)
    for name, first, refusal in (
        ("another service", hello(MODEL), unknown),
        ("a wrong token", hello(token="secret"), wrong),
    ):
        steps = [first, server(answer(0, error=refusal)), Event("ended", 1)]
        yield Transcript(name, "count", steps, raw=True)


FRAMES = tuple(_frames())
