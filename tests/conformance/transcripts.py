"""Reads the transcripts of spec/vectors/sessions, and makes what they are sessions with."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest import mock

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.model.v1 import model_pb2
from rlmesh_proto.session.v1 import frames_pb2

from rlmesh import ServeOptions
from rlmesh._conformance import reference
from rlmesh._env_host.servicer_provider import EnvServicerProvider
from rlmesh._server.model_server import _new_servicers, _offered_spec
from rlmesh._session.session_manager import SessionManager
from rlmesh._wire.contract import peer_from_wire
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.adapters import Adaptation, ModelSpec
from rlmesh.backends import NATIVE
from rlmesh.specs import AutoresetMode, Capability, PeerInfo, SessionTerms
from tests.conformance.vectors import VECTORS
from tests.env_in_memory import EnvInMemory

__all__ = ["MESSAGES", "MODELS", "Transcript", "plain", "served", "transcripts"]

MESSAGES: dict[str, type[Any]] = {
    message.DESCRIPTOR.full_name: message
    for message in (
        *(env_pb2.SessionRequest, env_pb2.SessionResponse, frames_pb2.FramesHello),
        *(model_pb2.SessionRequest, model_pb2.SessionResponse),
    )
}
KEY = bytes(range(16))


@dataclass(frozen=True)
class Transcript:
    """A transcript; see spec/vectors/README.md."""

    name: str
    served: str
    raw_client: bool
    steps: tuple[Mapping[str, Any], ...]

    @property
    def opened(self) -> Any:
        """The answer that opens the session, or describes what is served; None: neither."""
        found = (step for step in self.steps if step.get("sender") == "server")
        answers = (MESSAGES[step["type"]].FromString(bytes.fromhex(step["hex"])) for step in found)
        for answer in answers:
            if answer.HasField("open"):
                return answer.open
            if answer.HasField("describe"):
                return answer.describe
        return None

    @property
    def server(self) -> Any:
        """The PeerInfo of the server; None: the transcript does not show it."""
        shown = getattr(self.opened, "header", self.opened)
        return None if shown is None else shown.server


def transcripts(folder: str) -> list[Transcript]:
    """Return the transcripts of a folder ("env")."""
    found: list[Transcript] = []
    for path in sorted((VECTORS / "sessions" / folder).glob("*.json")):
        for case in json.loads(path.read_text("ascii"))["cases"]:
            found.append(Transcript(**{**case, "steps": tuple(case["steps"])}))
    assert found, f"no transcripts in {folder}"
    return found


def plain(message: Any) -> Any:
    """Return a message without what each implementation has of its own: texts and times."""
    shown = type(message).FromString(message.SerializeToString())
    if "call_us" in shown.DESCRIPTOR.fields_by_name:
        shown.call_us = 0
        for name in ("message", "expected", "actual", "exception_type", "traceback", "holder"):
            if shown.HasField("error"):
                shown.error.ClearField(name)
    for kind, field in (("open", "contract"), ("open", "spec"), ("describe", "contract")):
        part = getattr(shown, kind)
        if field in part.DESCRIPTOR.fields_by_name and part.HasField(field):
            getattr(part, field).ClearField("metadata")
            if field == "contract" and not part.contract.render.ListFields():
                part.contract.ClearField("render")  # An empty one says what an absent one says.
    for step in _steps(shown):
        if not step.info.entries:
            step.ClearField("info")  # N-7: absent and empty are the same.
    return shown


def _steps(message: Any) -> Iterator[Any]:
    if message.DESCRIPTOR.full_name == env_pb2.SessionResponse.DESCRIPTOR.full_name:
        yield from message.step_many.steps


class Count(reference.Count):
    """The environment `count`, whose id is its name in the transcripts."""

    spec: Any = None


class Drawn(reference.Drawn):
    """The environment `drawn`, which has no info."""

    spec: Any = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Leave out the seed."""
        return super().reset(options=options)


class Lanes(reference.Lanes):
    """The vector `lanes`."""

    spec: Any = None


@contextmanager
def served(transcript: Transcript) -> Iterator[SessionManager]:
    """Serve what a transcript is a session with, with its session id and key."""
    opened = transcript.opened
    server = PeerInfo(SPEC_VERSION, capabilities=frozenset({Capability.RESUME}))
    if transcript.server is not None:
        server = peer_from_wire(transcript.server)
    terms = SessionTerms(30.0, 268_435_456)
    fixed = SimpleNamespace(token_hex=lambda size: "s1", token_bytes=lambda size: KEY)
    with mock.patch("rlmesh._session.server_session.secrets", fixed):
        if transcript.served in MODELS:
            yield from _served_model(MODELS[transcript.served](), server, terms)
            return
        mode = opened.contract.autoreset_mode if transcript.served == "lanes" else 0
        modes = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]
        single = Drawn if transcript.served == "drawn" else Count
        env = Lanes(modes[mode - 1]) if mode else single()
        host = EnvInMemory(env, exposed=("count",) if type(env) is Count else ())
        yield SessionManager(
            host.described.contract,
            server,
            terms,
            EnvServicerProvider(host),
            EnvWireCodec(NATIVE),
            expose_tracebacks=False,
        )


def _sum() -> Any:
    return reference.Sum(spec=ModelSpec("sum", adaptation=Adaptation.NONE, stateful=True))


def _ramp_model() -> Any:
    return reference.Ramp(spec=ModelSpec("ramp", adaptation=Adaptation.NONE, chunk_length=3))


MODELS: dict[str, Callable[[], Any]] = {"sum": _sum, "ramp": _ramp_model}
"""What makes each model that a transcript is a session with."""


def _served_model(model: Any, server: PeerInfo, terms: SessionTerms) -> Iterator[SessionManager]:
    servicers = _new_servicers(model, ServeOptions(max_batch_delay_ms=0), 500, False)
    thread = threading.Thread(target=servicers.thread.run, name="transcript-model", daemon=True)
    thread.start()
    codec, spec = ModelWireCodec(NATIVE), _offered_spec(model)
    try:
        yield SessionManager(spec, server, terms, servicers, codec, expose_tracebacks=False)
    finally:
        servicers.thread.stop()
        thread.join(30)
