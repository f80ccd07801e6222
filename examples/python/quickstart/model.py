"""Run a model against a served environment."""

import argparse

from rlmesh.numpy import Model


def predict(observation):
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:5555")
    parser.add_argument("--episodes", type=int, default=1)
    args = parser.parse_args()
    result = Model(predict).run(args.address, max_episodes=args.episodes)
    for episode in result.episodes:
        print(f"episode={episode.index} steps={episode.steps} reward={episode.reward:.3f}")
    print(f"mean reward {result.mean_reward:.3f}")
