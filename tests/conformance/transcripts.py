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

import rlmesh
from rlmesh import ServeOptions
from rlmesh._env_host.servicer_provider import EnvServicerProvider
from rlmesh._server.model_server import _new_servicers, _offered_spec
from rlmesh._session.session_manager import SessionManager
from rlmesh._wire.contract import peer_from_wire
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.adapters import Adaptation, ModelSpec
from rlmesh.backends import NATIVE
from rlmesh.spaces import Discrete
from rlmesh.specs import AutoresetMode, Capability, PeerInfo, SessionTerms
from rlmesh.tensor import Tensor
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
COUNTS, ACTIONS = Discrete(100), Discrete(3)
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
        """The answer that opens the session; None if there is none."""
        found = (step for step in self.steps if step.get("sender") == "server")
        answers = (MESSAGES[step["type"]].FromString(bytes.fromhex(step["hex"])) for step in found)
        for answer in answers:
            if answer.open.session_id:
                return answer.open
            if answer.HasField("describe"):
                return answer.describe
        return None


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


class Count:
    """The environment `count`."""

    observation_space, action_space = COUNTS, ACTIONS

    def __init__(self) -> None:
        self.count = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.count = (options or {}).get("start", 0)
        return self.count, {} if seed is None else {"seed": seed}

    def step(self, action: int) -> Any:
        if action == 2:
            raise RuntimeError("2 is no step")
        self.count += action
        return self.count, float(action), self.count >= 3, False, {}

    def close(self) -> None:
        pass


class Drawn(Count):
    """The environment `drawn`."""

    render_mode = "ansi"

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        rlmesh.report_progress("counting", 0.5)
        return super().reset(seed=seed, options=options)

    def render(self) -> str:
        return f"count: {self.count}"


class Lanes:
    """The vector `lanes` in one autoreset mode."""

    num_envs = 2
    single_observation_space, single_action_space = COUNTS, ACTIONS

    def __init__(self, mode: AutoresetMode) -> None:
        self.metadata = {"autoreset_mode": mode}
        self.mode = mode
        self.counts, self.ended = [0, 0], [False, False]

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        mask = (options or {}).get("reset_mask")
        chosen = [True, True] if mask is None else [bool(x) for x in mask.tobytes()]
        for lane in (0, 1):
            if chosen[lane]:
                self.counts[lane], self.ended[lane] = 0, False
        return self._counts(), {}

    def step(self, actions: Any) -> Any:
        rewards, terminated = [0.0, 0.0], [False, False]
        for lane, action in enumerate(actions.tolist()):
            if self.mode is AutoresetMode.NEXT_STEP and self.ended[lane]:
                self.counts[lane], self.ended[lane] = 0, False
                continue
            self.counts[lane] += action
            rewards[lane] = float(action)
            terminated[lane] = self.ended[lane] = self.counts[lane] >= 2
        info: dict[str, Any] = {}
        if self.mode is AutoresetMode.SAME_STEP and any(terminated):
            final = [c if end else None for c, end in zip(self.counts, terminated)]
            info = {"final_obs": final, "_final_obs": _flags(terminated)}
            self.counts = [0 if end else c for c, end in zip(self.counts, terminated)]
        none = _flags([False, False])
        return self._counts(), Tensor.of(rewards, "float64"), _flags(terminated), none, info

    def _counts(self) -> Any:
        return Tensor.of(self.counts, "int64")

    def close(self) -> None:
        pass


def _flags(flags: list[bool]) -> Tensor:
    return Tensor(bytes(flags), "bool", (2,))


class Sum(rlmesh.Model):
    """The model `sum`."""

    def predict(self, observation: int, context: Any) -> int:
        self.observe(observation, context)
        return context.state["sum"] % 3  # type: ignore[no-any-return]

    def predict_batch(self, observations: Any, contexts: Any) -> Any:
        actions = [self.predict(*pair) for pair in zip(observations.tolist(), contexts)]
        return Tensor.of(actions, "int64")

    def observe(self, observation: int, context: Any) -> None:
        context.state["sum"] = context.state.get("sum", 0) + int(observation)


class Ramp(rlmesh.Model):
    """The model `ramp`."""

    def predict_chunk(self, observation: int, context: Any) -> Any:
        return Tensor.of(_ramp(observation, context), "int64")

    def predict_chunk_batch(self, observations: Any, contexts: Any) -> Any:
        ramps = [_ramp(*pair) for pair in zip(observations.tolist(), contexts)]
        return Tensor.of(ramps, "int64")


def _ramp(observation: int, context: Any) -> list[int]:
    prefix = context.action_prefix
    begun = [] if prefix is None else list(map(int, prefix.actions[: prefix.committed]))
    return [*begun, *((observation + more) % 3 for more in range(len(begun), 3))]


@contextmanager
def served(transcript: Transcript) -> Iterator[SessionManager]:
    """Serve what a transcript is a session with, with its session id and key."""
    opened = transcript.opened
    server = PeerInfo(SPEC_VERSION, capabilities=frozenset({Capability.RESUME}))
    if opened is not None:
        server = peer_from_wire(opened.server)
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


def _sum() -> Sum:
    return Sum(spec=ModelSpec("sum", adaptation=Adaptation.NONE, stateful=True))


def _ramp_model() -> Ramp:
    return Ramp(spec=ModelSpec("ramp", adaptation=Adaptation.NONE, chunk_length=3))


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
