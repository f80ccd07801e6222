"""rlmesh-numpy: a seeded rollout of CartPole-v1, remote beside local."""

from typing import Any

import gymnasium
import numpy

import rlmesh
from rlmesh.numpy import RemoteEnv

ACTIONS = numpy.random.default_rng(0).integers(0, 2, 60).tolist()


def rollout(env: gymnasium.Env[Any, Any]) -> list[Any]:
    seen: list[Any] = [env.reset(seed=7)]
    for action in ACTIONS:
        seen.append(env.step(action))
        if seen[-1][2] or seen[-1][3]:
            break
    return seen


def main() -> None:
    local = gymnasium.make("CartPole-v1")
    wanted = rollout(local)
    local.close()
    with rlmesh.EnvServer(gymnasium.make("CartPole-v1")) as server:
        env = RemoteEnv(server.address)
        assert isinstance(env, gymnasium.Env)
        assert env.observation_space == local.observation_space
        found = rollout(env)
        env.close()
    assert len(found) == len(wanted), (len(found), len(wanted))
    for (observation, *rest), (expected, *others) in zip(found, wanted):
        assert observation.dtype == expected.dtype
        assert observation.tobytes() == expected.tobytes()
        assert rest == others, (rest, others)


if __name__ == "__main__":
    main()
