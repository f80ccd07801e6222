"""Model servers: §16, on any model."""

from __future__ import annotations

import random
from typing import Any

from rlmesh_proto.env.v1 import contract_pb2
from rlmesh_proto.model.v1 import model_pb2
from rlmesh_proto.spaces.v1 import dtype_pb2, space_pb2, value_pb2

from rlmesh._conformance.connection import refused_with
from rlmesh._conformance.findings import Failed, NotOffered, expect
from rlmesh._conformance.probe import Probe, Session
from rlmesh._conformance.registry import Stage, check
from rlmesh._conformance.slab_reader import check_value
from rlmesh._conformance.slabs import BadValue, sample

__all__ = [
    "BATCH",
    "CHUNK",
    "CHUNK_BATCH",
    "MODEL",
    "SINGLE",
    "playing",
    "predict_request",
    "start_request",
]

MODEL = "model"
SINGLE, BATCH, CHUNK, CHUNK_BATCH = 1, 2, 3, 4


def start_request(lane: int = 0, **fields: Any) -> model_pb2.StartEpisodeRequest:
    """Return a request for an episode."""
    return model_pb2.StartEpisodeRequest(lane=lane, **fields)


def _observation(probe: Probe, batch: int | None = None) -> value_pb2.Value:
    return sample(probe.contract.observation_space, batch, random.Random(1))


def predict_request(
    probe: Probe, form: int, *lanes: int, **fields: Any
) -> model_pb2.PredictRequest:
    """Return a request with sampled observations for some lanes."""
    batch = len(lanes) if form in (BATCH, CHUNK_BATCH) else None
    made = model_pb2.PredictRequest(lanes=lanes or (0,), **fields)
    made.form = form  # type: ignore[assignment]
    if not made.HasField("observation"):
        made.observation.CopyFrom(_observation(probe, batch))
    return made


def _form(probe: Probe) -> int:
    """Return a form of the model for one lane."""
    forms = set(probe.described.spec.predict_forms)
    for form in (SINGLE, CHUNK, BATCH, CHUNK_BATCH):
        if form in forms:
            return form
    raise NotOffered("no form that the kit knows")


def playing(probe: Probe, *lanes: int) -> Session:
    """Return a session with an episode in some lanes, by default in lane 0."""
    session = probe.open()
    for lane in lanes or (0,):
        session.do("start_episode", start_request(lane))
    return session


@check("P-6", peers=MODEL, stage=Stage.BEGIN, gate=True)
def start_is_answered(probe: Probe) -> None:
    """Answer `start_episode` with StartEpisodeResponse."""
    probe.open().must("start_episode", start_request())


@check("P-8", peers=MODEL, stage=Stage.STEP, gate=True)
def predict_is_answered(probe: Probe) -> None:
    """Answer `predict` in a form of the spec with PredictResponse."""
    playing(probe).must("predict", predict_request(probe, _form(probe), 0))


@check("T-4", peers=MODEL, stage=Stage.DESCRIBE)
def spec_has_forms(probe: Probe) -> None:
    """Serve a spec with a predict form, and none unspecified."""
    forms = list(probe.described.spec.predict_forms)
    expect(forms and 0 not in forms, "predict forms", forms)


@check("T-4", peers=MODEL, stage=Stage.DESCRIBE)
def names_of_inputs_are_distinct(probe: Probe) -> None:
    """Serve a spec with distinct names of inputs, and of outputs."""
    for features in (probe.described.spec.inputs, probe.described.spec.outputs):
        names = [feature.name for feature in features]
        empty = "" in names and len(names) > 1
        expect(len(set(names)) == len(names) and not empty, "distinct names", names)


@check("P-1", peers=MODEL, stage=Stage.OPEN)
def sessions_are_not_limited_to_one(probe: Probe) -> None:
    """Serve several sessions at a time."""
    sessions = [probe.try_open() for _ in range(3)]
    expect(len({s.header.session_id for s in sessions}) == 3, "3 sessions", "fewer")


@check("P-2", peers=MODEL, stage=Stage.OPEN)
def open_needs_a_header(probe: Probe) -> None:
    """Answer an `open` without a header with MALFORMED."""
    request = probe.dialect.request(open={"contract": probe.contract})
    _, answer = probe.exchange_open(request)
    refused_with(answer, "MALFORMED", closed=True)


@check("P-3", peers=MODEL, stage=Stage.OPEN)
def open_needs_a_contract(probe: Probe) -> None:
    """Refuse an `open` without a contract."""
    request = probe.open_request()
    request.open.ClearField("contract")
    _, answer = probe.exchange_open(request)
    refused_with(answer, "MALFORMED", "UNSUPPORTED", closed=True)


