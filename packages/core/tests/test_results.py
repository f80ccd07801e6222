"""EpisodeResult and RunResult: their fields, figures and files."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from rlmesh_proto import SPEC_VERSION
from rlmesh_proto.eval.v1 import result_pb2

from rlmesh import errors
from rlmesh.results import EpisodeEnd, EpisodeFailure, EpisodeResult, RunResult, Timing
from rlmesh.tensor import Tensor


def episode(index: int = 0, **facts: Any) -> EpisodeResult:
    given: dict[str, Any] = {
        "seed": index,
        "reward": 1.0,
        "steps": 10,
        "end": EpisodeEnd.TERMINATED,
    }
    return EpisodeResult(index, **{**given, **facts})


def test_what_was_there_before_is_there_still() -> None:
    one = EpisodeResult(0, 7, 1.5, 3, EpisodeEnd.TRUNCATED, True, 2.0, "Env-v0")
    run = RunResult((one,), "Env-v0", 4.0)
    assert (one.seconds, one.env_id, one.truncated, one.terminated) == (2.0, "Env-v0", True, False)
    assert (run.seconds, run.mean_reward, run.success_rate, run.total_steps) == (4.0, 1.5, 1.0, 3)
    assert {one: 1}[replace(one)] == 1
    assert pickle.loads(pickle.dumps(run)) == run


@pytest.mark.parametrize("end", EpisodeEnd)
def test_terminated_and_truncated_are_of_one_end_each(end: EpisodeEnd) -> None:
    one = episode(end=end)
    assert one.terminated is (end is EpisodeEnd.TERMINATED)
    assert one.truncated is (end is EpisodeEnd.TRUNCATED)


@pytest.mark.parametrize("make", [episode, lambda **facts: RunResult((), **facts)])
def test_seconds_and_the_total_are_one_time(make: Any) -> None:
    assert make(seconds=2.0).timing == Timing(total=2.0)
    assert make(timing=Timing(2.0, 1.0)).seconds == 2.0
    assert make(seconds=2.0, timing=Timing(predict=1.0)).timing == Timing(2.0, 1.0)
    assert make(seconds=2.0, timing=Timing(2.0, 1.0)).seconds == 2.0
    with pytest.raises(ValueError, match=r"the same time, got 2\.0 and 3\.0"):
        make(seconds=2.0, timing=Timing(3.0))


def test_timings_add() -> None:
    assert Timing(1.0, 2.0, 3.0, 4.0) + Timing(10.0, 20.0, 30.0, 40.0) == Timing(11, 22, 33, 44)
    with pytest.raises(TypeError):
        Timing() + 1.0  # type: ignore[operator]


def test_a_result_with_an_info_can_be_a_key() -> None:
    one = episode(final_info={"a": [1]})
    assert {one: 1}[replace(one)] == 1 and hash(RunResult((one,), metadata={"b": {}}))


class Odd(Exception):
    """One that has facts of its own, which are none of ours."""

    code, path, message = "E1", 3, None


def test_a_failure_has_the_facts_of_an_error_of_ours() -> None:
    error = errors.EnvCrashedError(
        "it died", exception_type="env.Broken", remote_traceback="in env", code=16, path="action"
    )
    error.exit_code = -9
    assert EpisodeFailure.of(error, expose_traceback=True) == EpisodeFailure(
        "it died", "env.Broken", 16, "in env", "action", exit_code=-9
    )
    invalid = EpisodeFailure.of(errors.InvalidValueError("action", "an int", "a str"))
    assert (invalid.path, invalid.expected, invalid.actual) == ("action", "an int", "a str")
    assert invalid.exception_type == "rlmesh.errors.InvalidValueError"


def test_a_failure_of_another_exception_has_its_type_and_words() -> None:
    assert EpisodeFailure.of(Odd("words")) == EpisodeFailure("words", f"{__name__}.Odd")
    try:
        raise ValueError("here")
    except ValueError as error:
        told = EpisodeFailure.of(error, expose_traceback=True)
    assert told.exception_type == "builtins.ValueError" and 'raise ValueError("here")' in (
        told.traceback
    )


@pytest.mark.parametrize(
    ("rewards", "mean", "std"),
    [
        ([], math.nan, math.nan),
        ([3], 3.0, 0.0),
        ([1.0, 2.0, 4.0], 7 / 3, math.sqrt(14 / 9)),
        ([math.inf, 1.0], math.inf, math.nan),
        ([math.inf, -math.inf], math.nan, math.nan),
        ([math.nan, 1.0], math.nan, math.nan),
        ([1e308] * 3, 1e308, 0.0),
        ([1e308, -1e308], 0.0, 1e308),
        ([0.1] * 10, 0.1, 0.0),
    ],
)
def test_mean_and_std(rewards: list[float], mean: float, std: float) -> None:
    run = RunResult(tuple(episode(i, reward=reward) for i, reward in enumerate(rewards)))
    assert run.mean_reward == pytest.approx(mean, rel=1e-15, nan_ok=True)
    assert run.std_reward == pytest.approx(std, rel=1e-15, nan_ok=True)


def test_rates_and_ends() -> None:
    ends = [EpisodeEnd.ERROR, EpisodeEnd.LIMIT, EpisodeEnd.ERROR]
    success = [None, True, False]
    run = RunResult(
        tuple(episode(i, end=ends[i], success=success[i]) for i in range(3)), seconds=6.0
    )
    assert run.ends == {EpisodeEnd.LIMIT: 1, EpisodeEnd.ERROR: 2}
    assert (run.total_steps, run.steps_per_second) == (30, 5.0)
    # The third episode reported a failure, and the first one ended before it could report.
    assert (run.success_counts, run.success_rate) == ((1, 3), 1 / 3)
    assert math.isnan(RunResult(run.episodes).steps_per_second)
    unsaid = RunResult((episode(),))
    assert unsaid.success_rate is None and unsaid.success_interval() is None


def test_by_endpoint() -> None:
    episodes = [
        episode(
            i,
            endpoint="ba"[i % 2],
            env_id="XY"[i % 2] if i < 4 else "Z",
            timing=Timing(1.0, 0.5, 0.25, 0.125),
            started_at=100.0 - i if i else 0.0,
        )
        for i in range(5)
    ]
    run = RunResult(tuple(episodes), "", 2.0, "model", instruction="go", metadata={"a": 1})
    parts = run.by_endpoint()
    assert list(parts) == ["b", "a"]
    assert [e.index for e in parts["b"].episodes] == [0, 2, 4]
    assert parts["b"].timing == Timing(3.0, 1.5, 0.75, 0.375) and parts["b"].seconds == 3.0
    assert (parts["a"].env_id, parts["b"].env_id) == ("Y", "")  # X and Z.
    assert (parts["a"].started_at, parts["b"].started_at) == (97.0, 96.0)
    assert {(p.model_id, p.instruction, p.metadata["a"]) for p in parts.values()} == {
        ("model", "go", 1)
    }
    assert RunResult(()).by_endpoint() == {}


# Files. The round trips of any run are in tests/property/test_results.py.


def test_the_protojson_is_protobufs() -> None:
    one = episode(
        2**64 - 1,
        reward=math.nan,
        success=False,
        endpoint="tcp://h:1",
        env_id="E",
        error=EpisodeFailure("words", "builtins.ValueError"),
        end=EpisodeEnd.ERROR,
        final_info={"k": None},
        timing=Timing(1.5, 0.5),
    )
    run = RunResult((one,), "E", 3.0, "m", instruction="", started_at=5.5, metadata={"n": 1})
    assert json.loads(run.to_protojson(indent=2)) == {
        "episodes": [
            {
                "index": "18446744073709551615",
                "seed": "18446744073709551615",
                "reward": "NaN",
                "steps": "10",
                "end": "EPISODE_END_ERROR",
                "success": False,
                "timing": {"totalSeconds": 1.5, "predictSeconds": 0.5},
                "endpoint": "tcp://h:1",
                "envId": "E",
                "error": {"message": "words", "exceptionType": "builtins.ValueError"},
                "finalInfo": {"entries": [{"name": "k", "value": {"nullValue": {}}}]},
            }
        ],
        "envId": "E",
        "modelId": "m",
        "specVersion": SPEC_VERSION,
        "timing": {"totalSeconds": 3.0},
        "instruction": "",
        "startedAt": 5.5,
        "metadata": {"entries": [{"name": "n", "value": {"intValue": "1"}}]},
        "settings": {},
    }


def test_the_bytes_are_the_messages() -> None:
    run = RunResult((episode(1, reward=-0.0, end=EpisodeEnd.LIMIT),), model_id="m")
    message = result_pb2.RunResult.FromString(run.to_bytes())
    (one,) = message.episodes
    assert (one.index, one.steps, one.end) == (1, 10, result_pb2.EPISODE_END_LIMIT)
    assert math.copysign(1.0, one.reward) == -1.0
    assert not one.HasField("success") and not one.HasField("error")
    assert not one.HasField("final_info") and not message.HasField("metadata")
    assert message.spec_version == SPEC_VERSION


@pytest.mark.parametrize("end", [0, 99])
def test_an_end_that_is_not_known_is_refused_and_not_guessed(end: int) -> None:
    message = result_pb2.RunResult.FromString(RunResult((episode(1),)).to_bytes())
    message.episodes[0].end = end  # type: ignore[assignment]
    with pytest.raises(
        errors.CodecError, match=f"G-3: an episode has no end .* number {end}"
    ) as caught:
        RunResult.from_bytes(message.SerializeToString())
    assert caught.value.path == "episodes[0].end"


def test_a_run_is_written_with_this_version_whatever_it_was_read_from() -> None:
    read = RunResult((), spec_version="0.9.0")
    assert RunResult.from_bytes(read.to_bytes()).spec_version == SPEC_VERSION


@pytest.mark.parametrize(
    "run",
    [
        RunResult((), "Alone-v0"),
        RunResult((episode(env_id="A"), episode(1, env_id="B")), "Both"),
        RunResult((episode(env_id="A"),), ""),
        RunResult((episode(env_id="A"),), "A"),
    ],
)
def test_the_environment_of_a_run_has_a_field_and_comes_back(run: RunResult) -> None:
    assert result_pb2.RunResult.FromString(run.to_bytes()).env_id == run.env_id
    assert json.loads(run.to_protojson())["envId"] == run.env_id
    assert (
        RunResult.from_bytes(run.to_bytes()) == run == RunResult.from_protojson(run.to_protojson())
    )


@pytest.mark.parametrize("others", [[], ["A"], ["A", "B"]], ids=len)
def test_the_environment_of_a_run_is_read_where_it_was_written_without_a_field(
    others: list[str],
) -> None:
    episodes = [{"end": "EPISODE_END_TERMINATED", "envId": name} for name in others]
    plain = RunResult.from_protojson(stored({"episodes": episodes}))
    assert plain.env_id == ("A" if others == ["A"] else "")
    key = {"name": "rlmesh.env_id", "value": {"stringValue": "Alone-v0"}}
    older = stored({"episodes": episodes, "metadata": {"entries": [key]}})
    read = RunResult.from_protojson(older)
    assert (read.env_id, read.metadata) == ("Alone-v0", {})
    assert json.loads(read.to_protojson())["envId"] == "Alone-v0"


def test_reserved_keys_are_refused_and_those_of_a_newer_spec_left_out() -> None:
    with pytest.raises(ValueError, match=r"metadata: expected keys .* got \['rlmesh\.x'\]"):
        RunResult((), metadata={"rlmesh.x": 1, "rlmesh": 2}).to_bytes()
    message = result_pb2.RunResult(spec_version=SPEC_VERSION)
    for name in ("rlmesh.new", "mine"):
        message.metadata.entries.add(name=name).value.bool_value = True
    assert RunResult.from_bytes(message.SerializeToString()).metadata == {"mine": True}
    message.metadata.entries.add(name="rlmesh.env_id").value.int_value = 3
    with pytest.raises(errors.CodecError, match="expected text, got 3"):
        RunResult.from_bytes(message.SerializeToString())


@pytest.mark.parametrize(
    ("facts", "path"),
    [({"seed": -1}, "seed"), ({"steps": 2**64}, "steps"), ({"index": -5}, "index")],
)
def test_a_number_that_does_not_fit_is_named(facts: dict[str, int], path: str) -> None:
    wrong = replace(episode(1), **facts)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"episodes\[1\]\.{path}: expected 0 to 2\*\*64 - 1"):
        RunResult((episode(), wrong)).to_protojson()


def test_texts_that_utf8_cannot_carry_are_written_all_the_same() -> None:
    failure = EpisodeFailure("caf\udce9", traceback="x" * 300_000, path="é" * 10_000)
    run = RunResult((episode(endpoint="\udce9", error=failure),), model_id="\ud800")
    (one,) = RunResult.from_protojson(run.to_protojson()).episodes
    assert one.endpoint == "\\udce9" and one.error is not None
    assert one.error.message == "caf\\udce9" and len(one.error.traceback) == 262_144
    assert len(one.error.path.encode()) == 16_384 and set(one.error.path) == {"é"}


def stored(changes: Mapping[str, Any]) -> str:
    return json.dumps({"specVersion": SPEC_VERSION, **changes})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (stored({"specVersion": "999.0.0"}), r"spec_version: .*got '999\.0\.0'"),
        ("{}", "spec_version: .*got ''"),
        (stored({"episodes": [{}]}), r"episodes\[0\]\.end: .* number 0"),
        (stored({"episodes": [{"end": 9}]}), r"episodes\[0\]\.end: .* number 9"),
        (
            stored({"episodes": [{"end": 1, "finalInfo": {"entries": [{"name": "k"}]}}]}),
            r"episodes\[0\]\.final_info\['k'\]: D-6: an entry of a map has no value",
        ),
        (stored({"episodes": 3}), "not a RunResult"),
        (stored({"episodes": [{"index": -1}]}), "not a RunResult"),
        ("", "not a RunResult"),
        ("[]", "not a RunResult|spec_version"),
        ("3", "not a RunResult"),
        ("null", "not a RunResult"),
        ("[" * 100_000, "not a RunResult"),
        ('{"modelId": ' + "9" * 10_000 + "}", "not a RunResult"),
        (b"\xff", "not a RunResult"),
    ],
)
def test_json_that_is_no_run_is_an_error(text: str | bytes, words: str) -> None:
    with pytest.raises(errors.CodecError, match=words):
        RunResult.from_protojson(text)


def test_bytes_that_are_no_run_are_an_error() -> None:
    with pytest.raises(errors.CodecError, match="RunResult"):
        RunResult.from_bytes(b"\xff")


def test_fields_of_a_newer_spec_are_ignored() -> None:
    text = stored({"modelId": "m", "newField": [1], "episodes": [{"end": 1, "more": {}}]})
    assert RunResult.from_protojson(text).model_id == "m"
    assert RunResult.from_bytes(RunResult((), model_id="m").to_bytes() + b"\xf8\x07\x01") == (
        RunResult((), model_id="m")
    )


def test_the_backend_makes_the_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    backend = pytest.importorskip("rlmesh.numpy").BACKEND
    info = {"a": numpy.arange(3, dtype="int16"), "s": numpy.float32(1.5)}
    run = RunResult((episode(final_info=info),))
    (native,) = RunResult.from_bytes(run.to_bytes()).episodes
    assert native.final_info == {"a": Tensor.of([0, 1, 2], "int16"), "s": 1.5}
    (again,) = RunResult.from_protojson(run.to_protojson(), backend=backend).episodes
    assert again.final_info is not None
    assert again.final_info["a"].tolist() == [0, 1, 2] and again.final_info["a"].dtype == "int16"
    assert type(again.final_info["s"]) is numpy.float32


def test_what_no_wire_type_holds_is_told_by_its_repr() -> None:
    run = RunResult((), metadata={"rate": 1j})
    with pytest.warns(UserWarning, match=r"metadata\['rate'\]: no wire type holds a complex"):
        data = run.to_bytes()
    assert RunResult.from_bytes(data).metadata == {"rate": "1j"}
