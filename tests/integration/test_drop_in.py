"""What Gymnasium and Stable-Baselines3 do with an environment works with a remote one."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import pytest

from rlmesh import EnvServer
from rlmesh.errors import (
    BusyError,
    ClosedError,
    EnvError,
    InvalidValueError,
    RenderModeError,
    SpaceError,
)

np = pytest.importorskip("numpy")
gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("rlmesh_numpy")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from rlmesh_numpy import RemoteEnv, RemoteVectorEnv  # noqa: E402

gs = gymnasium.spaces
TWO = gs.Discrete(2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", [None, "rgb_array"])
@pytest.mark.parametrize("made", [False, True])
def test_gymnasiums_checker_passes_on_a_server_of_one(mode: str | None, made: bool) -> None:
    with EnvServer(gymnasium.make("CartPole-v1", render_mode=mode)) as server:
        if made:
            env = gymnasium.make("rlmesh/Remote-v0", address=server.address, render_mode=mode)
        else:
            env = RemoteEnv(server.address)
        check_env(env if made else env.unwrapped)
        assert env.reset(seed=3)[0].shape == (4,)
        env.close()


def test_a_spec_shares_the_session_with_a_warning() -> None:
    with EnvServer(gymnasium.make("CartPole-v1")) as server:
        env = RemoteEnv(server.address)
        with pytest.warns(UserWarning, match="returns the same environment"):
            again = env.spec.make()
        first = again.reset(seed=5)[0]
        assert not np.array_equal(env.step(1)[0], first)
        again.close()
        with pytest.raises(ClosedError):
            again.unwrapped.step(0)
        env.step(0)
        with pytest.raises(BusyError):
            RemoteEnv(server.address)
        for spec in (copy.deepcopy(env.spec), gymnasium.wrappers.TimeLimit(env, 5).spec):
            with pytest.warns(UserWarning, match="returns the same environment"):
                spec.make().close()
        with pytest.warns(UserWarning, match="returns the same environment"):
            env.spec.make(address=server.address.removeprefix("tcp://")).close()
        restored = pickle.loads(pickle.dumps(env.spec))
        assert restored == env.spec and restored.to_json() == env.spec.to_json()
        with pytest.raises(BusyError):
            restored.make()
        env.close()
        env.spec.make().close()


def test_what_is_written_of_a_spec_names_the_served_environment() -> None:
    env_spec = gymnasium.envs.registration.EnvSpec
    local = gymnasium.make("MountainCar-v0", goal_velocity=0.01)
    with EnvServer(local) as server:
        env = gymnasium.make("rlmesh/Remote-v0", address=server.address)
        for spec in (env.unwrapped.spec, env.spec, pickle.loads(pickle.dumps(env.spec))):
            written = env_spec.from_json(spec.to_json())
            assert written.id == "MountainCar-v0" and written.max_episode_steps == 200
            assert written.kwargs == {"goal_velocity": 0.01}
            again = gymnasium.make(written)
            assert np.array_equal(again.reset(seed=4)[0], env.reset(seed=4)[0])
        env.close()


def test_a_spec_makes_an_environment_of_its_own_where_there_is_one() -> None:
    def factory() -> Any:
        return gymnasium.make("CartPole-v1")

    with EnvServer(factory=factory, max_sessions=2) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        env = RemoteEnv(server.address)
        again = env.spec.make()
        again.reset(seed=5)
        env.reset(seed=5)
        again.step(1)
        assert np.array_equal(env.reset(seed=5)[0], again.reset(seed=5)[0])
        again.close()
        env.close()


def test_make_does_not_warn_of_a_render_mode(caplog: Any) -> None:
    with EnvServer(gymnasium.make("CartPole-v1", render_mode="rgb_array")) as server:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            env = gymnasium.make(
                "rlmesh/Remote-v0", address=server.address, render_mode="rgb_array"
            )
        env.reset()
        assert env.render().ndim == 3
        assert env.unwrapped.metadata["render_modes"] == ["rgb_array"]
        env.close()
        with pytest.raises(RenderModeError, match="leave out render_mode"):
            RemoteEnv(server.address, render_mode="human")
        RemoteEnv(server.address).close()  # The refused one holds no session.


def test_stable_baselines_makes_a_vector_of_an_id() -> None:
    env_util = pytest.importorskip("stable_baselines3.common.env_util")
    with EnvServer(gymnasium.make("CartPole-v1")) as server:
        vector = env_util.make_vec_env("rlmesh/Remote-v0", env_kwargs={"address": server.address})
        assert vector.reset().shape == (1, 4)
        vector.close()


@pytest.mark.filterwarnings("ignore:.*the shared.*")
def test_make_vec_connects_to_a_vector_or_to_several_environments() -> None:
    vector = gymnasium.make_vec("CartPole-v1", num_envs=3)
    with EnvServer(vector) as server:
        for count in ({}, {"num_envs": 3}):
            remote = gymnasium.make_vec("rlmesh/Remote-v0", address=server.address, **count)
            assert isinstance(remote, RemoteVectorEnv) and remote.num_envs == 3
            remote.close()
        with pytest.raises(ValueError, match="serves a vector of 3 environments, not 2"):
            gymnasium.make_vec("rlmesh/Remote-v0", num_envs=2, address=server.address)
    with EnvServer(factory=lambda: gymnasium.make("CartPole-v1"), max_sessions=2) as server:
        remote = gymnasium.make_vec("rlmesh/Remote-v0", num_envs=2, address=server.address)
        assert remote.reset(seed=1)[0].shape == (2, 4)
        remote.close()


@pytest.mark.parametrize(
    ("mask", "error", "match"),
    [
        ([True, False], TypeError, "an array of bools .* got list"),
        (np.array([1, 0]), TypeError, "got one of int64"),
        (np.array([1.0, 0.0]), TypeError, "got one of float64"),
        (np.array([True]), ValueError, r"shape \(2,\)"),
        (np.array([False, False]), ValueError, "at least one True"),
    ],
)
def test_a_reset_mask_is_refused_as_in_gymnasium(mask: Any, error: Any, match: str) -> None:
    mode = gymnasium.vector.AutoresetMode.DISABLED
    vector = gymnasium.make_vec(
        "CartPole-v1", num_envs=2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
    )
    with EnvServer(vector) as server:
        remote = RemoteVectorEnv(server.address)
        remote.reset(seed=1)
        with pytest.raises((error, AssertionError)):  # The latter by older versions of Gymnasium.
            vector.reset(options={"reset_mask": mask})
        with pytest.raises((error, EnvError), match=rf"{match}|must contain a boolean"):
            remote.reset(options={"reset_mask": mask})
        remote.reset(options={"reset_mask": np.array([True, False])})
        remote.close()


class Odd(gymnasium.Env):  # type: ignore[misc]
    """Returns a reward and an info that it is given."""

    observation_space = gs.Box(-9, 9, (2,), np.float32)
    action_space = gs.MultiDiscrete([3, 3])

    def __init__(self) -> None:
        self.reward: Any = 0.0
        self.info: Any = {}
        self.observation: Any = np.zeros(2, np.float32)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return self.observation, self.info

    def step(self, action: Any) -> Any:
        return self.observation, self.reward, False, False, self.info


def test_rewards_are_one_number() -> None:
    env = Odd()
    with EnvServer(env) as server, RemoteEnv(server.address) as client:
        client.reset()
        for reward in (np.array([1.5]), np.array(1.5), np.float32(1.5), np.array([[1.5]])):
            env.reward = reward
            assert client.step(np.zeros(2, np.int64))[1] == 1.5
        for reward in (np.ma.masked, "1.5", b"1.5", np.array([1.5, 2]), None, [1.5], np.array([])):
            env.reward = reward
            with pytest.raises(Exception, match="reward: expected one number"):
                client.step(np.zeros(2, np.int64))


def test_masked_arrays_are_refused_if_an_element_is_masked() -> None:
    env = Odd()
    with EnvServer(env) as server, RemoteEnv(server.address) as client:
        client.reset()
        with pytest.raises(InvalidValueError, match="masked elements"):
            client.step(np.ma.masked_array([1, 2], [False, True]))
        with pytest.raises(InvalidValueError, match="masked elements"):
            client.step(list(np.ma.masked_array([1, 2], [False, True])))
        client.step(np.ma.masked_array([1, 2], [False, False]))
        env.observation = np.ma.masked_array([1.0, 2.0], [True, False])
        with pytest.raises(Exception, match="an array with masked elements"):
            client.step([0, 0])
        env.observation = np.zeros(2, np.float32)
        env.info = {"m": np.ma.masked_array([1.0, 2.0], [True, False])}
        with pytest.warns(UserWarning, match="'m'"):
            assert isinstance(client.step([0, 0])[4]["m"], str)


def test_texts_and_times_of_an_info_arrive_one_by_one() -> None:
    env = Odd()
    env.info = {
        "texts": np.array([["a", "bcd"], ["", "é"]]),
        "bytes": np.array([b"a", b"bc"]),
        "times": np.array(["2026-11-29", "NaT"], "datetime64[D]"),
        "many": np.array([f"text {i}" for i in range(5000)]),
    }
    with EnvServer(env) as server, RemoteEnv(server.address) as client:
        info = client.reset()[1]
    assert info["texts"].dtype == object and info["texts"].tolist() == [["a", "bcd"], ["", "é"]]
    assert info["bytes"].tolist() == [b"a", b"bc"]
    assert info["times"].tolist() == ["2026-11-29", "NaT"]
    assert info["many"].tolist() == [f"text {i}" for i in range(5000)]


@pytest.mark.parametrize(
    ("space", "path"),
    [
        (lambda k: gs.Box(0, k, (2,), np.float32), "observation_space"),
        (lambda k: gs.Discrete(k), "observation_space"),
        (lambda k: gs.Discrete(9, start=k), "observation_space"),
        (lambda k: gs.MultiDiscrete([k, 2]), "observation_space"),
        (lambda k: gs.Dict({"a": gs.Discrete(2), "b": gs.Box(0, k, ())}), "observation_space['b']"),
        (
            lambda k: gs.Tuple([gs.Discrete(2), gs.Tuple([gs.Box(0, k, ())])]),
            "observation_space[1][0]",
        ),
    ],
)
def test_lanes_of_different_spaces_are_refused_by_path(space: Any, path: str) -> None:
    def lane(number: int) -> Any:
        env = Odd()
        env.observation_space = space(number)
        return env

    def vector(*numbers: int) -> Any:
        makers = [lambda n=n: lane(n) for n in numbers]
        return gymnasium.vector.SyncVectorEnv(makers, observation_mode="different")

    EnvServer(vector(3, 3)).shutdown()
    with pytest.raises(SpaceError) as caught:
        EnvServer(vector(3, 4))
    assert caught.value.path == path and "have different spaces" in str(caught.value)


@pytest.mark.parametrize("made", [False, True], ids=["client", "gymnasium.make"])
def test_a_spec_has_the_facts_of_the_served_environment(made: bool) -> None:
    local = gymnasium.make("CartPole-v1", max_episode_steps=7)

    def connected(**limits: Any) -> Any:
        if made:
            return gymnasium.make("rlmesh/Remote-v0", address=server.address, **limits)
        return RemoteEnv(server.address)

    with EnvServer(local) as server:
        env = connected()
        for spec in (env.spec, env.unwrapped.spec):
            assert (spec.max_episode_steps, spec.reward_threshold) == (7, 475)
        timed = gymnasium.wrappers.TimeAwareObservation(env, normalize_time=True)
        timed.reset(seed=0)
        times = [timed.step(step % 2)[0][-1] for step in range(7)]
        assert times == pytest.approx([(step + 1) / 7 for step in range(7)])
        env.close()
        if made:
            env = connected(max_episode_steps=3)
            assert env.spec.max_episode_steps == 3
            env.close()
    with EnvServer(local.unwrapped) as server:
        env = connected()
        assert env.spec.reward_threshold == 475
        env.close()


def test_a_spec_of_make_vec_has_the_facts_of_the_served_vector() -> None:
    with EnvServer([lambda: gymnasium.make("CartPole-v1", max_episode_steps=7)] * 2) as server:
        env = gymnasium.make_vec("rlmesh/Remote-v0", address=server.address)
        assert env.spec is not None
        assert (env.spec.max_episode_steps, env.spec.reward_threshold) == (7, 475)
        assert gymnasium.spec("rlmesh/Remote-v0").max_episode_steps is None
        env.close()