@check("P-3", peers=MODEL, stage=Stage.OPEN)
def broken_contract_is_refused(probe: Probe) -> None:
    """Refuse a contract with a space that breaks a rule."""
    request = probe.open_request()
    request.open.contract.observation_space.Clear()
    request.open.contract.observation_space.discrete.n = 0
    _, answer = probe.exchange_open(request)
    refused_with(answer, "MALFORMED", "UNSUPPORTED", "LIMIT_EXCEEDED", closed=True)


@check("M-6", peers=MODEL, stage=Stage.OPEN)
def extents_beyond_63_bits_are_refused(probe: Probe) -> None:
    """Refuse a contract with extents whose product is 2^63 or more, beside an extent of 0."""
    for shape in ((2**63, 0), (2**32, 0, 2**31)):
        request = probe.open_request()
        box = space_pb2.Box(dtype=dtype_pb2.D_TYPE_UINT8, shape=shape)
        box.low.uniform, box.high.uniform = b"\0", b"\xff"
        request.open.contract.observation_space.box.CopyFrom(box)
        _, answer = probe.exchange_open(request)
        refused_with(answer, "MALFORMED", "UNSUPPORTED", "LIMIT_EXCEEDED", closed=True)


@check("E-8", peers=MODEL, stage=Stage.OPEN)
def version_of_a_contract_is_read(probe: Probe) -> None:
    """Open a session for a contract that its own version wrote."""
    contract = contract_pb2.EnvContract()
    contract.CopyFrom(probe.contract)
    contract.spec_version = probe.described.server.spec_version
    request = probe.open_request()
    request.open.contract.CopyFrom(contract)
    probe.open_with(request)


@check("P-9", peers=MODEL)
def actions_are_values(probe: Probe) -> None:
    """Send actions of the contract's action space, in the form that was asked for."""
    forms = [f for f in (SINGLE, BATCH, CHUNK, CHUNK_BATCH) if f in _forms(probe)]
    for form in forms:
        session = playing(probe)
        answer = session.must("predict", predict_request(probe, form, 0))
        chunk = answer.chunk_length
        expect((chunk > 0) == (form in (CHUNK, CHUNK_BATCH)), "a chunk_length of chunks", chunk)
        batch = {SINGLE: None, BATCH: 1}.get(form, chunk)
        try:
            check_value(probe.contract.action_space, answer.actions, batch)
        except BadValue as bad:
            raise Failed(f"actions of form {form}", bad) from None
        session.finish()


def _forms(probe: Probe) -> set[int]:
    return set(probe.described.spec.predict_forms)


@check("P-8", peers=MODEL)
def other_form_is_unsupported(probe: Probe) -> None:
    """Answer a form that the spec does not have with UNSUPPORTED."""
    session = playing(probe)
    for form in (0, 999, *({SINGLE, BATCH, CHUNK, CHUNK_BATCH} - _forms(probe))):
        request = predict_request(probe, form, 0)
        refused_with(session.ask("predict", request), "UNSUPPORTED", "MALFORMED", closed=False)


@check("P-8", "SINGLE", peers=MODEL)
def single_has_one_lane(probe: Probe) -> None:
    """Refuse SINGLE for no lane or two."""
    session = playing(probe, 0, 1)
    for lanes in ([], [0, 1]):
        request = predict_request(probe, SINGLE, 0)
        request.lanes[:] = lanes
        answer = session.ask("predict", request)
        refused_with(answer, "MALFORMED", "UNSUPPORTED", closed=False)


@check("P-8", "SINGLE", peers=MODEL)
def single_has_no_batch_size(probe: Probe) -> None:
    """Refuse SINGLE with a batch of one."""
    request = predict_request(probe, SINGLE, 0)
    request.observation.batch_size = 1
    answer = playing(probe).ask("predict", request)
    refused_with(answer, "MALFORMED", "INVALID_VALUE", closed=False)


@check("P-8", "BATCH_FORM", "BATCH", peers=MODEL)
def lanes_are_distinct(probe: Probe) -> None:
    """Refuse a lane twice."""
    request = predict_request(probe, BATCH, 0, 0)
    refused_with(playing(probe).ask("predict", request), "MALFORMED", closed=False)


@check("P-8", "BATCH_FORM", "BATCH", peers=MODEL)
def batch_has_a_value_for_each_lane(probe: Probe) -> None:
    """Refuse a batch of another size than there are lanes."""
    request = predict_request(probe, BATCH, 0, 1)
    request.observation.CopyFrom(_observation(probe, 3))
    answer = playing(probe, 0, 1).ask("predict", request)
    refused_with(answer, "MALFORMED", "INVALID_VALUE", closed=False)


@check("P-9", "BATCH_FORM", "BATCH", peers=MODEL)
def batch_has_an_action_for_each_lane(probe: Probe) -> None:
    """Answer BATCH with an action for each lane."""
    session = playing(probe, 0, 5)
    answer = session.must("predict", predict_request(probe, BATCH, 5, 0))
    expect(answer.actions.batch_size == 2, "2 actions", answer.actions.batch_size)


