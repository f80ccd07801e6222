"""Requests to environments: §8, and the errors of §10."""

from __future__ import annotations

import math
from typing import Any

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._conformance.connection import refused_with
from rlmesh._conformance.findings import expect
from rlmesh._conformance.probe import Probe
from rlmesh._conformance.registry import Stage, check


@check("N-1", stage=Stage.BEGIN, gate=True)
def reset_is_answered(probe: Probe) -> None:
    """Answer `reset` with ResetResponse."""
    probe.open().must("reset")


@check("N-1", stage=Stage.STEP, gate=True)
def step_is_answered(probe: Probe) -> None:
    """Answer `step` with StepResponse."""
    probe.playing().try_step()


@check("U-4")
def reset_has_an_observation(probe: Probe) -> None:
    """Send an observation with each reset."""
    expect(probe.open().do("reset").HasField("observation"), "an observation", "none")


@check("U-4")
def step_has_an_observation(probe: Probe) -> None:
    """Send an observation with each step."""
    expect(probe.playing().step().HasField("observation"), "an observation", "none")


@check("N-6", "single")
def step_has_no_lanes(probe: Probe) -> None:
    """Send neither `lanes` nor `final_observations` if the contract is not a vector."""
    answer = probe.playing().step()
    for name in ("lanes", "final_observations"):
        expect(not answer.HasField(name), f"no {name}", name)


@check("L-1", "single")
def single_observation_has_no_batch_size(probe: Probe) -> None:
    """Send observations without `batch_size` if the contract is not a vector."""
    session = probe.open()
    for part in (session.do("reset"), session.step()):
        expect(not part.observation.HasField("batch_size"), "no batch_size", part.observation)


@check("L-1", "vector")
def vector_observation_is_a_batch(probe: Probe) -> None:
    """Send observations with `batch_size` = `num_envs` if the contract is a vector."""
    session = probe.open()
    for part in (session.do("reset"), session.step()):
        wanted, seen = probe.contract.num_envs, part.observation.batch_size
        expect(seen == wanted, f"batch_size {wanted}", seen)


@check("L-1", "single")
def action_with_a_batch_size_is_invalid(probe: Probe) -> None:
    """Answer an action with a `batch_size` with INVALID_VALUE if the contract is no vector."""
    session = probe.playing()
    request = probe.step_request()
    request.action.batch_size = 1
    refused_with(session.ask("step", request), "INVALID_VALUE", "MALFORMED", closed=False)


@check("G-8")
def step_without_an_action_is_malformed(probe: Probe) -> None:
    """Answer a `step` without `action` with MALFORMED."""
    refused_with(probe.playing().ask("step"), "MALFORMED", closed=False)


@check("N-4")
def two_kinds_of_seeds_are_malformed(probe: Probe) -> None:
    """Answer `seed` together with `lane_seeds` with MALFORMED."""
    lanes = env_pb2.LaneSeeds(seeds=[1] * probe.contract.num_envs)
    request = env_pb2.ResetRequest(seed=1, lane_seeds=lanes)
    refused_with(probe.open().ask("reset", request), "MALFORMED", closed=False)


@check("N-4", "single")
def lane_seeds_without_a_vector_are_malformed(probe: Probe) -> None:
    """Answer `lane_seeds` with MALFORMED if the contract is not a vector."""
    request = env_pb2.ResetRequest(lane_seeds=env_pb2.LaneSeeds(seeds=[1]))
    refused_with(probe.open().ask("reset", request), "MALFORMED", closed=False)


@check("L-8", "-PARTIAL_RESET")
def lane_mask_is_unsupported(probe: Probe) -> None:
    """Answer a `lane_mask` with UNSUPPORTED without PARTIAL_RESET."""
    request = env_pb2.ResetRequest(lane_mask=b"\1" * probe.contract.num_envs)
    refused_with(probe.open().ask("reset", request), "UNSUPPORTED", closed=False)


@check("N-5")
def seed_is_accepted(probe: Probe) -> None:
    """Accept a seed, 0 and 2^64 - 1 included, whether or not the environment takes one."""
    session = probe.open()
    # An environment may have a smaller range of its own; only the server is judged.
    for seed in (0, 7, 2**31 - 1):
        session.must("reset", env_pb2.ResetRequest(seed=seed))


@check("N-15")
def long_episode_id_is_ignored(probe: Probe) -> None:
    """Ignore an `episode_id` of more than 256 bytes."""
    session = probe.open()
    for text in ("e-1", "x" * 257, "é" * 4000):
        session.must("reset", env_pb2.ResetRequest(episode_id=text))


