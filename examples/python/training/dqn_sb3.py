"""Train a policy by the DQN of Stable-Baselines3, on a served CartPole.

The client is a `gymnasium.Env` with Gymnasium's own spaces, so that the library needs to know
nothing of RLMesh. Needs `pip install stable-baselines3`.
"""

import argparse

import gymnasium as gym
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.monitor import Monitor

import rlmesh
from rlmesh.numpy import Model, RemoteEnv


def trained(address, steps):
    """Return a DQN that was trained on a served environment."""
    with RemoteEnv(address) as env:
        policy = DQN(
            "MlpPolicy",
            Monitor(env),
            learning_rate=2.3e-3,
            batch_size=64,
            learning_starts=1000,
            target_update_interval=10,
            train_freq=256,
            gradient_steps=128,
            exploration_fraction=0.16,
            exploration_final_eps=0.04,
            policy_kwargs={"net_arch": [256, 256]},
            seed=0,
        )
        return policy.learn(steps)


def evaluated(policy, address, episodes):
    """Return the run of a policy on seeds that it was not trained on."""

    class Best(Model):
        def predict_batch(self, observations):
            return policy.predict(observations, deterministic=True)[0]

    return rlmesh.evaluate(Best(), [address] * 2, seeds=range(1000, 1000 + episodes))


def main(steps=50_000, episodes=20):
    """Train, and print the mean reward."""
    torch.set_num_threads(1)  # More would wait for each other, with a network as small as this.
    with rlmesh.EnvServer(factory=lambda: gym.make("CartPole-v1"), max_sessions=2) as server:
        policy = trained(server.address, steps)
        result = evaluated(policy, server.address, episodes)
    print(f"mean reward {result.mean_reward:.1f} in {result.reward_interval()}")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50_000)
    main(**vars(parser.parse_args()))
