"""Errors that other libraries make again: from one argument, by pickling and by copying."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from rlmesh import errors
from rlmesh._problem import Problem

CLASSES = [getattr(errors, name) for name in errors.__all__]

MADE: list[errors.RLMeshError] = [
    errors.SpaceError("no bounds", path="observation['x']"),
    errors.InvalidValueError("action", "2 numbers", "3", side="action"),
    errors.CodecError("a slab is short", path="action"),
    errors.AdapterError([Problem("inputs['x']", "a", "b", "rename it", forbidden=True)]),
    errors.JournalError("run.journal", "it is broken", offset=7),
    errors.RunError("the run ended early", result=("an episode",)),
    errors.ConnectError("nothing listens", address="tcp://h:1"),
    errors.RequestTimeoutError("no answer", address="tcp://h:1"),
    errors.EnvError("step() raised", exception_type="KeyError", remote_traceback="line 1", code=1),
    errors.EnvTimeoutError("too slow", path="x", session_closed=True),
    errors.BusyError("held by another", code=3),
    errors.NotExposedError("there is no 'x'"),
    errors.AuthenticationError("no token"),
]


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_can_be_made_from_one_text(cls: type[errors.RLMeshError]) -> None:
    error = cls("it failed")
    assert str(error) == error.message == "it failed"
    assert error.args == ("it failed",)
    assert "it failed" in repr(error)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_made_from_another_has_its_facts(error: Any) -> None:
    """`gymnasium.vector` raises `type(error)(error)` in the parent of its workers."""
    again = type(error)(error)
    assert str(again) == str(error) and again.args == error.args
    assert vars(again) == vars(error)


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_can_be_made_from_any_other(cls: type[errors.RLMeshError]) -> None:
    assert cls(KeyError("lost")).message == "'lost'"  # type: ignore[arg-type]
    assert cls(MADE[0]).message == MADE[0].message  # type: ignore[arg-type]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "remake", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_a_copy_has_every_fact(error: Any, remake: Any) -> None:
    again = remake(error)
    assert type(again) is type(error)
    assert str(again) == str(error) and vars(again) == vars(error)
