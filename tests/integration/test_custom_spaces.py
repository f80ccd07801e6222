"""Spaces beyond the ten: registered, known by their samples, or refused with the way out."""

from __future__ import annotations

from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, record
from rlmesh.errors import EnvError, SpaceError

np = pytest.importorskip("numpy")
gymnasium = pytest.importorskip("gymnasium")
numpy_values = pytest.importorskip("rlmesh.numpy")
gs = gymnasium.spaces


class MissionSpace(gs.Space):  # type: ignore[misc]
    """Sentences of two words, as grid worlds give their missions."""

    def __init__(self) -> None:
        super().__init__(dtype=str)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        words = ["go", "fetch"], ["the ball", "the key"]
        return " ".join(w[int(self.np_random.integers(2))] for w in words)

    def contains(self, x: Any) -> bool:
        return isinstance(x, str)


class Simplex(gs.Space):  # type: ignore[misc]
    """Arrays that sum to one."""

    def __init__(self, n: int) -> None:
        super().__init__((n,), np.float32)

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        return self.np_random.dirichlet(np.ones(self.shape)).astype(np.float32)

    def contains(self, x: Any) -> bool:
        return bool(np.isclose(np.sum(x), 1))


class Card:
    """A value that is no standard space's."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Card) and other.number == self.number

    __hash__ = None  # type: ignore[assignment]


class Cards(gs.Space):  # type: ignore[misc]
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def sample(self, mask: Any = None, probability: Any = None) -> Card:
        return Card(int(self.np_random.integers(self.count)))

    def contains(self, x: Any) -> bool:
        return isinstance(x, Card) and x.number < self.count


class Table(gymnasium.Env):  # type: ignore[misc]
    """Shows samples of its observation space, and keeps its actions."""

    def __init__(self, observations: Any, actions: Any) -> None:
        self.observation_space, self.action_space = observations, actions
        self.actions: list[Any] = []
        self.shown: list[Any] = []

    def _seen(self) -> Any:
        self.shown.append(self.observation_space.sample())
        return self.shown[-1]

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.actions.append(action)
        return self._seen(), 0.0, len(self.actions) % 3 == 0, False, {}


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registration of `Cards`; what a test registers is forgotten."""
    monkeypatch.setattr("rlmesh_numpy._custom_spaces._REGISTERED", {})
    numpy_values.register_space(
        Cards,
        lambda space: gs.Discrete(space.count),
        encode=lambda space, card: card.number,
        decode=lambda space, number: Card(int(number)),
    )


def test_texts_and_arrays_need_no_registration() -> None:
    observations = gs.Dict({"mission": MissionSpace(), "parts": Simplex(3)})
    env, alone = (Table(observations, gs.Discrete(2)) for _ in range(2))
    expected = alone.reset(seed=5)[0]
    with EnvServer(env) as server, numpy_values.RemoteEnv(server.address) as client:
        observation, _ = client.reset(seed=5)
        assert observation["mission"] == expected["mission"]
        assert observation["parts"].tobytes() == expected["parts"].tobytes()
        mission, parts = client.observation_space["mission"], client.observation_space["parts"]
        assert isinstance(mission, gs.Text)
        assert parts == gs.Box(-np.inf, np.inf, (3,), np.float32)
        assert observation in client.observation_space
        assert client.step(1)[0]["mission"] in {
            f"{a} the {b}" for a in ("go", "fetch") for b in ("ball", "key")
        }


def test_describing_does_not_draw_from_the_environments_space() -> None:
    env = Table(MissionSpace(), gs.Discrete(2))
    env.observation_space.seed(3)
    with EnvServer(env):
        first = [env.observation_space.sample() for _ in range(8)]
    again = MissionSpace()
    again.seed(3)
    assert first == [again.sample() for _ in range(8)]


def test_registered_values_are_converted(cards: None) -> None:
    nested = gs.Tuple([Cards(5), gs.Discrete(2)])
    choice = gs.OneOf([gs.Discrete(2), gs.Dict({"card": Cards(4)})])
    env = Table(gs.Dict({"all": gs.Sequence(Cards(9)), "top": Cards(7)}), nested)
    with EnvServer(env) as server, numpy_values.RemoteEnv(server.address) as client:
        assert client.action_space == gs.Tuple([gs.Discrete(5), gs.Discrete(2)])
        observation, _ = client.reset(seed=1)
        shown = env.shown[-1]
        assert observation["top"] == shown["top"].number
        assert list(observation["all"]) == [card.number for card in shown["all"]]
        client.step((3, 1))
        assert env.actions == [(Card(3), 1)]
        results = client.step_many([(4, 0), (0, 1)])
        assert env.actions[1:] == [(Card(4), 0), (Card(0), 1)] and len(results) == 2
    env = Table(gs.Discrete(2), choice)
    with EnvServer(env) as server, numpy_values.RemoteEnv(server.address) as client:
        client.reset()
        client.step((1, {"card": 2}))
        client.step((0, 1))
    assert env.actions == [(1, {"card": Card(2)}), (0, 1)]


def test_an_evaluation_here_converts_them_too(cards: None) -> None:
    env = Table(Cards(7), Cards(3))
    found = []

    def predict(observation: Any) -> int:
        found.append(observation)
        return 2

    with EnvServer(env) as server:
        for played in (env, server.address):
            found.clear()
            rlmesh.evaluate(numpy_values.Model(predict), played, seeds=[4])
            assert [type(x) for x in found] == [np.int64] * 3
            assert found == [card.number for card in env.shown[-4:-1]]
            assert env.actions[-3:] == [Card(2)] * 3


