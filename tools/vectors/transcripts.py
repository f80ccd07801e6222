"""Transcripts of sessions: messages of both peers in order, and what happens to their connections.

The messages are declared with the generated classes alone; no codec or session of ours makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rlmesh_proto.env.v1 import contract_pb2
from rlmesh_proto.session.v1 import error_pb2, handshake_pb2
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

__all__ = [
    "KEY",
    "RESUME",
    "SESSION_ID",
    "TERMS",
    "Event",
    "Frame",
    "Step",
    "Transcript",
    "client",
    "contract",
    "discrete",
    "failure",
    "info",
    "integers",
    "opened_header",
    "opens",
    "peer",
    "server",
    "transcript_json",
]

VERSION = (Path(__file__).resolve().parents[2] / "spec" / "VERSION").read_text("ascii").strip()
RESUME = handshake_pb2.CAPABILITY_RESUME
SESSION_ID, KEY = "s1", bytes(range(16))
TERMS = handshake_pb2.SessionTerms(grace_period_ms=30_000, max_message_bytes=268_435_456)


@dataclass(frozen=True)
class Frame:
    """A message on a connection.

    Attributes:
        sender: Peer that sends it.
        message: The message.
        connection: Number of the connection, from 1.
    """

    sender: Literal["client", "server"]
    message: Message
    connection: int


@dataclass(frozen=True)
class Event:
    """What happens beside the messages.

    Attributes:
        name: "lost": the connection breaks, and with it an answer that is not listed; "ended": the
            server ends the connection; "stopped": the server is stopped.
        connection: Number of the connection; 0 if the event is the server's.
    """

    name: Literal["lost", "ended", "stopped"]
    connection: int


Step = Union[Frame, Event]


@dataclass(frozen=True)
class Transcript:
    """A session, or what takes its place.

    Attributes:
        name: Name, unique in its file.
        served: Name of the environment or model, described in vectors/README.md.
        steps: Messages and events, in order.
        raw: Whether the client does what a conforming client does not do.
    """

    name: str
    served: str
    steps: Sequence[Step]
    raw: bool = False


def client(message: Message, connection: int = 1) -> Frame:
    """Return a message of the client."""
    return Frame("client", message, connection)


def server(message: Message, connection: int = 1) -> Frame:
    """Return a message of the server."""
    return Frame("server", message, connection)


def peer(*capabilities: handshake_pb2.Capability.ValueType) -> handshake_pb2.PeerInfo:
    """Return a peer of the current version."""
    return handshake_pb2.PeerInfo(spec_version=VERSION, capabilities=capabilities)


def opens(
    awaited: int = 0, *capabilities: handshake_pb2.Capability.ValueType
) -> handshake_pb2.OpenHeader:
    """Return what opens a session; with `awaited`, what resumes it."""
    header = handshake_pb2.OpenHeader(client=peer(RESUME, *capabilities))
    if awaited:
        header.resume.session_id, header.resume.resume_key = SESSION_ID, KEY
        header.resume.awaited_sequence = awaited
    return header


def opened_header(
    *capabilities: handshake_pb2.Capability.ValueType, received: int = 0
) -> handshake_pb2.OpenedHeader:
    """Return what opens a session on the server's side."""
    return handshake_pb2.OpenedHeader(
        server=peer(*capabilities),
        session_id=SESSION_ID,
        resume_key=KEY,
        terms=TERMS,
        received_sequence=received,
    )


def discrete(n: int) -> space_pb2.Space:
    """Return the space of the integers from 0 to n - 1, of dtype int64."""
    return space_pb2.Space(discrete=space_pb2.Discrete(dtype=5, n=n))  # type: ignore[arg-type]


def integers(*elements: int, batch: bool = False) -> value_pb2.Value:
    """Return a value of such a space, or a batch of as many as there are elements."""
    slab = b"".join(element.to_bytes(8, "little") for element in elements)
    return value_pb2.Value(slabs=[slab], batch_size=len(elements) if batch else None)


def info(**entries: int) -> value_pb2.DynamicMap:
    """Return a map of integers."""
    made = value_pb2.DynamicMap()
    for name, number in entries.items():
        made.entries.add(name=name).value.int_value = number
    return made


def contract(name: str, lanes: int = 0, mode: int = 0) -> contract_pb2.EnvContract:
    """Return a contract of counts: observations below 100, actions below 3."""
    made = contract_pb2.EnvContract(id=name, spec_version=VERSION)
    made.observation_space.CopyFrom(discrete(100))
    made.action_space.CopyFrom(discrete(3))
    made.num_envs, made.vector = max(lanes, 1), bool(lanes)
    made.autoreset_mode = mode  # type: ignore[assignment]
    return made


def failure(code: error_pb2.ErrorCode.ValueType, **facts: Any) -> error_pb2.Failure:
    """Return a failure without its texts, which each implementation writes in its own words."""
    return error_pb2.Failure(code=code, **facts)


def transcript_json(transcript: Transcript) -> dict[str, Any]:
    """Return the JSON of a transcript."""
    return {
        "name": transcript.name,
        "served": transcript.served,
        "raw_client": transcript.raw,
        "steps": list(map(_step_json, transcript.steps)),
    }


def _step_json(step: Step) -> dict[str, Any]:
    if isinstance(step, Event):
        return {"event": step.name, "connection": step.connection}
    return {
        "sender": step.sender,
        "connection": step.connection,
        "type": step.message.DESCRIPTOR.full_name,
        "hex": step.message.SerializeToString(deterministic=True).hex(),
        "message": MessageToDict(step.message, preserving_proto_field_name=True),
    }
