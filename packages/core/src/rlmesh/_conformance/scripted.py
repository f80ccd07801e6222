"""A scripted server, which a client under test plays with, and the record of what it sent."""

from __future__ import annotations

import contextlib
import shlex
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rlmesh_proto import SPEC_VERSION
from rlmesh_proto.env.v1 import contract_pb2, env_pb2
from rlmesh_proto.session.v1 import frames_pb2, handshake_pb2
from rlmesh_proto.spaces.v1 import dtype_pb2, space_pb2, value_pb2

from rlmesh._conformance.connection import Record
from rlmesh._conformance.dialects import capability_number
from rlmesh._conformance.findings import Failed
from rlmesh._conformance.streams import Ended, FramesStream, Silent

__all__ = ["Client", "Script", "Trial", "command_client", "contract", "hello_of", "play"]

Client = Callable[[str], Callable[[], bool]]
"""Starts a client with an address; returns a function of whether it has ended."""

KEY = bytes(range(16))


def _discrete(n: int) -> space_pb2.Space:
    return space_pb2.Space(discrete=space_pb2.Discrete(dtype=dtype_pb2.D_TYPE_INT64, n=n))


def contract() -> contract_pb2.EnvContract:
    """Return the contract of the environment that clients play."""
    return contract_pb2.EnvContract(
        id="rlmesh.reference/script",
        spec_version=SPEC_VERSION,
        observation_space=_discrete(100),
        action_space=_discrete(2),
        num_envs=1,
    )


@dataclass
class Trial:
    """What a client has done with one script.

    Attributes:
        hellos: First message of each connection, as bytes.
        requests: Requests in order, each with the number of its connection.
        early: Whether a request came before the answer to the one before it.
        half_closed: Whether the client ended its half after CloseResponse.
        ended: Whether the client has ended by itself.
        record: All messages.
    """

    hellos: list[bytes] = field(default_factory=list)
    requests: list[tuple[int, Any]] = field(default_factory=list)
    early: bool = False
    half_closed: bool = False
    ended: bool = False
    record: Record = field(default_factory=list)

    def numbered(self) -> list[Any]:
        """Return the requests with a number, repetitions included."""
        return [request for _, request in self.requests if request.sequence]

    def opens(self, *, resuming: bool) -> list[Any]:
        """Return the headers of the opens, new or resuming."""
        found = [r.open for _, r in self.requests if r.WhichOneof("request") == "open"]
        return [header for header in found if header.HasField("resume") == resuming]


class Script:
    """Answers a client as a right server does; checks change a part of it."""

    version = SPEC_VERSION

    def __init__(self) -> None:
        self.last = 0
        self.kept: Any = None
        self.count = 0
        self.cuts = 0

    def contract(self) -> contract_pb2.EnvContract:
        """Return the contract that is sent."""
        return contract()

    def facts(self) -> dict[str, Any]:
        """Return what `open` and `describe` have in common."""
        server = {
            "spec_version": self.version,
            "implementation": "rlmesh-check",
            "capabilities": [capability_number("RESUME")],
        }
        terms = {"grace_period_ms": 10_000, "max_message_bytes": 1 << 24}
        return {"server": server, "terms": terms, "contract": self.contract()}

    def open(self, header: Any) -> Any:
        """Return the answer to an `open`."""
        facts = self.facts()
        if header.HasField("resume"):
            return self.resume(header, facts)
        return env_pb2.SessionResponse(open=self._opened(facts))

    def resume(self, header: Any, facts: dict[str, Any]) -> Any:
        """Return the answer to a resume."""
        facts.pop("contract")
        return env_pb2.SessionResponse(open=self._opened(facts, received_sequence=self.last))

    def _opened(self, facts: dict[str, Any], **header: Any) -> env_pb2.OpenResponse:
        own = {name: facts.pop(name) for name in ("server", "terms")}
        made = handshake_pb2.OpenedHeader(session_id="s1", resume_key=KEY, **own, **header)
        return env_pb2.OpenResponse(header=made, **facts)

    def answer(self, request: Any) -> Any:
        """Return the answer to a numbered request; None cuts the connection."""
        if request.sequence != self.last or self.kept is None:
            self.last = request.sequence
            self.kept = self.handle(request)
        return self.kept

    def handle(self, request: Any) -> Any:
        """Return the answer to a new request."""
        member = request.WhichOneof("request")
        made = env_pb2.SessionResponse(sequence=request.sequence)
        if member == "reset":
            self.count = 0
            made.reset.observation.CopyFrom(self.observation())
        elif member == "step":
            self.count += 1
            made.step.observation.CopyFrom(self.observation())
            made.step.reward, made.step.terminated = 1.0, self.count >= 3
        elif member == "close":
            made.close.SetInParent()
        else:
            made.error.code = 8  # type: ignore[assignment]
            made.error.message = "expected reset, step or close"
        return made

    def observation(self) -> value_pb2.Value:
        """Return the count as an observation."""
        return value_pb2.Value(slabs=[struct.pack("<q", self.count)])


