"""Checks with `count`, an environment of known answers: exactly-once, options, errors."""

from __future__ import annotations

import struct
import time
from typing import Any

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._conformance.connection import refused_with
from rlmesh._conformance.findings import expect
from rlmesh._conformance.probe import Probe, Session
from rlmesh._conformance.registry import check

COUNT = "subject:count"


def _step(action: int) -> env_pb2.StepRequest:
    slab = struct.pack("<q", action)
    return env_pb2.StepRequest(action=value_pb2.Value(slabs=[slab]))


def _counted(part: Any) -> int:
    return int.from_bytes(part.observation.slabs[0], "little") if part.observation.slabs else -1


def _started(probe: Probe, *actions: int) -> Session:
    session = probe.playing()
    for action in actions:
        session.do("step", _step(action))
    return session


def _options(**fields: Any) -> env_pb2.ResetRequest:
    entries = [value_pb2.MapEntry(name=k, value=v) for k, v in fields.items()]
    return env_pb2.ResetRequest(options=value_pb2.DynamicMap(entries=entries))


@check("Q-3", COUNT)
def request_is_handled_once(probe: Probe) -> None:
    """Handle each request once."""
    session = _started(probe, 1)
    seen = _counted(session.must("step", _step(0)))
    expect(seen == 1, "the count 1", seen)


@check("N-6", COUNT)
def step_is_applied(probe: Probe) -> None:
    """Send the observation, the reward and the end of the episode of each step."""
    session = _started(probe)
    for number, over in ((1, False), (2, False), (3, True)):
        step = session.must("step", _step(1))
        seen = (_counted(step), step.reward, step.terminated, step.truncated)
        expect(seen == (number, 1.0, over, False), (number, 1.0, over, False), seen)


@check("N-4", COUNT)
def seed_0_is_a_seed(probe: Probe) -> None:
    """Pass the seed 0 as a seed, and no seed as none."""
    session = probe.open()
    for seed in (0, 7, None):
        info = session.must("reset", env_pb2.ResetRequest(seed=seed)).info
        seen = [(entry.name, entry.value.int_value) for entry in info.entries]
        expect(seen == ([] if seed is None else [("seed", seed)]), f"seed {seed}", seen)


@check("N-4", COUNT)
def options_are_passed(probe: Probe) -> None:
    """Pass the options of a reset."""
    session = probe.open()
    start = _options(start=value_pb2.DynamicValue(int_value=5))
    seen = _counted(session.must("reset", start))
    expect(seen == 5, "the count 5", seen)
    seen = _counted(session.must("reset"))
    expect(seen == 0, "the count 0 without options", seen)


@check("N-7", COUNT)
def absent_info_is_empty(probe: Probe) -> None:
    """Send an info that is empty as no entries."""
    session = _started(probe)
    info = session.must("step", _step(0)).info
    expect(not info.entries, "no entries", info)


@check("X-1", COUNT)
def exception_leaves_the_session(probe: Probe) -> None:
    """Answer an exception of the environment with USER_EXCEPTION, and go on."""
    session = _started(probe, 1)
    refused_with(session.ask("step", _step(2)), "USER_EXCEPTION", closed=False)
    seen = _counted(session.must("step", _step(1)))
    expect(seen == 2, "the count 2", seen)


@check("X-4", COUNT)
def exception_has_its_type(probe: Probe) -> None:
    """Send the type of an exception."""
    failure = refused_with(_started(probe).ask("step", _step(2)), "USER_EXCEPTION")
    expect(failure.exception_type, "exception_type", "an empty one")


@check("Q-4", COUNT, "RESUME")
def repetition_is_not_applied(probe: Probe) -> None:
    """Apply a step that is repeated after a resume once."""
    session = _started(probe, 1)
    session.lose()
    session.resume(session.last)
    for _ in range(3):
        session.connection.exchange(probe.numbered(session.last, "step", _step(1)))
    seen = _counted(session.must("step", _step(0)))
    expect(seen == 1, "the count 1", seen)


@check("Q-4", COUNT, "RESUME")
def forty_cuts_lose_nothing(probe: Probe) -> None:
    """Apply every step once although the connection is lost at each, before or after its answer."""
    session = _started(probe)
    for turn in range(40):
        request = session.send("step", _step(1))
        if turn % 2:
            session.connection.answer()
        session.lose()
        session.resume(session.last)
        answer = session.connection.exchange(request)
        expect(answer.sequence == session.last, f"answer {session.last}", answer.sequence)
    seen = session.must("step", _step(0))
    expect(_counted(seen) == 40, "the count 40 after 40 steps", _counted(seen))


@check("R-2", COUNT, "RESUME")
def running_call_is_kept(probe: Probe) -> None:
    """Let a call run to its end when the connection is lost, and keep its answer."""
    session = probe.open()
    session.do("reset", _options(step_ms=value_pb2.DynamicValue(int_value=150)))
    request = session.send("step", _step(1))
    time.sleep(0.03)
    session.lose()
    received = session.resume(2).header.received_sequence
    expect(received == 2, "received_sequence 2", received)
    answer = session.connection.exchange(request)
    expect(_counted(answer.step) == 1, "the count 1", _counted(answer.step))


@check("Q-1", COUNT)
def requests_are_handled_one_by_one(probe: Probe) -> None:
    """Handle no two requests of a session at the same time."""
    session = probe.open()
    session.do("reset", _options(step_ms=value_pb2.DynamicValue(int_value=40)))
    began = time.monotonic()
    for _ in range(3):
        session.send("step", _step(0))
    for _ in range(3):
        session.connection.answer()
    # Three calls of 40 ms each; the clock of the server may differ a little.
    took = time.monotonic() - began
    expect(took > 0.1, "120 ms for three calls of 40 ms", f"{1000 * took:.0f} ms")


