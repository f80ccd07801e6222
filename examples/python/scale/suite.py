"""Evaluate one policy on a suite of tasks, on several servers, with a report and a journal.

A task has environments, seeds, reset options and an instruction of its own; here they are starts of
CartPole that are nearer to a fall. The page `suite.html` has the figures of each task.
"""

import argparse
from pathlib import Path

import gymnasium as gym

import rlmesh
from rlmesh import Episode, Task


def balance(observation):
    """Push the cart to the side that the pole falls to."""
    return int(observation[2] + observation[3] > 0)


def suite(addresses, episodes):
    """Return the tasks by name: how far from the upright an episode begins at most."""
    tasks = {}
    for name, far in (("near", 0.05), ("tilted", 0.12), ("far", 0.19)):
        starts = [Episode(seed, options={"low": -far, "high": far}) for seed in range(episodes)]
        tasks[name] = Task(addresses, starts)
    return tasks


def main(folder=".", episodes=20, endpoints=2):
    """Play the suite, print a line for each task, and write the report."""
    folder = Path(folder)
    make = lambda: gym.make("CartPole-v1")  # noqa: E731
    with rlmesh.EnvServer(factory=make, max_sessions=3 * endpoints) as server:
        result = rlmesh.evaluate(
            balance,
            suite([server.address] * endpoints, episodes),
            success=lambda infos: len(infos) == 500,
            journal=folder / "suite.journal",
            resume=True,
        )
    for name, part in result.by_task().items():
        rate, interval = part.success_rate, part.success_interval()
        print(f"{name}: success {rate:.0%} in {interval}, reward {part.mean_reward:.1f}")
    print(f"each task counts the same: success {result.macro_success_rate:.0%}")
    result.to_html(folder / "suite.html")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=".", help="for suite.html and suite.journal")
    parser.add_argument("--episodes", type=int, default=20)
    main(**vars(parser.parse_args()))
