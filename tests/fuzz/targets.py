"""Every target by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.model.v1 import model_pb2
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from tests.fuzz import (
    clients,
    contracts,
    dynamic,
    model_clients,
    model_sessions,
    sessions,
    spaces,
    values,
)

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True)
class Target:
    """A fuzz target, with the structure of its inputs.

    Attributes:
        run: Plays one input; raises if a promise is broken.
        messages: Types of the messages that the parts of an input are; the last one repeats. Of
            one that is not in `parts`, the input is one message.
        parts: Whether the input is split into parts.
        head: Bytes before the parts.
    """

    run: Callable[[bytes], None]
    messages: tuple[type, ...]
    parts: bool = False
    head: int = 0


TARGETS: dict[str, Target] = {
    "spaces": Target(spaces.run, (space_pb2.Space,)),
    "values": Target(values.run, (space_pb2.Space, value_pb2.Value), parts=True),
    "dynamic": Target(dynamic.run, (value_pb2.DynamicValue,)),
    "contracts": Target(contracts.run, (env_pb2.DescribeResponse,)),
    "sessions": Target(sessions.run, (env_pb2.SessionRequest,), parts=True, head=1),
    "clients": Target(clients.run, (env_pb2.SessionResponse,), parts=True, head=1),
    "model_sessions": Target(model_sessions.run, (model_pb2.SessionRequest,), parts=True, head=1),
    "model_clients": Target(model_clients.run, (model_pb2.SessionResponse,), parts=True, head=1),
}
