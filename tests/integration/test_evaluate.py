"""One model on many endpoints: the same results, however many, however fast."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Sequence
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, errors
from rlmesh.results import EpisodeEnd
from tests.integration.envs import CounterEnv
from tests.integration.walks import Decide, WalkEnv, Walks, told

SEEDS = list(range(12))


@contextlib.contextmanager
def served(envs: Sequence[Any]) -> Generator[list[str], None, None]:
    """Addresses of servers of these environments."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(EnvServer(env)).address for env in envs]


def alone(**arguments: Any) -> list[Any]:
    """What the same seeds give one after another, without any endpoint."""
    return told(rlmesh.Model(Decide()).run(WalkEnv(), seeds=SEEDS, **arguments))


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("model", [Decide, Walks])
def test_results_do_not_depend_on_endpoints(count: int, model: type[Any]) -> None:
    with served([WalkEnv(0.004 * i) for i in range(count)]) as addresses:
        result = rlmesh.evaluate(model(), addresses, seeds=SEEDS)
    assert told(result) == alone()
    assert len({row[2] for row in told(result)}) > 6  # The seeds give different results.
    assert set(result.by_endpoint()) <= set(addresses)
    assert result.model_id == model.__name__


def test_what_is_ready_is_one_batch() -> None:
    class Slow(Walks):
        def predict_batch(self, observations: Any) -> Any:
            time.sleep(0.02)  # Meanwhile the others step.
            return super().predict_batch(observations)

    model = Slow()
    with served([WalkEnv() for _ in range(4)]) as addresses:
        rlmesh.evaluate(model, addresses, seeds=SEEDS, max_batch_size=3)
    assert 1 < max(model.sizes) <= 3


def test_any_mix_of_environments() -> None:
    with (
        served([WalkEnv(), WalkEnv()]) as (one, two),
        EnvServer(WalkEnv()) as server,
        rlmesh.RemoteEnv(two) as client,
    ):
        local = WalkEnv()
        result = rlmesh.evaluate(Walks(), [one, client, server, local], seeds=SEEDS)
        assert told(result) == alone()
        assert client.reset()[1] == {"seed": None}  # It is open still.
        assert local.closed == 0
        rlmesh.evaluate(Walks(), [local, client], seeds=[1], close_envs=True)
        assert local.closed == 1
        with pytest.raises(errors.ClosedError):
            client.reset()


def test_an_environment_is_given_once() -> None:
    local = WalkEnv()
    with served([WalkEnv()]) as (address,), rlmesh.RemoteEnv(address) as client:
        for twice in ([local, WalkEnv(), local], [client, client]):
            with pytest.raises(ValueError, match="expected each environment once"):
                rlmesh.evaluate(Walks(), twice, seeds=SEEDS)


def test_timing_tells_where_the_time_went() -> None:
    with served([WalkEnv(0.002), WalkEnv(0.002)]) as addresses:
        result = rlmesh.evaluate(Walks(), addresses, seeds=SEEDS)
    for episode in result.episodes:
        timing = episode.timing
        parts = (timing.predict, timing.step, timing.wait)
        assert all(part > 0 for part in parts) and sum(parts) <= timing.total
        assert episode.endpoint in addresses
        assert episode.started_at >= result.started_at > 1.7e9
    assert result.timing.step == pytest.approx(sum(e.timing.step for e in result.episodes))


class Chunks(Decide):
    """Three actions at a time, by the first observation."""

    def predict_chunk(self, observation: Any) -> list[int]:
        return [self.predict(observation), 2, 0]


class Replayed(Decide):
    """The same, one by one: the context has the position in the chunk."""

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon

    def predict(self, observation: Any, context: Any) -> int:  # type: ignore[override]
        place = context.step % self.horizon
        if place == 0:
            context.state["first"] = super().predict(observation)
        return [context.state["first"], 2, 0][place]


