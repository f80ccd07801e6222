"""The rule by which the success of an episode is decided."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

import rlmesh
from rlmesh._evaluation.success import EpisodeSuccess, success_rule
from rlmesh.errors import JournalError, RunError
from rlmesh.results import EpisodeEnd, EpisodeResult, RunResult, RunSettings, WarningKind
from rlmesh.tensor import Tensor

UNREADABLE = WarningKind.SUCCESS_UNREADABLE


class Told(gymnasium.Env[Any, Any]):
    """An environment that reports the texts of a plan: an info for each step."""

    observation_space = spaces.Discrete(9)
    action_space = spaces.Discrete(2)

    def __init__(self, *infos: dict[str, Any]) -> None:
        self.infos = infos
        self.info: dict[str, Any] = {}

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        return 0, {}

    def step(self, action: Any) -> Any:
        self.info.clear()  # One dict for all steps, as some simulators have it.
        self.info.update(self.infos[self.count])
        self.count += 1
        return self.count, 1.0, self.count == len(self.infos), False, self.info


def one(_: Any) -> Any:
    return 1


def episode(*infos: dict[str, Any], **rule: Any) -> EpisodeResult:
    return rlmesh.evaluate(one, Told(*infos), seeds=[0], **rule).episodes[0]


YES, NO, NOTHING = {"is_success": True}, {"is_success": False}, dict[str, Any]()


@pytest.mark.parametrize(
    ("infos", "last", "any_", "first"),
    [
        ((YES, NO), False, True, True),
        ((NO, YES), True, True, False),
        ((NOTHING, NO, YES, NOTHING), None, True, False),
        ((NOTHING, NO), False, False, False),
        ((NOTHING, NOTHING), None, None, None),
    ],
)
def test_the_steps_that_count(infos: Any, last: Any, any_: Any, first: Any) -> None:
    assert episode(*infos).success is last
    assert [episode(*infos, success=w).success for w in ("last", "any", "first")] == [
        last,
        any_,
        first,
    ]


@given(st.lists(st.sampled_from([None, True, False]), min_size=1, max_size=8))
def test_the_rules_are_those_of_the_reports_in_order(reports: list[bool | None]) -> None:
    said = [report for report in reports if report is not None]
    expected = {"last": reports[-1], "any": any(said) if said else None, "first": None}
    expected["first"] = said[0] if said else None
    for when, success in expected.items():
        record = EpisodeSuccess(success_rule(when))
        for report in reports:
            record.stepped({} if report is None else {"success": report})
        assert record.decided() is success, when


def test_the_key_that_counts() -> None:
    info = {"lifted": True, "task_success": False}
    assert episode(info).success is False
    assert episode(info, success_key="lifted").success is True
    assert episode({**info, "success": True}).success is True
    assert episode({**info, "success": True, "is_success": False}).success is False
    assert episode(info, success_key="placed").success is None


@pytest.mark.parametrize(
    ("value", "success"),
    [
        (0, False),
        (True, True),
        (np.bool_(True), True),
        (Tensor.of([1.0], "float64"), True),
        (Tensor.of(False, "bool"), False),
    ],
)
def test_what_reports_success_or_failure(value: Any, success: bool) -> None:
    result = episode({"success": value})
    assert (result.success, dict(result.warnings)) == (success, {})


@pytest.mark.parametrize("when", ["last", "any", "first"])
@pytest.mark.parametrize(
    "value",
    [None, "yes", "False", math.nan, [False], Tensor.of([True, False], "bool"), np.ones(2, bool)],
    ids=repr,
)
def test_another_value_reports_nothing_with_one_warning_an_episode(value: Any, when: str) -> None:
    result = episode(*[{"success": value}] * 3, success=when)
    assert (result.success, dict(result.warnings)) == (None, {UNREADABLE: 1})


def at_least_two(infos: Sequence[Any]) -> bool:
    """Two infos of the episode report success."""
    return sum(info.get("is_success", False) for info in infos) >= 2


def test_a_rule_of_the_users_own() -> None:
    assert episode(YES, NO, YES, success=at_least_two).success is True
    assert episode(YES, YES, NO, success=at_least_two).success is True
    assert episode(YES, NO, NO, success=at_least_two).success is False
    assert episode(YES, success=lambda infos: None).success is None
    settings = rlmesh.evaluate(one, Told(YES), success=at_least_two).settings
    assert settings.success == f"{__name__}:at_least_two"
    for rule in (functools.partial(at_least_two), functools.partial(functools.partial(all))):
        assert success_rule(rule).name.endswith(("at_least_two", "builtins:all"))


def test_a_rule_of_the_users_own_that_fails_ends_the_run() -> None:
    with pytest.raises(RunError, match=r"expected a bool or None from the success rule .*'maybe'"):
        episode(YES, success=lambda infos: "maybe")
    with pytest.raises(RunError, match="KeyError: 'lifted'"):
        episode(YES, success=lambda infos: infos[-1]["lifted"])


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"success": "is_success"}, ValueError, "a key of the infos is success_key="),
        ({"success": None}, TypeError, "'last', 'any', 'first' or a callable .* NoneType"),
        ({"success_key": ""}, ValueError, "got an empty text"),
        ({"success_key": 3}, TypeError, "expected a text as success_key, got int"),
        ({"success": all, "success_key": "x"}, ValueError, "no success_key with a callable"),
    ],
)
def test_a_rule_that_does_not_exist_is_refused_at_once(
    arguments: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        rlmesh.evaluate("127.0.0.1:1", "127.0.0.1:1", **arguments)  # No connection is tried.


def test_steps_inside_a_chunk_count() -> None:
    class Chunks:
        def predict_chunk(self, observation: Any) -> Any:
            return (1, 1, 1)

    with rlmesh.EnvServer(Told(NO, YES, NO)) as server:
        result = rlmesh.evaluate(Chunks(), server.address, seeds=[0], success="any")
    assert result.success_counts == (1, 1)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_the_lanes_of_a_vector_have_their_own_reports(mode: AutoresetMode) -> None:
    plans = [(YES, NO), (NOTHING, NO, YES), ({"other": 1}, NOTHING)]

    def vector() -> Any:
        makers = [functools.partial(Told, *plan) for plan in plans]
        return SyncVectorEnv(makers, autoreset_mode=mode)

    told = {
        when: [
            e.success
            for e in rlmesh.evaluate(one_each, vector(), seeds=[0, 1, 2], success=when).episodes
        ]
        for when in ("last", "any", "first")
    }
    assert told == {
        "last": [False, True, None],
        "any": [True, True, None],
        "first": [True, False, None],
    }


def one_each(_: Any) -> Any:
    return 1


def test_the_rule_is_in_every_form_of_a_result(tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    run = rlmesh.evaluate(
        one, Told(YES, NO), seeds=[0], success="any", success_key="is_success", journal=journal
    )
    words = "'is_success' at any step"
    for form in (
        run,
        RunResult.from_bytes(run.to_bytes()),
        RunResult.from_json(run.to_json()),
        RunResult.from_protojson(run.to_protojson()),
        RunResult.from_journal(journal),
    ):
        assert (form.settings.success, form.settings.success_key) == ("any", "is_success")
        assert f"1 of 1, 1, 95% {run.success_interval()}; {words}" in str(form)
        assert words.replace("'", "&#x27;") in form.to_html() or words in form.to_html()
    for when in ("last", "first", "mine:rule"):
        assert RunSettings(success=when).success_words
    assert RunSettings().success_words == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"success": "last"}, "success: expected 'last', got 'any'"),
        ({"success": at_least_two}, "success: expected '.*:at_least_two', got 'any'"),
        ({"success": "any", "success_key": "x"}, "success_key: expected 'x', got ''"),
    ],
)
def test_a_journal_of_another_rule_is_refused(tmp_path: Path, changes: Any, words: str) -> None:
    journal = tmp_path / "run.journal"
    rlmesh.evaluate(one, Told(YES), seeds=[0], success="any", journal=journal)
    with pytest.raises(JournalError, match=words):
        rlmesh.evaluate(one, Told(YES), seeds=[0], journal=journal, resume=True, **changes)


def test_an_episode_that_an_error_ended_has_no_success() -> None:
    class Falls(Told):
        def step(self, action: Any) -> Any:
            if self.count == 1:
                raise RuntimeError("it fell")
            return super().step(action)

    run = rlmesh.evaluate(one, Falls(YES, YES), seeds=[0], success="any", retries=0)
    assert [(e.end, e.success) for e in run.episodes] == [(EpisodeEnd.ERROR, None)]
