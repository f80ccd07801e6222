"""Suites: several tasks in one run, with figures of each."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlmesh
from rlmesh import Episode, RunResult, Task
from rlmesh._evaluation.suite import plan_of_suite
from rlmesh._journal import Journal
from rlmesh._trackers.figures import summary_figures
from rlmesh.acting import Latency, TemporalEnsemble
from rlmesh.adapters import EnvTags, Feature, ModelInput, ModelOutput, ModelSpec, TaggedLeaf
from rlmesh.errors import AdapterError, JournalError, RunError
from rlmesh.results import EpisodeEnd, EpisodeResult, compare
from rlmesh.spaces import Box, Discrete, MultiBinary


class Walk:
    """As many steps as the seed says, and a reward of its own for each."""

    observation_space: Any = Discrete(100)
    action_space = Discrete(5)

    def __init__(self, reward: float = 1.0, fails: bool = False) -> None:
        self.reward = reward
        self.fails = fails
        self.asked: list[Any] = []

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.asked.append((seed, options))
        self.seed = seed or 0
        self.count = (options or {}).get("start", 0)
        return self.count, {}

    def step(self, action: Any) -> Any:
        if self.fails:
            raise RuntimeError("it fell")
        self.count += 1
        done = self.count > self.seed % 4
        return self.count, self.reward, done, False, {"success": bool(self.seed % 2)}

    def close(self) -> None: ...


class Wide(Walk):
    """Another kind of environment."""

    observation_space = Discrete(101)


class Counts:
    """A model that records the sizes of its batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def predict_batch(self, observations: Any) -> Any:
        self.sizes.append(len(observations))
        return [1] * len(observations)


def one(observation: Any) -> Any:
    return 1


def facts(run: RunResult) -> list[Any]:
    return [(e.index, e.task, e.seed, e.reward, e.steps, e.end, e.success) for e in run.episodes]


SUITE = {"lift": Task(Walk(), seeds=[1, 2, 3]), "push": Task(Wide(2.0), seeds=[4, 5])}


def test_each_task_has_its_episodes_and_figures() -> None:
    run = rlmesh.evaluate(one, SUITE)
    assert [(e.index, e.task, e.seed) for e in run.episodes] == [
        (0, "lift", 1),
        (1, "lift", 2),
        (2, "lift", 3),
        (3, "push", 4),
        (4, "push", 5),
    ]
    lift, push = run.by_task().values()
    assert (lift.rewards, push.rewards) == ((2.0, 3.0, 4.0), (2.0, 4.0))
    assert (lift.env_id, push.env_id, run.env_id) == ("Walk", "Wide", "")
    assert run.mean_reward == 3.0 and run.macro_mean_reward == 3.0
    assert run.success_rate == 3 / 5 and run.macro_success_rate == (2 / 3 + 1 / 2) / 2
    assert [(t.name, t.env_id, t.episodes) for t in run.settings.tasks] == [
        ("lift", "Walk", 3),
        ("push", "Wide", 2),
    ]
    assert run.settings.seeded and not run.settings.spaces_digest
    assert run.settings.tasks[0].spaces_digest != run.settings.tasks[1].spaces_digest


def test_the_unweighted_means_count_each_task_once() -> None:
    def episode(index: int, task: str, reward: float, success: bool | None) -> EpisodeResult:
        end = EpisodeEnd.TERMINATED
        return EpisodeResult(index, index, reward, 1, end, success, task=task)

    many = [episode(i, "a", 1.0, True) for i in range(9)]
    run = RunResult((*many, episode(9, "b", 11.0, False)))
    assert (run.mean_reward, run.macro_mean_reward) == (2.0, 6.0)
    assert (run.success_rate, run.macro_success_rate) == (0.9, 0.5)
    assert RunResult((*many, episode(9, "b", 1.0, None))).macro_success_rate is None
    assert math.isnan(RunResult(()).macro_mean_reward) and RunResult(()).by_task() == {}
    assert all(map(math.isnan, RunResult(()).macro_reward_interval()))
    with pytest.raises(ValueError, match="expected a confidence between 0 and 1"):
        RunResult(()).macro_success_interval(1.5)