@pytest.mark.parametrize("horizon", [1, 2, 3])
@pytest.mark.parametrize("watched", [False, True])
def test_a_chunk_is_its_steps_one_by_one(horizon: int, watched: bool) -> None:
    steps: list[Any] = []

    class Watch:
        def on_step(self, event: Any) -> None:
            steps.append(event)

    wanted = told(rlmesh.Model(Replayed(horizon)).run(WalkEnv(), seeds=SEEDS))
    with served([WalkEnv(), WalkEnv(0.002)]) as addresses:
        result = rlmesh.evaluate(
            Chunks(),
            [*addresses, WalkEnv()],
            seeds=SEEDS,
            execution_horizon=horizon,
            hooks=Watch() if watched else None,
        )
    assert told(result) == wanted
    assert len(steps) == (result.total_steps if watched else 0)
    assert all(event.next_observation is not None for event in steps)


@pytest.mark.every_transport
def test_a_chunk_takes_one_round_trip() -> None:
    with EnvServer(WalkEnv()) as server, rlmesh.RemoteEnv(server.address) as client:
        calls: list[int] = []
        many = client.step_many

        def counted(actions: Any) -> Any:
            calls.append(len(actions))
            return many(actions)

        client.step_many = counted  # type: ignore[method-assign]
        rlmesh.evaluate(Chunks(), client, seeds=[3], execution_horizon=3)
        assert set(calls) == {3}


def test_limits() -> None:
    with served([WalkEnv()]) as addresses:
        cut = rlmesh.evaluate(Chunks(), addresses, seeds=SEEDS, max_episode_steps=2)
        assert {e.steps for e in cut.episodes} == {2}
        assert set(cut.ends) <= {EpisodeEnd.LIMIT, EpisodeEnd.TERMINATED}
        late = rlmesh.evaluate(Decide(), addresses, seeds=SEEDS, max_episode_seconds=1e-9)
        assert [(e.steps, e.end) for e in late.episodes] == [(1, EpisodeEnd.LIMIT)] * len(SEEDS)


