"""Snippets of the user's pages, as they are printed there."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PAGES", "SNIPPETS", "run_snippet"]

PAGES = Path(__file__).resolve().parents[3] / "shared" / "documents"

SNIPPETS: dict[str, tuple[str, str]] = {
    "counter": (
        "custom-work.txt",
        """\
import rlmesh


class CounterEnv:
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


server = rlmesh.EnvServer(CounterEnv(), "127.0.0.1:5555")
print(f"serving CounterEnv on {server.address}")
server.serve()
""",
    ),
    "model": (
        "custom-work.txt",
        """\
from rlmesh.numpy import Model


def predict(observation):
    return 0


model = Model(predict)
model.run("127.0.0.1:5555", max_episodes=1)
""",
    ),
    "loop": (
        "custom-work.txt",
        """\
from rlmesh.numpy import RemoteEnv

env = RemoteEnv("127.0.0.1:5555")
obs, info = env.reset(seed=0)
for step in range(1, 65):
    action = env.action_space.sample()
    obs, reward, term, trunc, info = env.step(action)
    if term or trunc:
        break
env.close()
""",
    ),
    "serve": (
        "serve-an-environment.txt",
        """\
import gymnasium as gym
import rlmesh

env = gym.make("CartPole-v1")
server = rlmesh.EnvServer(env, "127.0.0.1:5555")
server.serve()
""",
    ),
    "start": (
        "serve-an-environment.txt",
        """\
server = rlmesh.EnvServer(env, port=5555)
server.start()
print(server.address)
server.wait()
""",
    ),
    "contract": (
        "serve-an-environment.txt",
        """\
server = rlmesh.EnvServer(env, "127.0.0.1:5555")
contract = server.env_contract

print(contract.id)
print(contract.observation_space.kind)
print(contract.action_space.kind)
print(contract.num_envs)
""",
    ),
    "addresses": (
        "serve-an-environment.txt",
        """\
rlmesh.EnvServer(env, "tcp://127.0.0.1:5555")
rlmesh.EnvServer(env, "127.0.0.1:5555")
rlmesh.EnvServer(env, "unix:///tmp/rlmesh-env.sock")
""",
    ),
    "helpers": (
        "serve-an-environment.txt",
        """\
rlmesh.EnvServer(env, host="127.0.0.1", port=5555)
rlmesh.EnvServer(env, path="/tmp/rlmesh-env.sock")
""",
    ),
    "ready": (
        "serve-an-environment.txt",
        """\
exec 3>/tmp/rlmesh-ready
python -m rlmesh._cli.serve_env --env CartPole-v1 \\
  --address tcp://127.0.0.1:0 --ready-fd 3 &
exec 3>&-                            # close our copy so EOF propagates
addr=$(head -n1 /tmp/rlmesh-ready)   # the resolved bind address
echo "ready at $addr"
""",
    ),
}


def run_snippet(name: str, names: dict[str, object], **changes: str) -> None:
    """Run a snippet with some of its text changed (a port, a path)."""
    source = SNIPPETS[name][1]
    for old, new in changes.items():
        assert old in source, f"{name} has no {old!r}"
        source = source.replace(old, new)
    exec(compile(source, name, "exec"), names)  # noqa: S102  (our own text)
