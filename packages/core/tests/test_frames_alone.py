"""The messages of a frames connection that are not those of a session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.model.v1 import model_pb2

from rlmesh import errors
from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.frames_alone import (
    MAX_HELLO_BYTES,
    describe_frame,
    read_description_frame,
    read_hello,
    write_connection_error,
    write_hello,
)
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.services import ENV_SERVICE, MODEL_SERVICE
from rlmesh.backends import NATIVE

ADDRESS = "frames://127.0.0.1:5555"


@given(service=st.text(), token=st.text())
def test_a_hello_comes_back(service: str, token: str) -> None:
    assert read_hello(write_hello(service, token)) == (service, token)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_hello_or_refused(data: bytes) -> None:
    try:
        service, token = read_hello(data)
    except errors.CodecError as error:
        assert "B-16" in str(error)  # noqa: PT017
    else:
        assert (type(service), type(token)) == (str, str)


def test_the_longest_token_fits() -> None:
    assert len(write_hello(MODEL_SERVICE, "t" * 4096)) <= MAX_HELLO_BYTES


@pytest.mark.parametrize(
    ("service", "package", "codec"),
    [
        (ENV_SERVICE, env_pb2, EnvWireCodec(NATIVE)),
        (MODEL_SERVICE, model_pb2, ModelWireCodec(NATIVE)),
    ],
)
def test_a_description_is_the_member_of_its_service(
    service: str, package: object, codec: EnvWireCodec
) -> None:
    request = package.DescribeRequest()  # type: ignore[attr-defined]
    request.client.name = "a client"
    frame = describe_frame(request.SerializeToString())
    assert package.SessionRequest.FromString(frame).describe == request  # type: ignore[attr-defined]
    assert codec.read_request(frame) == m.Request(0, m.Describe())
    answer = package.DescribeResponse()  # type: ignore[attr-defined]
    answer.server.name, answer.terms.grace_period_ms = "a server", 30_000
    frame = describe_frame(answer.SerializeToString())
    assert package.SessionResponse.FromString(frame).describe == answer  # type: ignore[attr-defined]
    assert read_description_frame(frame, service, ADDRESS) == answer.SerializeToString()


@pytest.mark.parametrize("service", [ENV_SERVICE, MODEL_SERVICE])
def test_a_refusal_is_read_as_the_answer_to_either_service(service: str) -> None:
    refusal = m.Failure(m.ErrorCode.UNSUPPORTED, "another", path="service", choices=("one",))
    frame = write_connection_error(refusal)
    with pytest.raises(errors.WrongServiceError, match=r"frames://127\.0\.0\.1:5555: another"):
        read_description_frame(frame, service, ADDRESS)
    token = m.Failure(m.ErrorCode.UNAUTHENTICATED, "no token")
    with pytest.raises(errors.AuthenticationError, match=r"frames://127\.0\.0\.1:5555: no token"):
        read_description_frame(write_connection_error(token), service, ADDRESS)
    with pytest.raises(errors.CodecError, match="expected a describe, got nothing"):
        read_description_frame(b"", service, ADDRESS)
    closed = env_pb2.SessionResponse()
    closed.close.SetInParent()
    if service == ENV_SERVICE:
        with pytest.raises(errors.CodecError, match="expected a describe, got close"):
            read_description_frame(closed.SerializeToString(), service, ADDRESS)
