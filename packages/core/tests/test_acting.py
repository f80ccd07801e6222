"""Ways of acting: their arguments, their texts, and their arithmetic by known answers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlmesh._policy.delayed import DelayedPolicy
from rlmesh._policy.ensembling import EnsemblingPolicy, weighted_mean
from rlmesh._policy.forms import ModelForms
from rlmesh._policy.policy import LocalPolicy
from rlmesh.acting import (
    Acting,
    Latency,
    RealTimeChunking,
    TemporalEnsemble,
    read_acting,
)
from rlmesh.backends import NATIVE
from rlmesh.spaces import Box, Dict, Discrete, MultiBinary, Space, Text, Tuple
from rlmesh.tensor import Tensor

FLOATS = st.floats(-1e6, 1e6, allow_subnormal=False)
DECAYS = st.floats(-5, 5)
ARM = Dict(
    {"arm": Box(-9.0, 9.0, (2,), "float64"), "grip": Tuple((Box(-9.0, 9.0, (), "float32"),))}
)


def test_the_oldest_chunk_has_the_weight_one() -> None:
    e = math.exp
    assert weighted_mean([4.0], 0.5) == 4.0
    assert weighted_mean([1.0, 2.0, 6.0], 0.0) == 3.0
    expected = (1 + 2 * e(-0.5) + 6 * e(-1)) / (1 + e(-0.5) + e(-1))
    assert weighted_mean([1.0, 2.0, 6.0], 0.5) == pytest.approx(expected, rel=1e-15)
    newest = (1 * e(-1) + 2 * e(-0.5) + 6) / (e(-1) + e(-0.5) + 1)
    assert weighted_mean([1.0, 2.0, 6.0], -0.5) == pytest.approx(newest, rel=1e-15)
    assert weighted_mean([1.0, 2.0], 1e9) == 1.0
    assert weighted_mean([1.0, 2.0], -1e9) == 2.0
    assert math.isnan(weighted_mean([1.0, math.nan], 0.1))


@given(st.lists(FLOATS, min_size=1, max_size=20), DECAYS)
def test_a_mean_is_never_outside_its_numbers(numbers: list[float], decay: float) -> None:
    assert min(numbers) <= weighted_mean(numbers, decay) <= max(numbers)


@given(FLOATS, st.integers(1, 20), DECAYS)
def test_the_mean_of_equal_numbers_is_the_number(number: float, count: int, decay: float) -> None:
    assert weighted_mean([number] * count, decay) == number


@given(st.lists(FLOATS, min_size=1, max_size=20))
def test_without_decay_it_is_the_plain_mean(numbers: list[float]) -> None:
    plain = math.fsum(numbers) / len(numbers)
    assert weighted_mean(numbers, 0.0) == pytest.approx(plain, rel=1e-9, abs=1e-6)


class Chunks:
    """A policy with a chunk that has an action for each of the next steps."""

    is_batched = sees_all = takes_prefix = False
    max_batch_size = None
    predicts_chunks = True

    def __init__(self, action: Any, length: Any) -> None:
        self.action, self.length = action, length

    def begin(self, episode_id: str, **facts: Any) -> Any:
        return SimpleContext(episode_id)

    def actions(self, observations: Any, contexts: Any) -> Any:
        return [
            [self.action(context.step, context.step + i) for i in range(self.length(context.step))]
            for context in contexts
        ]

    def watch(self, observation: Any, context: Any) -> None: ...

    def end(self, context: Any) -> None: ...

    def close(self) -> None: ...


class SimpleContext(SimpleNamespace):
    """A context without a model."""

    __hash__ = object.__hash__

    def __init__(self, episode_id: str) -> None:
        super().__init__(episode_id=episode_id, step=0, action_prefix=None)


def floats(action: Any) -> Any:
    return action.tolist() if isinstance(action, Tensor) else action


def number(value: float) -> Tensor:
    return Tensor.of([value], "float64")


ONE = Box(-1e9, 1e9, (1,), "float64")


def ensembled(decay: float, length: Any, steps: int) -> list[float]:
    """The actions of an episode in which the chunk of step u has 100 * u + t for step t."""
    inner: Any = Chunks(lambda at, step: number(100.0 * at + step), length)
    policy = EnsemblingPolicy(inner, TemporalEnsemble(decay), ONE, NATIVE)
    context = policy.begin("a", seed=None, instruction=None)
    found = []
    for context.step in range(steps):
        ((action,),) = policy.actions([None], [context])
        found.append(action.tolist()[0])
        assert len(policy._states[context]) <= length(0), "chunks that are over are dropped"
    policy.end(context)
    assert policy._states == {}
    return found


def test_each_chunk_says_what_it_has_for_the_step() -> None:
    # Of chunks of 3, step 3 has the actions 103, 203 and 303.
    assert ensembled(0.0, lambda step: 3, 4) == [0.0, 51.0, 102.0, 203.0]
    weights = [1, math.exp(-1), math.exp(-2)]
    third = (103 * weights[0] + 203 * weights[1] + 303 * weights[2]) / sum(weights)
    assert ensembled(1.0, lambda step: 3, 4)[3] == pytest.approx(third, rel=1e-15)


def test_chunks_of_one_are_the_actions_themselves() -> None:
    assert ensembled(0.3, lambda step: 1, 4) == [0.0, 101.0, 202.0, 303.0]


def test_a_chunk_may_be_shorter_than_an_older_one() -> None:
    found = ensembled(0.0, lambda step: 4 if step == 0 else 1, 4)
    assert found == [0.0, (1 + 101) / 2, (2 + 202) / 2, (3 + 303) / 2]


def test_the_leaves_of_an_action_are_averaged_one_by_one() -> None:
    def action(at: int, step: int) -> Any:
        return {"arm": Tensor.of([at, 2.0 * at], "float64"), "grip": (Tensor.of(at, "float32"),)}

    policy = EnsemblingPolicy(
        Chunks(action, lambda step: 2),  # type: ignore[arg-type]
        TemporalEnsemble(0.0),
        ARM,
        NATIVE,
    )
    context = policy.begin("a", seed=None, instruction=None)
    for context.step in range(2):
        ((found,),) = policy.actions([None], [context])
    assert found["arm"].tolist() == [0.5, 1.0] and float(found["grip"][0]) == 0.5
    assert ARM.contains(found)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (Discrete(3), r"got Discrete\(3\) at action; its values have no mean"),
        (Dict({"a": Tuple((ONE, Text(3)))}), r"at action\['a'\]\[1\]"),
        (Box(0, 9, (2,), "int32"), "floats"),
    ],
)
def test_an_ensemble_needs_floats(space: Space[Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"TemporalEnsemble: .*{words}"):
        EnsemblingPolicy(Chunks(None, None), TemporalEnsemble(), space, NATIVE)  # type: ignore[arg-type]


def delayed(rule: Latency, length: int, steps: int, horizon: int | None = None) -> list[Any]:
    """The applied actions; that of a chunk of step u for step t is 100 * u + t."""
    inner: Any = Chunks(lambda at, step: number(100.0 * at + step), lambda step: length)
    policy = DelayedPolicy(inner, rule, ONE, NATIVE, execution_horizon=horizon)
    context = policy.begin("a", seed=None, instruction=None)
    found: list[Any] = []
    while len(found) < steps:
        context.step = len(found)
        (actions,) = policy.actions([None], [context])
        found += [action.tolist()[0] for action in actions]
    policy.end(context)
    assert policy._states == {}
    return found[:steps]


@pytest.mark.parametrize(
    ("steps", "length", "horizon", "applied"),
    [
        # Without latency: each chunk from its begin.
        (0, 3, None, [0, 1, 2, 303, 304, 305, 606]),
        (0, 3, 2, [0, 1, 202, 203, 404, 405, 606]),
        # Two late: the filler, then the chunk of step 0 from its third action on, until that of
        # step 2 is there at step 4.
        (2, 4, None, [-7, -7, 2, 3, 204, 205, 406, 407, 608]),
        (2, 5, None, [-7, -7, 2, 3, 4, 305, 306, 307, 608]),
        (2, 9, 3, [-7, -7, 2, 3, 4, 305, 306, 307, 608]),
        (1, 2, 1, [-7, 1, 102, 203, 304]),
        (1, 2, None, [-7, 1, 102, 203, 304]),
    ],
)
def test_the_action_of_each_step_is_known(
    steps: int, length: int, horizon: int | None, applied: list[int]
) -> None:
    rule = Latency(steps=steps, filler=[-7.0])
    assert delayed(rule, length, len(applied), horizon) == applied


@given(st.integers(0, 4), st.integers(1, 8), st.integers(0, 8))
def test_each_action_is_the_one_of_its_step_and_of_the_newest_answer(
    delay: int, horizon: int, more: int
) -> None:
    if horizon < delay:
        return
    found = delayed(Latency(steps=delay), horizon + delay + more, 40, horizon)
    for step, action in enumerate(found):
        newest = (step - delay) // horizon * horizon
        assert action == (100 * newest + step if step >= delay else 0)


@pytest.mark.parametrize(
    ("steps", "length", "horizon", "words"),
    [
        (2, 3, None, "at least 4 actions, got one of 3: 2 are over .* and 2 last"),
        (2, 4, 3, "at least 5 actions, got one of 4: 2 are over .* and 3 last"),
        (0, 2, 3, "at least 3 actions, got one of 2: 0 are over"),
    ],
)
def test_a_chunk_that_is_too_short_is_an_error(
    steps: int, length: int, horizon: int | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        delayed(Latency(steps=steps), length, 9, horizon)


def test_a_model_that_is_busy_cannot_be_asked() -> None:
    with pytest.raises(ValueError, match="at least the latency of 3 steps, got 2"):
        delayed(Latency(steps=3), 9, 9, 2)


def single(delay: int, steps: int) -> list[float]:
    """The applied actions of a model that answers with the step of its observation."""

    def act(observation: Any, context: Any) -> Any:
        return number(context.step)

    from rlmesh.specs import EnvContract

    contract = EnvContract("E", ONE, ONE)
    inner = LocalPolicy(ModelForms(act).fitted(contract, NATIVE))
    policy = DelayedPolicy(inner, Latency(steps=delay, filler=[-7.0]), ONE, NATIVE)
    context = policy.begin("a", seed=None, instruction=None)
    found: list[float] = []
    while len(found) < steps:
        context.step = len(found)
        (actions,) = policy.actions([number(0)], [context])
        found += [action.tolist()[0] for action in actions]
    return found[:steps]


def test_a_single_action_is_late_and_lasts_until_the_next_one() -> None:
    assert single(0, 4) == [0, 1, 2, 3]
    assert single(1, 5) == [-7, 0, 1, 2, 3]
    assert single(2, 8) == [-7, -7, 0, 0, 2, 2, 4, 4]
    assert single(3, 8) == [-7, -7, -7, 0, 0, 0, 3, 3]


@pytest.mark.parametrize(
    ("seconds", "fps", "steps"),
    [(0.1, 20, 2), (0.0, 20, 0), (0.7, 10, 7), (0.101, 20, 3), (0.04, 30, 2), (1 / 3, 3, 1)],
)
def test_a_latency_is_rounded_up_to_steps(seconds: float, fps: float, steps: int) -> None:
    assert Latency(seconds=seconds, fps=fps).delay == steps


@pytest.mark.parametrize(
    ("space", "zero"),
    [
        (Box(-1.0, 1.0, (2,), "float32"), [0.0, 0.0]),
        (Box(2, 9, (2,), "int32"), [2, 2]),
        (Box(-9.0, -3.0, (1,), "float64"), [-3.0]),
        (MultiBinary(3), [0, 0, 0]),
    ],
)
def test_the_filler_is_zero_or_the_nearest_bound(space: Space[Any], zero: Any) -> None:
    policy = DelayedPolicy(Chunks(None, None), Latency(steps=1), space, NATIVE)  # type: ignore[arg-type]
    context = policy.begin("a", seed=None, instruction=None)
    (filler,) = policy._states[context]
    assert filler.tolist() == zero and space.contains(filler)


def test_a_filler_has_the_parts_of_the_space() -> None:
    for filler in (None, {"arm": [0, 0], "grip": (0,)}):
        rule = Latency(steps=1, filler=filler)
        policy = DelayedPolicy(Chunks(None, None), rule, ARM, NATIVE)  # type: ignore[arg-type]
        (value,) = policy._states[policy.begin("a", seed=None, instruction=None)]
        assert value["arm"].tolist() == [0.0, 0.0] and float(value["grip"][0]) == 0.0


@pytest.mark.parametrize(
    ("space", "filler", "words"),
    [
        (Discrete(3), None, r"no action does nothing in Discrete\(3\) at action; expected the fil"),
        (Discrete(3), 3, "Latency: filler: expected an integer from 0 to 2, got 3"),
        (ONE, [1.0, 2.0], "Latency: .*filler"),
        (ONE, [2e9], "a filler in Box"),
        (Dict({"a": Text(3)}), None, r"at action\['a'\]"),
    ],
)
def test_a_filler_is_an_action(space: Space[Any], filler: Any, words: str) -> None:
    rule = Latency(steps=1, filler=filler)
    with pytest.raises(ValueError, match=words):
        DelayedPolicy(Chunks(None, None), rule, space, NATIVE)  # type: ignore[arg-type]


def test_no_filler_is_needed_without_a_latency() -> None:
    DelayedPolicy(Chunks(None, None), Latency(steps=0), Discrete(3), NATIVE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TemporalEnsemble(math.nan), "expected a finite decay, got nan"),
        (lambda: Latency(), "expected steps, or both seconds and fps"),
        (lambda: Latency(seconds=0.1), "expected steps, or both"),
        (lambda: Latency(0.1, 20, 2), "got both"),
        (lambda: Latency(-0.1, 20), "seconds of 0 or more and fps above 0"),
        (lambda: Latency(0.1, 0), "fps above 0"),
        (lambda: Latency(math.inf, 20), "seconds of 0 or more"),
        (lambda: Latency(steps=-1), "steps of 0 or more, got -1"),
        (lambda: Latency(steps=1.5), "steps of 0 or more, got 1.5"),  # type: ignore[arg-type]
        (lambda: Latency(steps=1, filler=[math.nan]), "a filler of finite numbers, got nan"),
        (lambda: Latency(steps=1, filler=object()), "a filler of finite numbers"),
        (lambda: RealTimeChunking(2), "expected a Latency, got int"),  # type: ignore[arg-type]
    ],
)
def test_arguments_that_are_refused(make: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        make()


@pytest.mark.parametrize(
    ("acting", "text"),
    [
        (TemporalEnsemble(), "TemporalEnsemble(decay=0.01)"),
        (Latency(0.1, 20), "Latency(steps=2)"),
        (Latency(steps=1, filler=Tensor.of([0.5], "float32")), "Latency(steps=1, filler=(0.5,))"),
        (
            RealTimeChunking(Latency(steps=3, filler={"a": [1, True]})),
            "RealTimeChunking(latency=Latency(steps=3, filler={'a': (1, True)}))",
        ),
    ],
)
def test_a_way_of_acting_is_read_from_its_text(acting: Acting, text: str) -> None:
    assert acting.description == text
    again = read_acting(text)
    assert again is not None and again.description == text and type(again) is type(acting)
    assert read_acting("") is None


@pytest.mark.parametrize(
    "text", ["2", "open('x')", "Latency(2)", "Latency(steps=", "Latency(steps=f())", "Latency(a=1)"]
)
def test_another_text_is_no_way_of_acting(text: str) -> None:
    with pytest.raises(ValueError, match="is no way of acting"):
        read_acting(text)
