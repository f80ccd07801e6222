"""Runs with another way of acting: vectors, many endpoints, resuming, sessions, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlmesh
from rlmesh import EnvServer, EpisodeContext, RunResult, evaluate
from rlmesh.acting import ActionPrefix, Latency, RealTimeChunking, TemporalEnsemble
from rlmesh.adapters import Adaptation, ModelSpec
from rlmesh.errors import JournalError, RunError, UnsupportedError
from rlmesh.numpy import Model, RemoteEnv
from tests.property.witness import DriftEnv

CHUNK = 8
SEEDS = range(9)
WAYS = [
    TemporalEnsemble(0.1),
    Latency(steps=2),
    Latency(steps=3, filler=[0.5]),
    RealTimeChunking(Latency(steps=2)),
]


class Noted(DriftEnv):
    """An environment that notes its actions by episode."""

    def __init__(self) -> None:
        super().__init__()
        self.actions: dict[int, list[float]] = {}

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.now = self.actions[seed] = []
        return super().reset(seed=seed)

    def step(self, action: Any) -> Any:
        self.now.append(float(action[0]))
        return super().step(action)


class Steps:
    """A model with the action u / 10 + t / 1000 for step t in the chunk of step u."""

    def predict_chunk(self, observation: Any, context: EpisodeContext) -> Any:
        steps = np.arange(context.step, context.step + CHUNK, dtype=np.float32)
        return (context.step / 10 + steps / 1000)[:, None]


class Drift:
    """A model that depends on observation, prefix and step, in one batch."""

    def predict_chunk_batch(self, observations: Any, contexts: list[EpisodeContext]) -> Any:
        return np.stack(
            [
                np.tanh(x.sum() / 20) + self._prefix(context) + np.arange(CHUNK)[:, None] / 32
                for x, context in zip(observations["x"], contexts)
            ]
        ).astype(np.float32)

    def _prefix(self, context: EpisodeContext) -> float:
        prefix = context.action_prefix
        return 0.0 if prefix is None else sum(float(a[0]) for a in prefix.actions) / 99


def played(acting: Any, envs: Any = None, model: Any = None, **more: Any) -> RunResult:
    envs = [DriftEnv()] if envs is None else envs
    given: dict[str, Any] = {"seeds": SEEDS, "acting": acting, "retries": 0, **more}
    return evaluate(Model(Drift() if model is None else model), envs, **given)


def outcomes(result: RunResult) -> list[Any]:
    return [(e.seed, e.reward, e.steps, e.end) for e in result.episodes]


def test_the_environment_gets_the_actions_of_a_late_model() -> None:
    env = Noted()
    result = played(Latency(seconds=0.1, fps=20, filler=[-1]), [env], Steps(), seeds=[0])
    expected = [-1.0, -1.0]
    expected += [u / 10 + t / 1000 for u, t in zip([0] * 6 + [6] * 4, range(2, 12))]
    assert env.actions[0] == pytest.approx(expected, abs=1e-6)
    assert result.settings.acting == "Latency(steps=2, filler=(-1,))"


def test_the_environment_gets_the_means_of_chunks() -> None:
    env = Noted()
    played(TemporalEnsemble(0.0), [env], Steps(), seeds=[0])
    expected = [sum(range(max(t - 7, 0), t + 1)) / min(t + 1, 8) / 10 + t / 1000 for t in range(12)]
    assert env.actions[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("acting", WAYS, ids=str)
def test_the_result_does_not_depend_on_the_number_of_endpoints(acting: Any) -> None:
    alone = outcomes(played(acting))
    assert alone != outcomes(played(None)), "the way of acting matters"
    assert outcomes(played(acting, [DriftEnv() for _ in range(7)])) == alone
    assert outcomes(played(acting, max_batch_size=1)) == alone
    for mode in AutoresetMode:
        vector = SyncVectorEnv([DriftEnv] * 3, autoreset_mode=mode)
        assert outcomes(played(acting, [vector, DriftEnv()])) == alone


@pytest.mark.parametrize("acting", WAYS, ids=str)
def test_hooks_and_runs_and_sessions_see_the_same_actions(acting: Any) -> None:
    env = Noted()
    result = played(acting, [env])
    seen: dict[int, list[float]] = {}

    class Hook:
        def on_step(self, event: Any) -> None:
            seen.setdefault(SEEDS[event.episode], []).append(float(event.action[0]))

    one = Model(Drift()).run(DriftEnv(), seeds=SEEDS, acting=acting, hooks=Hook())
    assert outcomes(one) == outcomes(result) and seen == env.actions
    with Model(Drift()).session(DriftEnv(), acting=acting) as session:
        for seed in (0, 1):
            observation, _ = session.reset(seed=seed)
            actions = []
            while not session.done:
                actions.append(float((action := session.predict(observation))[0]))
                observation, *_ = session.step(action)
            assert actions == env.actions[seed]


def test_a_session_that_is_asked_twice_counts_a_chunk_once() -> None:
    found = []
    for times in (1, 2):
        with Model(Drift()).session(DriftEnv(), acting=TemporalEnsemble(0.0)) as session:
            observation, _ = session.reset(seed=0)
            actions = []
            while not session.done:
                for _ in range(times if len(actions) == 3 else 1):
                    action = session.predict(observation)
                actions.append(float(action[0]))
                observation, *_ = session.step(action)
            found.append(actions)
    assert found[0] == found[1]


def test_several_actions_of_a_late_model_are_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with EnvServer(DriftEnv()) as server, RemoteEnv(server.address) as env:
        calls: list[int] = []
        many = env.step_many

        def counted(actions: Any, **options: Any) -> Any:
            calls.append(len(actions))
            return many(actions, **options)

        monkeypatch.setattr(env, "step_many", counted)
        late = played(Latency(steps=2), [env])
        assert calls == [6] * 2 * len(SEEDS), "two predictions an episode, one call after each"
        assert outcomes(late) == outcomes(played(Latency(steps=2)))
        calls.clear()
        assert outcomes(played(WAYS[0], [env])) == outcomes(played(WAYS[0])) and calls == []


class Unknown:
    """An environment without spaces."""

    def reset(self, **options: Any) -> Any:
        return np.zeros(1), {}

    def step(self, action: Any) -> Any:
        return np.zeros(1), 1.0, True, False, {}


@pytest.mark.parametrize("acting", WAYS, ids=str)
def test_an_action_space_that_is_not_known_is_refused(acting: Any) -> None:
    for model in (Steps(), lambda observation: 0):
        with pytest.raises(ValueError, match="expected an environment with an action space"):
            played(acting, [Unknown()], model)
    late, usual = (played(way, [Unknown()], lambda _: 0) for way in (Latency(steps=0), None))
    assert outcomes(late) == outcomes(usual)


def test_a_model_gets_the_actions_that_are_committed() -> None:
    prefixes: list[tuple[int, ActionPrefix]] = []

    class Prefixed(Steps):
        def predict_chunk(self, observation: Any, context: EpisodeContext) -> Any:
            assert context.action_prefix is not None
            prefixes.append((context.step, context.action_prefix))
            chunk = super().predict_chunk(observation, context)
            for action in context.action_prefix.actions:
                action[:] = 9  # What a model writes into its prefix is not applied.
            return chunk

    acting = RealTimeChunking(Latency(steps=2, filler=[-1]))
    env = Noted()
    seen: list[list[float]] = []

    class Copied(Prefixed):
        def predict_chunk(self, observation: Any, context: EpisodeContext) -> Any:
            assert context.action_prefix is not None
            seen.append([float(a[0]) for a in context.action_prefix.actions])
            return super().predict_chunk(observation, context)

    played(acting, [env], Copied(), seeds=[0], execution_horizon=3)
    assert [step for step, _ in prefixes] == [0, 3, 6, 9]
    assert all(prefix.committed == 2 for _, prefix in prefixes)
    rest = [[u / 10 + t / 1000 for t in range(u + 3, u + 8)] for u in (0, 3, 6)]
    assert seen[0] == [-1, -1] and np.allclose(seen[1:], rest)
    applied = env.actions[0]
    for step, prefix in zip((0, 3, 6, 9), seen):
        assert applied[step : step + 2] == prefix[:2]


def test_without_real_time_chunking_there_is_no_prefix() -> None:
    def act(observation: Any, context: EpisodeContext) -> Any:
        assert context.action_prefix is None
        return np.zeros(1, np.float32)

    played(Latency(steps=1), model=act, seeds=[0])


@pytest.mark.parametrize("acting", WAYS, ids=str)
def test_a_model_with_both_forms_is_asked_for_chunks_if_the_way_needs_them(acting: Any) -> None:
    class Both(Steps):
        def predict(self, observation: Any) -> Any:
            asked.append(observation)
            return np.zeros(1, np.float32)

    asked: list[Any] = []
    found = outcomes(played(acting, model=Both()))
    if isinstance(acting, Latency):
        # As in the ordinary run, which needs a horizon for chunks.
        assert asked
        asked.clear()
        found = outcomes(played(acting, model=Both(), execution_horizon=5))
        assert found == outcomes(played(acting, model=Steps(), execution_horizon=5))
    else:
        assert found == outcomes(played(acting, model=Steps()))
    assert asked == []


def test_an_episode_that_is_played_again_begins_with_the_filler() -> None:
    class Failing(Noted):
        failed = False

        def step(self, action: Any) -> Any:
            if len(self.now) == 5 and not self.failed:
                self.failed = True
                raise RuntimeError("a joint is stuck")
            return super().step(action)

    for acting in WAYS:
        again = played(acting, [Failing()], seeds=[0], retries=1)
        assert outcomes(again) == outcomes(played(acting, seeds=[0]))


def test_a_run_resumes_only_in_the_same_way(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    first = played(Latency(steps=2), seeds=range(3), journal=journal)
    again = played(Latency(0.1, 20), seeds=range(3), journal=journal, resume=True)
    assert outcomes(again) == outcomes(first)
    words = r"acting: expected 'TemporalEnsemble\(decay=0.01\)', got 'Latency\(steps=2\)'"
    with pytest.raises(JournalError, match=words):
        played(TemporalEnsemble(), seeds=range(3), journal=journal, resume=True)
    forced = played(None, seeds=range(3), journal=journal, resume=True, force_resume=True)
    assert any("acting" in text for text in forced.resume_differences)


def test_every_form_of_the_result_has_the_way() -> None:
    result = played(Latency(steps=2), seeds=range(1))
    assert '"acting": "Latency(steps=2)"' in result.to_json(indent=1)
    for again in (
        RunResult.from_json(result.to_json()),
        RunResult.from_bytes(result.to_bytes()),
        RunResult.from_protojson(result.to_protojson()),
    ):
        assert again.settings.acting == "Latency(steps=2)"


def single(observation: Any) -> Any:
    return np.zeros(1, np.float32)


def numbered(seen: Any, context: Any) -> Any:
    return np.zeros((CHUNK, 1), np.float32)


class Stateful(Drift):
    """A stateful model without a method `observe`."""


class Choice(DriftEnv):
    """An environment with actions that are no numbers."""

    action_space = spaces.Discrete(3)


STATEFUL = Model(Stateful(), spec=ModelSpec("s", adaptation=Adaptation.NONE, stateful=True))


@pytest.mark.parametrize(
    ("acting", "model", "env", "more", "words"),
    [
        (0.1, Drift(), DriftEnv, {}, "expected a TemporalEnsemble, Latency or Real.*got float"),
        (TemporalEnsemble(), Drift(), DriftEnv, {"execution_horizon": 2}, "no execution_horizon"),
        (TemporalEnsemble(), single, DriftEnv, {}, "TemporalEnsemble: expected a model with"),
        (TemporalEnsemble(), Drift(), Choice, {}, "its values have no mean"),
        (Latency(steps=1), Drift(), Choice, {}, "expected the filler, the action"),
        (Latency(steps=1, filler=[99]), Drift(), DriftEnv, {}, "a filler in Box"),
        (Latency(steps=3), Drift(), DriftEnv, {"execution_horizon": 2}, "latency of 3 steps"),
        (RealTimeChunking(Latency(steps=1)), single, DriftEnv, {}, "expected a model with predict"),
    ],
)
def test_what_cannot_be_played_is_refused_before_the_first_episode(
    acting: Any, model: Any, env: Any, more: Any, words: str
) -> None:
    made = env()
    resets: list[Any] = []
    made.reset = lambda **options: resets.append(options)
    with pytest.raises((ValueError, TypeError), match=words):
        played(acting, [made], model, **more)
    assert resets == []


def test_a_stateful_model_receives_every_observation() -> None:
    for acting in (TemporalEnsemble(), Latency(steps=1)):
        horizon = None if isinstance(acting, TemporalEnsemble) else 1
        evaluate(STATEFUL, [DriftEnv()], seeds=[0], acting=acting, execution_horizon=horizon)
    with pytest.raises(UnsupportedError, match="a latency of 1 step at most for a stateful"):
        evaluate(STATEFUL, [DriftEnv()], seeds=[0], acting=Latency(steps=2))


def test_a_chunk_that_is_too_short_ends_the_run() -> None:
    with pytest.raises(RunError, match="expected chunks of at least 10 actions, got one of 8"):
        played(Latency(steps=5))


def test_real_time_chunking_needs_a_model_that_reads_the_prefix() -> None:
    class Plain:
        def predict_chunk(self, observation: Any) -> Any:
            return numbered(observation, None)

    with pytest.raises(ValueError, match="a second parameter `context`"):
        played(RealTimeChunking(Latency(steps=1)), model=Plain())


def test_random_actions_may_be_late() -> None:
    result = evaluate(rlmesh.RANDOM_SAMPLE, [DriftEnv()], seeds=SEEDS, acting=Latency(steps=2))
    assert len(result.episodes) == len(SEEDS)