@check("P-7", peers=MODEL)
def predict_needs_an_episode(probe: Probe) -> None:
    """Answer `predict` for a lane without an episode with WRONG_STATE."""
    request = predict_request(probe, _form(probe), 3)
    refused_with(playing(probe).ask("predict", request), "WRONG_STATE", closed=False)


@check("P-7", peers=MODEL)
def end_needs_an_episode(probe: Probe) -> None:
    """Answer `end_episode` for a lane without an episode with WRONG_STATE."""
    session = playing(probe)
    request = model_pb2.EndEpisodeRequest(lane=3)
    refused_with(session.ask("end_episode", request), "WRONG_STATE", closed=False)


@check("P-7", peers=MODEL)
def ended_episode_is_over(probe: Probe) -> None:
    """Make no prediction in an episode that has ended."""
    session = playing(probe)
    session.must("end_episode", model_pb2.EndEpisodeRequest(lane=0))
    answer = session.ask("predict", predict_request(probe, _form(probe), 0))
    refused_with(answer, "WRONG_STATE", closed=False)


@check("P-6", peers=MODEL)
def started_lane_starts_again(probe: Probe) -> None:
    """Begin an episode in a lane although its last one has not ended."""
    session = playing(probe)
    session.must("start_episode", start_request(seed=0))
    session.must("predict", predict_request(probe, _form(probe), 0))


@check("P-4", peers=MODEL)
def lanes_are_numbers_of_the_client(probe: Probe) -> None:
    """Accept lanes with gaps between them."""
    session = playing(probe, 7, 60_000)
    session.must("predict", predict_request(probe, _form(probe), 60_000))


@check("P-11", peers=MODEL)
def invalid_observation_is_refused(probe: Probe) -> None:
    """Answer an observation that is no value of its space with INVALID_VALUE."""
    session = playing(probe)
    request = predict_request(probe, _form(probe), 0)
    request.observation.slabs.append(b"\0")
    failure = refused_with(session.ask("predict", request), "INVALID_VALUE", closed=False)
    expect(failure.path.startswith("observation"), "a path from observation", failure.path)


@check("G-8", peers=MODEL)
def predict_without_an_observation_is_malformed(probe: Probe) -> None:
    """Answer a `predict` without an observation with MALFORMED."""
    request = predict_request(probe, _form(probe), 0)
    request.ClearField("observation")
    refused_with(playing(probe).ask("predict", request), "MALFORMED", closed=False)


@check("P-14", "EPISODE_STEPS", peers=MODEL)
def steps_are_for_each_lane(probe: Probe) -> None:
    """Answer another number of `steps` than lanes with MALFORMED."""
    request = predict_request(probe, _form(probe), 0, steps=[0, 1])
    refused_with(playing(probe).ask("predict", request), "MALFORMED", closed=False)


@check("P-15", "EPISODE_STEPS", "OBSERVE", peers=MODEL)
def observed_needs_its_counts(probe: Probe) -> None:
    """Answer `observed` without counts, without steps, or of another size with MALFORMED."""
    one = _observation(probe, 1)
    for fields in (
        {"observed": one, "steps": [1]},
        {"observed": one, "observed_counts": [1]},
        {"observed": one, "observed_counts": [2], "steps": [2]},
        {"observed_counts": [1], "steps": [1]},
    ):
        session = playing(probe)
        request = predict_request(probe, _form(probe), 0, **fields)
        refused_with(session.ask("predict", request), "MALFORMED", "INVALID_VALUE", closed=False)
        session.finish()


@check("P-17", "OBSERVE", peers=MODEL, stage=Stage.DESCRIBE)
def observe_comes_with_steps(probe: Probe) -> None:
    """List OBSERVE only together with EPISODE_STEPS."""
    expect(probe.lists("EPISODE_STEPS"), "EPISODE_STEPS", "OBSERVE alone")


@check("P-18", "ACTION_PREFIX", peers=MODEL)
def prefix_needs_its_counts(probe: Probe) -> None:
    """Answer a `prefix` without its counts, or with more committed actions, with MALFORMED."""
    one = sample(probe.contract.action_space, 1, random.Random(1))
    for fields in (
        {"prefix": one},
        {"prefix": one, "prefix_counts": [1]},
        {"prefix": one, "prefix_counts": [1], "committed_counts": [2]},
        {"prefix": one, "prefix_counts": [2], "committed_counts": [0]},
    ):
        session = playing(probe)
        request = predict_request(probe, _form(probe), 0, **fields)
        refused_with(session.ask("predict", request), "MALFORMED", "INVALID_VALUE", closed=False)
        session.finish()
