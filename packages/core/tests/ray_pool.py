"""The program of test_ray_pool.py: runs on actors of a real Ray, and prints what came of it."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import gymnasium
import ray  # pants: no-infer-dep
import ray.cluster_utils  # pants: no-infer-dep

import rlmesh
from rlmesh.numpy import Model
from rlmesh.ray import EnvPool

EPISODES = int(sys.argv[1])


def make() -> Any:
    return gymnasium.make("CartPole-v1")


def predict(observation: Any) -> Any:
    return int(observation[2] + 0.3 * observation[3] > 0)


class Killer:
    """A hook that kills two actors while they play."""

    def __init__(self, pool: EnvPool) -> None:
        self.pool = pool
        self.changes: list[str] = []
        self.ended: dict[str, int] = {}

    def on_endpoint(self, event: rlmesh.EndpointEvent) -> None:
        self.changes.append(f"{event.endpoint} {event.change}")

    def on_episode_end(self, event: Any) -> None:
        self.ended[event.result.endpoint] = self.ended.get(event.result.endpoint, 0) + 1
        count = sum(self.ended.values())
        if count in (EPISODES // 4, EPISODES // 2):
            actor = self.pool.actors[count == EPISODES // 2]
            threading.Thread(target=ray.kill, args=(actor,), kwargs={"no_restart": False}).start()


def compared(run: Any) -> Any:
    return [
        (e.index, e.seed, e.reward, e.steps, e.end.value, e.error is None) for e in run.episodes
    ]


def main() -> None:
    cluster = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False)
    model = Model(predict)
    local = rlmesh.evaluate(model, make(), seeds=range(EPISODES))
    with EnvPool(make, 4, num_cpus=1, host="127.0.0.1") as pool:
        killer = Killer(pool)
        begun = time.monotonic()
        run = rlmesh.evaluate(model, pool, seeds=range(EPISODES), hooks=killer, retries=5)
        seconds = time.monotonic() - begun
        again = rlmesh.evaluate(model, pool, seeds=range(5))
        address = ray.get(pool.actors[0].address.remote())
        nodes = len({node["NodeID"] for node in ray.nodes()})
        try:
            rlmesh.numpy.RemoteEnv(address)
        except rlmesh.errors.AuthenticationError:
            refused = True
    found = {
        "equal": compared(run) == compared(local) and compared(again) == compared(local)[:5],
        "endpoints": sorted(killer.ended),
        "rejoined": [name for name in killer.changes if name.startswith(("actor 0", "actor 1"))],
        "refused": refused,
        "nodes": nodes,
        "seconds": seconds,
    }
    print("RESULT" + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
