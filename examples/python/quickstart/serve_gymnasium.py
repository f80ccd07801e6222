"""Serve a registered Gymnasium environment."""

import argparse

import gymnasium as gym
from rlmesh import EnvServer

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:5555")
    parser.add_argument("--env-id", default="CartPole-v1")
    args = parser.parse_args()
    env = gym.make(args.env_id)
    server = EnvServer(env, args.address)
    print(f"serving {args.env_id} on {server.address}", flush=True)
    server.serve()
