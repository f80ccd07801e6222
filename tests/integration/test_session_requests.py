"""Requests that a client of ours does not send: out of order, repeated, noise."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from rlmesh_proto.env.v1 import env_pb2, env_pb2_grpc

import rlmesh
from rlmesh import EnvServer, RemoteEnv, errors
from tests.integration.envs import CounterEnv, plays_on


def raw_session(address: str, *requests: env_pb2.SessionRequest) -> list[env_pb2.SessionResponse]:
    with grpc.insecure_channel(address.removeprefix("tcp://")) as channel:
        stub = env_pb2_grpc.EnvServiceStub(channel)
        return list(stub.Session(iter(requests), timeout=10))


def request(sequence: int, **parts: Any) -> env_pb2.SessionRequest:
    return env_pb2.SessionRequest(sequence=sequence, **parts)


def opened(version: str = rlmesh.__version__) -> env_pb2.SessionRequest:
    message = env_pb2.SessionRequest(sequence=0)
    message.open.client.spec_version = version
    return message


def step_of(sequence: int, action: int) -> env_pb2.SessionRequest:
    message = env_pb2.SessionRequest(sequence=sequence)
    message.step.action.slabs.append(action.to_bytes(8, "little"))
    return message


RESET = env_pb2.ResetRequest()
CLOSE = env_pb2.CloseRequest()


@pytest.mark.own_transport
def test_a_server_checks_the_actions_of_a_careless_client() -> None:
    env = CounterEnv()
    with EnvServer(env) as server:
        answers = raw_session(
            server.address, opened(), request(1, reset=RESET), step_of(2, 7), step_of(3, 1)
        )
        assert answers[2].error.code == 3 and answers[2].error.path == "action"
        assert answers[3].step.observation.slabs == [(1).to_bytes(8, "little")]
        assert env.step_count == 1


@pytest.mark.own_transport
def test_a_request_that_comes_again_is_answered_again_and_not_applied() -> None:
    env = CounterEnv()
    with EnvServer(env) as server:
        answers = raw_session(
            server.address, opened(), request(1, reset=RESET), step_of(2, 1), step_of(2, 1)
        )
    assert answers[3] == answers[2]
    assert env.step_count == 1


@pytest.mark.own_transport
@pytest.mark.parametrize("wrong", [0, 1, 4, 2**63])
def test_a_request_out_of_sequence_is_refused_and_counts_nothing(wrong: int) -> None:
    env = CounterEnv()
    with EnvServer(env) as server:
        answers = raw_session(
            server.address,
            opened(),
            request(1, reset=RESET),
            step_of(2, 1),
            step_of(wrong, 1),
            step_of(3, 1),
        )
    assert answers[3].error.code == 6 and not answers[3].error.session_closed
    assert answers[4].WhichOneof("response") == "step"
    assert env.step_count == 2


@pytest.mark.own_transport
def test_the_first_request_is_open() -> None:
    with EnvServer(CounterEnv()) as server:
        (answer,) = raw_session(server.address, request(1, reset=RESET))
        assert answer.error.code == 5 and answer.error.session_closed


@pytest.mark.own_transport
def test_a_request_of_a_newer_spec_is_refused_and_the_session_goes_on() -> None:
    with EnvServer(CounterEnv()) as server:
        unknown = env_pb2.SessionRequest.FromString(b"\x08\x01\xfa\x07\x00")
        answers = raw_session(server.address, opened(), unknown, request(2, reset=RESET))
        assert answers[1].error.code == 8 and not answers[1].error.session_closed
        assert answers[2].WhichOneof("response") == "reset"


@pytest.mark.over_grpc
@pytest.mark.parametrize("version", ["", "0.9.0", "1.0.0rc0", "1.0.0", "2.0.0", "nonsense"])
def test_a_spec_version_that_does_not_talk_is_refused(version: str) -> None:
    with EnvServer(CounterEnv()) as server:
        (answer,) = raw_session(server.address, opened(version))
        assert answer.error.code == 7 and answer.error.session_closed
        assert list(answer.error.choices) == [rlmesh.__version__]
        plays_on(RemoteEnv(server.address))


def test_a_client_refuses_a_server_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    with EnvServer(CounterEnv()) as server:
        monkeypatch.setattr("rlmesh._session.session_link.SPEC_VERSION", "2.0.0")
        with pytest.raises(errors.UnsupportedVersionError) as caught:
            RemoteEnv(server.address)
        assert caught.value.choices == (rlmesh.__version__,)


@pytest.mark.over_grpc
def test_noise_ends_the_stream_with_a_word_and_the_server_lives_on() -> None:
    with EnvServer(CounterEnv()) as server:
        with grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel:
            stream: Any = channel.stream_stream("/rlmesh.proto.env.v1.EnvService/Session")
            (data,) = list(stream(iter([b"\xff\xff\xff"]), timeout=10))
        answer = env_pb2.SessionResponse.FromString(data)
        assert answer.error.code == 2 and answer.error.session_closed
        plays_on(RemoteEnv(server.address))
