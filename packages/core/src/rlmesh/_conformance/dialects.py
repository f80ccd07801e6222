"""The two services: their messages, and what differs between them in a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh_proto import SPEC_VERSION
from rlmesh_proto.env.v1 import contract_pb2, env_pb2
from rlmesh_proto.model.v1 import model_pb2
from rlmesh_proto.session.v1 import error_pb2, handshake_pb2

__all__ = [
    "ENV",
    "MODEL",
    "Dialect",
    "capability_number",
    "code_name",
    "code_number",
    "peer_info",
]


@dataclass(frozen=True)
class Dialect:
    """A service and its messages.

    Attributes:
        name: "env" or "model".
        service: Full name of the service.
        request: Class of the requests of a session.
        response: Class of the answers.
        describe_response: Class of the answer to `Describe`.
        plain: Name of a request that needs nothing but an open session.
    """

    name: str
    service: str
    request: Any
    response: Any
    describe_response: Any
    plain: str

    def open_request(
        self, header: handshake_pb2.OpenHeader, contract: contract_pb2.EnvContract | None = None
    ) -> Any:
        """Return an `open` with a header, and for a model with a contract."""
        if self.name == "env":
            return self.request(open=header)
        return self.request(open=model_pb2.OpenRequest(header=header, contract=contract))

    def message(self, member: str) -> Any:
        """Return an empty message of a member of `request`."""
        return getattr(self.request(), member).__class__()


ENV = Dialect(
    "env",
    "rlmesh.proto.env.v1.EnvService",
    env_pb2.SessionRequest,
    env_pb2.SessionResponse,
    env_pb2.DescribeResponse,
    "reset",
)
MODEL = Dialect(
    "model",
    "rlmesh.proto.model.v1.ModelService",
    model_pb2.SessionRequest,
    model_pb2.SessionResponse,
    model_pb2.DescribeResponse,
    "start_episode",
)


def code_name(code: int) -> str:
    """Return the name of an error code without its prefix ("MALFORMED"), or its number."""
    found = error_pb2.ErrorCode.DESCRIPTOR.values_by_number.get(code)
    return found.name.removeprefix("ERROR_CODE_") if found else str(code)


def code_number(name: str) -> int:
    """Return the number of an error code."""
    return int(error_pb2.ErrorCode.Value(f"ERROR_CODE_{name}"))


def capability_number(name: str) -> int:
    """Return the number of a capability ("RESUME")."""
    return int(handshake_pb2.Capability.Value(f"CAPABILITY_{name}"))


def peer_info(
    capabilities: Sequence[str] = ("RESUME",), version: str = SPEC_VERSION, **fields: Any
) -> handshake_pb2.PeerInfo:
    """Return the kit's own `PeerInfo`."""
    return handshake_pb2.PeerInfo(
        spec_version=version,
        implementation="rlmesh-check",
        capabilities=[capability_number(name) for name in capabilities],  # type: ignore[misc]
        name="conformance kit",
        **fields,
    )
