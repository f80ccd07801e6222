"""Runs the cells of a notebook in a real kernel, and prints what the kernel has shown as JSON."""

from __future__ import annotations

import json
import sys
from queue import Empty
from typing import Any

from jupyter_client.manager import start_new_kernel  # pants: no-infer-dep

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


def shown_by(client: Any, code: str) -> list[dict[str, Any]]:
    """Run a cell, and return the messages that it made, without those on its state."""
    request = client.execute(code)
    found = []
    while True:
        try:
            message = client.get_iopub_msg(timeout=120)
        except Empty:
            raise TimeoutError(code) from None
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            return found
        if kind not in ("status", "execute_input"):
            found.append({"kind": kind, **content})


def main() -> None:
    """Print the messages of each cell."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        shown = {name: shown_by(client, code) for name, code in CELLS.items()}
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print("RESULT" + json.dumps(shown, default=str), file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
