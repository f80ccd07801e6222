"""The sides: the measured projects, with their programs and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.peers.cases import Case

__all__ = ["OURS", "REFERENCE", "SIDES", "Side"]

OURS = "this-project"
"""Name of the virtual environment that this checkout runs in."""

REFERENCE = "frames"
"""Name of the side that the ratios in the tables refer to."""


@dataclass(frozen=True)
class Side:
    """One row of the tables.

    Attributes:
        name: Name for `--peers`.
        title: Title of the row.
        venv: Name of its virtual environment: build/peers/<venv>, from
            requirements/peers-<venv>.txt.
        module: Its program, in `sides`.
        option: Option that the program gets.
        serves: Whether servers are started for it; if False, the client starts its own.
        alone: Whether it runs in a separate part of each round, because it keeps processes busy
            that would disturb the others.
        note: What a reader must know about its numbers.
        lacks: Reason why it has no number, by the kind or the name of a case.
    """

    name: str
    title: str
    venv: str
    module: str
    option: str = ""
    serves: bool = True
    alone: bool = False
    note: str = ""
    lacks: Mapping[str, str] = field(default_factory=dict)

    def missing(self, case: Case) -> str | None:
        """Return the reason why the side lacks a case, or None if it has it."""
        return self.lacks.get(case.name, self.lacks.get(case.kind))


_FLOORS = (
    Side(
        "memcpy",
        "floor: memcpy",
        "gymnasium",
        "floors",
        "memcpy",
        serves=False,
        note="The arrays of an observation copied into others that are there, in one process.",
        lacks={"endpoints": "A copy has no endpoints."},
    ),
    Side(
        "in-process",
        "floor: step in process",
        "gymnasium",
        "floors",
        "in-process",
        serves=False,
        note="The environment itself; its arrays are not copied.",
    ),
    Side(
        "echo",
        "floor: Unix-socket echo",
        "gymnasium",
        "floors",
        "echo",
        note="As many bytes each way as a step's arrays, rewards and flags have; no environment.",
    ),
    Side(
        "grpcio",
        "bare grpcio stream",
        "grpcio",
        "bare_grpc",
        note="An echo of the same bytes over a bidirectional stream, loopback TCP; no environment.",
    ),
)

_OURS = (
    Side(
        "frames",
        "rlmesh, frames",
        OURS,
        "rlmesh_now",
        "frames",
        note="What a client gets on one host by itself; observations own their memory.",
    ),
    Side(
        "frames-view",
        "rlmesh, frames, view",
        OURS,
        "rlmesh_now",
        "frames-view",
        note="`copy=False`: observations may be read-only views of what came.",
    ),
    Side("grpc", "rlmesh, gRPC", OURS, "rlmesh_now", "grpc", note="Loopback TCP."),
    Side(
        "grpc-view",
        "rlmesh, gRPC, view",
        OURS,
        "rlmesh_now",
        "grpc-view",
        note="Loopback TCP; `copy=False`: observations may be read-only views of what came.",
    ),
)

_NO_VECTOR = "It has no vectors of environments."
_NO_RAGGED = "It has no such space."

_PEERS = (
    Side(
        "async-vector",
        "Gymnasium AsyncVectorEnv(1)",
        "gymnasium",
        "async_vector",
        serves=False,
        note="`shared_memory=True, copy=True`, observations with a first axis of one. Sequence and "
        "Graph do not go through its shared memory: `shared_memory=False` there.",
        lacks={"vector": "Its worker processes hold one environment each, not a vector."},
    ),
    Side(
        "rlmesh-0.1.0",
        "rlmesh 0.1.0 (Rust), TCP",
        "rlmesh-0.1.0",
        "rlmesh_010",
        "tcp",
        note="The package of the same name on PyPI, loopback TCP, its default.",
        lacks={"ragged": _NO_RAGGED},
    ),
    Side(
        "rlmesh-0.1.0-unix",
        "rlmesh 0.1.0 (Rust), Unix",
        "rlmesh-0.1.0",
        "rlmesh_010",
        "unix",
        note="The package of the same name on PyPI, on a Unix socket.",
        lacks={"ragged": _NO_RAGGED},
    ),
    Side(
        "websockets",
        "websockets + msgpack",
        "websockets",
        "web_sockets",
        note="A small server and client of our own: threads, a Unix socket, no compression, arrays "
        "as raw bytes in a message; no infos, no checks; observations are read-only views.",
    ),
    Side(
        "dm-env-rpc",
        "dm_env_rpc",
        "dm-env-rpc",
        "dm_env",
        note="Its adaptor, loopback TCP without TLS; it carries no infos and no seeds.",
        lacks={"vector": _NO_VECTOR, "ragged": _NO_RAGGED},
    ),
    Side(
        "openenv",
        "OpenEnv",
        "openenv",
        "open_env",
        note="Its app under Uvicorn, without deflate, and its generic client with the synchronous "
        "wrapper; pixels as base64 in JSON, floats as numbers; no infos.",
        lacks={
            "vector": _NO_VECTOR,
            "ragged": "It has no spaces; such values would be JSON of one's own.",
        },
    ),
    Side(
        "ray",
        "Ray actor",
        "ray",
        "ray_actor",
        serves=False,
        alone=True,
        note="Arrays from about 100 KB on are read-only views of its object store. The CPU "
        "time is the actors' alone, without Ray's other processes.",
    ),
)

SIDES = {side.name: side for side in (*_FLOORS, *_OURS, *_PEERS)}
