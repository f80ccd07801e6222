"""Serve a small environment that needs neither Gymnasium nor NumPy."""

import argparse

import rlmesh


class CounterEnv:
    """Counts steps modulo 5; an episode has three."""

    observation_space = rlmesh.spaces.Discrete(5)
    action_space = rlmesh.spaces.Discrete(2)

    def __init__(self):
        self.step_count = 0

    def reset(self, seed=None, options=None):
        self.step_count = 0
        return 0, {}

    def step(self, action):
        self.step_count += 1
        observation = self.step_count % 5
        terminated = self.step_count >= 3
        return observation, 1.0, terminated, False, {"action": action}

    def close(self):
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:5555")
    args = parser.parse_args()
    server = rlmesh.EnvServer(CounterEnv(), args.address)
    print(f"serving CounterEnv on {server.address}", flush=True)
    server.serve()
