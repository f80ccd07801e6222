"""Evaluate a policy on environments in Ray actors, one server an actor.

`ray.init()` starts Ray on this machine, or joins the cluster that `RAY_ADDRESS` names; its actors
run on the nodes that have free CPUs. Needs `pip install "rlmesh-core[gymnasium,ray]"`.
"""

import argparse

import gymnasium as gym
import ray  # pants: no-infer-dep

import rlmesh
from rlmesh.ray import EnvPool


def make():
    """Return an environment; called in each actor."""
    return gym.make("CartPole-v1")


def balance(observation):
    """Push the cart to the side that the pole falls to."""
    return int(observation[2] + observation[3] > 0)


def main(actors=4, episodes=100):
    """Play the episodes, and print the result."""
    ray.init()
    with EnvPool(make, actors, num_cpus=1) as pool:
        result = rlmesh.evaluate(balance, pool, seeds=range(episodes), progress="auto")
    ray.shutdown()
    print(f"{len(result.episodes)} episodes, mean reward {result.mean_reward:.1f}")
    for endpoint, part in sorted(result.by_endpoint().items()):
        print(f"{endpoint}: {len(part.episodes)} episodes")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actors", type=int, default=4)
    parser.add_argument("--episodes", type=int, default=100)
    main(**vars(parser.parse_args()))
