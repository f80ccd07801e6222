"""Measures, in a process for each message, the memory that reading the message takes.

Lines on stdin say what is read ("request", "reply", "contract", "gymnasium") and the message in
hexadecimal digits; the answer to each is the number of bytes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlmesh_proto.env.v1 import env_pb2

from rlmesh._codec import SpaceCodec
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.parsing import parse_message
from rlmesh.errors import RLMeshError
from rlmesh_numpy._backend import BACKEND as NUMPY
from rlmesh_numpy._spaces import spaces_to_gymnasium

FRAMES = EnvWireCodec(NUMPY)


def contract(data: bytes) -> Any:
    """A client's reading of a contract, and what it compiles of the spaces."""
    _, read, _ = FRAMES.read_description(data)
    return read, [SpaceCodec(space, NUMPY) for space in (read.observation_space, read.action_space)]


def gymnasium(data: bytes) -> Any:
    """The same, with Gymnasium's spaces."""
    read, _ = contract(data)
    return read, [spaces_to_gymnasium(s) for s in (read.observation_space, read.action_space)]


READERS: dict[str, Callable[[bytes], Any]] = {
    "request": FRAMES.read_request,
    "reply": FRAMES.read_reply,
    "contract": contract,
    "gymnasium": gymnasium,
}


def resident(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


def measure(read: Callable[[bytes], Any], data: bytes) -> int:
    """How many bytes more a forked process needs at most while it reads a message."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        before = resident("VmRSS")
        kept = None
        with contextlib.suppress(RLMeshError):
            kept = read(data)
        os.write(writer, str(resident("VmHWM") - before).encode())
        del kept
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        answer = told.read()
    os.waitpid(child, 0)
    return int(answer or -1)


def main() -> None:
    parse_message(env_pb2.SessionRequest(), b"")  # What is imported and made once.
    for line in sys.stdin:
        kind, digits = line.split()
        print(measure(READERS[kind], bytes.fromhex(digits)), flush=True)


if __name__ == "__main__":
    main()
