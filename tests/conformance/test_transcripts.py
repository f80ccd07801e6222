"""The transcripts of spec/vectors/sessions, replayed against our servers and our clients."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest

from rlmesh._journal import Journal
from rlmesh._messages import env as m
from rlmesh._session.client_session import ClientSession
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.server_connection import ServerConnection
from rlmesh._transport.socket.doorkeeper import Doorkeeper
from rlmesh._transport.socket.framing import FramesEnded
from rlmesh._wire.contract import contract_from_wire, peer_from_wire
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.frames_alone import describe_frame, read_description_frame, write_hello
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.services import ENV_SERVICE
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.backends import NATIVE
from rlmesh.errors import ConnectionLostError, InvalidValueError, RemoteError
from rlmesh.specs import Capability, PeerInfo
from tests.conformance.transcripts import (
    MESSAGES,
    MODELS,
    Transcript,
    plain,
    served,
    transcripts,
)
from tests.conformance.vectors import VECTORS

SESSIONS = [t for folder in ("env", "model", "frames") for t in transcripts(folder)]
TOKEN = "s3cret"

RULE = re.compile(r"\b[A-Z]-[0-9]+: ")
"""The rule that a refusal names in its message."""

_NOT_OF_THE_PEER = "USER_EXCEPTION INVALID_RESULT BUSY TIMEOUT CRASHED SHUTTING_DOWN INTERNAL"
REFUSALS = {int(code) for code in m.ErrorCode if code.name not in _NOT_OF_THE_PEER.split()}
"""Codes of what the peer has sent."""


def message_of(step: Any) -> Any:
    return MESSAGES[step["type"]].FromString(bytes.fromhex(step["hex"]))


def is_hello(step: Any) -> bool:
    return "type" in step and step["type"].endswith(".FramesHello")


class Server:
    """A connection to a server of ours, with the frames that it has sent and nothing has read."""

    def __init__(self, manager: Any, alone: bool) -> None:
        self.sent: list[bytes] = []
        self.ended = False
        self.connection = ServerConnection(
            manager,
            "transcript",
            self._cut,
            lambda: not self.ended,
            describes=alone,
            dismiss=self._dismiss,
            send=lambda frame: self.sent.append(bytes(frame)),
        )

    def _cut(self) -> None:
        self.ended = True

    def _dismiss(self, farewell: Any) -> None:
        self.sent.append(bytes(farewell))
        self.ended = True

    def receive(self, step: Any) -> None:
        if is_hello(step):
            self._greet(bytes.fromhex(step["hex"]))
            return
        answer = self.connection.exchange(bytes.fromhex(step["hex"]))
        if answer.frame is not None:
            self.sent.append(bytes(answer.frame))
        if answer.last:
            self.ended = True
            self.connection.lost()

    def _greet(self, hello: bytes) -> None:
        """Let the server's door read a first message (B-16)."""

        class Frames:
            max_first_bytes = 0
            refuse = staticmethod(self._dismiss)

            def receive_short(self, limit: int) -> bytes:
                return hello

        try:
            Doorkeeper(ENV_SERVICE, TOKEN).admit(Frames(), "transcript")  # type: ignore[arg-type]
        except FramesEnded:
            assert self.ended


@pytest.mark.parametrize("transcript", SESSIONS, ids=lambda t: f"{t.served}: {t.name}")
def test_our_server_answers_as_the_transcript_does(transcript: Transcript) -> None:
    alone = is_hello(transcript.steps[0])
    with served(transcript) as manager:
        open_ones: dict[int, Server] = {}
        for step in transcript.steps:
            if step.get("event") == "stopped":
                manager.stop()
                continue
            number = step["connection"]
            there = open_ones.setdefault(number, Server(manager, alone))
            if step.get("event") == "lost":
                there.sent.clear()
                there.connection.lost()
            elif step.get("event") == "ended":
                assert there.ended and not there.sent
            elif step["sender"] == "client":
                there.receive(step)
            else:
                declared = message_of(step)
                answer = type(declared).FromString(there.sent.pop(0))
                assert plain(answer) == plain(declared)
                if answer.error.code in REFUSALS:
                    assert RULE.search(answer.error.message), answer.error.message
        assert not any(there.sent for there in open_ones.values())
        manager.end()


class Script:
    """A server that answers as a transcript does, and compares what a client sends."""

    def __init__(self, transcript: Transcript) -> None:
        self.steps = [step for step in transcript.steps if not is_hello(step)]
        self.connections = 0

    def connect(self) -> ScriptedConnection:
        self.connections += 1
        return ScriptedConnection(self, self.connections)

    def done(self) -> bool:
        return all(step.get("event") == "ended" for step in self.steps)


