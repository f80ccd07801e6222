"""Observations for which no action is wanted: what a client sends, and what the model receives."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import rlmesh
from rlmesh import ModelServer, RemoteModel, errors
from rlmesh._env_host.describe_env import describe_env
from rlmesh._messages import env as m
from rlmesh._messages.model import Predict, Predicted
from rlmesh._policy.forms import EpisodeContext
from rlmesh.acting import ActionPrefix
from rlmesh.adapters import Adaptation, ModelSpec, PredictForm
from rlmesh.numpy import Model
from rlmesh.spaces import Box, Dict
from rlmesh.specs import Capability
from tests.integration.serving import PLAIN, ChunkEcho
from tests.property.witness import CHUNK, CONTRACT, TAGS, DriftEnv, Witness
from tests.served_in_memory import served_in_memory

CHUNKS, CHUNK_BATCHES = (PredictForm.CHUNK,), (PredictForm.CHUNK_BATCH,)
OBSERVE, EPISODE_STEPS = Capability.OBSERVE, Capability.EPISODE_STEPS


def seen(number: float) -> Any:
    """An observation of `CONTRACT`."""
    return {"x": np.array([number, 0], np.float32)}


def steps_of(witness: Witness) -> list[tuple[str, list[int]]]:
    """Name and steps of each call."""
    return [(name, [one[2] for one in told]) for name, told in witness.calls]


def firsts_of(witness: Witness) -> list[list[float]]:
    """First number of each observation that the last call got."""
    _, told = witness.calls[-1]
    return [np.frombuffer(one[7], np.float32)[::2].tolist() for one in told]


@contextmanager
def requested(remote: RemoteModel) -> Generator[list[Predict], None, None]:
    """Collect the predict requests of a client."""
    found: list[Predict] = []
    (stub,) = remote._stubs.values()
    request = stub._session.request

    def noted(body: Any, *arguments: Any) -> Any:
        found.extend([body] if isinstance(body, Predict) else [])
        return request(body, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stub._session, "request", noted)
        yield found


@pytest.mark.parametrize(
    ("history", "stateful", "sent"), [(0, True, 3), (2, False, 1), (3, False, 2), (3, True, 3)]
)
def test_a_client_sends_what_the_model_can_still_use(
    history: int, stateful: bool, sent: int
) -> None:
    witness = Witness(CHUNK_BATCHES, history=history, stateful=stateful)
    model: Any = witness.model
    with served_in_memory(model, CONTRACT) as (remote, _):
        policy = remote.policy(CONTRACT)
        contexts = [policy.begin(name, seed=None, instruction=None) for name in "ab"]
        with requested(remote) as requests:
            policy.actions([seen(0), seen(10)], contexts)
            for step in (1, 2, 3):
                for context, first in zip(contexts, (step, 10 + step)):
                    context.step = step
                    policy.watch(seen(first), context)
            policy.actions([seen(3.5)], contexts[:1])
            contexts[1].step = 4
            policy.actions([seen(14)], contexts[1:])
    first, second, third = requests
    assert (first.steps, first.observed) == ((), None), "the server counts the same"
    assert (second.steps, second.observed_counts) == ((3,), (sent,))
    assert (third.steps, third.observed_counts) == ((4,), (sent,))
    assert third.observed is not None and third.observed.batch_size == sent
    if history:
        (stack,) = firsts_of(witness)
        assert stack == [11, 12, 13, 14][-history:]


def test_an_array_that_is_used_again_is_sent_as_it_was() -> None:
    # Large enough to be encoded as a view.
    space = Dict({"x": Box(-100, 100, (2, 65_536), "float32")})
    contract = replace(CONTRACT, observation_space=space)
    witness = Witness(CHUNKS, history=3)
    observation = {"x": np.zeros((2, 65_536), np.float32)}
    with served_in_memory(witness.model, contract) as (remote, _):
        for model in (witness.model, remote):
            policy: Any = model.policy(contract)
            context = policy.begin("a", seed=None, instruction=None)
            policy.actions([observation], [context])
            for number in (2, 3):
                observation["x"][:] = number
                policy.watch(observation, context)
            observation["x"][:] = 4
            policy.actions([observation], [context])
            _, ((*_, data, _),) = witness.calls[-1]
            assert np.frombuffer(data, np.float32)[::131_072].tolist() == [2, 3, 4]


def test_the_steps_of_lanes_are_those_of_the_actions_that_are_executed() -> None:
    witness = Witness(CHUNK_BATCHES, stateful=True)
    with served_in_memory(witness.model, CONTRACT) as (remote, _):
        remote.predict_chunk(seen(0))
        remote.predict_chunk(seen(4), max_chunk_length=2)
        remote.predict_chunk(seen(6))
        for number in (7, 8):  # One of the four actions is not executed.
            remote.observe(seen(number))
        both = {"x": np.array([[9, 0], [0, 0]], np.float32)}
        remote.predict_chunk_batch(both)
        remote.observe(seen(1), lane=1)
        remote.predict_chunk_batch(both)
        remote.start_episode(0)
        remote.predict_chunk(seen(0))
    name, watched = "predict_chunk_batch", [("observe", [7]), ("observe", [8])]
    assert steps_of(witness) == [
        (name, [0]),
        (name, [4]),
        (name, [6]),
        *watched,
        (name, [9, 0]),
        ("observe", [1]),
        (name, [13, 2]),
        (name, [0]),
    ]


def test_the_step_of_a_context_is_that_of_its_caller() -> None:
    witness = Witness((PredictForm.SINGLE, *CHUNKS), stateful=True)
    with served_in_memory(witness.model, CONTRACT) as (remote, _):
        context = EpisodeContext("mine", 7)
        remote.predict_chunk(seen(0), context)
        context.step = 3
        remote.predict_chunk(seen(3), context)
        context.step = 4
        remote.observe(seen(4), context)
        context.step = 5
        remote.predict(seen(5), context)
        context.step = 6
        remote.predict(seen(6), context)
    assert steps_of(witness) == [
        ("predict_chunk", [0]),
        ("predict_chunk", [3]),
        ("observe", [4]),
        ("predict", [5]),
        ("predict", [6]),
    ]


def test_a_client_of_a_model_without_history_has_no_method_to_observe() -> None:
    with served_in_memory(ChunkEcho(), PLAIN) as (remote, _):
        assert not hasattr(remote, "observe")
        with pytest.raises(AttributeError, match="do not depend on earlier observations"):
            remote.observe(seen(1))


@pytest.mark.parametrize("cut", ["cut_before_next", "cut_after_next"])
def test_a_repeated_request_observes_once(cut: str) -> None:
    witness = Witness(CHUNKS, history=3, stateful=True)
    with served_in_memory(witness.model, CONTRACT) as (remote, memory):
        remote.predict_chunk(seen(0))
        for number in (1, 2, 3):
            remote.observe(seen(number))
        getattr(memory.connections[-1], cut)()
        remote.predict_chunk(seen(4))
        remote.predict_chunk(seen(8))
    steps = [("observe", [1]), ("observe", [2]), ("observe", [3]), ("predict_chunk", [4])]
    assert steps_of(witness) == [("predict_chunk", [0]), *steps, ("predict_chunk", [8])]


def test_a_server_that_does_not_observe_is_refused_before_it_plays() -> None:
    for stateful, words in ((False, "has a history of 2"), (True, "is stateful")):
        witness = Witness(CHUNKS, history=2, stateful=stateful)
        with served_in_memory(witness.model, CONTRACT, without=frozenset({OBSERVE})) as (remote, _):
            with pytest.raises(errors.UnsupportedError, match=f"CAPABILITY_OBSERVE.*{words}"):
                remote.policy(CONTRACT)
            with pytest.raises(errors.UnsupportedError, match="CAPABILITY_OBSERVE"):
                remote.observe(seen(1))
            remote.policy(CONTRACT, execution_horizon=1)
        assert witness.calls == []


def test_a_server_that_cannot_be_told_the_step_is_asked_only_if_it_counts_the_same() -> None:
    witness = Witness(CHUNKS)
    without = frozenset({OBSERVE, EPISODE_STEPS})
    with served_in_memory(witness.model, CONTRACT, without=without) as (remote, _):
        context = EpisodeContext("mine")
        remote.predict_chunk(seen(0), context)
        context.step = CHUNK
        remote.predict_chunk(seen(CHUNK), context)
        context.step += 1
        with pytest.raises(errors.UnsupportedError, match=r"CAPABILITY_EPISODE_STEPS.*\[5\]"):
            remote.predict_chunk(seen(5), context)
    assert steps_of(witness) == [("predict_chunk", [0]), ("predict_chunk", [CHUNK])]


def stateful_without_observe() -> Model[Any, Any]:
    witness = Witness(CHUNK_BATCHES, stateful=True)
    del witness.model.source.observe
    return Model(witness.model.source, spec=witness.model.spec)


def test_a_stateful_model_that_cannot_observe_executes_one_action_of_a_chunk() -> None:
    model = stateful_without_observe()
    words = "stateful.* method `observe`"
    with pytest.raises(errors.UnsupportedError, match=f"execution_horizon=1 for a {words}"):
        model.policy(CONTRACT)
    model.policy(CONTRACT, execution_horizon=1)
    one = replace(model.model_spec, chunk_length=1)
    Model(model.source, spec=one).policy(CONTRACT)
    with served_in_memory(model, CONTRACT) as (remote, _):
        with pytest.raises(errors.UnsupportedError, match=words):
            remote.policy(CONTRACT)
        remote.policy(CONTRACT, execution_horizon=1)
        with pytest.raises(errors.UnsupportedError, match="P-17: expected none for a stateful"):
            predict(remote, steps=(1,), observed_counts=(1,), observed=observed(1))


def observed(count: int) -> m.Encoded:
    return m.Encoded([bytes(8 * count)], count)


def predict(remote: RemoteModel, lanes: tuple[int, ...] = (0,), **fields: Any) -> Predicted:
    """Send a request as it is."""
    (stub,) = remote._stubs.values()
    for lane in lanes:
        stub.own_lane(lane)
    one = m.Encoded([bytes(8 * len(lanes))], len(lanes))
    body = Predict(PredictForm.BATCH, lanes, one, **fields)
    return stub._session.request(body, Predicted)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": (1,)}, "steps: P-14: expected none, or one for each of 2 lanes, got 1"),
        ({"steps": (1, 2), "observed": observed(0)}, "counts: P-15: expected one for each"),
        ({"steps": (1, 2), "observed_counts": (0,)}, "counts: P-15: expected one for each"),
        ({"observed_counts": (1, 0), "observed": observed(1)}, "and steps, got 2, and 0 steps"),
        ({"steps": (1, 2), "observed_counts": (1, 0)}, "P-15: expected a batch of 1, .*none"),
        (
            {"steps": (1, 2), "observed_counts": (1, 1), "observed": observed(1)},
            "observed: P-15: expected a batch of 2, the sum of observed_counts, got a batch of 1",
        ),
        (
            {"steps": (1, 2), "observed_counts": (1, 0), "observed": m.Encoded([bytes(8)])},
            "observed: P-15: expected a batch of 1, the sum of observed_counts, got one value",
        ),
        (
            {"steps": (9, 9), "observed_counts": (65_536, 1), "observed": observed(65_537)},
            "observed: M-1: expected at most 65536, got 65537",
        ),
        (
            {"steps": (9, 9), "observed_counts": (1, 1), "observed": m.Encoded([bytes(9)], 2)},
            r"observed\['x'\]: V-4",
        ),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_before_the_model_is_called(
    fields: dict[str, Any], words: str
) -> None:
    witness = Witness((PredictForm.BATCH,), history=2)
    with served_in_memory(witness.model, CONTRACT) as (remote, _):
        with pytest.raises(errors.RLMeshError, match=words):
            predict(remote, (0, 1), **fields)
        assert witness.calls == []
        predict(remote, (0, 1), steps=(7, 9), observed_counts=(2, 1), observed=observed(3))
    assert steps_of(witness) == [("predict_batch", [7, 9])]


def test_a_prefix_is_that_of_each_context_and_of_one_request() -> None:
    witness = Witness(CHUNK_BATCHES, adapted=False)
    prefix = ActionPrefix((np.float32([1]), np.float32([2])), 1)
    with served_in_memory(witness.model, CONTRACT) as (remote, _):
        one, other = EpisodeContext("a", action_prefix=prefix), EpisodeContext("b")
        both = {"x": np.zeros((2, 2), np.float32)}
        with pytest.raises(errors.InvalidValueError, match=r"action_prefix.* got one for 1 of 2"):
            remote.predict_chunk_batch(both, [one, other])
        other.action_prefix = ActionPrefix((), 0)
        remote.predict_chunk_batch(both, [one, other])
        one.action_prefix = other.action_prefix = None
        remote.predict_chunk_batch(both, [one, other])
        remote.predict_chunk(seen(0))
    prefixes = [[one[8][1] for one in told] for _, told in witness.calls]
    assert prefixes == [[(1, [[1.0], [2.0]]), (0, [])], [None, None], [None]]
    assert prefix.actions[0].tolist() == [1], "the model writes to a copy"


def test_a_prefix_is_not_sent_to_a_server_that_does_not_list_it() -> None:
    context = EpisodeContext("a", action_prefix=ActionPrefix((np.float32([1]),), 1))
    adapted, plain = Witness(CHUNK_BATCHES), Witness(CHUNKS, adapted=False)
    without = frozenset({Capability.ACTION_PREFIX})
    for model, less in ((adapted.model, frozenset()), (plain.model, without)):
        with (
            served_in_memory(model, CONTRACT, without=less) as (remote, _),
            pytest.raises(errors.UnsupportedError, match="CAPABILITY_ACTION_PREFIX"),
        ):
            remote.predict_chunk(seen(0), context)
    with served_in_memory(adapted.model, CONTRACT) as (remote, _):
        remote.predict_chunk(seen(0))
        sent = {"prefix_counts": (1,), "prefix": m.Encoded([bytes(4)], 1), "committed_counts": (1,)}
        with pytest.raises(errors.UnsupportedError, match="P-18: expected none for a model that"):
            predict(remote, **sent)


def test_strict_validation_holds_for_observations_without_a_prediction() -> None:
    witness = Witness(CHUNKS, history=2)
    options = rlmesh.ServeOptions(validation="strict")
    with (
        ModelServer(witness.model, options=options) as server,
        RemoteModel(server.address, CONTRACT) as remote,
    ):
        remote.predict_chunk(seen(0))
        remote.observe(seen(1000))
        with pytest.raises(errors.InvalidValueError, match=r"observed\['x'\].*1000"):
            remote.predict_chunk(seen(2))
        remote.predict_chunk(seen(2))
    assert steps_of(witness) == [("predict_chunk", [0]), ("predict_chunk", [2])]


def test_a_prediction_that_gives_no_actions_takes_no_step() -> None:
    steps: list[int] = []

    def act(observation: Any, context: EpisodeContext) -> Any:
        steps.append(context.step)
        if len(steps) == 2:
            raise ValueError("not this time")
        return 0 if len(steps) > 2 else "left"

    with served_in_memory(Model(act), PLAIN) as (remote, _):
        for _ in range(2):
            with pytest.raises(errors.ModelError):
                remote.predict(np.zeros(2, np.float32))
        for _ in range(2):
            remote.predict(np.zeros(2, np.float32))
    assert steps == [0, 0, 0, 1]


class Touchy(Witness):
    """Does not like the observation 13."""

    def _observe(self, seen: Any, context: Any) -> None:
        if seen["x"][0] == 13:
            raise ValueError("13 is no number")
        super()._observe(seen, context)


def test_an_exception_while_it_observes_is_one_of_the_next_prediction() -> None:
    def played(model: Any, kind: type[Exception]) -> list[Any]:
        policy = model.policy(CONTRACT)
        context = policy.begin("a", seed=None, instruction=None)
        policy.actions([seen(0)], [context])
        for context.step, first in enumerate((11, 13, 12), 1):
            policy.watch(seen(first), context)
        with pytest.raises(errors.InvalidValueError, match="shape"):
            policy.watch({"x": np.zeros(3, np.float32)}, context)
        context.step = 4
        with pytest.raises(kind, match="13 is no number"):
            policy.actions([seen(4)], [context])
        return policy.actions([seen(4)], [context])  # type: ignore[no-any-return]

    here, there = (Touchy(CHUNKS, stateful=True) for _ in range(2))
    expected = played(here.model, ValueError)
    with served_in_memory(there.model) as (remote, _):
        assert played(remote, errors.ModelError) == expected
    assert here.calls == there.calls
    assert steps_of(here)[1:] == [("observe", [1]), ("predict_chunk", [4])]


def test_a_prediction_that_fails_takes_no_step_of_the_lane() -> None:
    witness = Touchy(CHUNKS, stateful=True)
    with served_in_memory(witness.model, CONTRACT) as (remote, _):
        remote.predict_chunk(seen(0))
        remote.observe(seen(13))
        with pytest.raises(errors.ModelError):
            remote.predict_chunk(seen(2))
        remote.predict_chunk(seen(2))
        context = EpisodeContext("mine")
        remote.predict_chunk(seen(0), context)
        context.step = 2
        remote.observe(seen(13), context)
        context.step = 3
        with pytest.raises(errors.ModelError):
            remote.predict_chunk(seen(3), context)
        context.step = CHUNK
        remote.predict_chunk(seen(4), context)
    name = "predict_chunk"
    assert steps_of(witness) == [(name, [0]), (name, [2]), (name, [0]), (name, [CHUNK])]


class Ensemble:
    """The mean of two served models."""

    def __init__(self, *members: RemoteModel) -> None:
        self.members = members

    def for_contract(self, contract: Any) -> Any:
        return Ensemble(*(member.for_contract(contract) for member in self.members))

    def predict_chunk(self, observation: Any, context: Any) -> Any:
        chunks = [member.predict_chunk(observation, context) for member in self.members]
        return np.mean(chunks, axis=0)

    def observe(self, observation: Any, context: Any) -> None:
        for member in self.members:
            member.observe(observation, context)


def test_an_ensemble_passes_observations_on(monkeypatch: pytest.MonkeyPatch) -> None:
    described = partial(describe_env, tags=TAGS)
    monkeypatch.setattr("rlmesh._evaluation.endpoints.describe_env", described)
    here, one, two = (Witness(CHUNKS, history=2) for _ in range(3))
    expected = here.model.run(DriftEnv(), seeds=range(2)).rewards
    with (
        served_in_memory(one.model) as (first, _),
        served_in_memory(two.model) as (second, _),
    ):
        spec = ModelSpec("both", adaptation=Adaptation.NONE, stateful=True)
        result = Model(Ensemble(first, second), spec=spec).run(DriftEnv(), seeds=range(2))
    assert result.rewards == expected
    assert one.calls == two.calls == here.calls
