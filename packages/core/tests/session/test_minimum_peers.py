"""U-1: peers that have nothing but the minimum of CONTRACT.md, 21, play with ours."""

from __future__ import annotations

from typing import Any

import pytest
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2

from rlmesh._messages import env as m
from rlmesh._session.client_session import ClientSession
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.versions import this_peer
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.backends import NATIVE
from rlmesh.errors import ConnectionLostError, UnsupportedError
from rlmesh.specs import Capability

from .memory import MemoryServer

ACTION = m.Encoded([(1).to_bytes(8, "little")], None)


class MinimumServer:
    """An environment's server of the minimum: no capability, no kept answer, no options.

    It is the server's end of a connection and the client's: `exchange` answers a frame.
    """

    address = "memory://"
    transport = "memory"

    def __init__(self) -> None:
        self.last = self.steps = 0
        self.open = True

    def exchange(self, frame: Any, timeout: float | None = None) -> bytes:
        if not self.open:
            raise ConnectionLostError("the connection is cut", address=self.address)
        request = env_pb2.SessionRequest.FromString(bytes(frame))
        answer = env_pb2.SessionResponse(sequence=request.sequence)
        kind = request.WhichOneof("request")
        if request.sequence == 0 and kind == "open":
            self._open(request.open, answer)
        elif request.sequence != self.last + 1:
            answer.error.code = error_pb2.ERROR_CODE_OUT_OF_SEQUENCE
        else:
            self.last += 1
            self._play(kind, request, answer)
        return answer.SerializeToString()

    def _open(self, request: Any, answer: Any) -> None:
        if request.HasField("resume"):
            answer.error.code = error_pb2.ERROR_CODE_UNKNOWN_SESSION
            answer.error.session_closed = True
            return
        header, contract = answer.open.header, answer.open.contract
        header.server.spec_version = SPEC_VERSION
        header.session_id = "1"
        header.terms.SetInParent()
        contract.id, contract.num_envs = "Minimum", 1
        contract.observation_space.discrete.dtype = contract.action_space.discrete.dtype = 5
        contract.observation_space.discrete.n, contract.action_space.discrete.n = 100, 2

    def _play(self, kind: str | None, request: Any, answer: Any) -> None:
        if kind == "reset":
            self.steps = 0
            answer.reset.observation.slabs.append(bytes(8))
        elif kind == "step" and len(request.step.action.slabs) == 1:
            self.steps += 1
            answer.step.observation.slabs.append(self.steps.to_bytes(8, "little"))
            answer.step.reward = 1.0
        elif kind == "close":
            answer.close.SetInParent()
        else:
            answer.error.code = error_pb2.ERROR_CODE_UNSUPPORTED

    def shares_memory(self) -> bool:
        return False

    def allocate(self, parts: Any, size: int) -> bytes:
        return b"".join(parts)

    def server_has_ended(self) -> bool:
        return False

    def cut(self) -> None:
        self.open = False

    close = cut


def client(server: MinimumServer) -> ClientSession:
    return ClientSession(
        lambda: server,
        EnvWireCodec(NATIVE),
        this_peer("client", frozenset({Capability.RESUME, Capability.RENDER})),
        ConnectOptions(10.0, 0.0, None),
    )


def test_our_client_plays_on_a_minimum_server() -> None:
    server = MinimumServer()
    session = client(server)
    assert session.served.id == "Minimum" and not session.server.capabilities
    session.request(m.Reset(3, None, {"speed": 1}), m.ResetDone)
    done = session.request(m.Step(ACTION), m.StepDone)
    assert done.reward == 1.0 and bytes(done.observation.slabs[0])[0] == 1
    with pytest.raises(UnsupportedError):
        session.request(m.Render(), m.Rendered)
    session.request(m.Step(ACTION), m.StepDone)
    session.close()
    assert server.steps == 2 and not server.open


def test_our_client_reports_a_lost_session_of_a_minimum_server() -> None:
    server = MinimumServer()
    session = client(server)
    session.request(m.Reset(), m.ResetDone)
    server.open = False
    with pytest.raises(ConnectionLostError):
        session.request(m.Step(ACTION), m.StepDone)


def test_a_minimum_client_plays_on_our_server() -> None:
    server = MemoryServer()
    connection = server.transport.connect()

    def ask(sequence: int, kind: str, change: Any = lambda part: None) -> Any:
        request = env_pb2.SessionRequest(sequence=sequence)
        part = getattr(request, kind)
        part.SetInParent()
        change(part)
        return env_pb2.SessionResponse.FromString(
            bytes(connection.exchange(request.SerializeToString()))
        )

    opened = ask(0, "open", lambda part: setattr(part.client, "spec_version", SPEC_VERSION)).open
    header = opened.header
    assert header.session_id and not header.resume_key and not header.offers
    assert header.terms.grace_period_ms == 0
    assert ask(1, "reset").reset.observation.slabs
    step = ask(2, "step", lambda part: part.action.slabs.append(ACTION.slabs[0]))
    assert step.step.reward == 1.0
    assert ask(3, "close").HasField("close")
    assert server.host.released == 1
