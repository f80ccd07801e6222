"""A policy in JAX, improved by the gradient of its rewards on a served vector.

Observations arrive as `jax.Array`, on the device of the model; the compiled function never leaves
it. Needs `pip install "rlmesh-core[jax]"`.
"""

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np

import rlmesh
from rlmesh.jax import Model, RemoteVectorEnv

LANES = 16
STEPS = 200


def logits(weights, observations):
    """Return the preference for the second action."""
    hidden = jnp.tanh(observations @ weights["first"])
    return hidden @ weights["second"]


def loss(weights, observations, actions, gains):
    """Return the objective of REINFORCE: its gradient makes good actions more likely."""
    chosen = jax.nn.log_sigmoid(jnp.where(actions == 1, 1, -1) * logits(weights, observations))
    return -(chosen * gains).mean()


gradient = jax.jit(jax.grad(loss))
probability = jax.jit(lambda weights, observations: jax.nn.sigmoid(logits(weights, observations)))


class Policy(Model):
    """The better action, for a whole batch in one call."""

    def predict_batch(self, observations):
        return (probability(self.source, observations) > 0.5).astype(jnp.int32)


def played(envs, weights, rng):
    """Play STEPS steps in all lanes; return observations, actions and discounted rewards to go."""
    observations, _ = envs.reset(seed=int(rng.integers(2**31)))
    rows = []
    for _ in range(STEPS):
        chances = np.asarray(probability(weights, observations))
        actions = (rng.random(LANES) < chances).astype(np.int64)
        following, _, terminated, truncated, _ = envs.step(actions)
        over = np.logical_or(np.asarray(terminated), np.asarray(truncated))
        rows.append((np.asarray(observations), actions, over))
        observations = following
    seen, actions, over = map(np.stack, zip(*rows))
    to_go, gains = np.zeros(LANES), np.zeros((STEPS, LANES))
    for step in reversed(range(STEPS)):
        gains[step] = to_go = 1 + 0.98 * to_go * (1 - over[step])
    gains = (gains - gains.mean()) / (gains.std() + 1e-8)
    return seen.reshape(-1, 4), actions.reshape(-1), gains.reshape(-1).astype(np.float32)


def main(rounds=60, episodes=20):
    """Train, evaluate before and after, and print both."""
    rng = np.random.default_rng(0)
    weights = {
        "first": jnp.asarray(rng.normal(0, 0.5, (4, 16)), jnp.float32),
        "second": jnp.asarray(rng.normal(0, 0.1, 16), jnp.float32),
    }
    make = lambda: gym.make("CartPole-v1")  # noqa: E731

    def score(policy):
        return rlmesh.evaluate(policy, make(), seeds=range(1000, 1000 + episodes)).mean_reward

    before = score(Policy(weights))
    with rlmesh.EnvServer([make] * LANES, autoreset_mode="SameStep") as server:
        envs = RemoteVectorEnv(server.address)
        for _ in range(rounds):
            step = gradient(weights, *played(envs, weights, rng))
            weights = jax.tree.map(lambda w, g: w - 0.3 * g, weights, step)
        envs.close()
    after = score(Policy(weights))
    print(f"mean reward {before:.1f} before, {after:.1f} after, on {jax.devices()[0].platform}")
    return before, after


if __name__ == "__main__":
    main()
