"""Train a policy by PPO in PyTorch, on a served vector of CartPole.

The vector is one client: each step sends a batch of actions, and gets a batch of tensors. Without
`--address` this process serves it too; `rlmesh.EnvServer([make] * 8, ...)` does it anywhere else.
"""

import argparse

import gymnasium as gym
import torch
from torch import nn
from torch.distributions import Categorical

import rlmesh
from rlmesh.torch import RemoteVectorEnv

LANES = 8
STEPS = 64  # Of each lane, between two updates.
PASSES = 4  # Over the steps, in one update.
BATCH = 128
GAMMA, LAMBDA, CLIP = 0.99, 0.95, 0.2


class ActorCritic(nn.Module):
    """A policy, and the value of an observation."""

    def __init__(self, inputs, actions):
        super().__init__()
        self.policy = nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, actions))
        self.value = nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 1))

    def forward(self, observations):
        """Return the distribution of actions, and the values."""
        return Categorical(logits=self.policy(observations)), self.value(observations).squeeze(-1)


def make():
    """Return one lane."""
    return gym.make("CartPole-v1")


def collect(envs, net, observations):
    """Play STEPS steps; return what was seen, done and gained, and the last observations."""
    rows = []
    for _ in range(STEPS):
        with torch.no_grad():
            distribution, values = net(observations)
            actions = distribution.sample()
        following, rewards, terminated, truncated, _ = envs.step(actions)
        over = torch.logical_or(terminated, truncated)
        log_probs = distribution.log_prob(actions)
        rows.append((observations, actions, log_probs, values, rewards.float(), over.float()))
        observations = following
    return [torch.stack(column) for column in zip(*rows)], observations


def advantages(values, rewards, over, last_values):
    """Return the generalized advantage of each step."""
    found = torch.zeros_like(rewards)
    gained = torch.zeros_like(last_values)
    following = last_values
    for step in reversed(range(len(rewards))):
        going_on = 1 - over[step]
        error = rewards[step] + GAMMA * following * going_on - values[step]
        found[step] = gained = error + GAMMA * LAMBDA * going_on * gained
        following = values[step]
    return found


def update(net, optimizer, observations, actions, old, gains, returns):
    """Improve the policy by the clipped objective, in several passes over the steps."""
    for _ in range(PASSES):
        for rows in torch.randperm(len(actions)).split(BATCH):
            distribution, values = net(observations[rows])
            ratio = (distribution.log_prob(actions[rows]) - old[rows]).exp()
            gain = (gains[rows] - gains[rows].mean()) / (gains[rows].std() + 1e-8)
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            loss = -torch.min(ratio * gain, clipped * gain).mean()
            loss = loss + 0.5 * (values - returns[rows]).square().mean()
            loss = loss - 0.01 * distribution.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()


def train(address, updates):
    """Return a policy that was trained on a served vector."""
    envs = RemoteVectorEnv(address)
    try:
        net = ActorCritic(4, 2)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        observations, _ = envs.reset(seed=0)
        for number in range(updates):
            batch, observations = collect(envs, net, observations)
            seen, actions, old, values, rewards, over = batch
            with torch.no_grad():
                gains = advantages(values, rewards, over, net(observations)[1])
            returns = gains + values
            columns = [column.flatten(0, 1) for column in (seen, actions, old, gains, returns)]
            update(net, optimizer, *columns)
            ends = max(float(over.sum()), 1.0)
            print(f"update {number + 1}: {rewards.numel() / ends:.1f} steps an episode")
        return net
    finally:
        envs.close()


def evaluated(net, episodes):
    """Return the mean reward of the policy's best actions, on seeds that it was not trained on."""

    def predict(observations):
        with torch.no_grad():
            return net.policy(observations).argmax(-1)

    class Best(rlmesh.torch.Model):
        def predict_batch(self, observations):
            return predict(observations)

    with rlmesh.EnvServer(factory=make, max_sessions=4) as server:
        addresses = [server.address] * 4
        return rlmesh.evaluate(Best(), addresses, seeds=range(1000, 1000 + episodes)).mean_reward


def main(address="", updates=60, episodes=20):
    """Train, and print the mean reward before and after."""
    torch.set_num_threads(1)  # More would wait for each other, with a network as small as this.
    torch.manual_seed(0)
    before = evaluated(ActorCritic(4, 2), episodes)
    if address:
        net = train(address, updates)
    else:
        with rlmesh.EnvServer([make] * LANES, autoreset_mode="SameStep") as server:
            net = train(server.address, updates)
    after = evaluated(net, episodes)
    print(f"mean reward {before:.1f} before, {after:.1f} after")
    return before, after


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="", help="of a served vector of autoreset SameStep")
    parser.add_argument("--updates", type=int, default=60)
    main(**vars(parser.parse_args()))
