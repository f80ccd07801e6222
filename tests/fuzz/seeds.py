"""`python -m tests.fuzz.seeds`: write the seeds of every target from the golden vectors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import handshake_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._codec import SpaceCodec
from rlmesh._env_host.describe_env import describe_env
from rlmesh._wire.contract import contract_to_wire
from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE
from rlmesh.specs import SessionTerms
from tests.conformance import vectors
from tests.conformance.full_contract import CONTRACT
from tests.fuzz import corpus, model_seeds
from tests.fuzz.connections import LOSE, SWAP
from tests.fuzz.environments import PEER, SPACE, LaneEnv, NotingEnv
from tests.fuzz.oracle import THIS
from tests.fuzz.parts import join
from tests.fuzz.sessions import RESUMABLE

__all__ = ["build", "main"]

MAX_BYTES = 4096
"""Longest seed; the few vectors that are longer add nothing to shorter ones."""

Named = Iterable[tuple[str, bytes]]


def build() -> dict[str, str]:
    """The text of each target's file of seeds."""
    made: dict[str, Named] = {
        "spaces": _spaces(),
        "values": _values(),
        "dynamic": _dynamic(),
        "contracts": _contracts(),
        "sessions": _sessions(),
        "clients": _clients(),
        "model_sessions": model_seeds.sessions(),
        "model_clients": model_seeds.replies(),
    }
    return {
        name: corpus.write((n, d) for n, d in inputs if len(d) <= MAX_BYTES)
        for name, inputs in made.items()
    }


def _spaces() -> Named:
    for case in vectors.space_cases():
        yield f"valid/{case.name}", case.space_proto
    for broken in vectors.invalid_space_cases():
        yield f"invalid/{broken.name}", broken.space_proto


def _values() -> Named:
    for side, cases in (
        ("valid", vectors.value_cases()),
        ("invalid", vectors.invalid_value_cases()),
    ):
        for case in cases:
            value = value_pb2.Value(slabs=case.slabs, batch_size=case.batch_size)
            yield f"{side}/{case.name}", join([case.space_proto, value.SerializeToString()])


def _dynamic() -> Named:
    for case in vectors.dynamic_cases():
        yield f"valid/{case.name}", case.proto
    for broken in vectors.invalid_dynamic_cases():
        yield f"invalid/{broken.name}", broken.proto


def _contracts() -> Named:
    for case in vectors.space_cases():
        message = env_pb2.DescribeResponse()
        contract = message.contract
        contract.id, contract.num_envs = "a", 1
        for space in (contract.observation_space, contract.action_space):
            space.ParseFromString(case.space_proto)
        yield case.name, _bytes(message)
    yield "all-fields", _bytes(_full_contract())


def _full_contract() -> env_pb2.DescribeResponse:
    """Every field of a contract once."""
    message = env_pb2.DescribeResponse()
    message.server.spec_version = PEER.spec_version
    message.server.capabilities.extend([1, 3, 99])  # type: ignore[list-item]
    message.terms.grace_period_ms = 30_000
    contract_to_wire(CONTRACT, message.contract, DynamicEncoder(NATIVE))
    return message


def _sessions() -> Named:
    for head in range(3):
        actions = _action(head == 2)
        yield f"endpoint-{head}/an-episode", bytes([head]) + join(list(_episode(actions)))
        for name, frame in _requests():
            frames = [_open(), _bytes(frame)]
            yield f"endpoint-{head}/{name}", bytes([head]) + join(frames)
    for name, frames in _resumptions():
        yield f"resumed/{name}", bytes([1 | RESUMABLE]) + join(frames)


def _open(resume: int | None = None) -> bytes:
    """The first frame of a connection, which resumes the session to await a number."""
    frame = env_pb2.SessionRequest()
    frame.open.client.spec_version = PEER.spec_version
    if resume is not None:
        frame.open.resume.session_id, frame.open.resume.resume_key = THIS, THIS.encode()
        frame.open.resume.awaited_sequence = resume
    return _bytes(frame)


def _resumptions() -> Iterator[tuple[str, list[bytes]]]:
    opening = env_pb2.SessionRequest.FromString(_open())
    opening.open.client.capabilities.append(handshake_pb2.CAPABILITY_RESUME)
    first, reset, step, _, close = (_bytes(opening), *list(_episode(_action(vector=False)))[1:])
    yield "after-an-answer", [first, reset, LOSE, _open(2), step, close]
    yield "for-an-answer", [first, reset, step, LOSE, _open(2), step, close]
    yield "taken-over", [first, reset, SWAP, _open(2), step, SWAP, step, SWAP, close]
    yield "too-early", [first, LOSE, _open(1), first, close]
    yield "out-of-sequence", [first, reset, LOSE, _open(7), _open(1), close]
    yield "held", [first, reset, SWAP, first, SWAP, step, close]
    yield "for-request-0", [first, SWAP, _open(0), SWAP, reset, step, close]
    late = env_pb2.SessionRequest(sequence=1)
    late.describe.SetInParent()
    yield "described-late", [first, _bytes(late)]


def _action(vector: bool) -> value_pb2.Value:
    if vector:
        slabs = [bytes(16), b"\1\0\0\0\1\0\0\0", b"ab", b"\0\1\1\0"]
        return value_pb2.Value(slabs=slabs, batch_size=2)
    SPACE.seed(1)
    return value_pb2.Value(slabs=SpaceCodec(SPACE, NATIVE).encode(SPACE.sample()))


def _episode(action: value_pb2.Value) -> Iterator[bytes]:
    yield _open()
    reset, step, again = (env_pb2.SessionRequest(sequence=n) for n in (1, 2, 3))
    reset.reset.seed = 7
    step.step.action.CopyFrom(action)
    again.close.SetInParent()
    for frame in (reset, step, step, again):
        yield _bytes(frame)


