"""Step a served environment by hand, with sampled actions."""

import argparse

from rlmesh.numpy import RemoteEnv

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:5555")
    parser.add_argument("--max-steps", type=int, default=64)
    args = parser.parse_args()
    env = RemoteEnv(args.address)
    obs, info = env.reset(seed=0)
    for step in range(1, args.max_steps + 1):
        action = env.action_space.sample()
        obs, reward, term, trunc, info = env.step(action)
        print(f"step={step} reward={reward:.3f}")
        if term or trunc:
            break
    env.close()
