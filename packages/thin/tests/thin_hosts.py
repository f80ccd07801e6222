"""Hosts of the tests: the bundled file as a process, and sessions on bytes without a socket."""

from __future__ import annotations

import os
import struct
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh_thin.environment import Environment
from rlmesh_thin.servicer import Servicer
from rlmesh_thin.session import GRACE_SECONDS, Instance, Session
from tests.processes import Running, running, until
from tools.thin.bundle import TARGET

__all__ = ["Bench", "hosted", "request", "response", "step_of"]


@contextmanager
def hosted(
    folder: Path,
    env: str,
    *arguments: str,
    program: str = sys.executable,
    **variables: str,
) -> Generator[tuple[str, Running], None, None]:
    """Yield the address and the process of a host that runs the bundled file."""
    file = folder / "host.py"
    file.write_text(TARGET.read_text(encoding="utf-8"), encoding="utf-8")
    reader, writer = os.pipe()
    with os.fdopen(reader) as ready:
        command: Sequence[str] = [str(file), env, *arguments, "--ready-fd", str(writer)]
        with running(command, program=program, pass_fds=[writer], **variables) as process:
            os.close(writer)
            address = ready.readline().strip()
            if not address:
                until(lambda: process.process.poll() is not None, 20)
                raise AssertionError(f"no address came: {process}")
            yield address, process


def request(sequence: int, kind: str, **fields: Any) -> bytes:
    """The frame of a request, written by the generated messages."""
    made = env_pb2.SessionRequest(sequence=sequence)
    member = getattr(made, kind)
    member.SetInParent()
    for name, value in fields.items():
        if isinstance(value, (list, tuple)):
            getattr(member, name).extend(value)
        elif hasattr(value, "SerializeToString"):
            getattr(member, name).CopyFrom(value)
        else:
            setattr(member, name, value)
    return made.SerializeToString()


def step_of(sequence: int, action: int) -> bytes:
    """The frame of a step with an action of an int64 Discrete."""
    return request(sequence, "step", action=value_pb2.Value(slabs=[struct.pack("<q", action)]))


def response(answer: Any) -> env_pb2.SessionResponse:
    """The message of a frame with its length before it; bytes, or their parts."""
    data = answer if isinstance(answer, bytes) else b"".join(answer)
    (size,) = struct.unpack_from("<I", data)
    assert size == len(data) - 4
    return env_pb2.SessionResponse.FromString(data[4:])


class Bench:
    """An instance with a session over connections without a socket."""

    def __init__(self, env: Any, exposed: Sequence[str] = (), **options: Any) -> None:
        self.env = Environment(env, **options)
        self.stopping = False
        servicer = Servicer(self.env, exposed, tracebacks=True)
        lock = threading.RLock()
        changed = threading.Condition(lock)
        self.instance = Instance(servicer, lock, changed, lambda: self.stopping)
        self.session = Session("a client", GRACE_SECONDS)
        self.instance.session = self.session
        self.connection = object()
        self.session.connection = self.connection
        self.sequence = 0

    def exchange(self, frame: bytes) -> env_pb2.SessionResponse:
        """The answer to a frame on the session's connection."""
        return response(self.instance.exchange(self.connection, frame)[0])

    def ask(self, kind: str, **fields: Any) -> env_pb2.SessionResponse:
        """The answer to the next request."""
        self.sequence += 1
        return self.exchange(request(self.sequence, kind, **fields))

    def step(self, action: int) -> env_pb2.SessionResponse:
        """The answer to a step."""
        self.sequence += 1
        return self.exchange(step_of(self.sequence, action))
