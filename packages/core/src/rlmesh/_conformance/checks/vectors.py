"""Vectors: §9, on any vector, and with `lanes`, an environment of known answers."""

from __future__ import annotations

import struct
from typing import Any

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._conformance.connection import refused_with
from rlmesh._conformance.findings import NotOffered, expect
from rlmesh._conformance.probe import Probe, Session
from rlmesh._conformance.registry import Stage, check

LANES = "subject:lanes"
NEXT_STEP, SAME_STEP, DISABLED = 1, 2, 3


@check("G-5", "vector")
def flags_of_lanes_are_masks(probe: Probe) -> None:
    """Send the flags of a step as one byte a lane, 0 or 1."""
    lanes = probe.playing().step().lanes
    for name in ("terminated", "truncated"):
        mask = getattr(lanes, name)
        right = len(mask) == probe.contract.num_envs and not any(b > 1 for b in mask)
        expect(right, f"{name} as a mask of {probe.contract.num_envs}", mask.hex())


@check("L-3", "vector")
def steps_have_lanes(probe: Probe) -> None:
    """Send rewards of lanes as 8 bytes each."""
    step = probe.playing().step()
    expect(step.HasField("lanes"), "lanes", "none")
    size = 8 * probe.contract.num_envs
    expect(len(step.lanes.rewards) == size, f"{size} bytes", len(step.lanes.rewards))


@check("L-1", "vector")
def single_action_is_invalid(probe: Probe) -> None:
    """Answer an action without `batch_size` with INVALID_VALUE."""
    session = probe.playing()
    request = probe.step_request()
    request.action.ClearField("batch_size")
    refused_with(session.ask("step", request), "INVALID_VALUE", "MALFORMED", closed=False)


@check("L-1", "vector")
def action_of_another_batch_is_invalid(probe: Probe) -> None:
    """Answer an action of another number of lanes with INVALID_VALUE."""
    session = probe.playing()
    request = probe.step_request()
    request.action.batch_size += 1
    refused_with(session.ask("step", request), "INVALID_VALUE", "MALFORMED", closed=False)


@check("L-4", "vector")
def lane_seeds_of_another_length_are_malformed(probe: Probe) -> None:
    """Answer `lane_seeds` of another number of lanes with MALFORMED."""
    session = probe.open()
    n = probe.contract.num_envs
    for seeds in (
        env_pb2.LaneSeeds(seeds=[1] * (n + 1)),
        env_pb2.LaneSeeds(seeds=[1] * n, present=b"\1" * (n + 1)),
        env_pb2.LaneSeeds(seeds=[1] * n, present=b"\2" * n),
    ):
        request = env_pb2.ResetRequest(lane_seeds=seeds)
        refused_with(session.ask("reset", request), "MALFORMED", closed=False)


@check("L-4", "vector")
def lane_seeds_are_taken(probe: Probe) -> None:
    """Take a seed for each lane, or for some."""
    session = probe.open()
    n = probe.contract.num_envs
    session.must("reset", env_pb2.ResetRequest(lane_seeds=env_pb2.LaneSeeds(seeds=range(n))))


@check("L-8", "vector", "PARTIAL_RESET")
def mask_of_another_length_is_malformed(probe: Probe) -> None:
    """Answer a `lane_mask` of another length, or with other bytes, with MALFORMED."""
    session = probe.playing()
    n = probe.contract.num_envs
    for mask in (b"\1" * (n + 1), b"\2" * n):
        request = env_pb2.ResetRequest(lane_mask=mask)
        refused_with(session.ask("reset", request), "MALFORMED", closed=False)


@check("L-8", "PARTIAL_RESET", stage=Stage.DESCRIBE)
def partial_reset_needs_disabled(probe: Probe) -> None:
    """List PARTIAL_RESET only for a vector with DISABLED."""
    right = probe.contract.vector and probe.contract.autoreset_mode == DISABLED
    expect(right, "a vector with DISABLED", probe.contract.autoreset_mode)


@check("L-11", "vector", "RENDER")
def lanes_that_are_not_there_are_malformed(probe: Probe) -> None:
    """Answer a `render` of a lane twice, or of one that is not there, with MALFORMED."""
    session = probe.playing()
    for lanes in ([0, 0], [probe.contract.num_envs]):
        request = env_pb2.RenderRequest(lanes=lanes)
        refused_with(session.ask("render", request), "MALFORMED", closed=False)


