"""`Probe`: what a check of a server works with, and `Session`: a session that it has opened."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Sequence
from typing import Any

from rlmesh_proto.session.v1 import handshake_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._conformance import slabs
from rlmesh._conformance.connection import Connection, Record, described_answer, parsed
from rlmesh._conformance.dialects import Dialect, code_name, code_number, peer_info
from rlmesh._conformance.findings import Blocked, Failed, preparing
from rlmesh._conformance.streams import Ended, Silent
from rlmesh._conformance.target import Target

__all__ = ["Probe", "Session"]


class Probe:
    """The subject of one check.

    Attributes:
        target: The address.
        dialect: The service.
        described: The answer to `describe`; None before there is one.
        record: All messages of the check.
    """

    def __init__(self, target: Target, dialect: Dialect, described: Any, contract: Any) -> None:
        self.target = target
        self.dialect = dialect
        self.described = described
        self.record: Record = []
        self._contract = contract
        self._connections: list[Connection] = []
        self._sessions: list[Session] = []

    @property
    def contract(self) -> Any:
        """The contract of the environment, or the one that a model is opened with."""
        return self._contract

    def lists(self, capability: str) -> bool:
        """Return whether the server has listed a capability in the answer to `describe`."""
        number = handshake_pb2.Capability.Value(f"CAPABILITY_{capability}")
        return number in self.described.server.capabilities

    def describe(self, client: Any = None, token: str | None = None) -> Any:
        """Return the answer to `Describe`, or over frames to `describe` as the first request.

        Raises:
            Failed: If there is another answer.
        """
        peer = peer_info() if client is None else client
        if self.target.address.is_frames:
            answer = self.connect(token).exchange(self.dialect.request(describe={"client": peer}))
            if answer.WhichOneof("response") != "describe" or answer.sequence:
                raise Failed("describe with sequence 0", described_answer(answer))
            return answer.describe
        asked = self.dialect.message("describe")
        asked.client.CopyFrom(peer)
        asked_bytes = asked.SerializeToString()
        self.record.append((0, "kit", asked_bytes))
        found = self.target.call(self.dialect.service, "Describe", asked_bytes, token)
        status, data, details = found
        if status != "OK":
            raise Failed("an answer to Describe", f"{status}: {details}")
        self.record.append((0, "peer", data))
        return parsed(self.dialect.describe_response, data)

    def connect(self, token: str | None = None) -> Connection:
        """Return a new connection; over frames, after FramesHello."""
        return self.adopt(self.target.connect(self.dialect.service, token))

    def adopt(self, stream: Any) -> Connection:
        """Return a connection of the check over a stream."""
        number = len(self._connections) + 1
        made = Connection(stream, self.dialect, self.target.timeout, self.record, number)
        self._connections.append(made)
        return made

    def open_request(
        self, capabilities: Sequence[str] = ("RESUME",), resume: Any = None, **header: Any
    ) -> Any:
        """Return an `open` of the kit."""
        made = handshake_pb2.OpenHeader(client=peer_info(capabilities), resume=resume, **header)
        return self.dialect.open_request(made, None if resume else self._contract)

    def numbered(self, sequence: int, member: str = "", message: Any = None) -> Any:
        """Return a request with a number; by default one that needs nothing but a session."""
        member = member or self.dialect.plain
        request = self.dialect.request(sequence=sequence)
        getattr(request, member).SetInParent()
        if message is not None:
            getattr(request, member).CopyFrom(message)
        return request

    def open(self, capabilities: Sequence[str] = ("RESUME",)) -> Session:
        """Open a session, as preparation of the check.

        Raises:
            Blocked: If that fails.
        """
        with preparing("open a session"):
            return self.try_open(capabilities)

    def try_open(self, capabilities: Sequence[str] = ("RESUME",)) -> Session:
        """Open a session, as the subject of the check.

        Raises:
            Failed: If that fails.
        """
        return self.open_with(self.open_request(capabilities))

    def open_with(self, request: Any) -> Session:
        """Open a session with an `open` of the check's own.

        Raises:
            Failed: If that fails.
        """
        _, answer = self.exchange_open(request)
        if answer.WhichOneof("response") != "open":
            raise Failed("open", described_answer(answer))
        return self._sessions[-1]

    def exchange_open(self, request: Any) -> tuple[Connection, Any]:
        """Send an `open` on a new connection; return that and the answer.

        The `open` is sent again while an earlier session is ending, which BUSY shows.
        """
        deadline = time.monotonic() + self.target.timeout
        while True:
            connection = self.connect()
            answer = connection.exchange(request)
            if answer.error.code != code_number("BUSY") or time.monotonic() > deadline:
                break
            connection.cut()
            time.sleep(0.02)
        if answer.WhichOneof("response") == "open":
            self.session(connection, answer.open)
        return connection, answer

    def session(self, connection: Connection, opened: Any) -> Session:
        """Return the session of an answer to `open`; it is closed when the check ends."""
        made = Session(self, connection, opened)
        self._sessions.append(made)
        return made

    def playing(self, capabilities: Sequence[str] = ("RESUME",)) -> Session:
        """Return a session with an episode that has begun.

        Raises:
            Blocked: If that fails.
        """
        made = self.open(capabilities)
        made.do(self.dialect.plain)
        return made

    def action(self, seed: int = 0) -> value_pb2.Value:
        """Return an action of the contract."""
        batch = self._contract.num_envs if self._contract.vector else None
        return slabs.sample(self._contract.action_space, batch, random.Random(seed))

    def step_request(self, seed: int = 0) -> Any:
        """Return a StepRequest with an action of the contract."""
        message = self.dialect.message("step")
        message.action.CopyFrom(self.action(seed))
        return message

    def finish(self) -> None:
        """End all sessions and connections, so that the next check finds the server free."""
        for session in self._sessions:
            with contextlib.suppress(Failed, Blocked, Ended, Silent):
                session.finish()
        for connection in self._connections:
            connection.cut()


class Session:
    """An open session.

    Attributes:
        connection: The connection that it is on.
        opened: The answer to `open`.
        last: Number of the last request that has been sent.
        over: Whether it has ended, as the check knows.
        lost: Whether its connection has been lost.
    """

    def __init__(self, probe: Probe, connection: Connection, opened: Any) -> None:
        self.connection = connection
        self.opened = opened
        self.last = 0
        self.over = False
        self._probe = probe
        self.lost = False

    @property
    def header(self) -> handshake_pb2.OpenedHeader:
        """The header of the answer to `open`."""
        return self.opened.header  # type: ignore[no-any-return]

    @property
    def key(self) -> bytes:
        """The key that resumes the session; empty if it cannot be resumed."""
        return self.header.resume_key

    def send(self, member: str = "", message: Any = None) -> Any:
        """Send the next request, and return it."""
        self.last += 1
        request = self._probe.numbered(self.last, member, message)
        self.connection.send(request)
        return request

    def ask(self, member: str = "", message: Any = None) -> Any:
        """Send the next request, and return its answer.

        Raises:
            Failed: If there is no answer.
            Blocked: If the answer has another number, which is the subject of Q-2.
        """
        self.send(member, message)
        return self.take()

    def take(self) -> Any:
        """Return the answer to the last request."""
        answer = self.connection.answer()
        if answer.sequence != self.last:
            raise Blocked(f"request {self.last} was answered by {described_answer(answer)} (Q-2)")
        if answer.error.session_closed or answer.WhichOneof("response") == "close":
            self.over = True
        return answer

    def do(self, member: str = "", message: Any = None) -> Any:
        """Send the next request as preparation, and return the member that answers it.

        Raises:
            Blocked: If another answer comes.
        """
        name = member or self._probe.dialect.plain
        with preparing(f"do {name}"):
            return self.must(name, message)

    def must(self, member: str, message: Any = None) -> Any:
        """Send the next request, and return the member that answers it.

        Raises:
            Failed: If another answer comes.
        """
        answer = self.ask(member, message)
        if answer.WhichOneof("response") != member:
            raise Failed(f"an answer {member}", described_answer(answer))
        return getattr(answer, member)

    def try_step(self) -> Any:
        """Apply an action, and return the StepResponse.

        An environment may refuse some actions of its space with an exception, which is its own
        affair; then others are tried.

        Raises:
            Failed: If no action has a StepResponse.
        """
        seen = ""
        for seed in range(8):
            answer = self.ask("step", self._probe.step_request(seed))
            if answer.WhichOneof("response") == "step":
                return answer.step
            seen = described_answer(answer)
            if code_name(answer.error.code) != "USER_EXCEPTION":
                break
        raise Failed("an answer step", seen)

    def step(self) -> Any:
        """Apply an action as preparation, and return the StepResponse.

        Raises:
            Blocked: If no action has one.
        """
        with preparing("do step"):
            return self.try_step()

    def lose(self) -> None:
        """Lose the connection."""
        self.lost = True
        self.connection.cut()

    def resume_with(self, awaited: int, key: bytes | None = None, name: str = "") -> Any:
        """Try to resume on a new connection; return it and the answer."""
        resume = handshake_pb2.Resume(
            session_id=name or self.header.session_id,
            resume_key=self.key if key is None else key,
            awaited_sequence=awaited,
        )
        connection = self._probe.connect()
        answer = connection.exchange(self._probe.open_request(resume=resume))
        if answer.WhichOneof("response") == "open":
            self.connection, self.lost = connection, False
            if answer.open.header.resume_key:
                self.header.resume_key = answer.open.header.resume_key
        return connection, answer

    def resume(self, awaited: int) -> Any:
        """Resume on a new connection as preparation; return the OpenResponse."""
        with preparing("resume the session"):
            return self.must_resume(awaited)

    def must_resume(self, awaited: int) -> Any:
        """Resume on a new connection; return the OpenResponse.

        Raises:
            Failed: If the server refuses.
        """
        _, answer = self.resume_with(awaited)
        if answer.WhichOneof("response") != "open":
            raise Failed("open", described_answer(answer))
        return answer.open

    def finish(self) -> None:
        """Close the session if it may still be open.

        A server that breaks a rule may have lost the connection, or answer `close` with an error;
        the next check needs the instance all the same.
        """
        if self.over:
            return
        self.over = True
        for _ in range(3):
            with contextlib.suppress(Failed):
                if self._close():
                    return
            self.lost = True
            self.connection.cut()

    def _close(self) -> bool:
        """Send `close`, and return whether it was answered; later answers are read up to then."""
        if self.lost and not (self.key and self._resume_anyhow()):
            return True
        self.last += 1
        for _ in range(2):
            self.connection.send(self._probe.numbered(self.last, "close"))
            deadline = time.monotonic() + self._probe.target.timeout
            while (answer := self.connection.answer()).sequence != self.last:
                if time.monotonic() > deadline:
                    return False
            if answer.WhichOneof("response") == "close":
                self.connection.stream.half_close()  # K-1: after its answer the client does that.
                return True
        return False

    def _resume_anyhow(self) -> bool:
        """Resume the session whatever number it awaits, and return whether that worked."""
        for awaited in (self.last + 1, self.last, 1):
            connection, answer = self.resume_with(max(awaited, 1))
            if answer.WhichOneof("response") == "open":
                self.last = answer.open.header.received_sequence
                return True
            connection.cut()
        return False
