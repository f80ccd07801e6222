"""Several steps in one request <-> their messages (CONTRACT.md, N-8 and N-9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._messages import env as m
from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh._wire.failures import failure_from_wire, failure_to_wire
from rlmesh.backends import ArrayBackend
from rlmesh.errors import CodecError

__all__ = [
    "many_reader",
    "many_steps_reader",
    "read_value",
    "required",
    "step_reader",
    "write_many",
    "write_many_steps",
    "write_value",
]


def read_value(message: value_pb2.Value) -> m.Encoded:
    """Return a spec-directed value."""
    batch_size = message.batch_size if message.HasField("batch_size") else None
    return m.Encoded(list(message.slabs), batch_size)


def required(message: Any, name: str) -> Any:
    """Return a field that is a message.

    Raises:
        CodecError: If it is absent (G-8).
    """
    if not message.HasField(name):
        words = f"a {message.DESCRIPTOR.name} has no {name}"
        raise CodecError(words, path=name, rule="G-8")
    return getattr(message, name)


def write_value(value: m.Encoded, out: value_pb2.Value) -> None:
    """Write a spec-directed value."""
    out.SetInParent()
    out.slabs.extend(map(bytes, value.slabs))
    if value.batch_size is not None:
        out.batch_size = value.batch_size


def write_many(body: m.StepMany, out: env_pb2.StepManyRequest) -> None:
    """Write a request."""
    write_value(body.actions, out.actions)
    out.count = body.count
    out.all_observations = body.all_observations


def many_reader(message: env_pb2.StepManyRequest) -> m.StepMany:
    """Read a request; one that breaks a rule is a CodecError."""
    if not message.HasField("actions"):
        raise CodecError("there are no actions", path="actions", rule="G-8")
    if message.count < 1:
        raise CodecError("there is no step to make", path="count", rule="N-8")
    return m.StepMany(read_value(message.actions), message.count, message.all_observations)


def write_many_steps(
    reply: m.StepManyDone, out: env_pb2.StepManyResponse, encoder: DynamicEncoder
) -> None:
    """Write a reply."""
    out.SetInParent()
    for done in reply.steps:
        _write_step(done, out.steps.add(), encoder)
    if reply.failure is not None:
        failure_to_wire(reply.failure, out.error)


def _write_step(done: m.StepDone, out: env_pb2.StepResponse, encoder: DynamicEncoder) -> None:
    if done.observation is not m.ABSENT:
        write_value(done.observation, out.observation)
    if isinstance(done.info, m.WrittenInfo):
        out.info.MergeFromString(done.info.data)
    elif done.info:
        encoder.map(done.info, out.info, "info")
    if done.sim_time is not None:
        out.sim_time = done.sim_time
    if done.lanes is None:
        out.reward = done.reward
        out.terminated = done.terminated
        out.truncated = done.truncated
        return
    out.lanes.rewards, out.lanes.terminated, out.lanes.truncated = map(bytes, done.lanes)
    if done.final is not None:
        out.final_observations.mask = done.final_mask
        write_value(done.final, out.final_observations.observations)


def step_reader(message: env_pb2.StepResponse, backend: ArrayBackend) -> m.StepDone:
    """Read what one step gave; `ABSENT` for an observation that was not sent."""
    info = map_from_wire(message.info, backend, "info") if message.HasField("info") else {}
    seen = message.HasField("observation")
    observation = read_value(message.observation) if seen else m.ABSENT
    sim_time = message.sim_time if message.HasField("sim_time") else None
    if not message.HasField("lanes"):
        return m.StepDone(
            observation,
            message.reward,
            message.terminated,
            message.truncated,
            info,
            sim_time=sim_time,
        )
    lanes, final = message.lanes, message.final_observations
    has_final = message.HasField("final_observations")
    return m.StepDone(
        observation,
        info=info,
        lanes=m.LaneOutcomes(lanes.rewards, lanes.terminated, lanes.truncated),
        final_mask=final.mask,
        final=read_value(required(final, "observations")) if has_final else None,
        sim_time=sim_time,
    )


def many_steps_reader(backend: ArrayBackend) -> Callable[[Any], m.StepManyDone]:
    """Return the reader of a reply; it raises CodecError if a rule is broken."""

    def read(message: env_pb2.StepManyResponse) -> m.StepManyDone:
        failure = failure_from_wire(message.error) if message.HasField("error") else None
        steps = tuple(step_reader(step, backend) for step in message.steps)
        return m.StepManyDone(steps, failure)

    return read
