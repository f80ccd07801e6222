"""A session of the thin host on bytes: order, repetitions, errors and every kind of request."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from rlmesh_proto.session.v1 import error_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh_thin.messages import read_request
from rlmesh_thin.session import Instance
from rlmesh_thin.workers import WorkerServicer

from .thin_envs import New, Old, Walk
from .thin_hosts import Bench, request, response, step_of

Code = error_pb2.ErrorCode
Dynamic = value_pb2.DynamicValue


def actions(*values: int, size: int | None = None) -> value_pb2.Value:
    data = np.array(values, np.int64).tobytes()
    return value_pb2.Value(slabs=[data], batch_size=len(values) if size is None else size)


def test_a_repetition_gets_the_kept_answer_and_is_not_applied() -> None:
    bench = Bench(Walk())
    bench.ask("reset", seed=1)
    first = bench.step(5)
    assert bench.exchange(step_of(2, 7)) == first
    assert bench.step(5).step.info.entries[0].value.int_value == 2


@pytest.mark.parametrize("sequence", [0, 3, 2**40])
def test_another_number_is_out_of_sequence_and_changes_nothing(sequence: int) -> None:
    bench = Bench(Walk())
    bench.ask("reset", seed=1)
    answer = bench.exchange(step_of(sequence, 5))
    assert answer.sequence == sequence and answer.error.code == Code.ERROR_CODE_OUT_OF_SEQUENCE
    assert answer.error.message.startswith("Q-5: ")
    assert bench.step(5).step.info.entries[0].value.int_value == 1


def test_a_connection_that_was_replaced_gets_no_answer() -> None:
    bench = Bench(Walk())
    older, bench.session.connection = bench.connection, object()
    assert bench.instance.exchange(older, request(1, "reset")) == (b"", True)
    assert bench.session.received == 0


def test_an_answer_of_a_call_that_was_taken_over_meanwhile_is_kept() -> None:
    env = Walk()
    bench = Bench(env)
    bench.ask("reset", seed=1)
    newer = object()

    def step(action: Any) -> Any:
        bench.session.connection = newer
        return Walk.step(env, action)

    bench.env.env.step = step
    assert bench.instance.exchange(bench.connection, step_of(2, 3)) == (b"", True)
    kept, last = bench.instance.exchange(newer, step_of(2, 3))
    assert response(kept).sequence == 2 and not last


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff",
        b"\x0a\x05\x01",
        b"\x08\x01\x22\x04\x1a\x02\x0a\x05",
        b"\x08\x01\x2a\x04\x0a\x02\x0a\x05",
    ],
)
def test_bytes_that_are_no_request_end_the_connection_alone(frame: bytes) -> None:
    bench = Bench(Walk())
    answer, last = bench.instance.exchange(bench.connection, frame)
    error = response(answer).error
    assert last and response(answer).sequence == 0 and error.session_closed
    assert error.code == Code.ERROR_CODE_MALFORMED and bench.session.received == 0


def test_an_exception_is_an_answer_and_the_session_goes_on() -> None:
    bench = Bench(Old())
    bench.ask("reset")
    error = bench.step(2).error
    assert error.code == Code.ERROR_CODE_USER_EXCEPTION and not error.session_closed
    assert error.exception_type == "builtins.ValueError" and "action 2 is broken" in error.message
    assert "in step" in error.traceback
    assert bench.step(1).step.reward == 0.5


def test_an_action_outside_its_space_is_not_applied() -> None:
    bench = Bench(Old())
    bench.ask("reset")
    error = bench.step(3).error
    assert error.code == Code.ERROR_CODE_INVALID_VALUE and error.path == "action"
    assert error.expected and error.actual == "3"
    assert bench.env.env.steps == 0


@pytest.mark.parametrize(
    ("result", "path"),
    [
        (None, "step()"),
        ((np.zeros(2), 0.0, False), "step()"),
        ((np.zeros(2), 0.0, False, None), "step()"),
        ((np.zeros(3), 0.0, False, {}), "observation"),
        ((np.zeros(2), "much", False, {}), "reward"),
        ((np.zeros(2), 0.0, "no", {}), "done"),
        ((np.zeros(2), 0.0, False, 2, {}), "truncated"),
    ],
)
def test_a_wrong_result_is_an_answer_with_its_path(result: Any, path: str) -> None:
    bench = Bench(Old())
    bench.ask("reset")
    bench.env.env.step = lambda action: result
    error = bench.step(0).error
    assert error.code == Code.ERROR_CODE_INVALID_RESULT and error.path == path
    assert error.expected and error.actual


def test_step_many_stops_after_the_end_of_an_episode() -> None:
    bench = Bench(Old(length=2))
    bench.ask("reset")
    many = bench.ask("step_many", actions=actions(1, 1, 1), count=3).step_many
    assert [step.terminated for step in many.steps] == [False, True]
    assert [step.HasField("observation") for step in many.steps] == [False, True]
    assert not many.HasField("error")
    bench.ask("reset")
    many = bench.ask("step_many", actions=actions(1, 1), count=2, all_observations=True).step_many
    assert [step.HasField("observation") for step in many.steps] == [True, True]


def test_step_many_reports_the_step_that_failed() -> None:
    bench = Bench(Old())
    bench.ask("reset")
    many = bench.ask("step_many", actions=actions(1, 2, 1), count=3).step_many
    assert len(many.steps) == 1 and many.steps[0].HasField("observation")
    assert many.error.code == Code.ERROR_CODE_USER_EXCEPTION


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"actions": actions(), "count": 0}, Code.ERROR_CODE_MALFORMED),
        ({"count": 1}, Code.ERROR_CODE_MALFORMED),
        ({"actions": actions(1), "count": 65_537}, Code.ERROR_CODE_LIMIT_EXCEEDED),
        ({"actions": actions(1), "count": 2}, Code.ERROR_CODE_MALFORMED),
        ({"actions": actions(1, 3), "count": 2}, Code.ERROR_CODE_INVALID_VALUE),
    ],
)
def test_step_many_applies_nothing_of_a_wrong_request(fields: Any, code: Any) -> None:
    bench = Bench(Old())
    bench.ask("reset")
    assert bench.ask("step_many", **fields).error.code == code
    assert bench.env.env.steps == 0


def test_seed_and_options_reach_the_environment() -> None:
    bench = Bench(New())
    options = value_pb2.DynamicMap()
    options.entries.add(name="level").value.int_value = 4
    entries = bench.ask("reset", seed=0, options=options).reset.info.entries
    assert entries[0].value.int_value == 0
    assert entries[1].value.map_value == options
    absent = bench.ask("reset").reset.info.entries
    assert [entry.value.WhichOneof("kind") for entry in absent] == ["null_value"] * 2


def test_attributes_that_are_exposed_and_no_others() -> None:
    bench = Bench(Old(), exposed=["instruction", "length"])
    assert bench.ask("get_attribute", name="length").get_attribute.value.int_value == 3
    assert bench.ask("get_attribute", name="instruction").get_attribute.callable
    kwargs = value_pb2.DynamicMap()
    kwargs.entries.add(name="style").value.string_value = "short"
    called = bench.ask("call", name="instruction", kwargs=kwargs).call
    assert called.result.string_value == "pick (short)"
    assert bench.ask("set_attribute", name="length", value=Dynamic(int_value=9)).HasField(
        "set_attribute"
    )
    assert bench.env.env.length == 9
    refused = bench.ask("set_attribute", name="instruction", value=Dynamic(int_value=9)).error
    assert refused.code == Code.ERROR_CODE_UNSUPPORTED
    error = bench.ask("get_attribute", name="steps").error
    assert error.code == Code.ERROR_CODE_NOT_EXPOSED
    assert list(error.choices) == ["instruction", "length"]


def test_render_and_what_cannot_be_rendered() -> None:
    assert Bench(New()).ask("render").render.frame.string_value == "drawn"
    tensor = Bench(Old()).ask("render").render.frame.tensor_value
    assert list(tensor.shape) == [2, 3, 3] and tensor.data == b"\x07" * 18
    bench = Bench(Old())
    bench.env.can_render = False
    assert bench.ask("render").error.code == Code.ERROR_CODE_UNSUPPORTED
    error = Bench(Old()).ask("render", lanes=[0]).error
    assert error.code == Code.ERROR_CODE_MALFORMED


def test_unknown_requests_and_a_second_open() -> None:
    bench = Bench(Old())
    assert bench.exchange(b"\x08\x01").error.code == Code.ERROR_CODE_UNSUPPORTED
    assert bench.exchange(b"\x08\x02\xa2\x06\x00").error.code == Code.ERROR_CODE_UNSUPPORTED
    assert bench.exchange(request(3, "open")).error.code == Code.ERROR_CODE_WRONG_STATE
    assert bench.exchange(request(4, "reset")).HasField("reset")


@pytest.mark.parametrize(
    ("kind", "fields", "rule"),
    [
        ("reset", {"lane_mask": b"\1"}, "L-8: "),
        ("step", {}, "G-8: "),
        ("step", {"action": actions(1)}, "N-6: "),
        ("step", {"action": value_pb2.Value(slabs=[b"1"])}, "V-4: "),
        ("step", {"action": value_pb2.Value(slabs=[b"\7" + bytes(7)])}, "V-8: "),
        ("step_many", {"actions": actions(1), "count": 2}, "N-8: expected a batch of 2, got 1"),
        ("step_many", {"actions": value_pb2.Value(slabs=[bytes(8)]), "count": 1}, "got one value"),
        ("render", {"lanes": [0]}, "L-11: "),
        ("call", {"name": "steps"}, "N-11: "),
        ("set_attribute", {"name": "instruction", "value": Dynamic(int_value=9)}, "N-11: "),
        ("open", {}, "N-3: "),
        ("describe", {}, "B-15: "),
        ("view", {}, "H-10: "),
    ],
)
def test_a_refusal_names_the_rule(kind: str, fields: dict[str, Any], rule: str) -> None:
    error = Bench(Old(), exposed=["instruction"]).ask(kind, **fields).error
    assert error.code and rule in error.message
    assert "None" not in error.message


def test_observations_out_of_bounds_are_sent_and_reported_once() -> None:
    bench = Bench(Old())
    bench.env.env.seeded = 101
    first = bench.ask("reset").reset
    (entry,) = first.info.entries
    assert entry.name == "rlmesh.validation"
    assert entry.value.map_value.entries[0].name == "observation"
    assert not bench.ask("reset").reset.info.entries


def test_what_no_wire_type_holds_is_replaced_in_infos(capsys: pytest.CaptureFixture[str]) -> None:
    loop: list[Any] = []
    loop.append(loop)
    bench = Bench(Old(info={"object": object, "loop": loop, ("a", 1): 2, "n": np.float32(1.5)}))
    bench.ask("reset")
    entries = {entry.name: entry.value for entry in bench.step(0).step.info.entries}
    assert "object" in entries["object"].string_value
    assert entries["loop"].list_value.elements[0].string_value
    assert entries["n"].HasField("scalar_value")
    bench.step(0)
    assert capsys.readouterr().err.count("its text is sent instead") == 2


def test_close_ends_the_session_and_keeps_the_environment() -> None:
    bench = Bench(Old())
    answer, last = bench.instance.exchange(bench.connection, request(1, "close"))
    assert last and response(answer).HasField("close") and bench.instance.session is None


def test_a_step_is_read_alike_in_every_encoding() -> None:
    canonical = step_of(2, 1)
    value = value_pb2.Value(slabs=[(1).to_bytes(8, "little")]).SerializeToString()
    member = b"\x0a" + bytes([len(value)]) + value
    other = b"\x2a" + bytes([len(member)]) + member + b"\x08\x02"
    assert read_request(canonical).slabs and not read_request(other).slabs
    answers = []
    for frame in (canonical, other):
        bench = Bench(Walk())
        bench.ask("reset", seed=1)
        answers.append(bench.exchange(frame))
        answers[-1].call_us = 0
    assert answers[0] == answers[1]


def test_a_crashed_worker_lets_its_client_close() -> None:
    servicer = WorkerServicer.__new__(WorkerServicer)
    servicer._process = None
    answer, last = servicer.answer(read_request(step_of(3, 1)), step_of(3, 1))
    assert response(answer).error.code == Code.ERROR_CODE_CRASHED and not last
    answer, last = servicer.answer(read_request(request(4, "close")), request(4, "close"))
    assert response(answer).HasField("close") and last


class Signalled(threading.Condition):
    """A condition whose first wait is preceded by a signal, the handler of which stops the host."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(threading.RLock())
        self.bench = bench

    def wait(self, timeout: float | None = None) -> bool:
        if not self.bench.stopping:
            self.bench.stopping = True
            self.notify_all()  # Nothing waits yet: the handler runs on the thread that is about to.
        return super().wait(timeout)


def test_a_signal_between_the_check_and_the_wait_stops_the_host() -> None:
    bench = Bench(Walk())
    changed = Signalled(bench)
    instance = Instance(bench.instance.servicer, threading.RLock(), changed, lambda: bench.stopping)
    running = threading.Thread(target=instance.run, daemon=True)
    running.start()
    running.join(20)
    assert not running.is_alive()
