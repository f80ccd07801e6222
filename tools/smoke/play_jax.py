"""rlmesh-jax: CartPole-v1 in its arrays."""

import gymnasium
import jax

import rlmesh
from rlmesh.jax import RemoteEnv


def main() -> None:
    with rlmesh.EnvServer(gymnasium.make("CartPole-v1")) as server:
        env = RemoteEnv(server.address)
        observation, _ = env.reset(seed=7)
        assert isinstance(observation, jax.Array), type(observation)
        assert observation.shape == (4,)
        observation, reward, *_ = env.step(1)
        assert isinstance(observation, jax.Array), type(observation)
        assert float(reward) == 1.0
        env.close()


if __name__ == "__main__":
    main()
