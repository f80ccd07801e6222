"""rlmesh 0.1.0 of PyPI, the Rust peer of the same name, over TCP or a Unix socket."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import rlmesh
from benchmarks.peers.cases import Case
from benchmarks.peers.sides import environments, program
from rlmesh.numpy import RemoteEnv, RemoteVectorEnv


class Remote:
    """A client."""

    def __init__(self, case: Case, address: str) -> None:
        self._vector = case.kind == "vector"
        kind: Any = RemoteVectorEnv if self._vector else RemoteEnv
        self._env = kind(address)

    def reset(self, seed: int | None) -> Any:
        return self._env.reset(seed=seed)[0]

    def step(self, action: Any) -> tuple[Any, bool]:
        observation, _, terminated, truncated, _ = self._env.step(action)
        return observation, not self._vector and (terminated or truncated)

    def close(self) -> None:
        self._env.close()


def serve(case: Case, option: str, ready: program.Ready) -> None:
    path = os.path.join(tempfile.mkdtemp(prefix="peers-"), "socket")
    where = {"path": path} if option == "unix" else {}
    server = rlmesh.EnvServer(environments.make(case), **where)
    server.start()
    ready(server.address)
    server.wait()


def connect(case: Case, option: str, address: str) -> Remote:
    return Remote(case, address)


if __name__ == "__main__":
    program.run(connect, serve, versions=["rlmesh", "gymnasium", "numpy"])
