"""The page models.txt, but for what comes later: `serve`, adapters, and the other backends."""

from __future__ import annotations

import doctest
import inspect
import typing
from types import SimpleNamespace
from typing import Any

import pytest

import rlmesh
from rlmesh._models.base import ModelBase
from tests.documents.pages import assert_on_page, named, quotations, replaced
from tests.integration.envs import CounterEnv, ScriptedEnv

pytest.importorskip("gymnasium")
from rlmesh.numpy import Model

PAGE = "models.txt"

DOCTEST = """\
>>> from rlmesh.numpy import Model
>>> result = Model(lambda observation: 0).run("127.0.0.1:5555", seeds=[0])
>>> result.mean_reward
0.0
"""

INIT = (
    "__init__(source, *, spec=None, on_reset=None, on_episode_end=None, on_close=None, "
    "artifacts=(), load_kwargs=None, trust_entrypoints=False)"
)
RUN = (
    "run(env_or_address, *, seeds=None, max_episodes=None, instruction=None, close_env=False, "
    "token='')"
)
RUN_LOCAL = "run_local(env_address, *, token='')"
RUN_LOCAL_FOR_EPISODES = "run_local_for_episodes(env_address, *, token='', max_episodes)"
SIGNATURES = (INIT, RUN, RUN_LOCAL, RUN_LOCAL_FOR_EPISODES)

SNIPPETS = (DOCTEST, *SIGNATURES)


