"""The additions of CONTRACT.md, 22, and private numbers (E-9) fit beside what peers read now."""

from __future__ import annotations

import re
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.model.v1 import model_pb2
from rlmesh_proto.session.v1 import error_pb2, handshake_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._messages import env as m
from rlmesh._wire.contract import peer_from_wire
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.failures import failure_from_wire, raise_failure
from rlmesh._wire.field_writer import varint
from rlmesh._wire.many import read_value
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh.backends import NATIVE
from rlmesh.errors import ProtocolError
from tests.conformance.contract import CONTRACT
from tests.conformance.test_required_fields import SAMPLES

PRIVATE = 1005
PRIVATE_MEMBER = varint(PRIVATE << 3 | 2) + b"\1x"


def additions() -> list[tuple[str, int]]:
    """Message (or enum) and number of each row of the table."""
    text = CONTRACT.read_text(encoding="utf-8")
    text = text[text.index("## 22. ") :]
    rows = re.findall(r"^\| [a-z ]+ \| (\w+) \| (\d+) \|", text, re.MULTILINE)
    return [(message, int(number)) for message, number in rows]


def _sample(name: str) -> tuple[Any, Any]:
    if name == "SessionTerms":
        return handshake_pb2.SessionTerms(grace_period_ms=5), lambda message: message
    if name == "Value":
        return value_pb2.Value(slabs=[b"x"]), read_value
    (found,) = (pair for full, pair in SAMPLES.items() if full.endswith(f".{name}"))
    return found


@pytest.mark.parametrize(("name", "number"), additions())
def test_an_addition_has_a_free_number_and_is_ignored_by_todays_reader(
    name: str, number: int
) -> None:
    if name == "Capability":
        assert number not in handshake_pb2.Capability.values()
        peer = handshake_pb2.PeerInfo(capabilities=[1, number])  # type: ignore[list-item]
        assert len(peer_from_wire(peer).capabilities) == 1
        return
    sample, read = _sample(name)
    assert number not in sample.DESCRIPTOR.fields_by_number
    added = varint(number << 3 | 2) + b"\1x"
    message = type(sample).FromString(sample.SerializeToString() + added)
    assert message.SerializeToString().endswith(added)  # A field that the schema does not have.
    read(message)


def test_every_addition_has_a_capability() -> None:
    assert sum(name == "Capability" for name, _ in additions()) == 4
    assert len(additions()) > 10


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (EnvWireCodec(NATIVE), env_pb2.SessionRequest),
        (ModelWireCodec(NATIVE), model_pb2.SessionRequest),
    ],
)
def test_a_private_request_is_one_that_the_server_does_not_know(codec: Any, message: Any) -> None:
    frame = message(sequence=7).SerializeToString() + PRIVATE_MEMBER
    request = codec.read_request(frame)
    assert request.sequence == 7 and isinstance(request.body, m.Unsupported)  # H-10


def test_private_numbers_are_never_assigned() -> None:
    for schema in (env_pb2, model_pb2):
        for message in (schema.SessionRequest, schema.SessionResponse):
            assert _reserves(message.DESCRIPTOR)
    for enum in (error_pb2.ErrorCode.DESCRIPTOR, handshake_pb2.Capability.DESCRIPTOR):
        assert _reserves(enum) and max(enum.values_by_number) < 1000


def _reserves(descriptor: Any) -> bool:
    """Return whether 1000 to 1999 are reserved; an enum's range has its last number, a message's
    the one after it."""
    is_enum = hasattr(descriptor, "values_by_number")
    proto = descriptor_pb2.EnumDescriptorProto() if is_enum else descriptor_pb2.DescriptorProto()
    descriptor.CopyToProto(proto)
    return any((r.start, r.end - (not is_enum)) == (1000, 1999) for r in proto.reserved_range)


def test_a_private_code_is_an_error_with_its_number() -> None:
    failure = failure_from_wire(error_pb2.Failure(code=PRIVATE, message="the gripper is stuck"))  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match=r"1005.*the gripper is stuck"):
        raise_failure(failure, "here")


def test_extensions_are_carried_and_unknown_ones_ignored() -> None:
    peer = handshake_pb2.PeerInfo(spec_version="1", extensions=["example.com/tactile/1"])
    assert peer_from_wire(peer).extensions == ("example.com/tactile/1",)
