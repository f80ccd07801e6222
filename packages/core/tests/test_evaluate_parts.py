"""The parts of an evaluation by themselves: its queue, its patience, its verdicts, its lanes."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import Any

import pytest

import rlmesh
from rlmesh import errors
from rlmesh._evaluation.batch_window import BatchWindow
from rlmesh._evaluation.common_contract import common_contract
from rlmesh._evaluation.episode import PlannedEpisode
from rlmesh._evaluation.episode_queue import EpisodeQueue
from rlmesh._evaluation.error_scope import ErrorScope, classify_error
from rlmesh._evaluation.lanes import lane_info
from rlmesh._evaluation.suite import Episode, PlannedTask
from rlmesh.adapters import EnvTags
from rlmesh.specs import EnvContract, Registration


def queue_of(seeds: list[int], count: int | None, **finished: Any) -> EpisodeQueue:
    return EpisodeQueue(PlannedTask("", (), tuple(map(Episode, seeds)), count), **finished)


def taken(
    work: EpisodeQueue, endpoint: int = 0, others: tuple[int, ...] = (), alone: bool = True
) -> Any:
    planned = work.take(endpoint, others, alone=alone)
    return planned and (planned.index, planned.seed)


def test_episodes_are_taken_in_order_without_those_that_are_finished() -> None:
    work = queue_of([7, 8, 9], 5, finished={0, 3})
    assert [taken(work) for _ in range(4)] == [(1, 8), (2, 9), (4, None), None]
    assert not work.has_more


def test_a_run_without_end() -> None:
    work = queue_of([], None)
    assert [taken(work) for _ in range(3)] == [(i, None) for i in range(3)]
    assert work.has_more


def test_what_failed_is_played_elsewhere_where_that_can_be() -> None:
    work = queue_of([], 1, finished={0})
    work.give_back(PlannedEpisode(4, 1, failed_on={0}))
    assert work.has_more
    assert taken(work, 0, others=(1,)) is None
    assert taken(work, 1, others=(0,)) == (4, 1)
    work.give_back(PlannedEpisode(4, 1, failed_on={0, 1}))
    assert taken(work, 0, others=(1,)) == (4, 1)
    work.give_back(PlannedEpisode(5, 1, failed_on={0}))
    assert taken(work, 0) == (5, 1)


def test_a_suspect_is_played_alone() -> None:
    work = queue_of([], 1)
    work.give_back(PlannedEpisode(4, 1, is_suspect=True))
    assert taken(work, alone=False) == (0, None)
    assert taken(work, alone=False) is None
    assert taken(work) == (4, 1)


def state(expected: float) -> Any:
    return SimpleNamespace(expected=expected)


@pytest.mark.parametrize(
    ("seconds", "count", "most", "expected", "waits"),
    [
        (1.0, 1, None, 0.5, True),
        (1.0, 1, None, 1.5, False),  # It comes after another pass could have been made.
        (1.0, 1, None, math.inf, False),
        (1.0, 3, 3, 0.5, False),  # The batch is full.
        (1e-5, 1, None, 0.0, False),  # A pass costs next to nothing.
    ],
)
def test_a_batch_waits_for_what_comes_soon(
    seconds: float, count: int, most: int | None, expected: float, waits: bool
) -> None:
    gathering = BatchWindow(True, most)
    gathering.passed(seconds)
    now = time.perf_counter()
    states = [state(math.inf), state(now + expected)]
    patience = gathering.patience(count, now, states)
    assert patience <= seconds
    assert (patience > 0) is waits


def test_single_predictions_wait_for_nothing() -> None:
    gathering = BatchWindow(False, None)
    gathering.passed(1.0)
    assert gathering.max_size == 1
    assert gathering.patience(1, time.perf_counter(), [state(0.0)]) == 0


INVALID = errors.InvalidValueError("action", "an integer from 0 to 1", "7")
UNSEEN = errors.InvalidValueError(
    "observation['x']", "an integer from 0 to 1", "7", side="observation"
)


@pytest.mark.parametrize(
    ("error", "kind", "verdict"),
    [
        (KeyboardInterrupt(), "step", ErrorScope.RUN),
        (INVALID, "step", ErrorScope.RUN),
        (UNSEEN, "step", ErrorScope.EPISODE),
        (ValueError("mine"), "step", ErrorScope.EPISODE),
        (errors.EnvError("stuck"), "reset", ErrorScope.EPISODE),
        (errors.EnvCrashedError("gone"), "step", ErrorScope.EPISODE),
        (errors.EnvError("stuck", session_closed=True), "step", ErrorScope.CONNECTION),
        (errors.ConnectionLostError("gone"), "step", ErrorScope.CONNECTION),
        (errors.SessionLostError("gone"), "reset", ErrorScope.CONNECTION),
        (errors.ClosedError("closed"), "reset", ErrorScope.CONNECTION),
        (errors.CodecError("bytes"), "step", ErrorScope.CONNECTION),
        (errors.BusyError("held"), "open", ErrorScope.CONNECTION),
        (errors.ConnectError("refused"), "open", ErrorScope.CONNECTION),
        (errors.EnvError("factory"), "open", ErrorScope.CONNECTION),
        (TypeError("no spaces"), "open", ErrorScope.RUN),
        (errors.AuthenticationError("token"), "open", ErrorScope.ENDPOINT),
        (errors.UnsupportedVersionError("2.0.0"), "open", ErrorScope.ENDPOINT),
    ],
)
def test_whose_fault_an_error_is(error: BaseException, kind: str, verdict: ErrorScope) -> None:
    assert classify_error(error, kind) is verdict


def test_what_an_info_says_of_a_lane() -> None:
    info = {
        "x": [1, 0],
        "_x": [True, False],
        "deep": {"y": [0, 5], "_y": [False, True]},
        "_deep": [False, True],
        "of all": "lanes",
    }
    assert lane_info(info, 0) == {"x": 1, "of all": "lanes"}
    assert lane_info(info, 1) == {"deep": {"y": 5}, "of all": "lanes"}
    final = {**info, "final_info": {"x": [8, 9], "_x": [True, True]}, "_final_info": [False, True]}
    assert lane_info(final, 1) == {"x": 9}
    assert lane_info(final, 0)["x"] == 1


def contract(name: str = "Walk", **other: Any) -> EnvContract:
    space = rlmesh.spaces.Discrete(3)
    return EnvContract(name, space, space, **other)


def test_endpoints_agree_on_what_is_played() -> None:
    tags = EnvTags(labels=("robot:panda",))
    unnamed = contract("SyncVectorEnv", vector=True, num_envs=2)
    named = contract("Walk", vector=True, num_envs=4, registration=Registration())
    agreement = common_contract(
        [("a", unnamed), ("b", contract()), ("c", contract(tags=tags)), ("d", named)]
    )
    assert (agreement.id, agreement.tags) == ("Walk", tags)
    assert common_contract([("a", unnamed)]).id == "SyncVectorEnv"


@pytest.mark.parametrize(
    ("other", "part"),
    [
        (contract("Run"), "id"),
        (contract(tags=EnvTags(labels=("robot:ur5",))), "tags"),
        (EnvContract("Walk", rlmesh.spaces.Discrete(4), rlmesh.spaces.Discrete(3)), "observation"),
        (EnvContract("Walk", rlmesh.spaces.Discrete(3), rlmesh.spaces.Discrete(4)), "action"),
    ],
)
def test_endpoints_that_do_not_agree(other: EnvContract, part: str) -> None:
    first = contract(tags=EnvTags(labels=("robot:panda",)))
    with pytest.raises(ValueError, match=rf"the {part}\w* of there is"):
        common_contract([("here", first), ("there", other)])