class Unrewarded(CounterEnv):
    """Keeps what it was reset with, and gives no reward."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds: list[Any] = []

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.seeds.append(seed)
        return super().reset(seed, options)

    def step(self, action: Any) -> Any:
        observation, _, *rest = super().step(action)
        return observation, 0.0, *rest


def still(observation: Any) -> int:
    return 0


@pytest.mark.parametrize("text", SIGNATURES)
def test_signatures(text: str) -> None:
    signature = inspect.signature(getattr(ModelBase, text.partition("(")[0]))
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()][1:]
    bare = signature.replace(parameters=plain, return_annotation=signature.empty)
    # A later version may add what is given by name and may be left out.
    told = text.partition("(")[2].rstrip(")").split(", ")
    first = bare.replace(parameters=plain[: len(told) - ("*" in told)])
    assert text.endswith(str(first))
    rest = plain[len(first.parameters) :]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in rest)


def test_the_base() -> None:
    """Bases: Generic[ObsT, ActT]"""
    *private, base = ModelBase.__orig_bases__  # type: ignore[attr-defined]
    assert all(cls.__module__.startswith("rlmesh._") for cls in private)
    assert typing.get_origin(base) is typing.Generic
    assert [x.__name__ for x in typing.get_args(base)] == ["ObsT", "ActT"]


def test_the_doctest() -> None:
    with rlmesh.EnvServer(Unrewarded()) as server:
        text = replaced(DOCTEST, port=server.address.rpartition(":")[2])
        example = doctest.DocTestParser().get_doctest(text, {}, "models.txt", None, 0)
        assert doctest.DocTestRunner().run(example) == (0, 3)


def test_concrete_models() -> None:
    """Concrete backend model classes inherit ModelBase and only change value conversion"""
    assert issubclass(rlmesh.Model, ModelBase)
    assert issubclass(Model, ModelBase)


@pytest.mark.parametrize("model", [rlmesh.Model, Model])
def test_what_is_run_against(model: type[ModelBase[Any, Any]], counter: rlmesh.EnvServer) -> None:
    """env_or_address is an env object exposing reset/step (e.g. a RemoteEnv), an object with an
    address, or a bare address string the loop dials."""
    for target in (counter.address, SimpleNamespace(address=counter.address), counter):
        assert model(still).run(target).mean_reward == 3.0
    with rlmesh.RemoteEnv(counter.address) as env:
        assert model(still).run(env).mean_reward == 3.0
        assert env.reset() == (0, {})  # It is open still.
    assert model(still).run(CounterEnv()).mean_reward == 3.0
    with pytest.raises(TypeError, match="expected an environment, an object with an address"):
        model(still).run(object())


def test_an_env_is_closed_where_that_is_asked_for() -> None:
    left, closed = CounterEnv(), CounterEnv()
    Model(still).run(left)
    Model(still).run(closed, close_env=True)
    assert (left.closed, closed.closed) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "seeds"),
    [
        ({}, [None]),
        ({"seeds": [5, 6]}, [5, 6]),
        ({"seeds": [5, 6], "max_episodes": 1}, [5]),
        ({"seeds": [5, 6], "max_episodes": 3}, [5, 6, None]),
        ({"max_episodes": 2}, [None, None]),
    ],
)
def test_seeds(arguments: dict[str, Any], seeds: list[int | None]) -> None:
    """seeds gives a per-episode seed and sets the episode count unless max_episodes is given"""
    env = Unrewarded()
    with rlmesh.EnvServer(env) as server:
        result = Model(still).run(server.address, **arguments)
    assert env.seeds == seeds
    assert [episode.seed for episode in result.episodes] == seeds


def test_callbacks(counter: rlmesh.EnvServer) -> None:
    """Optional lifecycle callbacks."""
    told: list[Any] = []
    model = Model(still, on_reset=told.append, on_episode_end=told.append, on_close=told.append)
    result = model.run(counter.address, seeds=[7, 8])
    kinds = [rlmesh.ResetEvent, rlmesh.EpisodeEndEvent] * 2 + [rlmesh.CloseEvent]
    assert [type(event) for event in told] == kinds
    assert [(event.episode, event.seed) for event in told[0:4:2]] == [(0, 7), (1, 8)]
    assert [event.result for event in told[1:4:2]] == list(result.episodes)
    assert told[4].result.episodes == result.episodes


def test_an_exception_of_a_callback_ends_the_run(counter: rlmesh.EnvServer) -> None:
    def fail(event: Any) -> None:
        if event.result.index == 1:
            raise KeyError("mine")

    with pytest.raises(rlmesh.errors.RunError, match="mine") as caught:
        Model(still, on_episode_end=fail).run(counter.address, max_episodes=5)
    assert isinstance(caught.value.__cause__, KeyError)
    assert [episode.index for episode in caught.value.result.episodes] == [0, 1]


def test_an_instruction_needs_a_text_input(counter: rlmesh.EnvServer) -> None:
    with pytest.raises(ValueError, match="no text input"):
        Model(still).run(counter.address, instruction="lift the cube")


def test_a_token_is_passed_on() -> None:
    with rlmesh.EnvServer(CounterEnv(), token="secret") as server:
        assert Model(still).run(server.address, token="secret").mean_reward == 3.0
        Model(still).run_local_for_episodes(server.address, token="secret", max_episodes=1)
        with pytest.raises(rlmesh.errors.AuthenticationError):
            Model(still).run(server.address, token="other")


def test_run_local_goes_on_until_interrupted(counter: rlmesh.EnvServer) -> None:
    """Native worker loop against a remote env, until interrupted (no metrics)."""
    ended: list[int] = []

    def interrupt(event: Any) -> None:
        ended.append(event.result.index)
        if len(ended) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Model(still, on_episode_end=interrupt).run_local(counter.address)
    assert ended == [0, 1, 2, 3]
    with rlmesh.RemoteEnv(counter.address) as env:  # The environment is free again.
        assert env.reset() == (0, {})


def test_run_local_for_episodes(counter: rlmesh.EnvServer) -> None:
    """Native worker loop against a remote env for a fixed episode count (no metrics)."""
    ended: list[Any] = []
    model = Model(still, on_episode_end=ended.append)
    returned: Any = model.run_local_for_episodes(counter.address, max_episodes=2)
    assert returned is None
    assert [event.result.steps for event in ended] == [3, 3]


def test_success_is_the_environments_own_word() -> None:
    ends = [(1, 1.0, True, False, {"is_success": True}), (1, 1.0, True, False, {"success": False})]
    with rlmesh.EnvServer(ScriptedEnv(*ends)) as server:
        result = Model(still).run(server.address, max_episodes=3)
    assert [episode.success for episode in result.episodes] == [True, False, None]
    assert result.success_rate == 0.5


@pytest.mark.parametrize("quotation", quotations(globals()), ids=named)
def test_the_page_says(quotation: str) -> None:
    assert_on_page(PAGE, quotation)
