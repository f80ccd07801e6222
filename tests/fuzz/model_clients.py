"""Target: frames that a model's server answers, read by a client down to the user's actions."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from typing import Any
from unittest import mock

from google.protobuf.message import DecodeError
from rlmesh_proto.model.v1 import model_pb2

from rlmesh._client.model_stub import Dial, ModelStub
from rlmesh._codec import SpaceCodec
from rlmesh._messages import env as m
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._transport.address import parse_address
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh.adapters import ModelSpec
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError, RLMeshError
from rlmesh.specs import Capability, SessionTerms
from tests.fuzz.clients import Script, call_for_each
from tests.fuzz.environments import PEER, one_version
from tests.fuzz.model_sessions import CONTRACT, OBSERVATION, OBSERVATIONS
from tests.fuzz.parts import split
from tests.fuzz.promises import check_refusal
from tests.fuzz.values import BACKENDS

__all__ = ["run"]

_OWN_OPEN, _OTHER_BACKEND = 1, 2
"""Bits of the first byte; with the first one, the first frame is the answer to Open."""

LANES = (5, 9)

_OBSERVED = SpaceCodec(OBSERVATIONS, NATIVE, root="observation").encode(OBSERVATION)


def run(data: bytes) -> None:
    """Choose a client by one byte, and feed it the answers: each is a value, or our own error."""
    flags = data[0] if data else 0
    backend = BACKENDS[-1] if flags & _OTHER_BACKEND else NATIVE
    frames = split(data[1:])
    codec = ModelWireCodec(backend)
    for frame in frames:
        _read(frame, codec)
    if not flags & _OWN_OPEN:
        opened = m.Opened(PEER, "id", ModelSpec("fuzz"), SessionTerms())
        frames.insert(0, bytes(codec.write_reply(0, opened)))
    with warnings.catch_warnings(), one_version():
        warnings.simplefilter("error")
        _play(frames, backend)


def _read(frame: bytes, codec: ModelWireCodec) -> None:
    """Read a frame as a reply and as a description; each is read, or refused as a promise says."""
    for read in (codec.read_reply, codec.read_description, codec.read_server):
        try:
            repr(read(frame))
        except CodecError as error:
            check_refusal(error)
        except RLMeshError:
            pass


class _Transports:
    """The transports to a scripted server."""

    where = parse_address("127.0.0.1:1")
    can = frozenset({Capability.RESUME})
    moves: Mapping[Any, Any] = {}

    def __init__(self, script: Script) -> None:
        self._script = script

    def connect(self) -> Script:
        return self._script

    def check(self, session: object) -> None:
        pass


def _play(frames: list[bytes], backend: ArrayBackend) -> None:
    transports: Any = _Transports(Script(frames))
    # No waiting after the end of a script.
    with mock.patch("rlmesh._session.client_session._ENDED_PATIENCE", -1.0):
        try:
            stub = ModelStub(Dial(transports, ConnectOptions(1.0)), CONTRACT, backend)
        except RLMeshError:
            return
        observation = SpaceCodec(OBSERVATIONS, backend, root="observation").decode(_OBSERVED)
        call_for_each(frames, _kind, lambda frame: _call(stub, frame, observation))
        with contextlib.suppress(RLMeshError):
            stub.close()


def _call(stub: ModelStub, frame: bytes, one: Any) -> None:
    """Make the call that the next frame may be the answer to, and check the shape of the result."""
    kind = _kind(frame)
    if kind == "start_episode":
        stub.start(LANES[0], "episode", 1, None)
        return
    if kind == "end_episode":
        stub.end(LANES[0])
        return
    length, batch = _prediction(frame)
    if length and batch == length:
        chunk, count = stub.predict_chunk(LANES[0], one, 0)
        assert len(stub.unstacked(chunk, count)) == count == length
    elif length:
        chunks = stub.predict_value_chunks(LANES, [one, one], len(frame) % 3)
        assert [len(chunk) for chunk in chunks] == [length] * len(LANES)
    elif batch is not None:
        actions = stub.predict_values(LANES, [one, one])
        assert len(actions) == len(LANES) == batch
    else:
        action = stub.predict(LANES[0], one)
        assert set(action) == {"eye"} and tuple(action["eye"].shape) == (2, 2)


def _kind(frame: bytes) -> str | None:
    try:
        return model_pb2.SessionResponse.FromString(frame).WhichOneof("response")
    except DecodeError:
        return None


def _prediction(frame: bytes) -> tuple[int, int | None]:
    """Return the chunk length and the batch size of a frame that may be a prediction."""
    try:
        predict = model_pb2.SessionResponse.FromString(frame).predict
    except DecodeError:
        return 0, None
    size = predict.actions.batch_size if predict.actions.HasField("batch_size") else None
    return predict.chunk_length, size