def test_a_task_that_only_fails_has_the_rate_0_everywhere() -> None:
    def episode(index: int, task: str, success: bool | None) -> EpisodeResult:
        end = EpisodeEnd.TERMINATED if success is not None else EpisodeEnd.ERROR
        return EpisodeResult(index, index, 1.0, 1, end, success, task=task, endpoint=task)

    good = [episode(i, "good", i < 3) for i in range(4)]
    run = RunResult((*good, *(episode(i, "bad", None) for i in range(4, 8))))
    assert run.success_rate == 3 / 8 and run.macro_success_rate == 3 / 8
    for parts in (run.by_task(), run.by_endpoint()):
        assert parts["bad"].success_rate == 0.0 and parts["bad"].success_counts == (0, 4)
        assert parts["bad"].by_endpoint()["bad"].success_rate == 0.0
        assert parts["bad"].without_errors().success_rate is None
    low, high = run.macro_success_interval() or (math.nan, math.nan)
    assert 0 < low < 3 / 8 < high < 1
    summary = json.loads(run.to_json())["summary"]
    assert [task["success_rate"] for task in summary["tasks"]] == [0.75, 0.0]
    assert summary["macro_success_interval"] == [low, high]
    assert summary["macro_reward_interval"] == [1.0, 1.0] == list(run.macro_reward_interval())
    assert summary_figures(run)["task/bad/success_rate"] == 0.0
    assert f"0.375, 95% [{low:.4g}, {high:.4g}]" in run.to_html()
    # Where nothing reports success, errors are no failures either.
    crashed = RunResult(tuple(episode(i, "bad", None) for i in range(4)))
    assert crashed.by_task()["bad"].success_rate is None is crashed.macro_success_rate
    assert crashed.macro_success_interval() is None


def test_tasks_without_episodes_have_those_of_the_run() -> None:
    run = rlmesh.evaluate(one, {"a": Walk(), "b": [Wide(), Wide()]}, seeds=[7, 8], max_episodes=3)
    assert [(e.task, e.seed) for e in run.episodes] == [
        (task, seed) for task in "ab" for seed in (7, 8, None)
    ]
    assert not run.settings.seeded
    single = rlmesh.evaluate(one, {"a": Walk(), "b": Wide()})
    assert [(e.task, e.seed) for e in single.episodes] == [("a", None), ("b", None)]


def test_an_episode_has_options_and_an_instruction_of_its_own() -> None:
    env, told = Walk(), list[Any]()

    def predict(observation: Any, context: Any) -> Any:
        told.append(context.instruction)
        return 1

    episodes = [Episode(3, {"start": 2}, "slowly"), Episode(3), Episode(0, {"start": 0})]
    run = rlmesh.evaluate(
        predict, {"a": Task(env, episodes, instruction="walk"), "b": Walk()}, instruction="go"
    )
    assert env.asked == [(3, {"start": 2}), (3, None), (0, {"start": 0})]
    assert [e.steps for e in run.episodes] == [2, 4, 1, 1]
    assert [e.options for e in run.episodes] == [{"start": 2}, None, {"start": 0}, None]
    assert [e.instruction for e in run.episodes] == ["slowly", "walk", "walk", "go"]
    assert set(told) == {"slowly", "walk", "go"} and run.instruction == "go"


def test_an_environment_may_write_into_its_options() -> None:
    class Writes(Walk):
        def reset(self, seed: Any = None, options: Any = None) -> Any:
            observation, info = super().reset(seed, dict(options))
            options.clear()
            return observation, info

    options = {"start": 1}
    run = rlmesh.evaluate(one, {"a": Task(Writes(), [Episode(3, options)] * 2)})
    assert [e.steps for e in run.episodes] == [3, 3] and options == {"start": 1}


def test_served_tasks_get_their_options_and_share_the_batches_of_the_model() -> None:
    model = Counts()
    with rlmesh.EnvServer(Walk()) as first, rlmesh.EnvServer(Walk(2.0)) as second:
        suite = {
            "a": Task(first.address, [Episode(s, {"start": 1}) for s in range(3)]),
            "b": Task([second.address], seeds=range(3)),
        }
        run = rlmesh.evaluate(model, suite)
    local = {
        "a": Task(Walk(), [Episode(s, {"start": 1}) for s in range(3)]),
        "b": Task([Walk(2.0)], seeds=range(3)),
    }
    assert facts(run) == facts(rlmesh.evaluate(model, local))
    assert {e.options and e.options["start"] for e in run.by_task()["a"].episodes} == {1}


def test_equal_spaces_share_a_policy_and_others_do_not() -> None:
    model, sizes = Counts(), {}
    for name, env in (("equal", Walk()), ("other", Wide())):
        model.sizes.clear()
        rlmesh.evaluate(model, {"a": Task(Walk(), seeds=[3] * 3), "b": Task(env, seeds=[3] * 3)})
        sizes[name] = max(model.sizes)
    assert sizes == {"equal": 2, "other": 1}