@check("V-14", COUNT)
def invalid_action_is_not_applied(probe: Probe) -> None:
    """Call nothing for an action that is invalid."""
    session = _started(probe, 1)
    refused_with(session.ask("step", _step(7)), "INVALID_VALUE")
    seen = _counted(session.must("step", _step(0)))
    expect(seen == 1, "the count 1", seen)


def _many(*actions: int, **fields: Any) -> env_pb2.StepManyRequest:
    slab = struct.pack(f"<{len(actions)}q", *actions)
    value = value_pb2.Value(slabs=[slab], batch_size=len(actions))
    return env_pb2.StepManyRequest(actions=value, count=len(actions), **fields)


@check("N-8", COUNT, "STEP_MANY")
def invalid_action_among_several_applies_none(probe: Probe) -> None:
    """Apply none of several actions if one of them is invalid."""
    session = _started(probe)
    refused_with(session.ask("step_many", _many(1, 1, 9)), "INVALID_VALUE", closed=False)
    seen = _counted(session.must("step", _step(0)))
    expect(seen == 0, "the count 0", seen)


@check("N-8", COUNT, "STEP_MANY")
def several_steps_end_with_the_episode(probe: Probe) -> None:
    """Apply no action after the step that ends the episode."""
    steps = _started(probe).must("step_many", _many(1, 1, 1, 1, 1)).steps
    expect(len(steps) == 3, "3 steps", len(steps))


@check("N-9", COUNT, "STEP_MANY")
def several_steps_end_with_an_error(probe: Probe) -> None:
    """Send the steps before the one that failed, and its error."""
    answer = _started(probe).must("step_many", _many(1, 2, 1))
    expect(len(answer.steps) == 1, "1 step", len(answer.steps))
    expect(answer.error.code == 1, "error USER_EXCEPTION", answer.error.code)


@check("N-9", COUNT, "STEP_MANY")
def failed_first_step_has_no_steps(probe: Probe) -> None:
    """Send no step if the first of several fails."""
    answer = _started(probe).must("step_many", _many(2, 1))
    expect(not answer.steps and answer.HasField("error"), "an error, and no step", answer)


@check("N-11", COUNT, "ATTRIBUTES")
def exposed_attribute_is_read_and_written(probe: Probe) -> None:
    """Read and write an attribute that is exposed."""
    if "count" not in probe.contract.exposed:
        return
    session = _started(probe, 1)
    asked = env_pb2.GetAttributeRequest(name="count")
    seen = session.must("get_attribute", asked).value.int_value
    expect(seen == 1, "1", seen)
    value = value_pb2.DynamicValue(int_value=0)
    session.must("set_attribute", env_pb2.SetAttributeRequest(name="count", value=value))
    seen = _counted(session.must("step", _step(0)))
    expect(seen == 0, "the count 0", seen)


def _nested(levels: int) -> value_pb2.DynamicValue:
    found = value_pb2.DynamicValue(null_value=value_pb2.Null())
    for _ in range(levels - 1):
        found = value_pb2.DynamicValue(list_value=value_pb2.DynamicList(elements=[found]))
    return found


_BAD_OPTIONS: dict[str, tuple[str, Any]] = {
    "D-1": ("a value without a kind", value_pb2.DynamicValue()),
    "D-2": ("an empty big integer", value_pb2.DynamicValue(big_int_value=b"")),
    "D-4": (
        "a scalar of another size",
        value_pb2.DynamicValue(scalar_value=value_pb2.Scalar(dtype=12, data=b"\0")),  # type: ignore[arg-type]
    ),
    "D-5": (
        "a tensor of another size",
        value_pb2.DynamicValue(
            tensor_value=value_pb2.Tensor(dtype=6, shape=[3], data=b"\0")  # type: ignore[arg-type]
        ),
    ),
    "D-7": ("a value of 25 levels", _nested(25)),
}


def _add_option_check(rule: str, words: str, value: Any) -> None:
    def run(probe: Probe) -> None:
        session = probe.open()
        answer = session.ask("reset", _options(start=value))
        refused_with(answer, "MALFORMED", "LIMIT_EXCEEDED", closed=False)

    run.__name__ = f"options_of_{rule.lower().replace('-', '_')}"
    run.__doc__ = f"Answer options with {words} with MALFORMED."
    check(rule, COUNT)(run)


for _rule, (_words, _value) in _BAD_OPTIONS.items():
    _add_option_check(_rule, _words, _value)


@check("D-6", COUNT)
def options_of_d_6(probe: Probe) -> None:
    """Answer options with a key twice, or without one, with MALFORMED."""
    session = probe.open()
    one = value_pb2.MapEntry(name="start", value=value_pb2.DynamicValue(int_value=1))
    keyless = value_pb2.MapEntry(value=value_pb2.DynamicValue(int_value=1))
    for entries in ([one, one], [keyless]):
        request = env_pb2.ResetRequest(options=value_pb2.DynamicMap(entries=entries))
        refused_with(session.ask("reset", request), "MALFORMED", closed=False)


@check("D-10", COUNT)
def bad_option_has_a_path(probe: Probe) -> None:
    """Send with an option that is malformed a path that begins with `options`."""
    answer = probe.open().ask("reset", _options(start=value_pb2.DynamicValue()))
    failure = refused_with(answer, "MALFORMED")
    expect(failure.path.startswith("options"), "a path from options", failure.path)
