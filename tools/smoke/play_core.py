"""rlmesh-core alone: serve and play an environment without NumPy. Run in an empty environment."""

import sys
from collections.abc import Mapping
from importlib import import_module, metadata, util
from typing import Any

import rlmesh


class CounterEnv:
    observation_space = rlmesh.spaces.Discrete(5)
    action_space = rlmesh.spaces.Discrete(2)

    def __init__(self) -> None:
        self.step_count = 0

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        self.step_count = 0
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.step_count += 1
        return self.step_count % 5, 1.0, self.step_count >= 3, False, {"action": action}

    def close(self) -> None:
        pass


def refusal(module: str) -> str:
    """Return the message of the ImportError of a module; empty if it was imported."""
    try:
        import_module(module)
    except ImportError as error:
        return str(error)
    return ""


def main() -> None:
    assert util.find_spec("numpy") is None, "the environment is not an empty one: NumPy is there"
    assert metadata.version("rlmesh-core") == rlmesh.__version__
    with rlmesh.EnvServer(CounterEnv()) as server:
        env = rlmesh.RemoteEnv(server.address)
        assert env.reset(seed=0) == (0, {})
        assert env.step(1) == (1, 1.0, False, False, {"action": 1})
        env.close()
        result = rlmesh.Model(lambda observation: 0).run(server.address, seeds=[0, 1])
    assert [episode.reward for episode in result.episodes] == [3.0, 3.0], result
    assert "pip install" in refusal("rlmesh.numpy")
    loaded = {"numpy", "gymnasium", "torch", "jax"} & set(sys.modules)
    assert not loaded, f"rlmesh imports {loaded}"


if __name__ == "__main__":
    main()