@check("L-6", "vector")
def final_observations_are_of_lanes_that_ended(probe: Probe) -> None:
    """Send as many final observations as their mask has ones, and none in other modes."""
    session = probe.playing()
    for turn in range(6):
        step = session.do("step", probe.step_request(turn))
        if not step.HasField("final_observations"):
            continue
        mode = probe.contract.autoreset_mode
        expect(mode == SAME_STEP, "final_observations in SAME_STEP alone", mode)
        final = step.final_observations
        ones = sum(final.mask)
        expect(len(final.mask) == probe.contract.num_envs, "a mask of the lanes", final.mask.hex())
        expect(final.observations.batch_size == ones, f"{ones} of them", final.observations)


# With known answers: two counts that end at 2.


def _act(session: Session, *actions: int) -> Any:
    slab = struct.pack("<2q", *actions)
    value = value_pb2.Value(slabs=[slab], batch_size=2)
    return session.must("step", env_pb2.StepRequest(action=value))


def _seen(part: Any) -> tuple[int, ...]:
    return struct.unpack("<2q", part.observation.slabs[0])


def _of_mode(probe: Probe, mode: int) -> Session:
    """Return a session in which lane 0 is one step before its end."""
    if probe.contract.autoreset_mode not in (mode, 0 if mode == NEXT_STEP else mode):
        raise NotOffered("its autoreset mode is another")
    session = probe.playing()
    _act(session, 1, 0)
    return session


@check("L-3", LANES)
def lanes_have_their_own_outcomes(probe: Probe) -> None:
    """Send reward and flags of each lane at its own place."""
    session = probe.playing()
    lanes = _act(session, 1, 0).lanes
    rewards = struct.unpack("<2d", lanes.rewards)
    expect(rewards == (1.0, 0.0), (1.0, 0.0), rewards)
    lanes = _act(session, 1, 1).lanes
    expect(lanes.terminated == b"\1\0", "01 00", lanes.terminated.hex())


@check("L-5", LANES)
def next_step_resets_a_step_later(probe: Probe) -> None:
    """Reset a lane in the step after its end (NEXT_STEP), with reward 0 and no flags."""
    session = _of_mode(probe, NEXT_STEP)
    expect(_seen(_act(session, 1, 0)) == (2, 0), (2, 0), "another observation")
    step = _act(session, 1, 1)
    seen = (_seen(step), struct.unpack("<2d", step.lanes.rewards), step.lanes.terminated)
    expect(seen == ((0, 1), (0.0, 1.0), b"\0\0"), ((0, 1), (0.0, 1.0)), seen)


@check("L-6", LANES)
def same_step_resets_at_once(probe: Probe) -> None:
    """Reset a lane in the step that ends it (SAME_STEP), and send its last observation."""
    session = _of_mode(probe, SAME_STEP)
    step = _act(session, 1, 0)
    expect(_seen(step) == (0, 0), (0, 0), _seen(step))
    final = step.final_observations
    seen = (final.mask, [bytes(slab) for slab in final.observations.slabs])
    expect(seen == (b"\1\0", [struct.pack("<q", 2)]), "mask 01 00, and the count 2", seen)


@check("L-6", LANES)
def no_final_observations_without_an_end(probe: Probe) -> None:
    """Send no final observations if no lane has ended."""
    session = probe.playing()
    step = _act(session, 1, 0)
    expect(not step.HasField("final_observations"), "none", "some")


@check("L-7", LANES)
def same_step_has_no_final_info(probe: Probe) -> None:
    """Remove `final_obs` and its mask from the info (SAME_STEP)."""
    session = _of_mode(probe, SAME_STEP)
    names = [entry.name for entry in _act(session, 1, 0).info.entries]
    hidden = {"final_obs", "_final_obs"} & set(names)
    expect(not hidden, "neither final_obs nor _final_obs", names)


@check("L-8", LANES, "PARTIAL_RESET")
def mask_resets_its_lanes_alone(probe: Probe) -> None:
    """Reset the lanes of a `lane_mask` alone (DISABLED)."""
    session = probe.playing()
    _act(session, 1, 1)
    part = session.must("reset", env_pb2.ResetRequest(lane_mask=b"\1\0"))
    expect(_seen(part) == (0, 1), (0, 1), _seen(part))