def _two_actions() -> value_pb2.Value:
    """The vector's actions as two of one environment; the environment decides whether they fit."""
    value = _action(vector=True)
    value.batch_size = 2
    return value


def _requests() -> Iterator[tuple[str, env_pb2.SessionRequest]]:
    """One of every kind, as the first request."""
    frames = {}
    for kind in ("reset", "step_many", "render", "call", "get_attribute", "set_attribute", "open"):
        frames[kind] = env_pb2.SessionRequest(sequence=1)
        getattr(frames[kind], kind).SetInParent()
    frames["step-many"] = env_pb2.SessionRequest(sequence=1)
    frames["step-many"].step_many.count = 2
    frames["step-many"].step_many.actions.CopyFrom(_two_actions())
    frames["nothing"] = env_pb2.SessionRequest(sequence=1)
    frames["lanes"] = env_pb2.SessionRequest(sequence=1)
    frames["lanes"].reset.lane_seeds.seeds.extend([3, 0])
    frames["lanes"].reset.lane_seeds.present = b"\1\0"
    frames["lanes"].reset.lane_mask = b"\0\1"
    frames["options"] = env_pb2.SessionRequest(sequence=1)
    frames["options"].reset.options.entries.add(name="k").value.list_value.elements.add(int_value=1)
    frames["render-lane"] = env_pb2.SessionRequest(sequence=1)
    frames["render-lane"].render.lanes.append(1)
    frames["step-without-action"] = env_pb2.SessionRequest(sequence=1)
    frames["step-without-action"].step.SetInParent()
    yield from frames.items()


def _clients() -> Named:
    yield "single", b"\0" + join([_bytes(x) for x in _single_replies()])
    yield "single-other-backend", b"\2" + join([_bytes(x) for x in _single_replies()])
    yield "vector", b"\1" + join([_bytes(x) for x in _vector_replies()])
    yield "vector-other-backend", b"\3" + join([_bytes(x) for x in _vector_replies()])
    opened = env_pb2.SessionResponse()
    opened.open.header.server.spec_version = PEER.spec_version
    opened.open.contract.CopyFrom(_full_contract().contract)
    yield "own-open", b"\5" + join([_bytes(x) for x in (opened, *_vector_replies())])
    yield "resumed", b"\4" + join(list(_resumed_replies()))


def _single_replies() -> Iterator[env_pb2.SessionResponse]:
    slabs = SpaceCodec(SPACE, NATIVE).encode(NotingEnv().reset()[0])
    reset, step, render = (env_pb2.SessionResponse(sequence=n) for n in (1, 2, 3))
    reset.reset.observation.slabs.extend(slabs)
    reset.reset.info.entries.add(name="k").value.float_value = 0.5
    step.call_us = 9
    step.step.observation.slabs.extend(slabs)
    step.step.reward, step.step.terminated = 1.0, True
    step.step.info.entries.add(name="k").value.int_value = 5
    render.render.frame.tensor_value.dtype = 6  # type: ignore[assignment]
    render.render.frame.tensor_value.shape.append(2)
    render.render.frame.tensor_value.data = b"\0\1"
    error = env_pb2.SessionResponse(sequence=4)
    error.error.code = 1  # type: ignore[assignment]
    error.error.message = "step() raised KeyError: 'lost'"
    yield from (reset, step, render, error, _closed(5))


def _resumed_replies() -> Iterator[bytes]:
    opened, again = (env_pb2.SessionResponse() for _ in range(2))
    for frame in (opened, again):
        header = frame.open.header
        header.server.spec_version = PEER.spec_version
        header.session_id, header.resume_key = THIS, THIS.encode()
        header.terms.grace_period_ms = 1_000
    message = env_pb2.DescribeResponse()
    contract = describe_env(NotingEnv()).contract
    message.ParseFromString(EnvWireCodec(NATIVE).write_description(PEER, contract, SessionTerms()))
    opened.open.contract.CopyFrom(message.contract)
    again.open.header.received_sequence = 2
    reset, step, *_ = _single_replies()
    yield from (_bytes(opened), _bytes(reset), LOSE, _bytes(again), _bytes(step), LOSE)
    again.open.header.received_sequence = 3
    yield from (_bytes(again), _bytes(_closed(3)))


def _vector_replies() -> Iterator[env_pb2.SessionResponse]:
    lane = LaneEnv.single_observation_space["eye"]
    eye = bytes(2 * lane.shape[0] * lane.shape[1])
    reset, step = (env_pb2.SessionResponse(sequence=n) for n in (1, 2))
    reset.reset.observation.slabs.append(eye)
    reset.reset.observation.batch_size = 2
    step.step.observation.CopyFrom(reset.reset.observation)
    step.step.lanes.rewards = bytes(16)
    step.step.lanes.terminated = step.step.lanes.truncated = b"\0\1"
    step.step.final_observations.mask = b"\0\1"
    step.step.final_observations.observations.slabs.append(eye[:4])
    step.step.final_observations.observations.batch_size = 1
    yield from (reset, step, _closed(3))


def _closed(sequence: int) -> env_pb2.SessionResponse:
    reply = env_pb2.SessionResponse(sequence=sequence)
    reply.close.SetInParent()
    return reply


def _bytes(message: Any) -> bytes:
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def main() -> int:
    """Write the files."""
    for name, text in build().items():
        path = corpus.path_of(name, "seeds")
        path.write_text(text, encoding="utf-8")
        print(f"{path.name}: {len(text.splitlines())} inputs, {len(text) // 2} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
