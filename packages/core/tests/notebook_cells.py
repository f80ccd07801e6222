"""The cells of a notebook that shows results and progress, and awaits."""

from __future__ import annotations

__all__ = ["CELLS"]

ENV = """
import asyncio
import rlmesh
from rlmesh.spaces import Discrete

class Walk:
    observation_space = Discrete(9)
    action_space = Discrete(2)

    def reset(self, seed=None, options=None):
        self.count = 0
        return 0, {}

    def step(self, action):
        self.count += 1
        return self.count, 1.0, self.count == 3, False, {"is_success": True}

    def close(self): ...

def one(observation):
    return 1
"""

CELLS = {
    "env": ENV,
    "progress": "result = rlmesh.evaluate(one, Walk(), seeds=range(3), progress='auto')",
    "result": "result",
    "comparison": "rlmesh.results.compare(result, result)",
    # A cell runs in the kernel's event loop, in which nothing of RLMesh may run another.
    "remote": """
with rlmesh.EnvServer(Walk(), "127.0.0.1:0") as server:
    with rlmesh.ModelServer(rlmesh.Model(one), "127.0.0.1:0") as model:
        remote = rlmesh.evaluate(model.address, [server.address], seeds=range(3))
print(remote.mean_reward, asyncio.get_running_loop().is_running())
""",
    "await": """
async def beside():
    with rlmesh.EnvServer(Walk(), "127.0.0.1:0") as server:
        run = rlmesh.evaluate(one, server.address, seeds=range(2))
    await asyncio.sleep(0)
    return len(run.episodes)

print(await beside(), await asyncio.to_thread(lambda: len(
    rlmesh.evaluate(one, Walk(), seeds=range(4)).episodes)))
""",
}
