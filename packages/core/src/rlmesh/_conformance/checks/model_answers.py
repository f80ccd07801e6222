"""Checks with `sum` and `ramp`, models of known answers."""

from __future__ import annotations

import struct
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._conformance.checks.models import (
    BATCH,
    CHUNK,
    CHUNK_BATCH,
    MODEL,
    SINGLE,
    playing,
    predict_request,
    start_request,
)
from rlmesh._conformance.connection import refused_with
from rlmesh._conformance.findings import NotOffered, expect
from rlmesh._conformance.probe import Probe, Session
from rlmesh._conformance.registry import check

SUM, RAMP = "subject:sum", "subject:ramp"


def _numbers(*numbers: int, batch: bool = False) -> value_pb2.Value:
    slab = struct.pack(f"<{len(numbers)}q", *numbers)
    return value_pb2.Value(slabs=[slab], batch_size=len(numbers) if batch else None)


def _acted(answer: Any) -> tuple[int, ...]:
    slab = answer.actions.slabs[0]
    return struct.unpack(f"<{len(slab) // 8}q", slab)


def _sum(session: Session, probe: Probe, lane: int, number: int) -> tuple[int, ...]:
    request = predict_request(probe, SINGLE, lane, observation=_numbers(number))
    return _acted(session.must("predict", request))


@check("P-12", SUM, "RESUME", peers=MODEL)
def repeated_prediction_is_made_once(probe: Probe) -> None:
    """Show a stateful model each observation once, also if the request is repeated."""
    session = playing(probe)
    request = session.send("predict", predict_request(probe, SINGLE, 0, observation=_numbers(1)))
    session.connection.answer()
    session.lose()
    session.resume(session.last)
    session.connection.exchange(request)
    seen = _sum(session, probe, 0, 0)
    expect(seen == (1,), "the sum 1", seen)


@check("P-5", SUM, peers=MODEL)
def lanes_have_their_own_state(probe: Probe) -> None:
    """Keep the state of each lane apart from that of others."""
    session = playing(probe, 0, 1)
    _sum(session, probe, 0, 1)
    seen = _sum(session, probe, 1, 1)
    expect(seen == (1,), "the sum 1 in the second lane", seen)


@check("P-5", SUM, peers=MODEL)
def sessions_have_their_own_state(probe: Probe) -> None:
    """Keep the state of each session apart from that of others."""
    first, second = playing(probe), playing(probe)
    _sum(first, probe, 0, 1)
    seen = _sum(second, probe, 0, 1)
    expect(seen == (1,), "the sum 1 in the second session", seen)


@check("P-6", SUM, peers=MODEL)
def new_episode_drops_the_state(probe: Probe) -> None:
    """Drop the state of the episode before."""
    session = playing(probe)
    _sum(session, probe, 0, 1)
    session.do("start_episode", start_request())
    seen = _sum(session, probe, 0, 1)
    expect(seen == (1,), "the sum 1", seen)


@check("P-9", SUM, "BATCH", peers=MODEL)
def batch_is_in_the_order_of_lanes(probe: Probe) -> None:
    """Answer BATCH in the order of `lanes`."""
    session = playing(probe, 0, 1)
    request = predict_request(probe, BATCH, 1, 0, observation=_numbers(2, 1, batch=True))
    seen = _acted(session.must("predict", request))
    expect(seen == (2, 1), (2, 1), seen)


@check("P-7", SUM, "BATCH", peers=MODEL)
def lane_without_an_episode_stops_the_others(probe: Probe) -> None:
    """Make no prediction for the other lanes if one of them has no episode."""
    session = playing(probe)
    request = predict_request(probe, BATCH, 0, 9, observation=_numbers(1, 1, batch=True))
    refused_with(session.ask("predict", request), "WRONG_STATE", closed=False)
    seen = _sum(session, probe, 0, 1)
    expect(seen == (1,), "the sum 1", seen)


@check("P-16", SUM, "OBSERVE", peers=MODEL)
def observed_reaches_the_model(probe: Probe) -> None:
    """Show a stateful model the observations that want no action."""
    session = playing(probe)
    request = predict_request(
        probe,
        SINGLE,
        0,
        observation=_numbers(0),
        observed=_numbers(1, 1, batch=True),
        observed_counts=[2],
        steps=[2],
    )
    seen = _acted(session.must("predict", request))
    expect(seen == (2,), "the sum 2", seen)


@check("P-6", SUM, peers=MODEL)
def instruction_needs_a_text_input(probe: Probe) -> None:
    """Answer an instruction with UNSUPPORTED if the model has no text input."""
    answer = probe.open().ask("start_episode", start_request(instruction="pick it up"))
    if answer.WhichOneof("response") == "start_episode":
        raise NotOffered("the server passes instructions to the model's code")
    refused_with(answer, "UNSUPPORTED", closed=False)


@check("P-10", RAMP, peers=MODEL)
def chunk_is_no_longer_than_wanted(probe: Probe) -> None:
    """Send at most `max_chunk_length` actions."""
    session = playing(probe)
    for most, wanted in ((0, 3), (2, 2), (1, 1), (9, 3)):
        request = predict_request(probe, CHUNK, 0, observation=_numbers(4), max_chunk_length=most)
        answer = session.must("predict", request)
        seen = answer.chunk_length
        expect(seen == wanted, f"a chunk of {wanted} for max_chunk_length {most}", seen)


@check("P-9", RAMP, "CHUNK_BATCH", "BATCH", peers=MODEL)
def chunks_are_lane_major(probe: Probe) -> None:
    """Send the chunks of several lanes one after another."""
    session = playing(probe, 0, 1)
    request = predict_request(probe, CHUNK_BATCH, 0, 1, observation=_numbers(0, 1, batch=True))
    seen = _acted(session.must("predict", request))
    expect(seen == (0, 1, 2, 1, 2, 0), (0, 1, 2, 1, 2, 0), seen)


@check("P-18", RAMP, "ACTION_PREFIX", peers=MODEL)
def prefix_reaches_the_model(probe: Probe) -> None:
    """Pass the prefix to the model, and keep it for no later request."""
    session = playing(probe)
    request = predict_request(
        probe,
        CHUNK,
        0,
        observation=_numbers(0),
        prefix=_numbers(2, 2, batch=True),
        prefix_counts=[2],
        committed_counts=[1],
    )
    seen = _acted(session.must("predict", request))
    expect(seen == (2, 1, 2), (2, 1, 2), seen)
    seen = _acted(
        session.must("predict", predict_request(probe, CHUNK, 0, observation=_numbers(0)))
    )
    expect(seen == (0, 1, 2), (0, 1, 2), seen)