class ScriptedConnection:
    """One connection of a script; see `ClientConnection`."""

    address, transport = "memory://", "memory"

    def __init__(self, script: Script, number: int) -> None:
        self._script = script
        self._number = number

    def exchange(self, frame: Any, timeout: float | None = None) -> bytes:
        steps = self._script.steps
        step = steps[0]
        if "sender" in step:
            declared = message_of(steps.pop(0))
            assert step["connection"] == self._number and step["sender"] == "client"
            assert plain(type(declared).FromString(bytes(frame))) == plain(declared)
        if steps[0].get("event") == "lost":
            steps.pop(0)
            raise ConnectionLostError("the transcript has lost it", address=self.address)
        return self.receive()

    def receive(self, timeout: float | None = None) -> bytes:
        """Return the next frame, after one that was no answer."""
        step = self._script.steps.pop(0)
        assert step["sender"] == "server"
        return bytes.fromhex(step["hex"])

    def allocate(self, parts: Any, size: int) -> bytes:
        return b"".join(parts)

    def server_has_ended(self) -> bool:
        return False

    shares_memory = server_has_ended

    def cut(self) -> None:
        pass

    close = cut


def bodies(transcript: Transcript, codec: Any) -> list[Any]:
    """Return what the client's user asks for: each numbered request once."""
    asked: dict[int, Any] = {}
    for step in transcript.steps:
        if step.get("sender") == "client" and not is_hello(step):
            request = codec.read_request(bytes.fromhex(step["hex"]))
            asked.setdefault(request.sequence, request.body)
    del asked[0]
    return list(asked.values())


@pytest.mark.parametrize(
    "transcript",
    [t for t in SESSIONS if not t.raw_client and t.name != "a description"],
    ids=lambda t: f"{t.served}: {t.name}",
)
def test_our_client_asks_as_the_transcript_does(transcript: Transcript) -> None:
    codec: Any = EnvWireCodec(NATIVE)
    contract = None
    first = message_of(next(step for step in transcript.steps if not is_hello(step))).open
    client = first
    if transcript.served in MODELS:
        codec = ModelWireCodec(NATIVE)
        client = first.header
        contract = contract_from_wire(first.contract, NATIVE)
    script = Script(transcript)
    reports: list[Any] = []
    session = ClientSession(
        script.connect,
        codec,
        peer_from_wire(client.client),
        ConnectOptions(10.0, on_progress=reports.append),
        contract=contract,
    )
    *asked, last = bodies(transcript, codec)
    assert isinstance(last, m.Close)
    for body in asked:
        with suppress(RemoteError, InvalidValueError):  # The failures that the transcript has.
            session.request(body, object)
    session.close()
    assert script.done()
    sent = [message_of(step) for step in transcript.steps if step.get("sender") == "server"]
    assert len(reports) == sum(answer.WhichOneof("response") == "progress" for answer in sent)


@pytest.mark.parametrize("transcript", transcripts("frames"), ids=lambda t: t.name)
def test_our_client_of_frames_alone_greets_as_the_transcript_does(transcript: Transcript) -> None:
    hello = message_of(transcript.steps[0])
    assert write_hello(hello.service, hello.token).hex() == transcript.steps[0]["hex"]


def test_our_client_asks_for_a_description_as_the_transcript_does() -> None:
    (transcript,) = (t for t in SESSIONS if t.name == "a description")
    _, asked, answered, _ = transcript.steps
    codec = EnvWireCodec(NATIVE)
    peer = PeerInfo(SPEC_VERSION)
    assert describe_frame(codec.write_describe_request(peer)).hex() == asked["hex"]
    answer = read_description_frame(bytes.fromhex(answered["hex"]), ENV_SERVICE, "memory://")
    server, contract, _ = codec.read_description(answer)
    assert contract.id == "Count" and Capability.RESUME in server.capabilities


def journals() -> list[Any]:
    path = VECTORS / "sessions" / "journals" / "all.json"
    return list(json.loads(path.read_text("ascii"))["cases"])


@pytest.mark.parametrize("case", journals(), ids=lambda case: case["name"])
def test_a_journal_is_read_and_continued_as_declared(case: Any, tmp_path: Any) -> None:
    path = tmp_path / "journal"
    path.write_bytes(bytes.fromhex(case["hex"]))
    header, *declared = case["records"]
    with Journal.open(path) as journal:
        assert journal.header.model_id == header["header"]["model_id"]
        assert list(journal.header.seeds) == [int(seed) for seed in header["header"]["seeds"]]
        found = [(e.index, e.seed, e.reward, e.steps) for e in journal.episodes]
        wanted = [
            (int(e.get("index", 0)), int(e["seed"]), e["reward"], int(e["steps"]))
            for e in (record["episode"] for record in declared)
        ]
        assert found == wanted
        whole = bytes.fromhex(journals()[0]["hex"])
        for episode in Journal.read(_whole(tmp_path, whole))[1].episodes[len(found) :]:
            journal.append(episode)
    assert path.read_bytes() == whole


def _whole(folder: Any, data: bytes) -> Any:
    path = folder / "whole"
    path.write_bytes(data)
    return path
