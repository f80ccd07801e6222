"""A remote environment is the local one: every Gymnasium environment, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer

np = pytest.importorskip("numpy")
gym = pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env, data_equivalence  # noqa: E402

from rlmesh_numpy import Model, RemoteEnv, RemoteVectorEnv  # noqa: E402
from tests.property.probe import received  # noqa: E402

STEPS = 60
SUITES = ("classic_control", "toy_text", "box2d", "mujoco")


def env_ids() -> list[str]:
    """Newest version of every environment of the suites with installed dependencies."""
    newest: dict[str, Any] = {}
    for spec in gym.registry.values():
        entry = spec.entry_point if isinstance(spec.entry_point, str) else ""
        if any(entry.startswith(f"gymnasium.envs.{suite}") for suite in SUITES):
            known = newest.get(spec.name)
            if known is None or (spec.version or 0) > (known.version or 0):
                newest[spec.name] = spec
    return sorted(spec.id for spec in newest.values())


def made(env_id: str, **kwargs: Any) -> Any:
    try:
        return gym.make(env_id, **kwargs)
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        pytest.skip(str(error).splitlines()[0])


def rollout(env: Any, actions: Any, seed: int) -> list[Any]:
    results = [env.reset(seed=seed)]
    for _ in range(STEPS):
        results.append(env.step(actions.sample()))
        if results[-1][2] or results[-1][3]:
            results.append(env.reset())
    return results


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("env_id", env_ids())
def test_a_seeded_rollout_is_the_local_one(env_id: str) -> None:
    local, hosted = made(env_id), made(env_id)
    with EnvServer(hosted) as server:
        remote = RemoteEnv(server.address)
        assert remote.observation_space == local.observation_space
        assert remote.action_space == local.action_space
        local.action_space.seed(7)
        remote.action_space.seed(7)
        expected = rollout(local, local.action_space, 123)
        actual = rollout(remote, remote.action_space, 123)
        remote.close()
    local.close()
    for want, got in zip(expected, actual, strict=True):
        observed = received(local.observation_space, want[0])
        assert data_equivalence(observed, got[0], exact=True)
        assert data_equivalence(want[-1], got[-1], exact=True)
        assert [float(x) for x in want[1:-1]] == [float(x) for x in got[1:-1]]
        assert all(type(x) is t for x, t in zip(got[1:-1], (float, bool, bool)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("env_id", ["CartPole-v1", "FrozenLake-v1", "Pendulum-v1", "Blackjack-v1"])
def test_gymnasiums_checker_passes(env_id: str) -> None:
    with EnvServer(made(env_id)) as server:
        remote = RemoteEnv(server.address)
        check_env(remote, skip_close_check=True)  # That check makes a second client.
        remote.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1"])
def test_stable_baselines_checker_passes(env_id: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with EnvServer(made(env_id)) as server:
        remote = RemoteEnv(server.address)
        checker.check_env(remote)
        remote.close()


@pytest.mark.every_transport
@pytest.mark.filterwarnings("ignore")
def test_a_frame_is_the_local_one() -> None:
    pytest.importorskip("pygame")
    local = made("CartPole-v1", render_mode="rgb_array")
    with EnvServer(made("CartPole-v1", render_mode="rgb_array")) as server:
        remote = RemoteEnv(server.address, render_mode="rgb_array")
        local.reset(seed=1)
        remote.reset(seed=1)
        frame = remote.render()
        assert frame.dtype == np.uint8 and np.array_equal(frame, local.render())
        check_env(remote, skip_close_check=True, skip_render_check=True)
        remote.close()
        with pytest.raises(rlmesh.errors.UnsupportedError, match="render_mode"):
            RemoteEnv(server.address, render_mode="human")
    local.close()


def test_gymnasium_makes_a_remote_environment() -> None:
    with EnvServer(made("CartPole-v1")) as server:
        env = gym.make("rlmesh/Remote-v0", address=server.address)
        assert env.reset(seed=0)[0].shape == (4,)
        env.close()


def test_the_spec_of_a_client_makes_another_one() -> None:
    with EnvServer(made("CartPole-v1")) as server:
        remote = RemoteEnv(server.address)
        assert remote.spec is not None
        assert remote.spec.max_episode_steps == 500
        remote.close()
        again = remote.spec.make()
        assert again.reset(seed=0)[0].dtype == np.float32
        again.close()


@pytest.mark.every_transport
def test_observations_are_the_callers_own() -> None:
    with EnvServer(made("CartPole-v1")) as server:
        remote = RemoteEnv(server.address)
        first, _ = remote.reset(seed=0)
        kept = first.copy()
        first += 1
        second = remote.step(0)[0]
        remote.step(1)
        assert np.array_equal(first, kept + 1) and second.flags.writeable
        remote.close()


def test_an_action_is_cast_where_nothing_is_lost() -> None:
    local = made("Pendulum-v1")
    with EnvServer(made("Pendulum-v1")) as server:
        remote = RemoteEnv(server.address)
        local.reset(seed=0)
        remote.reset(seed=0)
        want = local.step(np.array([0.5], np.float32))[0]
        assert np.array_equal(remote.step([0.5])[0], want)
        for wrong in ([0.5, 0.5], "x", [None], [[0.5]], 1e300):
            with pytest.raises(rlmesh.errors.InvalidValueError, match="action: expected float32"):
                remote.step(wrong)
        remote.close()


@pytest.mark.every_transport
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["NEXT_STEP", "SAME_STEP"])
@pytest.mark.parametrize("env_id", ["CartPole-v1", "FrozenLake-v1", "Blackjack-v1"])
def test_a_vector_is_gymnasiums_own(env_id: str, mode: str) -> None:
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    autoreset = AutoresetMode[mode]

    def vector() -> Any:
        return SyncVectorEnv([lambda: gym.make(env_id)] * 3, autoreset_mode=autoreset)

    local = vector()
    with EnvServer(vector()) as server:
        assert server.env_contract.num_envs == 3
        remote = RemoteVectorEnv(server.address)
        assert remote.metadata["autoreset_mode"] is autoreset
        assert remote.action_space == local.action_space
        assert remote.observation_space == local.observation_space
        local.action_space.seed(1)
        for seed in (5, [1, 2, 3], [4, None, 6]):
            a, b = local.reset(seed=seed), remote.reset(seed=seed)
            if seed != [4, None, 6]:  # The generator of a lane without a seed goes on.
                assert data_equivalence(a[0], b[0], exact=True)
        local.reset(seed=9)
        remote.reset(seed=9)
        for _ in range(60):
            actions = local.action_space.sample()
            want, got = local.step(actions), remote.step(actions)
            assert data_equivalence(want[0], got[0], exact=True)
            for x, y in zip(want[1:4], got[1:4]):
                assert x.dtype == y.dtype and np.array_equal(x, y)
            for lane, last in enumerate(want[4].get("final_obs", ())):
                if last is not None:
                    space = local.single_observation_space
                    want[4]["final_obs"][lane] = received(space, last)
            same_infos(want[4], got[4])
        remote.close()
    local.close()


def same_infos(want: dict[str, Any], got: dict[str, Any]) -> None:
    assert set(want) == set(got)
    for key, value in want.items():
        if isinstance(value, dict):
            same_infos(value, got[key])
        elif value.dtype == object:
            assert all(data_equivalence(x, y) for x, y in zip(value, got[key], strict=True))
        else:
            assert value.dtype == got[key].dtype and np.array_equal(value, got[key])


@pytest.mark.every_transport
@pytest.mark.filterwarnings("ignore")
def test_a_disabled_vector_resets_the_lanes_of_a_mask() -> None:
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    def vector() -> Any:
        makers = [lambda: gym.make("CartPole-v1")] * 3
        return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.DISABLED)

    local = vector()
    with EnvServer(vector()) as server:
        remote = RemoteVectorEnv(server.address)
        mask = np.array([True, False, True])
        for env in (local, remote):
            env.reset(seed=1)
            env.step(np.array([0, 1, 0]))
        want = local.reset(options={"reset_mask": mask.copy()}, seed=[7, 8, 9])
        got = remote.reset(options={"reset_mask": mask.copy()}, seed=[7, 8, 9])
        assert np.array_equal(want[0], got[0])
        remote.close()
    local.close()


def test_a_model_runs_seeded_episodes() -> None:
    seen: list[Any] = []
    model = Model(
        lambda observation: int(observation[2] > 0),
        on_reset=seen.append,
        on_episode_end=seen.append,
        on_close=seen.append,
    )
    with EnvServer(made("CartPole-v1")) as server:
        result = model.run(server.address, seeds=[0, 1, 2])
        again = model.run(server, seeds=[0, 1, 2])
        local = Model(model).run(made("CartPole-v1"), seeds=[0, 1, 2])
    assert result.rewards == again.rewards == local.rewards
    assert [e.seed for e in result.episodes] == [0, 1, 2] and result.env_id == "CartPole-v1"
    kinds = [type(event).__name__ for event in seen[:7]]
    assert kinds == ["ResetEvent", "EpisodeEndEvent"] * 3 + ["CloseEvent"]
    assert result.success_rate is None
