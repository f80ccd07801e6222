"""The messages of a frames connection that are not those of a session (CONTRACT.md, B-15, B-16).

They have the same bytes for both services, because the members of their oneofs have the same
numbers.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import frames_pb2

from rlmesh._messages import env as m
from rlmesh._wire.failures import failure_from_wire, failure_to_wire, raise_failure
from rlmesh._wire.field_tags import DESCRIBE
from rlmesh._wire.field_writer import SHORT, varint
from rlmesh._wire.parsing import parse_message
from rlmesh._wire.services import ENV_SERVICE
from rlmesh.backends import Buffer
from rlmesh.errors import CodecError

__all__ = [
    "MAX_HELLO_BYTES",
    "describe_frame",
    "read_description_frame",
    "read_hello",
    "write_connection_error",
    "write_hello",
]

MAX_HELLO_BYTES = 8192
"""Maximum size of a FramesHello, in bytes."""


def write_hello(service: str, token: str) -> bytes:
    """Return the first message of a frames connection.

    Args:
        service: Full name of the service.
        token: Bearer token; empty: none.
    """
    return frames_pb2.FramesHello(service=service, token=token).SerializeToString()


def read_hello(data: bytes) -> tuple[str, str]:
    """Return the service and the token of a first message.

    Raises:
        CodecError: If it is no FramesHello.
    """
    hello = frames_pb2.FramesHello()
    try:
        hello.ParseFromString(data)
    except DecodeError as error:
        raise CodecError(f"not a FramesHello: {error}", rule="B-16") from None
    return hello.service, hello.token


def write_connection_error(failure: m.Failure) -> bytes:
    """Return the frame of a connection error (Q-9)."""
    frame = env_pb2.SessionResponse()
    failure_to_wire(failure.ended(), frame.error)
    return frame.SerializeToString()


def describe_frame(content: bytes) -> bytes:
    """Return the frame of a serialised DescribeRequest, or of a DescribeResponse."""
    return SHORT[DESCRIBE] + varint(len(content)) + content


def _new_response(service: str) -> Any:
    if service == ENV_SERVICE:
        return env_pb2.SessionResponse()
    # Here, because a client of an environment needs no messages of models.
    from rlmesh_proto.model.v1 import model_pb2

    return model_pb2.SessionResponse()


def read_description_frame(data: Buffer, service: str, address: str) -> bytes:
    """Return the serialised DescribeResponse of a frame.

    Args:
        data: The frame.
        service: Full name of the service that has sent it.
        address: Address of the server, for messages.

    Raises:
        RLMeshError: If the frame is an error, or another message.
    """
    frame = _new_response(service)
    parse_message(frame, data)
    kind = frame.WhichOneof("response")
    if kind == "error":
        raise_failure(failure_from_wire(frame.error), address)
    if kind != "describe":
        raise CodecError(f"expected a describe, got {kind or 'nothing'}", rule="B-15")
    description: bytes = frame.describe.SerializeToString()
    return description
