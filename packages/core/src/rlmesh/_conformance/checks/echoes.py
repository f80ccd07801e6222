"""Checks with the environment `echo`, which observes its last action, and of several sessions."""

from __future__ import annotations

import random
import struct

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._conformance.connection import described_answer, refused_with
from rlmesh._conformance.findings import NotOffered, expect
from rlmesh._conformance.probe import Probe
from rlmesh._conformance.registry import check
from rlmesh._conformance.slabs import leaves, sample

ECHO = "subject:echo"


@check("V-2", ECHO)
def values_come_back(probe: Probe) -> None:
    """Read and write values of every family slab by slab."""
    session = probe.playing()
    for seed in range(12):
        action = sample(probe.contract.action_space, None, random.Random(seed))
        seen = session.must("step", env_pb2.StepRequest(action=action)).observation
        expect(list(seen.slabs) == list(action.slabs), "the slabs that were sent", seen)


BITS = (0x80000000, 0x00000001, 0x7F800001, 0x7FC12345, 0xFFC00000, 0x7F800000)
"""-0.0, a subnormal, a signalling NaN, NaNs with a payload and with a sign, and infinity."""


@check("V-6", ECHO)
def float_bits_come_back(probe: Probe) -> None:
    """Keep the bits of floats as they are."""
    at = next(
        i
        for kind, i, part in leaves(probe.contract.action_space)
        if kind == "box" and part.dtype == 12
    )
    session = probe.playing()
    for bits in BITS:
        request = probe.step_request()
        request.action.slabs[at] = struct.pack("<2I", bits, bits)
        answer = session.ask("step", request)
        if answer.error.code == 3:
            raise NotOffered("its validation level refuses values outside their bounds")
        expect(answer.HasField("step"), "an answer step", described_answer(answer))
        seen = answer.step.observation.slabs[at].hex()
        expect(seen == struct.pack("<2I", bits, bits).hex(), f"{bits:08x} twice", seen)


@check("K-7", "subject:count")
def sessions_have_their_own_instance(probe: Probe) -> None:
    """Give each session an instance of its own."""
    first = probe.playing()
    connection = probe.connect()
    answer = connection.exchange(probe.open_request())
    if answer.WhichOneof("response") != "open":
        raise NotOffered("it has one instance")
    second = probe.session(connection, answer.open)
    second.do("reset")
    one = value_pb2.Value(slabs=[struct.pack("<q", 1)])
    first.do("step", env_pb2.StepRequest(action=one))
    seen = second.must("step", env_pb2.StepRequest(action=one)).observation
    expect(seen.slabs[0] == one.slabs[0], "the count 1 in the second session", seen)


@check("M-2", "STEP_MANY", "fixed")
def session_goes_on_after_a_limit(probe: Probe) -> None:
    """Serve the next request after LIMIT_EXCEEDED."""
    session = probe.playing()
    count = 65_537
    lanes = probe.contract.num_envs if probe.contract.vector else 1
    request = env_pb2.StepManyRequest(count=count)
    request.actions.slabs.extend(bytes(slab) * count for slab in probe.action().slabs)
    request.actions.batch_size = count * lanes
    refused_with(session.ask("step_many", request), "LIMIT_EXCEEDED")
    session.must("reset")


@check("M-4", "STEP_MANY")
def claimed_count_is_not_believed(probe: Probe) -> None:
    """Refuse a `count` of 2^32 - 1 without making anything of that size."""
    session = probe.playing()
    request = env_pb2.StepManyRequest(count=2**32 - 1)
    request.actions.CopyFrom(probe.action())
    request.actions.batch_size = 2**32 - 1
    answer = session.ask("step_many", request)
    refused_with(answer, "LIMIT_EXCEEDED", "MALFORMED", "INVALID_VALUE", closed=False)