def command_client(command: str) -> Client:
    """Return a client that is a command, which is started with the address as its last argument."""

    def start(address: str) -> Callable[[], bool]:
        process = subprocess.Popen(
            [*shlex.split(command), address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def over(kill: bool = False) -> bool:
            if kill:
                process.kill()
                process.wait()
            return process.poll() is not None

        return over

    return start


def play(script: Script, client: Client, timeout: float) -> Trial:
    """Play a script with a client until it ends, and return what it did."""
    trial = Trial()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        over = client(f"frames://127.0.0.1:{listener.getsockname()[1]}")
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                if over():
                    trial.ended = True
                    break
                continue
            stream = FramesStream(peer)
            # A length over every limit is no frame: a client that has lost its connection may try
            # which other protocol the port speaks.
            with contextlib.suppress(Ended, Silent, Failed):
                _serve(script, stream, trial, deadline)
            stream.cut()
    if not trial.ended:
        with contextlib.suppress(TypeError):
            over(kill=True)  # type: ignore[call-arg]
    return trial


def _serve(script: Script, stream: FramesStream, trial: Trial, deadline: float) -> None:
    """Serve one connection."""
    number = len(trial.hellos) + 1

    def receive() -> bytes:
        data = stream.receive(max(deadline - time.monotonic(), 0.01))
        trial.record.append((number, "peer", data))
        return data

    def send(message: Any) -> None:
        data = message.SerializeToString()
        trial.record.append((number, "kit", data))
        stream.send(data)

    trial.hellos.append(receive())
    while True:
        request = env_pb2.SessionRequest.FromString(receive())
        trial.requests.append((number, request))
        member = request.WhichOneof("request")
        if member == "describe":
            send(env_pb2.SessionResponse(describe=env_pb2.DescribeResponse(**script.facts())))
            return
        if request.sequence:
            trial.early |= _more_comes(stream)
        answer = script.open(request.open) if member == "open" else script.answer(request)
        if answer is None:
            return
        send(answer)
        if answer.error.session_closed:
            return
        if answer.WhichOneof("response") == "close":
            _await_end(stream, trial)
            return


_EARLY_S = 0.06
"""How long a second request is waited for: longer than Nagle's algorithm delays it, in seconds."""


def _more_comes(stream: FramesStream) -> bool:
    """Return whether another message comes before the answer to this one."""
    try:
        stream.receive(_EARLY_S)
    except (Ended, Silent):
        return False
    return True


def _await_end(stream: FramesStream, trial: Trial) -> None:
    """Wait until the client ends its half after CloseResponse (K-1)."""
    try:
        stream.receive(2.0)
    except Ended:
        trial.half_closed = True
    except Silent:
        pass


def hello_of(data: bytes) -> frames_pb2.FramesHello:
    """Return a FramesHello from its bytes."""
    return frames_pb2.FramesHello.FromString(data)
