"""A policy in PyTorch that predicts chunks of actions, served, and played with several horizons.

The policy imitates a controller of Pendulum's actions eight steps ahead. `execution_horizon` is the
number of actions of a chunk that are taken before the next one is predicted: a longer one needs
fewer predictions, and reacts later.
"""

import gymnasium as gym
import torch
from torch import nn

import rlmesh
from rlmesh.torch import Model

CHUNK = 8
ENV = "Pendulum-v1"


def expert(observation):
    """Return the torque of a controller: pump energy below, hold above."""
    cosine, sine, speed = observation
    if cosine > 0.85:
        return float(max(-2, min(2, -8 * sine - 1.6 * speed)))
    energy = 0.5 * speed**2 + 15 * (cosine - 1)
    return float(max(-2, min(2, -energy * speed)))


def demonstrations(episodes):
    """Return observations of the expert, and its next CHUNK actions after each."""
    seen, chunks = [], []
    env = gym.make(ENV)
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        observations, actions, is_over = [], [], False
        while not is_over:
            action = expert(observation)
            observations.append(torch.as_tensor(observation))
            actions.append(action)
            observation, _, terminated, truncated, _ = env.step([action])
            is_over = terminated or truncated
        for step in range(len(actions) - CHUNK + 1):
            seen.append(observations[step])
            chunks.append(torch.tensor(actions[step : step + CHUNK]))
    env.close()
    return torch.stack(seen).float(), torch.stack(chunks)


def imitation(episodes, passes):
    """Return a network from an observation to a chunk of actions, trained on demonstrations."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
    net.append(nn.Linear(128, CHUNK))
    seen, chunks = demonstrations(episodes)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(passes):
        for rows in torch.randperm(len(seen)).split(256):
            loss = (net(seen[rows]) - chunks[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net


class ChunkPolicy(Model):
    """A network with CHUNK actions as its output, one after another."""

    def predict_chunk_batch(self, observations):
        with torch.no_grad():
            return self.source(observations).clamp(-2, 2).unsqueeze(-1)


def main(episodes=20, passes=40, seeds=20):
    """Serve the policy and the environment; print the reward for each horizon."""
    torch.set_num_threads(1)  # More would wait for each other, with a network as small as this.
    model = ChunkPolicy(imitation(episodes, passes))
    rewards = {}
    with (
        rlmesh.ModelServer(model) as policy,
        rlmesh.EnvServer(factory=lambda: gym.make(ENV), max_sessions=4) as server,
    ):
        for horizon in (1, 4, CHUNK):
            result = rlmesh.evaluate(
                policy.address,
                [server.address] * 4,
                seeds=range(100, 100 + seeds),
                execution_horizon=horizon,
            )
            rewards[horizon] = result.mean_reward
            print(f"horizon {horizon}: mean reward {result.mean_reward:.0f}")
        random = rlmesh.evaluate(rlmesh.RANDOM_SAMPLE, server.address, seeds=range(seeds))
        rewards[0] = random.mean_reward
        print(f"random: mean reward {random.mean_reward:.0f}")
    return rewards


if __name__ == "__main__":
    main()
