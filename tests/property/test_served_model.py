"""A served model is called as the local one is: equally often, in order, with equal arguments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rlmesh
from rlmesh._env_host.describe_env import describe_env
from rlmesh.acting import Acting, Latency, RealTimeChunking, TemporalEnsemble
from rlmesh.adapters import PredictForm
from rlmesh.errors import RunError, UnsupportedError
from rlmesh.specs import Capability
from tests.property.witness import CHUNK, TAGS, DriftEnv, Witness
from tests.served_in_memory import served_in_memory

SINGLE, BATCH, CHUNKS, CHUNK_BATCHES = PredictForm


@pytest.fixture(autouse=True)
def tags() -> Iterator[None]:
    """Give the environments of this process tags, which otherwise only a server gives."""
    with pytest.MonkeyPatch.context() as patch:
        described = partial(describe_env, tags=TAGS)
        patch.setattr("rlmesh._evaluation.endpoints.describe_env", described)
        yield


def vector() -> Any:
    return gymnasium.vector.SyncVectorEnv([DriftEnv, DriftEnv])


ENDPOINTS: list[Callable[[], list[Any]]] = [
    lambda: [DriftEnv()],
    lambda: [DriftEnv(), DriftEnv(), DriftEnv()],
    lambda: [vector()],
    lambda: [vector(), DriftEnv()],
]

forms = st.sampled_from(
    [chosen for n in (1, 2, 4) for chosen in itertools.combinations(PredictForm, n)]
)
plays = st.fixed_dictionaries(
    {
        "execution_horizon": st.sampled_from([None, 1, 2, 3, CHUNK]),
        "max_batch_size": st.sampled_from([None, 1, 2]),
        "instruction": st.sampled_from([None, "lift"]),
        "max_episode_steps": st.sampled_from([None, 7]),
    }
)


ways = st.sampled_from(
    [TemporalEnsemble(0.1), Latency(steps=0), Latency(steps=1), Latency(steps=2)]
)


def outcome(witness: Witness, model: Any, envs: list[Any], play: dict[str, Any]) -> Any:
    """What a run did: the calls of the model, and the results or the error."""
    try:
        result = rlmesh.evaluate(model, envs, seeds=range(4), **play)
    except (ValueError, RunError, UnsupportedError) as error:
        return str(error)
    return witness.calls, [(e.seed, e.reward, e.steps, e.end) for e in result.episodes]


@given(forms, st.sampled_from([0, 2, 3]), st.booleans(), st.sampled_from(ENDPOINTS), plays)
@example((CHUNKS,), 2, False, ENDPOINTS[0], {})
@example((CHUNK_BATCHES,), 3, True, ENDPOINTS[1], {"execution_horizon": 3})
@example((CHUNK_BATCHES,), 2, False, ENDPOINTS[3], {"max_batch_size": 2})
def test_a_served_model_is_called_as_the_local_one(
    offered: tuple[PredictForm, ...],
    history: int,
    stateful: bool,
    endpoints: Callable[[], list[Any]],
    play: dict[str, Any],
) -> None:
    here, there = (Witness(offered, history=history, stateful=stateful) for _ in range(2))
    expected = outcome(here, here.model, endpoints(), play)
    with served_in_memory(there.model) as (remote, _):
        assert outcome(there, remote, endpoints(), play) == expected


@given(forms, st.sampled_from([0, 2, 3]), st.booleans(), st.sampled_from(ENDPOINTS), plays)
@example((CHUNKS,), 2, False, ENDPOINTS[0], {})
@example((CHUNK_BATCHES,), 3, False, ENDPOINTS[2], {"execution_horizon": 3})
def test_a_served_model_remembers_what_the_local_one_does(
    offered: tuple[PredictForm, ...],
    history: int,
    stateful: bool,
    endpoints: Callable[[], list[Any]],
    play: dict[str, Any],
) -> None:
    here, there = (
        Witness(offered, history=history, stateful=stateful, remembers=True) for _ in range(2)
    )
    expected = outcome(here, here.model, endpoints(), play)
    with served_in_memory(there.model) as (remote, _):
        assert outcome(there, remote, endpoints(), play) == expected


@given(forms, st.sampled_from([0, 2, 3]), st.booleans(), st.sampled_from(ENDPOINTS), plays, ways)
@example((CHUNK_BATCHES,), 2, True, ENDPOINTS[3], {}, Latency(steps=2))
@example((SINGLE,), 3, False, ENDPOINTS[0], {}, Latency(steps=2))
@example((BATCH,), 2, True, ENDPOINTS[1], {}, Latency(steps=2))
@example((CHUNKS,), 3, True, ENDPOINTS[2], {}, TemporalEnsemble(0.1))
def test_a_served_model_acts_in_each_way_as_the_local_one(
    offered: tuple[PredictForm, ...],
    history: int,
    stateful: bool,
    endpoints: Callable[[], list[Any]],
    play: dict[str, Any],
    way: Acting,
) -> None:
    here, there = (Witness(offered, history=history, stateful=stateful) for _ in range(2))
    expected = outcome(here, here.model, endpoints(), {**play, "acting": way})
    with served_in_memory(there.model) as (remote, _):
        assert outcome(there, remote, endpoints(), {**play, "acting": way}) == expected


@given(
    forms,
    st.sampled_from([0, 2, 3]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(ENDPOINTS),
    plays,
)
def test_a_latency_of_zero_is_the_ordinary_run(
    offered: tuple[PredictForm, ...],
    history: int,
    stateful: bool,
    is_served: bool,
    endpoints: Callable[[], list[Any]],
    play: dict[str, Any],
) -> None:
    usual, late = (Witness(offered, history=history, stateful=stateful) for _ in range(2))
    expected = outcome(usual, usual.model, endpoints(), play)
    play = {**play, "acting": Latency(steps=0)}
    if not is_served:
        assert outcome(late, late.model, endpoints(), play) == expected
        return
    with served_in_memory(late.model) as (remote, _):
        assert outcome(late, remote, endpoints(), play) == expected


@given(forms, st.booleans(), st.sampled_from(ENDPOINTS), plays, st.sampled_from([0, 1, 2]))
@example((CHUNKS,), False, ENDPOINTS[0], {}, 2)
@example((CHUNKS, SINGLE), True, ENDPOINTS[0], {}, 0)
@example((CHUNK_BATCHES,), False, ENDPOINTS[1], {}, 1)
@example((CHUNK_BATCHES,), True, ENDPOINTS[3], {"execution_horizon": 2}, 2)
def test_a_served_model_continues_the_actions_that_the_local_one_does(
    offered: tuple[PredictForm, ...],
    stateful: bool,
    endpoints: Callable[[], list[Any]],
    play: dict[str, Any],
    delay: int,
) -> None:
    here, there, far = (Witness(offered, stateful=stateful, adapted=False) for _ in range(3))
    play = {**play, "acting": RealTimeChunking(Latency(steps=delay))}
    expected = outcome(here, here.model, endpoints(), play)
    with served_in_memory(there.model) as (remote, _):
        assert outcome(there, remote, endpoints(), play) == expected
    if play.get("max_batch_size") == 1 or len(offered) > 1:
        return  # A client that is a model's source is asked in the forms of that model.
    with (
        served_in_memory(far.model) as (remote, _),
        served_in_memory(rlmesh.numpy.Model(remote)) as (proxy, _),
    ):
        assert outcome(far, proxy, endpoints(), play) == expected


def test_a_model_that_would_not_get_its_prefix_is_refused() -> None:
    witness = Witness((CHUNKS,))
    acting = RealTimeChunking(Latency(steps=1))
    with served_in_memory(witness.model) as (remote, _):
        for model in (witness.model, remote):
            with pytest.raises(ValueError, match="without a ModelSpec, got one with an adapter"):
                rlmesh.evaluate(model, DriftEnv(), acting=acting)
    plain = Witness((CHUNKS,), adapted=False)
    without = frozenset({Capability.ACTION_PREFIX})
    with served_in_memory(plain.model, without=without) as (remote, _):
        for model in (remote, rlmesh.numpy.Model(remote)):
            with pytest.raises(ValueError, match=r"RealTimeChunking: .* the server of a serve"):
                rlmesh.evaluate(model, DriftEnv(), acting=acting)
    assert witness.calls == plain.calls == []


def test_a_chunk_form_without_the_context_gets_no_prefix() -> None:
    witness = Witness((CHUNKS, CHUNK_BATCHES), adapted=False)
    source = witness.model.source
    source.predict_chunk_batch = lambda observations: np.zeros((len(observations["x"]), 4, 1))
    model = rlmesh.numpy.Model(source)
    acting = RealTimeChunking(Latency(steps=1))
    with served_in_memory(model) as (remote, _):
        for played in (model, remote):
            with pytest.raises(ValueError, match="predict_chunk and predict_chunk_batch have a"):
                rlmesh.evaluate(played, DriftEnv(), acting=acting)


@pytest.mark.parametrize("way", [TemporalEnsemble(), Latency(steps=1)], ids=str)
def test_a_server_that_counts_steps_by_itself_is_refused(way: Acting) -> None:
    witness = Witness((CHUNKS,))
    without = frozenset({Capability.EPISODE_STEPS, Capability.OBSERVE})
    with served_in_memory(witness.model, without=without) as (remote, _):
        with pytest.raises(UnsupportedError, match="not list CAPABILITY_EPISODE_STEPS, and the"):
            rlmesh.evaluate(remote, DriftEnv(), seeds=[0], acting=way)
        rlmesh.evaluate(remote, DriftEnv(), seeds=[0])


def test_a_late_model_gets_the_observations_between_its_predictions_or_is_refused() -> None:
    witness = Witness((SINGLE,), history=3)
    without = frozenset({Capability.OBSERVE})
    with served_in_memory(witness.model, without=without) as (remote, _):
        with pytest.raises(UnsupportedError, match="needs the observations between two predic"):
            rlmesh.evaluate(remote, DriftEnv(), seeds=[0], acting=Latency(steps=2))
        rlmesh.evaluate(remote, DriftEnv(), seeds=[0], acting=Latency(steps=1))


@given(forms, st.sampled_from([0, 2, 3]), st.booleans(), st.sampled_from([None, 1, 2, 3]))
@example((CHUNKS,), 2, True, None)
def test_a_client_is_the_source_of_a_model_and_served_on(
    offered: tuple[PredictForm, ...], history: int, stateful: bool, horizon: int | None
) -> None:
    here, there = (Witness(offered, history=history, stateful=stateful) for _ in range(2))
    play = {"execution_horizon": horizon, "max_batch_size": 1}
    expected = outcome(here, here.model, [DriftEnv()], play)
    with (
        served_in_memory(there.model) as (remote, _),
        served_in_memory(rlmesh.numpy.Model(remote)) as (proxy, _),
    ):
        assert outcome(there, proxy, [DriftEnv()], play) == expected


@pytest.mark.parametrize("offered", [(form,) for form in PredictForm], ids=lambda f: f[0].value)
@pytest.mark.parametrize("history", [0, 3])
def test_a_session_of_a_served_model_is_that_of_the_local_one(
    offered: tuple[PredictForm, ...], history: int
) -> None:
    here, there = (Witness(offered, history=history, stateful=True) for _ in range(2))

    def played(model: Any) -> list[float]:
        rewards = []
        with model.session(DriftEnv(), execution_horizon=None) as session:
            for seed in range(3):
                observation, _ = session.reset(seed=seed)
                # The second episode ends within a chunk, and the third asks twice at a step.
                while not session.done and not (seed == 1 and session.context.step == 5):
                    action = session.predict(observation)
                    if seed == 2:
                        action = session.predict(observation)
                    observation, reward, *_ = session.step(action)
                    rewards.append(reward)
        return rewards

    expected = played(here.model)
    with served_in_memory(there.model) as (remote, _):
        assert played(remote) == expected
    assert here.calls == there.calls
    assert all(told[2] >= 0 for _, (told,) in here.calls), "a step is never below 0"


class FailingEnv(DriftEnv):
    """Fails once, at the sixth step of an episode: within a chunk."""

    def __init__(self) -> None:
        super().__init__()
        self._failed = False

    def step(self, action: Any) -> Any:
        if self._steps == 5 and not self._failed:
            self._failed = True
            raise RuntimeError("a joint is stuck")
        return super().step(action)


@pytest.mark.parametrize("form", PredictForm, ids=lambda form: form.value)
def test_an_episode_that_is_played_again_is_a_new_one_for_both(form: PredictForm) -> None:
    here, there = (Witness((form,), history=3, stateful=True) for _ in range(2))
    expected = outcome(here, here.model, [FailingEnv()], {})
    with served_in_memory(there.model) as (remote, _):
        assert outcome(there, remote, [FailingEnv()], {}) == expected
    assert [told[2] for _, (told,) in here.calls].count(0) == 5, "four episodes, one of them twice"