@check("N-3")
def step_before_reset_reaches_the_environment(probe: Probe) -> None:
    """Pass a step before the first reset to the environment."""
    answer = probe.open().ask("step", probe.step_request())
    if answer.WhichOneof("response") != "step":
        refused_with(answer, "USER_EXCEPTION", "INVALID_RESULT", closed=False)


@check("X-1")
def session_goes_on_after_an_error(probe: Probe) -> None:
    """Serve the next request after an error without `session_closed`."""
    session = probe.playing()
    answer = session.ask("step")
    refused_with(answer, "MALFORMED", "INVALID_VALUE", "UNSUPPORTED")
    if not answer.error.session_closed:
        session.must("reset")


@check("X-3")
def errors_have_a_message(probe: Probe) -> None:
    """Send a message with every error."""
    failures = [
        probe.playing().ask("step").error,
        probe.connect().exchange(probe.numbered(0)).error,
    ]
    expect(all(failure.message for failure in failures), "a message", "an empty one")


@check("Q-11")
def call_time_is_plausible(probe: Probe) -> None:
    """Send as `call_us` a time that is not longer than the call took."""
    session = probe.open()
    for _ in range(3):
        answer = session.ask("reset")
        limit = 1_000_000 * probe.target.timeout
        expect(answer.call_us < limit, f"less than {limit:.0f} us", answer.call_us)


@check("N-16")
def simulation_time_is_a_number(probe: Probe) -> None:
    """Send as `sim_time` a finite number, or nothing."""
    session = probe.open()
    for part in (session.do("reset"), session.step()):
        if part.HasField("sim_time"):
            expect(math.isfinite(part.sim_time), "a finite number", part.sim_time)


@check("N-17")
def no_progress_unless_both_list_it(probe: Probe) -> None:
    """Send no `progress` to a client that does not list PROGRESS."""
    session = probe.playing()
    session.step()
    expect(not session.connection.progress, "no progress", session.connection.progress)


@check("N-17", "PROGRESS")
def progress_is_no_answer(probe: Probe) -> None:
    """Send with `progress` the number of its request, and an answer after it."""
    session = probe.open(("RESUME", "PROGRESS"))
    session.must("reset")
    for report in session.connection.progress:
        expect(report.sequence == 1, "sequence 1", report.sequence)


@check("H-9", "-STEP_MANY", "-RENDER", "-ATTRIBUTES")
def requests_without_their_capability_are_unsupported(probe: Probe) -> None:
    """Answer requests of capabilities that it does not list with UNSUPPORTED."""
    session = probe.playing()
    for member in ("step_many", "render", "call", "get_attribute", "set_attribute"):
        refused_with(session.ask(member), "UNSUPPORTED", closed=False)


def _many(probe: Probe, count: int, **fields: Any) -> env_pb2.StepManyRequest:
    """Return a StepManyRequest with one action `count` times."""
    action = probe.action()
    lanes = probe.contract.num_envs if probe.contract.vector else 1
    fixed = [bytes(slab) * count for slab in action.slabs]
    actions = value_pb2.Value(slabs=fixed, batch_size=count * lanes)
    return env_pb2.StepManyRequest(actions=actions, count=count, **fields)


@check("N-8", "STEP_MANY", "fixed")
def step_many_steps(probe: Probe) -> None:
    """Answer `step_many` with one StepResponse for each step that was applied."""
    answer = probe.playing().must("step_many", _many(probe, 2))
    applied = len(answer.steps)
    expect(1 <= applied <= 2 or answer.HasField("error"), "1 or 2 steps", applied)


@check("N-8", "STEP_MANY", "fixed")
def step_many_of_none_is_malformed(probe: Probe) -> None:
    """Answer a `step_many` of no action with MALFORMED."""
    session = probe.playing()
    refused_with(session.ask("step_many", _many(probe, 0)), "MALFORMED", closed=False)


@check("N-8", "STEP_MANY")
def step_many_without_actions_is_malformed(probe: Probe) -> None:
    """Answer a `step_many` without `actions` with MALFORMED."""
    request = env_pb2.StepManyRequest(count=1)
    refused_with(probe.playing().ask("step_many", request), "MALFORMED", closed=False)


@check("N-8", "STEP_MANY", "fixed")
def step_many_of_another_size_is_malformed(probe: Probe) -> None:
    """Answer a `step_many` with a batch of another size than `count` with MALFORMED."""
    session = probe.playing()
    for change in (-1, 1):
        request = _many(probe, 2)
        request.actions.batch_size += change
        refused_with(session.ask("step_many", request), "MALFORMED", closed=False)


