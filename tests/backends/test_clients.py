"""Clients and models of PyTorch and JAX against a served Gymnasium environment."""

from __future__ import annotations

import copy
import importlib
import pickle
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import rlmesh.numpy
from rlmesh import EnvServer
from rlmesh.errors import CodecError, InvalidValueError
from tests.backends.libraries import Library, open_library


@pytest.fixture(params=["torch", "jax", "jax-x64"])
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    with open_library(request.param) as opened:
        yield opened


@pytest.fixture
def module(library: Library) -> ModuleType:
    return importlib.import_module(f"rlmesh.{library.backend.name}")


class Awkward(gym.Env[Any, Any]):
    """An environment with awkward observations, infos and frames."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    render_mode = "rgb_array"

    def __init__(self, wide: bool = False) -> None:
        real = np.float64 if wide else np.float32
        self.observation_space = gym.spaces.Dict(
            {
                "real": gym.spaces.Box(-1, 1, (2,), real),
                "image": gym.spaces.Box(0, 255, (4, 5, 3), np.uint8),
                "choice": gym.spaces.Discrete(3),
            }
        )
        self.action_space = gym.spaces.Box(-2, 2, (2,), real)
        self.actions: list[Any] = []

    def observation(self) -> dict[str, Any]:
        return {**self.observation_space.sample(), "choice": 1}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        info = {
            "scalar": np.float32(0.5),
            "small": np.arange(3, dtype=np.int16),
            "wide": np.arange(3, dtype=np.int64) + 2**40,
            "objects": np.array([None, "a"], dtype=object),
            "number": 2**40,
            "options": options,
        }
        return self.observation(), info

    def step(self, action: Any) -> Any:
        self.actions.append(action)
        return self.observation(), 0.1, False, len(self.actions) >= 5, {}

    def render(self) -> Any:
        return np.full((2, 3, 3), 7, np.uint8)


def test_observations_and_results(library: Library, module: ModuleType) -> None:
    with EnvServer(gym.make("CartPole-v1")) as server:
        env = module.RemoteEnv(server.address)
        observation, info = env.reset(seed=3)
        assert isinstance(observation, library.array_type) and tuple(observation.shape) == (4,)
        assert info == {}
        assert env.metadata[library.backend.name] is True
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert isinstance(observation, library.array_type)
        assert type(reward) is float and type(terminated) is bool and type(truncated) is bool
        with pytest.raises(InvalidValueError):
            env.step(7)
        env.step(library.array(importlib.import_module("rlmesh.dtypes").DTYPES["int32"], [1], ()))
        env.close()


def test_a_seeded_rollout_equals_the_local_one(library: Library, module: ModuleType) -> None:
    local = gym.make("CartPole-v1")
    with EnvServer(gym.make("CartPole-v1")) as server:
        env = module.RemoteEnv(server.address)
        for seed in range(3):
            here, there = local.reset(seed=seed)[0], env.reset(seed=seed)[0]
            done = False
            while not done:
                assert np.asarray(there).tobytes() == here.tobytes()
                action = int(here[2] > 0)
                here, *results, _ = local.step(action)
                there, *answers, _ = env.step(action)
                assert answers == results
                done = results[1] or results[2]
        env.close()


def test_the_device(library: Library, module: ModuleType) -> None:
    with EnvServer(gym.make("CartPole-v1")) as server:
        env = module.RemoteEnv(server.address, device="cpu")
        observation, _ = env.reset(seed=0)
        assert observation.device == env.device
        if library.backend.name == "jax":
            assert observation.committed
        spec, data = env.spec, pickle.dumps(env)
        env.close()
        again = pickle.loads(data)
        assert again.device == env.device and again.address == env.address
        again.close()
        made = spec.make()
        assert type(made.unwrapped) is module.RemoteEnv
        assert made.unwrapped.device == env.device
        made.close()
        twin = copy.deepcopy(spec)
        assert twin.kwargs == spec.kwargs
        assert isinstance(spec.to_json(), str)


def test_gymnasiums_checker(library: Library, module: ModuleType, monkeypatch: Any) -> None:
    pytest.importorskip("array_api_compat")
    from gymnasium.utils.env_checker import check_env

    if library.backend.name == "torch":
        import torch
        from gymnasium.wrappers import ArrayConversion

        class TorchToNumpy(ArrayConversion):
            """What the checker looks for in Gymnasium, which has it in no version."""

            def __init__(self, env: Any) -> None:
                super().__init__(env, torch, np)

        monkeypatch.setattr(gym.wrappers, "TorchToNumpy", TorchToNumpy, raising=False)
    with EnvServer(gym.make("CartPole-v1")) as server, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Box observation space m..imum value.*")
        env = module.RemoteEnv(server.address)
        check_env(env, skip_close_check=True)
        env.close()


def test_infos_and_frames(library: Library, module: ModuleType) -> None:
    served = Awkward()
    with EnvServer(served) as server:
        env = module.RemoteEnv(server.address)
        options = {"array": library.backend.from_bytes(b"\1\2", uint8_leaf(2), None, True)}
        observation, info = env.reset(seed=5, options=options)
        expected, _ = Awkward().reset(seed=5)
        assert type(observation["choice"]) is int
        for key in ("real", "image"):
            assert isinstance(observation[key], library.array_type)
            assert np.asarray(observation[key]).tobytes() == expected[key].tobytes()
        assert type(info["scalar"]) is np.float32 and info["scalar"] == 0.5
        assert info["number"] == 2**40
        assert isinstance(info["small"], library.array_type)
        assert isinstance(info["wide"], library.array_type if library.wide else np.ndarray)
        assert np.asarray(info["wide"]).tolist() == [2**40, 2**40 + 1, 2**40 + 2]
        assert type(info["objects"]) is np.ndarray and info["objects"].tolist() == [None, "a"]
        assert np.asarray(info["options"]["array"]).tolist() == [1, 2]
        frame = env.render()
        assert isinstance(frame, library.array_type) and tuple(frame.shape) == (2, 3, 3)
        env.close()


def uint8_leaf(size: int) -> Any:
    from rlmesh.dtypes import dtype
    from tests.backends.libraries import leaf_of

    return leaf_of(dtype("uint8"), (size,))


def test_actions_of_every_library(library: Library, module: ModuleType) -> None:
    served = Awkward()
    with EnvServer(served) as server:
        env = module.RemoteEnv(server.address)
        env.reset(seed=0)
        from rlmesh.dtypes import dtype

        own = library.array(dtype("float32"), [0.5, -1.0])
        for action in (own, own * 1, [0.5, -1.0], np.array([0.5, -1.0])):
            env.step(action)
            assert served.actions[-1].dtype == np.float32
            assert served.actions[-1].tolist() == [0.5, -1.0]
        with pytest.raises(InvalidValueError, match="action"):
            env.step(own[:1])
        env.close()


def test_leaves_of_64_bits(library: Library, module: ModuleType) -> None:
    served = Awkward(wide=True)
    with EnvServer(served) as server:
        env = module.RemoteEnv(server.address)
        if library.wide:
            observation, _ = env.reset(seed=0)
            assert str(observation["real"].dtype).endswith("float64")
        else:
            with pytest.raises(CodecError, match="jax_enable_x64") as caught:
                env.reset(seed=0)
            assert caught.value.path == "observation['real']"
        env.close()


def test_vectors(library: Library, module: ModuleType) -> None:
    mode = gym.vector.AutoresetMode.SAME_STEP
    made = [
        gym.vector.SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 3, autoreset_mode=mode)
        for _ in range(2)
    ]
    with EnvServer(made[0]) as server:
        env = module.RemoteVectorEnv(server.address, device="cpu")
        assert env.metadata["autoreset_mode"] is mode
        here, _ = made[1].reset(seed=1)
        there, _ = env.reset(seed=1)
        finals = 0
        own = library.array_type if library.wide else np.ndarray
        for step in range(60):
            assert isinstance(there, library.array_type)
            assert np.asarray(there).tobytes() == here.tobytes()
            actions = np.array([1, step % 2, 0])
            here, *results, local_info = made[1].step(actions)
            there, *answers, info = env.step(actions)
            for result, answer in zip(results, answers):
                assert isinstance(answer, own)
                assert np.asarray(answer).dtype == result.dtype
                assert np.asarray(answer).tobytes() == result.tobytes()
            assert info.keys() == local_info.keys()
            if "final_obs" in info:
                for lane in np.flatnonzero(local_info["_final_obs"]):
                    finals += 1
                    last = info["final_obs"][lane]
                    assert isinstance(last, library.array_type)
                    assert np.asarray(last).tobytes() == local_info["final_obs"][lane].tobytes()
        assert finals
        env.close()
        again = pickle.loads(pickle.dumps(env))
        assert again.device == env.device
        again.close()


def test_models_play(library: Library, module: ModuleType) -> None:
    seen: list[type] = []

    def predict(observation: Any) -> Any:
        seen.append(type(observation))
        return (observation[2] > 0) * 1

    with EnvServer(gym.make("CartPole-v1")) as server:
        result = module.Model(predict).run(server.address, seeds=[1, 2])
        assert all(issubclass(kind, library.array_type) for kind in seen) and seen
        reference = rlmesh.numpy.Model(lambda o: int(o[2] > 0)).run(server.address, seeds=[1, 2])
        assert [e.reward for e in result.episodes] == [e.reward for e in reference.episodes]


def test_environments_may_return_the_librarys_values(library: Library, module: ModuleType) -> None:
    class Foreign(Awkward):
        def observation(self) -> dict[str, Any]:
            from rlmesh.dtypes import dtype

            real = library.array(dtype("float32"), [0.25, -0.5])
            image = library.array(dtype("uint8"), [9] * 60, (4, 5, 3))
            return {"real": real, "image": image, "choice": library.array(dtype("int32"), [2], ())}

        def step(self, action: Any) -> Any:
            observation, _, _, _, _ = super().step(action)
            from rlmesh.dtypes import dtype

            reward = library.array(dtype("float32"), [0.5], ())
            flag = library.array(dtype("bool"), [True], ())
            return observation, reward, flag, False, {"last": observation["real"]}

    with EnvServer(Foreign()) as server:
        env = rlmesh.numpy.RemoteEnv(server.address)
        observation, _ = env.reset()
        assert observation["real"].tolist() == [0.25, -0.5]
        assert observation["image"].min() == observation["image"].max() == 9
        observation, reward, terminated, truncated, info = env.step([0.0, 0.0])
        assert (observation["choice"], reward, terminated, truncated) == (2, 0.5, True, False)
        assert info["last"].tolist() == [0.25, -0.5]
        env.close()


def test_actions_come_in_the_framework_that_is_asked_for(library: Library) -> None:
    env = Awkward()
    framework = library.backend.name
    with EnvServer(env, framework=framework, device="cpu") as server:  # type: ignore[arg-type]
        remote = rlmesh.numpy.RemoteEnv(server.address)
        remote.reset(seed=1)
        remote.step(np.array([0.5, -1.5], np.float32))
        (action,) = env.actions
        assert isinstance(action, library.array_type)
        assert action.tolist() == [0.5, -1.5]
        remote.close()


def test_a_vector_gets_its_actions_in_that_framework_too(library: Library) -> None:
    class Lanes:
        num_envs = 3
        single_observation_space = gym.spaces.Discrete(2)
        single_action_space = gym.spaces.Discrete(2)
        observation_space = gym.spaces.MultiDiscrete([2] * 3)
        action_space = gym.spaces.MultiDiscrete([2] * 3)
        actions: Any = None

        def reset(self, seed: Any = None, options: Any = None) -> Any:
            return np.zeros(3, np.int64), {}

        def step(self, actions: Any) -> Any:
            self.actions = actions
            return np.zeros(3, np.int64), np.zeros(3), np.zeros(3, bool), np.zeros(3, bool), {}

        def close(self) -> None:
            pass

    if not library.wide:
        pytest.skip("its actions are int64")
    env = Lanes()
    with EnvServer(env, framework=library.backend.name) as server:  # type: ignore[arg-type]
        remote = rlmesh.numpy.RemoteVectorEnv(server.address)
        remote.reset()
        remote.step(np.array([1, 0, 1]))
        assert isinstance(env.actions, library.array_type)
        assert env.actions.tolist() == [1, 0, 1]
        remote.close()


def test_a_framework_is_one_that_there_is() -> None:
    env = Awkward()
    with pytest.raises(ValueError, match=r"no framework 'tensorflow'; there are native, .*numpy"):
        EnvServer(env, framework="tensorflow")
    with pytest.raises(ValueError, match="device='cuda': framework='numpy' has no devices"):
        EnvServer(env, framework="numpy", device="cuda")
    with pytest.raises(ValueError, match="device='cuda' needs framework='torch'"):
        EnvServer(env, device="cuda")


def test_an_environment_of_native_spaces_may_return_the_librarys_values(library: Library) -> None:
    from rlmesh import spaces
    from rlmesh.dtypes import dtype

    class Foreign:
        observation_space = spaces.Dict(
            {"x": spaces.Box(-1, 1, (2, 2), "float32"), "n": spaces.Discrete(3)}
        )
        action_space = spaces.Discrete(2)

        def reset(self, seed: Any = None, options: Any = None) -> Any:
            x = library.array(dtype("float32"), [0.25, -0.5, 1.0, 0.0], (2, 2))
            # Its columns are not in C order.
            return {"x": x.T, "n": library.array(dtype("int32"), [2], ())}, {"x": x}

        def step(self, action: Any) -> Any:
            return self.reset()[0], 0.0, False, False, {}

        def close(self) -> None:
            pass

    with EnvServer(Foreign()) as server, rlmesh.RemoteEnv(server.address) as remote:
        observation, info = remote.reset()
        assert observation["x"].tolist() == [[0.25, 1.0], [-0.5, 0.0]]
        assert observation["n"] == 2
        assert info["x"].tolist() == [[0.25, -0.5], [1.0, 0.0]]


@pytest.mark.parametrize("name", ["jax", "jax-x64"])
def test_observations_pass_through_jit_without_tracing_again(name: str) -> None:
    with open_library(name):
        import jax

        traces: list[Any] = []

        @jax.jit
        def policy(observation: Any) -> Any:
            traces.append(observation)
            return jax.numpy.argmax(observation["real"]) + observation["image"].sum() * 0

        class Plain(Awkward):
            def reset(self, **kwargs: Any) -> Any:
                return super().reset(**kwargs)[0], {}

        from rlmesh.jax import RemoteEnv

        with EnvServer(Plain()) as server:
            env = RemoteEnv(server.address)
            observation, _ = env.reset(seed=0)
            policy(observation)
            for _ in range(3):
                observation = env.step(np.zeros(2, np.float32))[0]
                policy(observation)
            env.close()
        assert len(traces) == 1