class Notes:
    """Hooks that remember their events."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_run_start(self, event: Any) -> None:
        self.told.append(event)

    on_episode_start = on_step = on_episode_end = on_run_end = on_run_start


def test_hooks_are_told_everything() -> None:
    notes, plain = Notes(), Notes()
    with EnvServer(CounterEnv()) as server:
        result = rlmesh.Model(lambda _: 1, on_reset=plain.on_step).run(
            server.address, seeds=[4, 5], hooks=[notes, rlmesh.Hooks()]
        )
    kinds = [rlmesh.ResetEvent, *[rlmesh.StepEvent] * 3, rlmesh.EpisodeEndEvent]
    assert [type(event) for event in notes.told[1:-1]] == kinds * 2
    start, first, *steps = notes.told[:5]
    assert (start.episodes, start.env_id, start.endpoints) == (2, "CounterEnv", (server.address,))
    assert (first.episode, first.seed, first.observation, first.lane) == (0, 4, 0, None)
    assert [(s.step, s.observation, s.action, s.next_observation) for s in steps] == [
        (i, i, 1, i + 1) for i in range(3)
    ]
    assert [s.terminated for s in steps] == [False, False, True]
    assert notes.told[5].result == result.episodes[0]
    assert notes.told[-1].result.episodes == result.episodes
    assert [event.seed for event in plain.told] == [4, 5]


@pytest.mark.own_transport
@pytest.mark.parametrize("hooks", [object(), lambda event: None])
def test_hooks_have_methods(hooks: Any) -> None:
    with pytest.raises(TypeError, match="hooks are objects with methods"):
        rlmesh.evaluate(Decide(), WalkEnv(), hooks=hooks)


def test_state_is_kept_apart() -> None:
    """Each episode counts its own observations, while others are played beside it."""

    class Counting:
        def predict_batch(self, observations: Any, contexts: Any) -> list[int]:
            for context, row in zip(contexts, observations.tolist()):
                seen = context.state.setdefault("seen", [])
                assert len(seen) == context.step
                assert row[2] == pytest.approx(context.step / 10)
                seen.append(context.seed)
                assert set(seen) == {context.seed}
            return [2] * len(contexts)

    with served([WalkEnv(0.002) for _ in range(3)]) as addresses:
        result = rlmesh.evaluate(Counting(), addresses, seeds=SEEDS)
    assert [e.seed for e in result.episodes] == SEEDS


def test_other_environments_are_refused() -> None:
    with (
        served([WalkEnv(), CounterEnv()]) as addresses,
        pytest.raises(ValueError, match="expected endpoints of one environment, but the id of"),
    ):
        rlmesh.evaluate(Decide(), addresses, seeds=SEEDS)


@pytest.mark.own_transport
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_episodes": -1}, "max_episodes is -1"),
        ({"seeds": [0, -1]}, r"from 0 to 2\*\*64 - 1, but seeds\[1\] is -1"),
        ({"seeds": [2**64]}, r"seeds\[0\] is 18446744073709551616"),
        ({"retries": -1}, "retries is -1"),
        ({"resume": True}, "resume=True needs the journal="),
        ({"max_episode_steps": 0}, "max_episode_steps of 1 or more"),
        ({"max_episode_seconds": 0}, "max_episode_seconds above 0"),
        ({"execution_horizon": 2}, "predicts chunks"),
        ({"instruction": "lift"}, "no text input"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rlmesh.evaluate(Decide(), WalkEnv(), **arguments)
    with pytest.raises(ValueError, match="got an empty list"):
        rlmesh.evaluate(Decide(), [])


@pytest.mark.own_transport
@pytest.mark.parametrize(
    "arguments",
    [{"seeds": [1.5]}, {"seeds": "12"}, {"max_episodes": 2.5}, {"max_episode_steps": 2.5}],
)
def test_counts_are_whole(arguments: dict[str, Any]) -> None:
    """A limit of 2.5 steps was never reached, and a seed of 1.5 was 1."""
    with pytest.raises(TypeError, match="interpreted as an integer"):
        rlmesh.evaluate(Decide(), WalkEnv(), **arguments)


@pytest.mark.own_transport
def test_as_many_episodes_as_seeds() -> None:
    for seeds in ([], [7], range(2), (3, 2**64 - 1)):
        result = rlmesh.evaluate(Decide(), WalkEnv(), seeds=seeds)
        assert [episode.seed for episode in result.episodes] == list(seeds)


def test_the_random_baseline_does_not_depend_on_endpoints() -> None:
    with served([WalkEnv(), WalkEnv(0.002)]) as addresses:
        result = rlmesh.evaluate(rlmesh.RANDOM_SAMPLE, addresses, seeds=SEEDS)
    local = rlmesh.Model(rlmesh.RANDOM_SAMPLE).run(WalkEnv(), seeds=SEEDS)
    assert told(result) == told(local) != alone()


def test_a_session_is_a_loop_of_ones_own() -> None:
    seen: list[Any] = []
    with EnvServer(WalkEnv()) as server:
        with rlmesh.Model(Chunks()).session(server.address, execution_horizon=3) as session:
            assert session.done
            with pytest.raises(RuntimeError, match="no episode has begun"):
                session.predict(None)
            for seed in SEEDS:
                observation, info = session.reset(seed=seed)
                assert info == {"seed": seed} and not session.done
                total = 0.0
                while not session.done:
                    action = session.predict(observation)
                    observation, reward, *_ = session.step(action)
                    total += reward
                seen.append((total, session.context.step))
        with pytest.raises(errors.ClosedError, match="the session is closed"):
            session.reset()
        with rlmesh.RemoteEnv(server.address) as free:
            free.reset()
    wanted = rlmesh.Model(Chunks()).run(WalkEnv(), seeds=SEEDS, execution_horizon=3)
    assert seen == [(e.reward, e.steps) for e in wanted.episodes]


def test_a_horizon_longer_than_the_chunk_ends_the_run_here_and_served() -> None:
    """It was silently shorter: another score than the one that was asked for."""
    model = rlmesh.Model(Chunks())
    too_long = "execution_horizon=4 actions, got one of 3"
    with (
        rlmesh.ModelServer(model) as server,
        served([WalkEnv()]) as (address,),
        rlmesh.RemoteModel(server.address, framework="native") as remote,
    ):
        for one in (model, remote):
            with pytest.raises(errors.RunError, match=too_long):
                rlmesh.evaluate(one, address, seeds=[0], execution_horizon=4)
            rlmesh.evaluate(one, address, seeds=[0], execution_horizon=3)
