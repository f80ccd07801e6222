"""A right client of environments in frames, and clients that are it with one change."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from rlmesh_proto import SPEC_VERSION
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import frames_pb2, handshake_pb2

from rlmesh._conformance.slab_reader import check_value
from rlmesh._conformance.slabs import BadValue
from rlmesh._conformance.space_rules import space_problems

__all__ = ["BROKEN_CLIENTS", "RightClient", "started"]

SERVICE = "rlmesh.proto.env.v1.EnvService"


class Over(Exception):
    """The client gives up."""


class RightClient:
    """Plays an episode."""

    service = SERVICE
    version = SPEC_VERSION
    first_number = 1
    tries = 3

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("frames://").rpartition(":")
        self._place = (host, int(port))
        self.n = self.first_number - 1
        self.opened: Any = None

    def play(self) -> None:
        """Play an episode, and close."""
        self.connect()
        try:
            self.open()
            self.checked(self.call("reset").reset.observation)
            while True:
                step = self.call("step", action={"slabs": [self.action()]}).step
                self.checked(step.observation)
                if step.terminated:
                    break
            self.close()
        except (Over, BadValue):
            self.close()
        except OSError:
            pass
        finally:
            self.socket.close()

    # Connections.

    def connect(self) -> None:
        self.socket = socket.create_connection(self._place, timeout=10)
        self.send(self.hello())

    def hello(self) -> Any:
        return frames_pb2.FramesHello(service=self.service)

    def send(self, message: Any) -> None:
        data = message.SerializeToString()
        if len(data) > self.max_bytes():
            raise Over
        self.socket.sendall(struct.pack("<I", len(data)) + data)

    def max_bytes(self) -> int:
        return self.opened.header.terms.max_message_bytes if self.opened else 1 << 24

    def receive(self) -> Any:
        (size,) = struct.unpack("<I", self.exactly(4))
        return env_pb2.SessionResponse.FromString(self.exactly(size))

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    # The session.

    def header(self, resume: Any = None) -> Any:
        client = handshake_pb2.PeerInfo(
            spec_version=self.version, capabilities=[handshake_pb2.CAPABILITY_RESUME]
        )
        return env_pb2.SessionRequest(open={"client": client, "resume": resume})

    def open(self) -> None:
        self.send(self.header())
        self.opened = self.receive().open
        if not self.talks(self.opened.header.server.spec_version):
            raise Over
        if self.broken(self.opened.contract):
            raise Over

    def talks(self, version: str) -> bool:
        return version == SPEC_VERSION

    def broken(self, contract: Any) -> bool:
        return any(space_problems(contract.action_space))

    def request(self, member: str, **fields: Any) -> Any:
        made = env_pb2.SessionRequest(sequence=self.n)
        getattr(made, member).SetInParent()
        getattr(made, member).MergeFrom(getattr(made, member).__class__(**fields))
        return made

    def call(self, member: str, **fields: Any) -> Any:
        self.n += 1
        request = self.request(member, **fields)
        self.send(request)
        try:
            answer = self.receive()
        except ConnectionError:
            self.socket.close()
            answer = self.again(request)
        if not self.right(answer, member):
            raise Over
        return answer

    def right(self, answer: Any, member: str) -> bool:
        return bool(answer.WhichOneof("response") == member and answer.sequence == self.n)

    def resume_of(self) -> Any:
        return handshake_pb2.Resume(
            session_id=self.opened.header.session_id,
            resume_key=self.opened.header.resume_key,
            awaited_sequence=self.n,
        )

    def again(self, request: Any) -> Any:
        """Resume, and send a request again."""
        for left in reversed(range(self.tries)):
            self.connect()
            self.send(self.header(self.resume_of()))
            try:
                answer = self.receive()
                break
            except ConnectionError:
                self.socket.close()
                if not left:
                    raise
        if answer.HasField("error"):
            return self.unknown(request)
        self.send(request)
        return self.receive()

    def unknown(self, request: Any) -> Any:
        raise ConnectionResetError

    def action(self) -> bytes:
        return struct.pack("<q", 1)

    def checked(self, observation: Any) -> None:
        check_value(self.opened.contract.observation_space, observation, None)

    def close(self) -> None:
        self.n += 1
        try:
            self.send(self.request("close"))
            self.receive()
            self.half_close()
        except OSError:
            pass

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)


def started(kind: type[RightClient]) -> Callable[[str], Callable[[], bool]]:
    """Return what starts a client on a thread."""

    def start(address: str) -> Callable[[], bool]:
        def run() -> None:
            with contextlib.suppress(OSError, BadValue):
                kind(address).play()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return lambda: not thread.is_alive()

    return start


BROKEN_CLIENTS: list[tuple[str, str, type[RightClient]]] = []


def broken(rule: str, first: str, base: Any = RightClient, **changes: Any) -> None:
    """Add a client that is `base` with some members changed, and the check that names it."""
    BROKEN_CLIENTS.append((rule, first, type("BrokenClient", (base,), changes)))


broken("B-16", "hello-comes-first", service="rlmesh.proto.model.v1.ModelService")


class Numbers0(RightClient):
    def header(self, resume: Any = None) -> Any:
        made = super().header(resume)
        made.sequence = 1
        return made


class NoVersion(RightClient):
    def header(self, resume: Any = None) -> Any:
        made = super().header(resume)
        made.open.client.spec_version = ""
        return made


broken("H-2", "open-comes-first-with-0", Numbers0)
broken("U-4", "client-has-a-version", NoVersion)


class NoReset(RightClient):
    def call(self, member: str, **fields: Any) -> Any:
        if member == "reset":
            return env_pb2.SessionResponse(reset={"observation": {"slabs": [bytes(8)]}})
        return super().call(member, **fields)


broken("N-4", "client-plays", NoReset)
broken("Q-1", "requests-are-numbered-without-a-gap", first_number=2)


class Pipelines(RightClient):
    """Sends a second step before it has the answer to the first."""

    def call(self, member: str, **fields: Any) -> Any:
        if member == "step" and self.n == 1:
            self.n += 1
            first = self.request(member, **fields)
            self.send(first)
            self.n += 1
            self.send(self.request(member, **fields))
            self.receive()
            return self.receive()
        return super().call(member, **fields)


broken("Q-1", "one-request-is-outstanding", Pipelines)
broken("V-14", "actions-are-of-their-space", action=lambda self: struct.pack("<q", 2))
broken("K-1", "session-is-closed", close=lambda self: None)
broken("K-1", "session-is-closed", half_close=lambda self: self.socket.recv(1))


class WrongAwaited(RightClient):
    def resume_of(self) -> Any:
        made = super().resume_of()
        made.awaited_sequence += 1
        return made


class WrongKey(RightClient):
    def resume_of(self) -> Any:
        made = super().resume_of()
        made.resume_key = bytes(16)
        return made


broken("R-4", "lost-session-is-resumed", WrongAwaited)
broken("R-4", "lost-session-is-resumed", WrongKey)


class OtherAction(RightClient):
    def again(self, request: Any) -> Any:
        request.step.action.slabs[0] = bytes(8)
        return super().again(request)


class NewNumber(RightClient):
    """Repeats a request, and asks for the same again under a new number."""

    def again(self, request: Any) -> Any:
        super().again(request)
        self.n += 1
        return super().call("reset") and self.call("step", action={"slabs": [self.action()]})

    def right(self, answer: Any, member: str) -> bool:
        return True


broken("Q-4", "repetition-is-equal", OtherAction)
broken("Q-10", "lost-request-has-no-new-number", NewNumber)


class OpensAnother(RightClient):
    def unknown(self, request: Any) -> Any:
        self.socket.close()
        self.connect()
        self.n = 0
        self.open()
        self.call("reset")
        return self.call("step", action={"slabs": [self.action()]})


broken("R-12", "unknown-session-is-final", OpensAnother)
broken("R-11", "lost-resume-is-tried-again", tries=1)
broken("M-3", "messages-are-within-the-limit", max_bytes=lambda self: 1 << 24)
broken("H-5", "other-version-is-refused", talks=lambda self, version: True)
broken("H-11", "broken-contract-is-refused", broken=lambda self, contract: False)


class AnyAnswer(RightClient):
    def call(self, member: str, **fields: Any) -> Any:
        answer = super().call(member, **fields)
        if answer.HasField("reset") and member == "step":
            answer.step.observation.CopyFrom(answer.reset.observation)
        return answer

    def right(self, answer: Any, member: str) -> bool:
        return True

    def checked(self, observation: Any) -> None:
        if observation.slabs:
            super().checked(observation)


broken("N-1", "wrong-answer-ends-the-session", AnyAnswer)
broken("V-4", "broken-observation-is-reported", checked=lambda self, observation: None)
