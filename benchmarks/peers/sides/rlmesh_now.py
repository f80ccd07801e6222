"""This project: a remote environment over frames or gRPC, with owned observations or views."""

from __future__ import annotations

from typing import Any

import rlmesh
from benchmarks.peers.cases import Case
from benchmarks.peers.sides import environments, program
from rlmesh.numpy import RemoteEnv, RemoteVectorEnv


class Remote:
    """A client; `option` is the transport, with "-view" if arrays may be views of the message."""

    def __init__(self, case: Case, option: str, address: str) -> None:
        transport, _, view = option.partition("-")
        self._vector = case.kind == "vector"
        kind: Any = RemoteVectorEnv if self._vector else RemoteEnv
        self._env = kind(address, transport=transport, copy=not view)

    def reset(self, seed: int | None) -> Any:
        return self._env.reset(seed=seed)[0]

    def step(self, action: Any) -> tuple[Any, bool]:
        observation, _, terminated, truncated, _ = self._env.step(action)
        return observation, not self._vector and (terminated or truncated)

    def close(self) -> None:
        self._env.close()


def serve(case: Case, option: str, ready: program.Ready) -> None:
    server = rlmesh.EnvServer(environments.make(case))
    server.serve(on_ready=lambda: ready(server.address))


def connect(case: Case, option: str, address: str) -> Remote:
    return Remote(case, option, address)


if __name__ == "__main__":
    program.run(connect, serve, versions=["grpcio", "protobuf", "gymnasium", "numpy"])