@check("N-9", "STEP_MANY", "fixed")
def step_many_has_the_last_observation_alone(probe: Probe) -> None:
    """Send of several steps the last observation alone."""
    steps = probe.playing().do("step_many", _many(probe, 2)).steps
    for step in steps[:-1]:
        expect(not step.HasField("observation"), "no observation before the last", "one")
    for step in steps[-1:]:
        expect(step.HasField("observation"), "an observation of the last step", "none")


@check("N-9", "STEP_MANY", "fixed")
def step_many_has_all_observations_if_asked(probe: Probe) -> None:
    """Send the observation of every step if `all_observations` is set."""
    request = _many(probe, 2, all_observations=True)
    steps = probe.playing().do("step_many", request).steps
    expect(all(step.HasField("observation") for step in steps), "all observations", "fewer")


@check("M-1", "STEP_MANY", "fixed")
def step_many_has_a_limit(probe: Probe) -> None:
    """Answer a `step_many` of more than 65,536 actions with LIMIT_EXCEEDED."""
    answer = probe.playing().ask("step_many", _many(probe, 65_537))
    refused_with(answer, "LIMIT_EXCEEDED", closed=False)


@check("N-10", "RENDER")
def render_is_answered(probe: Probe) -> None:
    """Answer `render` with a frame, or with the environment's error."""
    answer = probe.playing().ask("render")
    if answer.WhichOneof("response") == "render":
        expect(answer.render.HasField("frame"), "a frame", "none")
    else:
        refused_with(answer, "USER_EXCEPTION", "INVALID_RESULT", "UNSUPPORTED", closed=False)


@check("N-10", "RENDER", "single")
def render_of_lanes_is_malformed(probe: Probe) -> None:
    """Answer a `render` with `lanes` with MALFORMED if the contract is not a vector."""
    request = env_pb2.RenderRequest(lanes=[0])
    refused_with(probe.playing().ask("render", request), "MALFORMED", closed=False)


@check("N-11", "ATTRIBUTES")
def other_names_are_not_exposed(probe: Probe) -> None:
    """Answer a name that is not exposed with NOT_EXPOSED, whether or not it exists."""
    session = probe.playing()
    for name in ("no_such_name", "__class__", "step", "reset", "close"):
        if name in probe.contract.exposed:
            continue
        for member in ("call", "get_attribute", "set_attribute"):
            message = probe.dialect.message(member)
            message.name = name
            if member == "set_attribute":
                message.value.int_value = 1
            refused_with(session.ask(member, message), "NOT_EXPOSED", closed=False)


@check("N-11", "ATTRIBUTES")
def dotted_names_are_not_exposed(probe: Probe) -> None:
    """Match names whole: a dot has no meaning."""
    session = probe.playing()
    for first in [*probe.contract.exposed, "unwrapped"]:
        request = env_pb2.GetAttributeRequest(name=f"{first}.__class__")
        refused_with(session.ask("get_attribute", request), "NOT_EXPOSED", closed=False)


@check("N-11", "ATTRIBUTES")
def not_exposed_lists_the_names(probe: Probe) -> None:
    """List the exposed names in `choices` of NOT_EXPOSED."""
    request = env_pb2.GetAttributeRequest(name="no_such_name")
    failure = refused_with(probe.playing().ask("get_attribute", request), "NOT_EXPOSED")
    wanted, seen = sorted(probe.contract.exposed), sorted(failure.choices)
    expect(seen == wanted, f"choices {wanted}", seen)


@check("U-4", "ATTRIBUTES")
def attribute_needs_a_name(probe: Probe) -> None:
    """Refuse a `get_attribute` without a name."""
    answer = probe.playing().ask("get_attribute")
    refused_with(answer, "MALFORMED", "NOT_EXPOSED", closed=False)


@check("X-6")
def errors_of_actions_have_a_path(probe: Probe) -> None:
    """Send with the error of an action a path that begins with `action`."""
    request = env_pb2.StepRequest(action=value_pb2.Value(slabs=[b""] * 99))
    failure = refused_with(probe.playing().ask("step", request), "INVALID_VALUE", "MALFORMED")
    expect(failure.path.startswith("action"), "a path from action", failure.path)


@check("X-4")
def exceptions_are_named(probe: Probe) -> None:
    """Send `exception_type` with USER_EXCEPTION, and with no other code."""
    failure = probe.playing().ask("step").error
    expect(not failure.exception_type, "no exception_type", failure.exception_type)
    expect(not failure.traceback, "no traceback", failure.traceback)
