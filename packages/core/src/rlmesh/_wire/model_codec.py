"""Frames of a model's session: bytes <-> requests and replies; see `rlmesh._wire.env_codec`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rlmesh_proto.model.v1 import model_pb2

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._messages import env as m
from rlmesh._messages.model import (
    EndEpisode,
    EpisodeEnded,
    EpisodeStarted,
    Predict,
    Predicted,
    StartEpisode,
)
from rlmesh._wire.contract import (
    contract_from_wire,
    contract_to_wire,
    peer_from_wire,
    peer_to_wire,
    terms_from_wire,
    terms_to_wire,
)
from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh._wire.failures import failure_from_wire, failure_to_wire
from rlmesh._wire.fast_path_predict import read_predict, write_predict
from rlmesh._wire.handshake import read_open, read_opened, write_open, write_opened
from rlmesh._wire.many import read_value, required, write_value
from rlmesh._wire.model_spec import (
    model_spec_from_wire,
    model_spec_to_wire,
    predict_form_from_wire,
)
from rlmesh._wire.parsing import parse_message, request_of
from rlmesh._wire.parts import checked_frame
from rlmesh.adapters import ModelSpec
from rlmesh.backends import ArrayBackend, Buffer
from rlmesh.errors import CodecError, NewerSpecError, SpaceError
from rlmesh.specs import PeerInfo, SessionTerms

__all__ = ["ModelWireCodec"]


class ModelWireCodec:
    """Writes and reads the frames of one endpoint.

    Args:
        backend: Backend of the arrays in infos and metadata.
    """

    def __init__(self, backend: ArrayBackend) -> None:
        self._backend = backend
        self._encoder = DynamicEncoder(backend)

    # Requests: written by the client, read by the server.

    def write_request(
        self, request: m.Request, allocate: FrameAllocator = join_parts, *, aligned: int = 0
    ) -> Frame:
        """Return the frame of a request; see `EnvWireCodec.write_request`."""
        body = request.body
        if isinstance(body, Predict):
            return write_predict(request.sequence, body, allocate, aligned)
        frame = model_pb2.SessionRequest()
        frame.sequence = request.sequence
        if isinstance(body, StartEpisode):
            _write_start(body, frame.start_episode)
        elif isinstance(body, EndEpisode):
            frame.end_episode.SetInParent()
            frame.end_episode.lane = body.lane
        elif isinstance(body, m.Open):
            write_open(body, frame.open.header)
            if body.contract is not None:
                contract_to_wire(body.contract, frame.open.contract, self._encoder)
        elif isinstance(body, m.Describe):
            frame.describe.SetInParent()
        elif isinstance(body, m.Close):
            frame.close.SetInParent()
        else:
            raise TypeError(f"a {type(body).__name__} cannot be sent to a model")
        return frame.SerializeToString()

    def read_request(self, data: Buffer) -> m.Request:
        """Return the request of a frame; see `EnvWireCodec.read_request`.

        Raises:
            CodecError: If it is not a frame.
        """
        predict = read_predict(data)
        if predict is not None:
            return predict
        return request_of(model_pb2.SessionRequest(), data, self._request_readers())

    def _request_readers(self) -> dict[str, Callable[[Any], m.RequestBody]]:
        return {
            "open": self._read_open,
            "describe": lambda _: m.Describe(),
            "start_episode": _read_start,
            "predict": _read_predict,
            "end_episode": lambda message: EndEpisode(message.lane),
            "close": lambda _: m.Close(),
        }

    def _read_open(self, message: model_pb2.OpenRequest) -> m.Open:
        if not message.HasField("header"):
            raise CodecError("an open has no header", path="header", rule="P-2")
        opening = read_open(message.header)
        if opening.resume is not None:
            return opening  # A contract is ignored.
        contract = fault = None
        try:
            if not message.HasField("contract"):
                raise CodecError("a new session has no contract", path="contract", rule="P-3")
            contract = contract_from_wire(message.contract, self._backend)
        except (CodecError, SpaceError) as error:
            newer = isinstance(error, NewerSpecError)
            code = m.ErrorCode.UNSUPPORTED if newer else m.ErrorCode.MALFORMED
            fault = m.Failure(code, str(error), path=error.path)
        return replace(opening, contract=contract, fault=fault)

    # Replies: written by the server, read by the client.

    def write_reply(
        self,
        sequence: int,
        reply: m.Reply,
        call_us: int = 0,
        allocate: FrameAllocator = join_parts,
        *,
        aligned: int = 0,
    ) -> Frame:
        """Return the frame of the reply to request `sequence`.

        `call_us`, which includes the wait for a batch, is not sent: `Predicted` has its own.
        `allocate` and `aligned` are for replies in parts, and a model's replies have none.
        """
        frame = model_pb2.SessionResponse()
        frame.sequence = sequence
        if isinstance(reply, Predicted):
            frame.call_us = reply.call_us
            self._write_predicted(reply, frame.predict)
        elif isinstance(reply, m.Failure):
            failure_to_wire(reply, frame.error)
        elif isinstance(reply, m.Opened):
            self._write_opened(reply, frame.open)
        elif isinstance(reply, EpisodeStarted):
            frame.start_episode.SetInParent()
        elif isinstance(reply, EpisodeEnded):
            frame.end_episode.SetInParent()
        elif isinstance(reply, m.Closed):
            frame.close.SetInParent()
        else:
            raise TypeError(f"a {type(reply).__name__} is no answer of a model")
        return frame.SerializeToString()

    def _write_predicted(self, reply: Predicted, out: model_pb2.PredictResponse) -> None:
        write_value(reply.actions, out.actions)
        out.chunk_length = reply.chunk_length
        if reply.info:
            self._encoder.map(reply.info, out.info, "info")

    def _write_opened(self, opened: m.Opened, out: model_pb2.OpenResponse) -> None:
        write_opened(opened, out.header)
        if opened.served is not None:
            model_spec_to_wire(opened.served, out.spec, self._encoder)

    def read_reply(self, data: Buffer) -> tuple[int, m.Reply]:
        """Return sequence number and reply of a frame.

        Raises:
            CodecError: If it is not a frame, or one that breaks a rule.
        """
        frame = model_pb2.SessionResponse()
        parse_message(frame, data)
        kind = frame.WhichOneof("response") or ""
        if kind == "predict":
            return frame.sequence, self._read_predicted(frame.predict, frame.call_us)
        reader = self._reply_readers().get(kind)
        if reader is None:
            words = f"an answer of kind {kind or '(one of a newer spec)'} to no request"
            raise CodecError(words, rule="Q-2")
        return frame.sequence, reader(getattr(frame, kind))

    def _reply_readers(self) -> dict[str, Callable[[Any], m.Reply]]:
        return {
            "error": failure_from_wire,
            "open": self._read_opened,
            "start_episode": lambda _: EpisodeStarted(),
            "end_episode": lambda _: EpisodeEnded(),
            "close": lambda _: m.Closed(),
        }

    def _read_predicted(self, message: model_pb2.PredictResponse, call_us: int) -> Predicted:
        if not message.HasField("actions"):
            raise CodecError("a prediction has no actions", path="actions", rule="P-9")
        return Predicted(
            read_value(message.actions),
            message.chunk_length,
            map_from_wire(message.info, self._backend, "info"),
            call_us,
        )

    def _read_opened(self, message: model_pb2.OpenResponse) -> m.Opened:
        spec = None
        if message.HasField("spec"):
            spec = model_spec_from_wire(message.spec, self._backend)
        return read_opened(message, spec)

    # Describe: unary, outside of sessions.

    def write_describe_request(self, client: PeerInfo) -> bytes:
        """Return the request of `Describe`."""
        message = model_pb2.DescribeRequest()
        peer_to_wire(client, message.client)
        return message.SerializeToString()

    def write_description(self, server: PeerInfo, served: ModelSpec, terms: SessionTerms) -> bytes:
        """Return the answer of `Describe`; raises LimitError if its receiver would refuse it."""
        message = model_pb2.DescribeResponse()
        peer_to_wire(server, message.server)
        model_spec_to_wire(served, message.spec, self._encoder)
        terms_to_wire(terms, message.terms)
        return checked_frame(message)

    def read_server(self, data: bytes) -> PeerInfo:
        """Return the server that answered `Describe`; its spec version may be incompatible.

        Raises:
            CodecError: If it is no such answer.
        """
        message = model_pb2.DescribeResponse()
        parse_message(message, data)
        return peer_from_wire(message.server)

    def read_description(self, data: bytes) -> tuple[PeerInfo, ModelSpec, SessionTerms]:
        """Return server, spec and terms of an answer of `Describe`.

        Raises:
            CodecError: If it is not one.
        """
        message = model_pb2.DescribeResponse()
        parse_message(message, data)
        server, terms = required(message, "server"), required(message, "terms")
        spec = model_spec_from_wire(required(message, "spec"), self._backend)
        return peer_from_wire(server), spec, terms_from_wire(terms)


def _write_start(body: StartEpisode, out: model_pb2.StartEpisodeRequest) -> None:
    out.SetInParent()
    out.lane = body.lane
    out.episode_id = body.episode_id
    if body.seed is not None:
        out.seed = body.seed
    if body.instruction is not None:
        out.instruction = body.instruction


def _read_start(message: model_pb2.StartEpisodeRequest) -> StartEpisode:
    return StartEpisode(
        lane=message.lane,
        episode_id=message.episode_id,
        seed=message.seed if message.HasField("seed") else None,
        instruction=message.instruction if message.HasField("instruction") else None,
    )


def _read_predict(message: model_pb2.PredictRequest) -> Predict:
    if not message.HasField("observation"):
        raise CodecError("a prediction has no observation", path="observation", rule="G-8")
    return Predict(
        form=predict_form_from_wire(message.form),
        lanes=tuple(message.lanes),
        observation=read_value(message.observation),
        max_chunk_length=message.max_chunk_length,
        steps=tuple(message.steps),
        observed_counts=tuple(message.observed_counts),
        observed=read_value(message.observed) if message.HasField("observed") else None,
        prefix_counts=tuple(message.prefix_counts),
        prefix=read_value(message.prefix) if message.HasField("prefix") else None,
        committed_counts=tuple(message.committed_counts),
    )