def test_a_vector_of_converted_values_is_refused(cards: None) -> None:
    class Vector:
        single_observation_space, single_action_space, num_envs = gs.Discrete(2), Cards(3), 2

        def reset(self, **_: Any) -> Any: ...
        def step(self, _: Any) -> Any: ...
        def close(self) -> None: ...

    with pytest.raises(SpaceError, match=r"single_action_space: .* cannot be served as a vector"):
        EnvServer(Vector())


def test_other_spaces_are_refused_with_the_way_out() -> None:
    with pytest.raises(SpaceError, match=r"no space of type .*Cards; rlmesh.numpy.register_space"):
        EnvServer(Table(gs.Dict({"a": Cards(3)}), gs.Discrete(2)))


def test_a_wrong_registration_is_refused(cards: None) -> None:
    for arguments, match in (
        ((int, lambda _: gs.Discrete(2)), "expected a subclass of gymnasium.Space"),
        ((Cards, None), "expected a function for to_standard"),
        ((Cards, lambda _: gs.Discrete(2), 3), "expected a function for encode"),
    ):
        cls, to_standard, *encode = arguments
        with pytest.raises(TypeError, match=match):
            numpy_values.register_space(cls, to_standard, encode=encode[0] if encode else None)
    numpy_values.register_space(Cards, lambda space: space)
    with pytest.raises(SpaceError, match="from what is registered for"):
        EnvServer(Table(Cards(3), gs.Discrete(2)))


def test_vector_rewards_are_refused_by_name() -> None:
    env = Table(gs.Discrete(2), gs.Discrete(2))
    env.reward_space = gs.Box(0, 1, (2,))
    with pytest.raises(SpaceError, match=r"reward_space.*2 rewards a step"):
        EnvServer(env)


def test_actions_are_not_guessed() -> None:
    for space in (Simplex(3), gs.Dict({"a": gs.Tuple([MissionSpace()])})):
        with pytest.raises(SpaceError, match=r"action_space: what actions a .* takes is not known"):
            EnvServer(Table(gs.Discrete(2), space))


def test_a_registered_space_may_stand_for_another_one(cards: None) -> None:
    class Pair(gs.Space):  # type: ignore[misc]
        def sample(self, mask: Any = None, probability: Any = None) -> Any:
            return Card(1), Card(2)

        def contains(self, x: Any) -> bool:
            return isinstance(x, tuple)

    numpy_values.register_space(
        Pair,
        lambda space: gs.Dict({"a": Cards(3), "b": Cards(4)}),
        encode=lambda space, pair: {"a": pair[0], "b": pair[1]},
        decode=lambda space, value: (value["a"], value["b"]),
    )
    env = Table(Pair(), Pair())
    with EnvServer(env) as server, numpy_values.RemoteEnv(server.address) as client:
        assert client.reset()[0] == {"a": 1, "b": 2}
        client.step({"a": 0, "b": 3})
    assert env.actions == [(Card(0), Card(3))]


def test_elements_of_a_stack_are_refused_by_name(cards: None) -> None:
    space = gs.Sequence(gs.Dict({"card": Cards(3)}), stack=True)
    with pytest.raises(SpaceError, match="elements of a stack cannot be converted"):
        EnvServer(Table(space, gs.Discrete(2)))


@pytest.mark.parametrize("odd", [None, 3, (5, 1), (-1, 1), "x"])
def test_a_malformed_value_is_refused_by_the_codec(cards: None, odd: Any) -> None:
    observations = gs.Tuple([gs.OneOf([gs.Discrete(2), Cards(3)]), gs.Sequence(Cards(3))])
    env = Table(observations, gs.Discrete(2))
    env._seen = lambda: (odd, ())  # type: ignore[method-assign]
    with EnvServer(env) as server, numpy_values.RemoteEnv(server.address) as client:
        with pytest.raises(EnvError, match=r"observation\[0\]: expected a pair"):
            client.reset()
        env._seen = lambda: ((0, 1), odd)  # type: ignore[method-assign]
        with pytest.raises(EnvError, match=r"observation\[1\]|has no attribute 'number'"):
            client.reset()


def test_lanes_of_one_custom_space_are_equal() -> None:
    space = gs.Dict({"m": gs.Sequence(MissionSpace())})  # Equality of the parts is identity.
    vector = gymnasium.vector.SyncVectorEnv([lambda: Table(space, gs.Discrete(2))] * 2)
    EnvServer(vector).shutdown()


def make_table() -> Table:
    return Table(Cards(7), Cards(3))


def test_a_worker_process_knows_the_registered_spaces(cards: None) -> None:
    with (
        EnvServer(factory=make_table, workers="process") as server,
        numpy_values.RemoteEnv(server.address) as client,
    ):
        assert client.observation_space == gs.Discrete(7)
        assert client.reset(seed=1)[0] in range(7)
        client.step(2)


def test_a_recording_of_ones_own_loop_has_the_standard_values(cards: None, tmp_path: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    env = record.wrap(Table(Cards(7), Cards(3)), record.TrajectoryRecorder(tmp_path))
    with env:
        first, _ = env.reset(seed=4)
        for _ in range(3):
            env.step(Card(2))
    table = parquet.read_table(next(tmp_path.rglob("*.parquet")))
    assert table["action"].to_pylist()[:3] == [2, 2, 2]
    assert table["observation"].to_pylist()[0] == first.number
