"""The plain JSON of a run: what it has, how other programs read it, and that it comes back."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from io import StringIO
from typing import Any

import pytest

from rlmesh import errors
from rlmesh._version import __version__
from rlmesh.results import (
    EpisodeEnd,
    EpisodeFailure,
    EpisodeResult,
    Interval,
    RunResult,
    RunSettings,
    Timing,
)

LARGE = 2**64 - 1
FAILED = EpisodeResult(
    1,
    LARGE,
    math.nan,
    0,
    EpisodeEnd.ERROR,
    endpoint="tcp://h:1",
    error=EpisodeFailure("words", "builtins.ValueError"),
    warnings={"episode_retried": 2},
)
RUN = RunResult(
    (EpisodeResult(0, 2**53 - 1, 0.0, 0, EpisodeEnd.TERMINATED, True, 0.0, "E"), FAILED),
    "E",
    2.0,
    "m",
    settings=RunSettings(max_episode_steps=2**53, seeded=True),
    warnings={"episode_retried": 2, "endpoint_left_out": 1},
    metadata={"n": 1, "t": (1, 2), "nested": {"x": [1.5, None, math.inf]}},
)


def document(run: RunResult = RUN) -> Any:
    return json.loads(run.to_json())


def test_every_field_is_there_numbers_are_numbers_and_what_is_missing_is_null() -> None:
    first, second = document()["episodes"]
    assert first == {
        "index": 0,
        "seed": 2**53 - 1,
        "reward": 0.0,
        "steps": 0,
        "end": "terminated",
        "success": True,
        "seconds": 0.0,
        "predict_seconds": 0.0,
        "step_seconds": 0.0,
        "wait_seconds": 0.0,
        "endpoint": None,
        "env_id": "E",
        "started_at": None,
        "task": None,
        "instruction": None,
        "options": None,
        "error": None,
        "warnings": {},
        "final_info": None,
        "non_finite": {},
    }
    assert list(first) == list(second)
    assert (second["reward"], second["non_finite"]) == (None, {"reward": "nan"})
    assert second["seed"] == "0xffffffffffffffff"
    assert set(second["error"]) == {field.name for field in fields(EpisodeFailure)}
    assert second["error"]["message"] == "words" and second["error"]["path"] is None


def test_the_summary_has_the_figures() -> None:
    found = document()["summary"]
    assert found == {
        "confidence": 0.95,
        "episodes": 2,
        "mean_reward": None,
        "std_reward": None,
        "reward_interval": None,
        "success_rate": 0.5,
        "successes": 1,
        "success_trials": 2,
        "success_interval": list(RUN.success_interval() or ()),
        "total_steps": 0,
        "steps_per_second": 0.0,
        "ends": {"terminated": 1, "truncated": 0, "limit": 0, "error": 1},
        "warnings": {"endpoint_left_out": 1, "episode_retried": 2},
        "non_finite": {"mean_reward": "nan", "std_reward": "nan"},
        "without_errors": {
            "episodes": 1,
            "mean_reward": 0.0,
            "std_reward": 0.0,
            "reward_interval": None,
            "success_rate": 1.0,
            "successes": 1,
            "success_trials": 1,
            "success_interval": list(RUN.without_errors().success_interval() or ()),
            "non_finite": {},
        },
        "macro_mean_reward": None,
        "macro_reward_interval": None,
        "macro_success_rate": None,
        "macro_success_interval": None,
        "tasks": [],
    }
    rewards = tuple(replace(RUN.episodes[0], index=i, reward=float(i)) for i in range(4))
    run = replace(RUN, episodes=rewards)
    assert Interval(*document(run)["summary"]["reward_interval"]) == run.reward_interval()
    unsaid = replace(rewards[0], success=None)
    found = document(replace(RUN, episodes=(unsaid,)))["summary"]
    assert (found["success_rate"], found["successes"], found["success_trials"]) == (None,) * 3


def test_the_head_and_the_settings() -> None:
    found = document()
    assert (found["schema_version"], found["spec_version"]) == (1, __version__)
    assert (found["model_id"], found["instruction"], found["started_at"]) == ("m", None, None)
    settings = found["settings"]
    assert settings["max_episode_steps"] == "0x20000000000000" and settings["seeded"] is True
    assert settings["execution_horizon"] is None and settings["run_id"] is None
    assert set(settings) == {f.name for f in fields(RunSettings)} | {"non_finite"}


def test_metadata_is_plain_where_json_has_it() -> None:
    found = document()["metadata"]
    assert found["n"] == 1 and found["nested"]["x"][:2] == [1.5, None]
    assert found["t"] == {
        "$rlmesh": {"tupleValue": {"elements": [{"intValue": "1"}, {"intValue": "2"}]}}
    }
    assert found["nested"]["x"][2] == {"$rlmesh": {"floatValue": "Infinity"}}


def test_it_comes_back() -> None:
    again = RunResult.from_json(RUN.to_json(indent=2))
    assert math.isnan(again.episodes[1].reward)
    assert again.metadata == RUN.metadata and again.settings == RUN.settings
    changed = replace(RUN, episodes=(RUN.episodes[0], replace(FAILED, reward=-math.inf)))
    assert RunResult.from_json(changed.to_json().encode()) == changed


def test_the_json_of_before_is_read_too() -> None:
    run = replace(RUN, episodes=RUN.episodes[:1])
    assert RunResult.from_json(run.to_protojson()) == run
    assert RunResult.from_protojson(run.to_protojson()) == run


def test_pandas_keeps_every_number() -> None:
    pandas = pytest.importorskip("pandas")
    episodes = document()["episodes"]
    for frame in (
        pandas.DataFrame(episodes),
        pandas.read_json(StringIO(json.dumps(episodes))),
        pandas.json_normalize(document(), "episodes"),
    ):
        assert [int(str(seed), 0) for seed in frame["seed"]] == [2**53 - 1, LARGE]
        assert frame["steps"].dtype == "int64" and list(frame["index"]) == [0, 1]
        assert frame["reward"].dtype == "float64"
        assert frame["reward"][0] == 0.0 and math.isnan(frame["reward"][1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": 2}, "schema_version: expected 1, got 2; read it with a newer rlmesh"),
        ({"schema_version": True}, "schema_version: expected 1, got True"),
        ({"spec_version": "999.0.0"}, "spec_version: .*got '999.0.0'"),
        ({"episodes": 3}, "episodes: expected a list, got 3"),
        ({"episodes": [3]}, r"episodes\[0\]: expected an object, got 3"),
        ({"model_id": 3}, "model_id: expected a text or null, got 3"),
        ({"seconds": "2"}, "seconds: expected a number or null, got '2'"),
        ({"seconds": 10**400}, "seconds: expected a number within the range of float64"),
        ({"non_finite": {"seconds": "many"}}, "non_finite.seconds: expected nan, inf or -inf"),
        ({"warnings": {"kind": -1}}, "warnings.kind: expected 0 to"),
        ({"warnings": {"kind": "0xg"}}, "warnings.kind: expected hexadecimal digits after 0x"),
        ({"settings": {"seeded": 1}}, "settings.seeded: expected a bool, got 1"),
        ({"settings": {"command": "x"}}, "settings.command: expected a list of texts"),
        ({"settings": {"versions": {"a": 1}}}, "settings.versions: expected an object with texts"),
        ({"metadata": {"x": {"$rlmesh": {"no": 1}}}}, "metadata: not an info"),
        ({"metadata": 3}, "metadata: expected an object, got 3"),
    ],
)
def test_a_document_that_is_wrong_names_the_place(changes: Any, words: str) -> None:
    with pytest.raises(errors.CodecError, match=words):
        RunResult.from_json(json.dumps({**document(), **changes}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"index": None}, "index: expected an integer, or a text of its hexadecimal digits"),
        ({"seed": "18446744073709551615"}, "seed: expected an integer, or a text of its hex"),
        ({"seed": 1.5}, "seed: expected an integer"),
        ({"end": "over"}, "end: expected one of terminated, truncated, limit, error, got 'over'"),
        ({"success": "yes"}, "success: expected a bool, got 'yes'"),
    ],
)
def test_an_episode_that_is_wrong_names_the_place(changes: Any, words: str) -> None:
    found = document()
    found["episodes"][1].update(changes)
    with pytest.raises(errors.CodecError, match=rf"episodes\[1\]\.{words}"):
        RunResult.from_json(json.dumps(found))


def test_fields_of_a_newer_version_are_ignored_and_those_of_an_older_one_missing() -> None:
    found = document()
    found.update(more=1)
    found["episodes"][0].update(more=1)
    del found["settings"], found["warnings"], found["metadata"], found["summary"]
    again = RunResult.from_json(json.dumps(found))
    assert again.settings == RunSettings() and again.warnings == {} and again.metadata == {}


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{", b"\xff"])
def test_what_is_no_json_is_an_error(text: str | bytes) -> None:
    with pytest.raises(errors.CodecError, match="not a RunResult"):
        RunResult.from_json(text)


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match=r"metadata: expected keys that do not begin with"):
        RunResult((), metadata={"rlmesh.x": 1}).to_json()
    wrong = replace(RUN.episodes[0], seed=-1)
    with pytest.raises(ValueError, match=r"episodes\[0\]\.seed: expected 0 to 2\*\*64 - 1"):
        RunResult((wrong,)).to_json()


def test_texts_that_utf8_cannot_carry_are_escaped() -> None:
    run = RunResult((), model_id="caf\udce9", timing=Timing(math.inf))
    again = RunResult.from_json(run.to_json())
    assert (again.model_id, again.seconds) == ("caf\\udce9", math.inf)