@given(counts=st.lists(st.integers(1, 3), min_size=1, max_size=4), lanes=st.integers(1, 3))
def test_results_do_not_depend_on_the_number_of_endpoints(counts: list[int], lanes: int) -> None:
    def suite(endpoints: int) -> dict[str, Task]:
        return {
            f"task {i}": Task([Walk(i + 1.0) for _ in range(endpoints)], seeds=range(i, i + count))
            for i, count in enumerate(counts)
        }

    assert facts(rlmesh.evaluate(one, suite(1))) == facts(rlmesh.evaluate(one, suite(lanes)))


@pytest.mark.parametrize(
    ("suite", "kind", "words"),
    [
        ({}, ValueError, "a task or more, got an empty suite"),
        ({"a": []}, ValueError, "task 'a': expected an environment or more"),
        ({"": [Walk()]}, ValueError, "names of tasks that are not empty, got ''"),
        ({3: [Walk()]}, TypeError, "texts as the names of tasks, got 3"),
        ({"a": [Walk(), Wide()]}, ValueError, "task 'a': expected endpoints of one environment"),
        ({"a": "not an address"}, Exception, "not an address"),
        ({"a": {"env": 1}}, TypeError, "cannot run against a dict"),
    ],
)
def test_a_bad_suite_is_refused_before_the_first_episode(
    suite: Any, kind: type[Exception], words: str
) -> None:
    good = Walk()
    with pytest.raises(kind, match=words):
        rlmesh.evaluate(one, {**suite, "good": good} if suite else suite, seeds=[0])
    assert good.asked == []


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: Task(Walk(), episodes=[]), ValueError, "an episode or more, got none"),
        (lambda: Task(Walk(), seeds=[]), ValueError, "an episode or more, got none"),
        (lambda: Task(Walk(), [Episode(1)], [1]), ValueError, "episodes or seeds, got both"),
        (lambda: Task(Walk(), [3]), TypeError, r"episodes\[0\]: expected an rlmesh.Episode, got i"),
        (lambda: Task(Walk(), seeds=[-1]), ValueError, r"seeds\[0\] is -1"),
        (lambda: Task(Walk(), instruction=3), TypeError, "a text as instruction, got int"),
        (lambda: Episode(2**64), ValueError, "but seed is 18446744073709551616"),
        (lambda: Episode(0, [1]), TypeError, "a mapping as options, got list"),
    ],
)
def test_a_bad_task_is_refused_at_once(make: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        make()


def test_what_a_model_or_an_environment_does_not_take_is_refused_at_once() -> None:
    import numpy as np  # noqa: F401
    from gymnasium.vector import SyncVectorEnv

    from rlmesh_numpy import make_env

    vector = SyncVectorEnv([lambda: make_env("CartPole-v1")] * 2)
    with pytest.raises(ValueError, match="task 'b': expected a single environment for episodes wi"):
        rlmesh.evaluate(one, {"a": Walk(), "b": Task(vector, [Episode(0, {"low": 0.0})])})
    with pytest.raises(rlmesh.errors.InvalidValueError, match=r"episodes\[0\]\.options"):
        rlmesh.evaluate(one, {"a": Task(Walk(), [Episode(0, {"start": threading.Lock()})])})

    class Tagged(Walk):
        observation_space = Box(-1, 1, (1,), "float32")
        rlmesh_tags = EnvTags((TaggedLeaf((), Feature("state")),))

    spec = ModelSpec("m", (ModelInput("x", Feature("state")),), (ModelOutput("y", Feature("y")),))
    with pytest.raises(Exception, match=r"instruction|fit|tag"):
        rlmesh.evaluate(rlmesh.Model(one, spec=spec), {"a": Task(Tagged(), instruction="lift")})


def test_a_task_whose_endpoints_are_lost_costs_the_others_nothing() -> None:
    class Dies(Walk):
        def step(self, action: Any) -> Any:
            raise rlmesh.errors.ConnectionLostError("gone")

    with pytest.raises(RunError, match="gone") as caught:
        rlmesh.evaluate(one, {"a": Task(Dies(), seeds=[1]), "b": Task(Walk(), seeds=range(9))})
    assert [e.task for e in caught.value.result.episodes] == ["b"] * 9
    failing = {"a": Task(Walk(fails=True), seeds=[0]), "b": Task(Walk(), seeds=[1])}
    run = rlmesh.evaluate(one, failing, retries=0)
    assert [e.end for e in run.episodes] == [EpisodeEnd.ERROR, EpisodeEnd.TERMINATED]


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"acting": Latency(steps=1)}, ValueError, "^task 'b': Latency: no action does nothing"),
        ({"acting": TemporalEnsemble()}, ValueError, "^task 'a': TemporalEnsemble: expected"),
        ({"execution_horizon": 2}, ValueError, "^task 'a': expected a model that predicts chunks"),
        ({"instruction": "go"}, ValueError, "^task 'a': the model has no text input"),
    ],
)
def test_what_a_task_does_not_allow_names_it(
    arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    class Buttons(Walk):
        action_space = MultiBinary(2)  # type: ignore[assignment]

    with pytest.raises(kind, match=words):
        rlmesh.evaluate(one, {"a": Buttons(), "b": Walk()}, seeds=[1], **arguments)


def test_a_model_that_does_not_fit_a_task_names_it() -> None:
    class Tagged(Walk):
        pass

    spec = ModelSpec("s", inputs=(ModelInput("x", Feature("camera")),))
    with pytest.raises(AdapterError, match=r"^task 'a': ") as caught:
        rlmesh.evaluate(rlmesh.Model(one, spec=spec), {"a": Tagged()}, seeds=[1])
    assert caught.value.message == str(caught.value) and caught.value.problems


def test_a_journal_is_that_of_its_suite(tmp_path: Path) -> None:
    class Stop:
        def on_episode_end(self, event: Any) -> None:
            if event.result.task == "push":
                raise KeyboardInterrupt

    path = tmp_path / "run.journal"
    whole = facts(rlmesh.evaluate(one, SUITE))
    with pytest.raises(KeyboardInterrupt):
        rlmesh.evaluate(one, SUITE, journal=path, hooks=Stop())
    header, content = Journal.read(path)
    assert header.seeds == (1, 2, 3, 4, 5) and header.env_ids == ("Walk", "Wide")
    assert 0 < len(content.episodes) < 5
    for changed, words in (
        ({"lift": SUITE["lift"]}, r"tasks: expected \['lift'\], got \['lift', 'push'\]"),
        (
            {**SUITE, "push": Task(Wide(), [Episode(4, {"start": 0}), Episode(5)])},
            "task 'push': episodes_digest: expected",
        ),
        ({**SUITE, "push": Task(Walk(), seeds=[4, 5])}, "task 'push': env_id: expected 'Walk'"),
    ):
        with pytest.raises(JournalError, match=words):
            rlmesh.evaluate(one, changed, journal=path, resume=True)
    assert facts(rlmesh.evaluate(one, SUITE, journal=path, resume=True)) == whole
    assert facts(RunResult.from_journal(path)) == whole


def test_every_report_begins_with_the_tasks() -> None:
    run = rlmesh.evaluate(one, {"lift": SUITE["lift"], "<push>": SUITE["push"]})
    for form in (str, RunResult.to_html, RunResult._repr_html_):
        text = form(run)
        assert "unweighted mean of 2 tasks: 3" in text
        assert text.index("success 95%") < text.index("terminated", text.index("success 95%"))
    page = run.to_html()
    assert page.index("<h2>Tasks</h2>") < page.index("<h2>Charts</h2>")
    assert "<td>&lt;push&gt;</td>" in page and "<push>" not in page
    assert "Tasks" not in rlmesh.evaluate(one, Walk(), seeds=[1]).to_html()
    pandas = pytest.importorskip("pandas")
    frame = run.to_dataframe()
    assert list(frame["task"]) == ["lift"] * 3 + ["<push>"] * 2
    assert isinstance(frame, pandas.DataFrame)


def test_runs_are_compared_by_task_and_seed() -> None:
    def run(reward: float) -> RunResult:
        return rlmesh.evaluate(one, {"a": Walk(), "b": Wide(reward)}, seeds=[1, 2])

    comparison = compare(run(2.0), run(1.0))
    assert (comparison.n_pairs, comparison.wins, comparison.ties) == (4, 2, 2)
    more = rlmesh.evaluate(one, {"a": Walk(), "b": Wide(), "c": Walk()}, seeds=[1, 2])
    with pytest.raises(ValueError, match="b alone has 1 of 'c', 2 of 'c'"):
        compare(run(1.0), more)


def test_the_plan_of_a_suite() -> None:
    first, second = plan_of_suite(SUITE, (), None)
    assert (first.first, first.count, second.first, second.count) == (0, 3, 3, 2)
    assert second.episode(4) == Episode(5)
