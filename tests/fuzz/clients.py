"""Target: frames that a server answers, read by a client down to the values that a user gets."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any
from unittest import mock

from google.protobuf.message import DecodeError
from rlmesh_proto.env.v1 import env_pb2

from rlmesh._client.env_stub import EnvStub
from rlmesh._env_host.describe_env import describe_env
from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import ClosedError, CodecError, ConnectionLostError, EnvError, RLMeshError
from rlmesh.specs import SessionTerms
from rlmesh.tensor import Tensor
from tests.fuzz.connections import LOSE
from tests.fuzz.environments import LANES, PEER, LaneEnv, NotingEnv, one_version
from tests.fuzz.parts import split
from tests.fuzz.promises import check_refusal
from tests.fuzz.values import BACKENDS, has_half_graph

__all__ = ["Script", "call_for_each", "run"]

_VECTOR, _OTHER_BACKEND, _OWN_OPEN = 1, 2, 4
"""Bits of the first byte; with the last one, the first frame is the answer to Open."""


def run(data: bytes) -> None:
    """Choose a client by one byte, and feed it the answers: each is a value, or our own error."""
    flags = data[0] if data else 0
    vector = bool(flags & _VECTOR)
    backend = BACKENDS[-1] if flags & _OTHER_BACKEND else NATIVE
    frames = split(data[1:])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the (tags|reward_range) of")
        for frame in frames:
            _read(frame, backend)
    if not flags & _OWN_OPEN:
        frames.insert(0, _OPENED[vector])
    with warnings.catch_warnings(), one_version():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the (tags|reward_range) of")
        _play(frames, vector, backend)


def _read(frame: bytes, backend: ArrayBackend) -> None:
    """A frame of a step or reset is the same, read byte by byte or as a message."""
    reply = _written(frame, backend)
    with (
        mock.patch("rlmesh._wire.fast_path_reader.StepReader.read", return_value=None),
        mock.patch("rlmesh._wire.env_codec.read_reset_done", return_value=None),
    ):
        assert _written(frame, backend) == reply


def _written(frame: bytes, backend: ArrayBackend) -> bytes | None:
    """Return such a frame read and written, empty for another; None if it is refused."""
    frames = EnvWireCodec(backend)
    try:
        sequence, reply = frames.read_reply(frame)
    except CodecError as error:
        check_refusal(error)
        return None
    repr(reply)
    told = isinstance(reply, (m.StepDone, m.ResetDone))
    return frames.write_reply(sequence, reply) if told else b""


class Script:
    """Connections with a peer that answers with the given frames, and breaks one for `LOSE`."""

    address = "script"
    transport = "script"

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = iter(frames)

    def shares_memory(self) -> bool:
        return False

    def allocate(self, parts: list[bytes], size: int) -> bytes:
        return b"".join(parts)

    def exchange(self, frame: bytes, timeout: float | None = None) -> bytes:
        answer = next(self._frames, LOSE)
        if answer == LOSE:
            raise ConnectionLostError("the connection broke, or the script is over")
        return answer

    def server_has_ended(self) -> bool:
        return True

    def cut(self) -> None:
        pass

    def close(self) -> None:
        pass


def _play(frames: list[bytes], vector: bool, backend: ArrayBackend) -> None:
    script = Script(frames)
    with (
        mock.patch("rlmesh._transport.grpc.client.GrpcConnection", return_value=script),
        # No waiting after the end of a script.
        mock.patch("rlmesh._session.client_session._ENDED_PATIENCE", -1.0),
    ):
        _play_script(frames, vector, backend)


def _play_script(frames: list[bytes], vector: bool, backend: ArrayBackend) -> None:
    try:
        stub = EnvStub(
            "127.0.0.1:1", backend, vector=vector, validation="strict", connect_timeout=1.0
        )
    except RLMeshError:
        return
    call_for_each(frames, _kind, lambda frame: _call(stub, frame, vector))
    with contextlib.suppress(EnvError):
        stub.close()


def call_for_each(
    frames: list[bytes],
    kind_of: Callable[[bytes], str | None],
    call: Callable[[bytes], object],
) -> None:
    """Make a call for each answer of a script, until the client is closed or lost.

    Args:
        frames: The script: the answer to Open, those to the calls, and the one to close().
        kind_of: Returns the kind of an answer.
        call: Makes the call that an answer belongs to.
    """
    for frame in frames[1:-1]:
        if frame == LOSE or kind_of(frame) == "open":
            continue  # The call before it meets this one.
        try:
            call(frame)
        except (ClosedError, ConnectionLostError):
            break
        except RLMeshError:
            pass


def _call(stub: EnvStub, frame: bytes, vector: bool) -> None:
    """Make the call that the next frame may be the answer to, and look at what comes back."""
    kind = _kind(frame)
    if kind == "render":
        repr(stub.render())
        return
    outcomes: Any = ()
    action = _action(stub) if kind == "step" else None
    if action is None:
        observation, info = stub.reset(None, None)
    elif vector:
        observation, *outcomes, info = stub.step_lanes(action)
    else:
        observation, *_, info = stub.step(action)
    assert isinstance(info, dict)
    repr((observation, info))
    if not vector:
        space = stub.contract.observation_space
        assert space.contains(observation) or has_half_graph(observation)
        return
    for array in outcomes:
        assert len(array) == stub.contract.num_envs
    for flags in [*outcomes[1:], *([info["_final_obs"]] if "final_obs" in info else [])]:
        assert set(flags.tobytes()) <= {0, 1}, f"a flag that is neither 0 nor 1: {flags!r}"


def _kind(frame: bytes) -> str | None:
    try:
        return env_pb2.SessionResponse.FromString(frame).WhichOneof("response")
    except DecodeError:
        return None


def _action(stub: EnvStub) -> Any:
    """An action, if the contract is one of the environments here."""
    space = stub.contract.action_space
    if space == LaneEnv.single_action_space:
        bools = Tensor(bytes(2 * LANES), "bool", (LANES, 2))
        return (Tensor(bytes(8 * LANES), "int64", (LANES,)), ("a",) * LANES, bools)
    return space.sample() if space == NotingEnv.action_space else None


def _opened(env: Any) -> bytes:
    opened = m.Opened(PEER, "id", describe_env(env).contract, SessionTerms())
    return EnvWireCodec(NATIVE).write_reply(0, opened)


_OPENED = (_opened(NotingEnv()), _opened(LaneEnv()))
